"""Every look at a test part is counted, whoever takes it and however it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_models import ListTask, ScriptedFrozen, exam_of

from forgetless.errors import UserError
from forgetless.guard import Certifier, Choice
from forgetless.records import Item
from forgetless.rundir import cache_folder, open_run

Make = Callable[..., Certifier]
FIXED = exam_of(ListTask("maths"), ListTask("writing"))


def models(tuned: str = "tuned", base: str = "base") -> ScriptedFrozen:
    return ScriptedFrozen(lambda a: {"domain": 0.6 - a / 2}, base_hash=base, tuned_hash=tuned)


@pytest.fixture
def looks(make_certifier: Make, tmp_path: Path) -> Callable[..., int]:
    """The number that a run's certificate gives its look; each run has a folder of its own."""

    def take(run: str, frozen: ScriptedFrozen, exam: Any = FIXED) -> int:
        with open_run(tmp_path / run, resume=True) as folder:
            certifier = make_certifier(exam, folder=folder)
            return certifier.certify(frozen, Choice(1, "")).looks  # type: ignore[arg-type]

    return take


def test_looks_at_the_same_items_are_counted(looks: Callable[..., int]) -> None:
    assert [looks("a", models("one")), looks("b", models("two")), looks("c", models("three"))] == [1, 2, 3]


def test_another_base_or_other_items_are_another_count(looks: Callable[..., int]) -> None:
    assert looks("a", models()) == 1
    assert looks("b", models(base="other")) == 1
    assert looks("c", models(), exam_of(ListTask("maths", test=150))) == 1


def test_a_fresh_task_beside_fixed_ones_does_not_reset_their_count(looks: Callable[..., int]) -> None:
    exam = exam_of(ListTask("maths"), ListTask("sorting", fresh=True))
    assert [looks("a", models("one"), exam), looks("b", models("two"), exam)] == [1, 2]


@pytest.mark.parametrize(
    "again",
    [
        ListTask("maths", backwards=True),
        ListTask("sums", called="maths"),
    ],
    ids=["in another order", "under another name"],
)
def test_the_same_items_go_on_being_counted(looks: Callable[..., int], again: ListTask) -> None:
    fresh = ListTask("domain", fresh=True)
    assert looks("a", models("one"), exam_of(ListTask("maths"), domain=fresh)) == 1
    assert looks("b", models("two"), exam_of(again, domain=fresh)) == 2
    assert looks("c", models("three"), exam_of(again, ListTask("writing"), domain=fresh)) == 3


def test_fresh_items_alone_are_always_a_first_look(looks: Callable[..., int]) -> None:
    exam = exam_of(ListTask("sorting", fresh=True), domain=ListTask("domain", fresh=True))
    assert [looks("a", models("one"), exam), looks("b", models("two"), exam)] == [1, 1]


def test_a_run_that_is_resumed_while_it_certifies_has_looked_once(looks: Callable[..., int]) -> None:
    # The same models on the same items: what is seen again is what was seen.
    assert [looks("a", models()), looks("a", models())] == [1, 1]
    assert looks("b", models("two")) == 2


def test_a_look_is_written_down_before_it_is_taken(looks: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(self: ListTask, engine: Any, items: list[Item], progress: Any = None) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ListTask, "score", killed)
        with pytest.raises(KeyboardInterrupt):
            looks("a", models("one"))
    assert looks("b", models("two")) == 2


def test_the_ledger_is_one_file_for_all_runs(looks: Callable[..., int]) -> None:
    looks("a", models("one"))
    looks("b", models("two"))
    told = (cache_folder() / "ledger.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in told.splitlines() if line]
    assert [line["model"] for line in lines] == ["one"] * 3 + ["two"] * 3
    assert len({line["test"] for line in lines}) == 3


def test_a_line_that_was_cut_short_loses_no_other(looks: Callable[..., int]) -> None:
    path = cache_folder() / "ledger.jsonl"
    looks("a", models("one"))
    with path.open("a") as file:
        file.write('{"base": "base", "te')
    assert looks("b", models("two")) == 2
    assert looks("c", models("three")) == 3


def test_a_cache_that_cannot_be_written_has_a_way_out(
    looks: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError) as caught:
        looks("a", models())
    assert "FORGETLESS_CACHE" in str(caught.value)
