"""The order of one stream's documents."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from forgetless.mixture.order import DocumentOrder, pass_order


def single(row: int) -> int:
    """Every row gives one document."""
    return 1


def test_a_pass_has_every_document_once() -> None:
    assert sorted(pass_order(1000, seed=3, name="a", number=7).tolist()) == list(range(1000))


@pytest.mark.parametrize("other", [{"seed": 4}, {"name": "b"}, {"number": 8}])
def test_seed_name_and_pass_each_change_the_order(other: dict[str, object]) -> None:
    one = {"seed": 3, "name": "a", "number": 7}
    assert pass_order(100, **one).tolist() == pass_order(100, **one).tolist()  # type: ignore[arg-type]
    assert pass_order(100, **one).tolist() != pass_order(100, **(one | other)).tolist()  # type: ignore[arg-type]


def test_the_order_is_pinned_across_versions_of_numpy() -> None:
    assert pass_order(8, seed=0, name="domain", number=0).tolist() == [5, 3, 0, 7, 2, 1, 4, 6]


def test_documents_are_spread_evenly_over_the_first_places() -> None:
    firsts = [int(pass_order(5, seed=0, name="a", number=number)[0]) for number in range(2000)]
    counts = np.bincount(firsts, minlength=5)
    assert counts.min() > 320
    assert counts.max() < 480


def test_what_found_no_room_is_offered_first_and_once_to_a_batch() -> None:
    order = DocumentOrder(10, single, seed=0, name="a", waiting_limit=4)
    first = list(islice(order.offers(), 3))
    order.take(first[1])
    again = list(islice(order.offers(), 4))
    assert again[:2] == [first[0], first[2]]
    assert len(set(again)) == 4


def test_offers_end_when_as_many_wait_as_may() -> None:
    order = DocumentOrder(10, single, seed=0, name="a", waiting_limit=4)
    offered = list(order.offers())
    assert len(offered) == 4
    assert list(order.offers()) == offered


def test_a_document_that_waits_is_not_drawn_for_the_next_pass() -> None:
    order = DocumentOrder(3, single, seed=0, name="a", waiting_limit=8)
    for _ in range(20):
        for document in order.offers():
            if document != 1:
                order.take(document)
        assert order.state()["waiting"].count(1) == 1


def test_no_document_is_lost_or_doubled_over_passes() -> None:
    order = DocumentOrder(7, single, seed=0, name="a", waiting_limit=3)
    taken: list[int] = []
    for batch in range(300):
        for document in islice(order.offers(), 4):
            if (document + batch) % 3:
                order.take(document)
                taken.append(document)
    counts = np.bincount(taken, minlength=7)
    assert counts.max() - counts.min() <= 2


def test_a_restored_walk_goes_on_as_the_other() -> None:
    order = DocumentOrder(7, single, seed=0, name="a", waiting_limit=3)
    for _ in range(11):
        order.take(list(islice(order.offers(), 2))[-1])
    other = DocumentOrder(7, single, seed=0, name="a", waiting_limit=3)
    other.restore(order.state())
    assert other.state() == order.state()
    for _ in range(40):
        one, two = next(iter(order.offers())), next(iter(other.offers()))
        assert one == two
        order.take(one)
        other.take(two)


def test_a_row_gives_its_documents_together_or_none_and_is_counted() -> None:
    order = DocumentOrder(4, lambda row: row, seed=0, name="a", waiting_limit=8)
    taken: list[int] = []
    for _ in range(40):
        for document in order.offers():
            order.take(document)
            taken.append(document)
            break
    assert sorted(taken[:6]) == [1, 2, 3, 6, 7, 11]
    assert order.left_out == 1
    other = DocumentOrder(4, lambda row: row, seed=0, name="a", waiting_limit=8)
    other.restore(order.state())
    assert (other.left_out, other.state()) == (1, order.state())


def test_no_row_is_drawn_again_while_any_of_its_documents_waits() -> None:
    order = DocumentOrder(2, lambda row: 2, seed=0, name="a", waiting_limit=9)
    for _ in range(10):
        for document in order.offers():
            if document != 3:
                order.take(document)
        assert order.state()["waiting"] == [3]
