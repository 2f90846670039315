"""Which answers are shown before and after."""

from __future__ import annotations

from forgetless.examples import pick_examples
from forgetless.records import Item, ItemResult, Message

ITEMS = [Item(f"i{k}", (Message("user", f"question {k}"),), target="yes") for k in range(9)]


def picked(*moves: tuple[float | None, float | None], output: str = "said") -> list[str]:
    before = [ItemResult(f"i{k}", b, output) for k, (b, _) in enumerate(moves)]
    after = [ItemResult(f"i{k}", t, output) for k, (_, t) in enumerate(moves)]
    return [e.prompt[-1] for e in pick_examples("quiz", ITEMS, before, after, count=2)]


def test_what_fell_most_and_then_what_rose_most() -> None:
    moves = [(1.0, 1.0), (0.5, 0.2), (1.0, 0.0), (0.2, 0.1), (0.0, 0.5), (0.0, 1.0), (0.5, 0.6)]
    assert picked(*moves) == ["2", "1", "5", "4"]


def test_where_nothing_moved_some_that_stood_still() -> None:
    assert picked((1.0, 1.0), (0.0, 0.0), (1.0, 1.0)) == ["0", "1"]


def test_a_missing_answer_is_no_move() -> None:
    assert picked((1.0, None), (None, 1.0), (0.0, 1.0)) == ["2"]


def test_likelihoods_without_text_give_no_example() -> None:
    assert picked((1.0, 0.0), output="") == []
