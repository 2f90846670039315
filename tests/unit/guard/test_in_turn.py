"""Asking no more than a verdict takes: the certificate with `stop_early`, and what is looked up and not asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from scripted_models import MARGIN, ListTask, ScriptedFrozen, ScriptedModel, exam_of

from forgetless.guard import Capability, Certifier, Choice, Comparer, Exam, draw_test_items
from forgetless.records import Certificate, Verdict, to_json
from forgetless.rundir import RunFolder, ScoreStore, cache_folder, open_run
from forgetless.tasks import block_items, blocks, measure
from forgetless.verdicts import SequentialJudge, settle_together

Make = Callable[..., Certifier]
N = 2000
LONG = exam_of(ListTask("maths", test=N), ListTask("sorting", fresh=True, test=N))
NAMES = ("maths", "sorting")


@dataclass
class Dies(ScriptedModel):
    """Is killed at its item number `after`."""

    after: int = 0

    def score(self, task: str, item: Any) -> float:
        if len(self.asked) >= self.after:
            raise KeyboardInterrupt
        return ScriptedModel.score(self, task, item)


def models(**lost: float) -> ScriptedFrozen:
    """A model that gains the domain; what it loses of an ability grows on its way out."""
    return ScriptedFrozen(lambda a: {"domain": 0.6 - a / 2} | {name: share * a for name, share in lost.items()})


def certify(certifier: Certifier, frozen: ScriptedFrozen) -> Certificate:
    return certifier.certify(frozen, Choice(7, "the best"))  # type: ignore[arg-type]


def by_name(verdicts: tuple[Verdict, ...]) -> Mapping[str, Verdict]:
    return {v.capability: v for v in verdicts}


def answered(model: ScriptedModel, *names: str) -> list[str]:
    return [item for item in model.asked if "-test-" in item and item.split("-")[0] in names]


def test_a_clear_drop_and_a_plain_keep_take_a_block_or_two(make_certifier: Make) -> None:
    frozen = models(sorting=0.6)
    certificate = certify(make_certifier(LONG, stop_early=True, path=[1.0]), frozen)
    found = by_name(certificate.verdicts)
    assert {name: v.outcome for name, v in found.items()} == {"maths": "kept", "sorting": "dropped"}
    base, tuned = frozen.models[0.0], frozen.models[1.0]
    for name in NAMES:
        assert found[name].planned_n == N
        assert found[name].n <= len(answered(tuned, name)) <= 2 * (block_items(N) + 1)
        assert answered(base, name) == answered(tuned, name), "the base is asked the same items, and no others"
    assert certificate.domain.n == len(answered(tuned, "domain")) == 160
    assert certificate.domain.planned_n is None
    assert "sorting: dropped" in certificate.missing[0]
    assert to_json(found["maths"])["planned_n"] == N


def test_without_it_everything_is_asked(make_certifier: Make) -> None:
    frozen = models(sorting=0.6)
    certificate = certify(make_certifier(LONG, path=[1.0]), frozen)
    assert [(v.n, v.planned_n) for v in certificate.verdicts] == [(N, None)] * 2
    assert {len(answered(model, *NAMES)) for model in frozen.models.values()} == {2 * N}
    assert "planned_n" not in to_json(certificate.verdicts[0])


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.15, 0.4])
def test_the_verdicts_are_those_of_the_judge_by_itself(make_certifier: Make, share: float) -> None:
    certifier = make_certifier(LONG, stop_early=True, path=[1.0], discordance={"maths": 0.05})
    certificate = certify(certifier, models(maths=share, sorting=share))
    drawn = draw_test_items(LONG.tasks, limit=None, seed=0, fresh_seeds=certificate.item_seeds)
    judges = []
    for capability in LONG.capabilities:
        name, task = capability.name, capability.task
        judges.append(
            SequentialJudge(
                name, margin=MARGIN, planned_n=N, binary=True, jointly=2, discordance={"maths": 0.05}.get(name)
            )
        )
        for block in blocks(drawn[name]):
            before, after = (task.score(ScriptedModel("m", lost), block) for lost in ({}, {name: share}))
            if judges[-1].update(before, after):
                break
    assert certificate.verdicts == tuple(settle_together(judges))


def test_the_walk_and_the_end_share_what_they_ask_of_the_base(make_certifier: Make) -> None:
    frozen = models()
    certificate = certify(make_certifier(LONG, stop_early=True, path=[0.5, 1.0]), frozen)
    assert certificate.certified
    assert {v.planned_n for step in certificate.path for v in step.verdicts} == {N}
    base = frozen.models[0.0]
    assert len(answered(base, *NAMES)) == len(set(answered(base, *NAMES))) <= 4 * (block_items(N) + 1)


def test_a_base_that_was_asked_everything_before_is_asked_nothing(make_certifier: Make) -> None:
    exam = exam_of(LONG.capabilities[0].task)  # type: ignore[arg-type]
    task, store = exam.capabilities[0].task, ScoreStore(cache_folder() / "scores")
    measure(ScriptedModel("base"), task, task.items("test"), store=store)  # type: ignore[arg-type]
    frozen = models()
    certificate = certify(make_certifier(exam, stop_early=True, path=[1.0]), frozen)
    assert certificate.verdicts[0].n < N
    assert answered(frozen.models[0.0], "maths") == []
    assert 0 < len(answered(frozen.models[1.0], "maths")) < N


def test_who_then_wants_the_whole_list_asks_the_rest(make_certifier: Make) -> None:
    frozen = models()
    certify(make_certifier(LONG, stop_early=True, path=[1.0]), frozen)
    asked, later = answered(frozen.models[0.0], "maths"), ScriptedModel("base")
    task, store = LONG.capabilities[0].task, ScoreStore(cache_folder() / "scores")
    sheet = measure(later, task, task.items("test"), store=store)  # type: ignore[arg-type]
    assert [*asked, *later.asked] == [item.id for item in task.items("test")] == [r.item_id for r in sheet.results]
    assert asked
    assert later.asked


def test_examples_are_of_what_was_asked_and_ask_nothing(make_certifier: Make) -> None:
    certifier, frozen, after = make_certifier(LONG, stop_early=True), models(sorting=0.6), models(sorting=0.6)
    certificate = certify(certifier, frozen)
    examples = certifier.examples(after, certificate)  # type: ignore[arg-type]
    assert after.asked == set()
    assert {e.capability for e in examples} == {"domain", "maths", "sorting"}
    assert {e.prompt.removeprefix("ask ") for e in examples} <= frozen.asked


@pytest.mark.parametrize(("position", "after"), [(0.0, 500), (0.5, 100), (1.0, 100), (1.0, 300)])
def test_a_certificate_that_was_killed_ends_as_if_it_had_not_been(
    make_certifier: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, position: float, after: int
) -> None:
    killed, resumed, whole = (models(sorting=0.6) for _ in range(3))
    mark = {0.0: "base", 0.5: "base-0.5-tuned", 1.0: "tuned"}[position]
    killed.models[position] = dying = Dies(mark, killed.lost(position), after=after)
    with pytest.raises(KeyboardInterrupt):
        certify(make_certifier(LONG, stop_early=True, path=[0.5, 1.0]), killed)
    found = certify(make_certifier(LONG, stop_early=True, path=[0.5, 1.0]), resumed)
    again = set(dying.asked) & set(resumed.models[position].asked)
    assert len(again) <= block_items(N)
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "other cache"))
    with open_run(tmp_path / "other run") as folder:
        assert certify(make_certifier(LONG, folder=folder, stop_early=True, path=[0.5, 1.0]), whole) == found


def test_a_drop_among_many_abilities_is_asked_about_until_it_is_shown(make_certifier: Make) -> None:
    exam = exam_of(*(ListTask(f"c{i}", test=N) for i in range(8)), margin=0.04)
    found = by_name(certify(make_certifier(exam, stop_early=True, path=[1.0]), models(c0=0.3)).verdicts)
    assert found["c0"].outcome == "dropped"
    assert found["c0"].n < N / 4


def test_of_a_list_the_base_is_asked_whole(make_certifier: Make) -> None:
    exam = Exam(ListTask("domain"), (Capability("maths", ListTask("maths", test=600), MARGIN, "list"),), ())
    frozen = models()
    (verdict,) = certify(make_certifier(exam, stop_early=True, path=[1.0]), frozen).verdicts
    assert (verdict.outcome, verdict.target, verdict.planned_n) == ("kept", "list", 600)
    assert verdict.n <= len(answered(frozen.models[1.0], "maths")) < 600
    assert len(answered(frozen.models[0.0], "maths")) == 600


def test_a_strict_look_that_failed_early_tells_nothing(make_certifier: Make) -> None:
    certificate = certify(make_certifier(LONG, stop_early=True, strict=True, path=[1.0]), models(sorting=0.6))
    assert [(v.n, v.planned_n) for v in certificate.verdicts] == [(0, None)] * 2


def test_too_few_items_to_stop_are_all_asked(make_certifier: Make) -> None:
    (verdict,) = certify(
        make_certifier(exam_of(ListTask("maths", test=20)), stop_early=True, path=[1.0]), models()
    ).verdicts
    assert (verdict.outcome, verdict.n, verdict.planned_n) == ("undecided", 20, None)


def test_two_finished_models_are_compared_early(tmp_path: Path, run: RunFolder) -> None:
    store, told = ScoreStore(tmp_path / "scores"), dict[str, tuple[int, int]]()

    def progress(work: str) -> Callable[[int, int], None]:
        return lambda done, total: told.update({work: (done, total)})

    base, tuned = ScriptedModel("base"), ScriptedModel("tuned", {"maths": 0.5})
    comparer = Comparer(base, tuned, base_scores=store, scores=store, alpha=0.05, stop_early=True,  # type: ignore[arg-type]
                        progress=progress)  # fmt: skip
    items = draw_test_items(LONG.tasks, limit=None, seed=0, fresh_seeds={})
    (maths, sorting) = comparer.judge(LONG.capabilities, items)
    assert [(v.outcome, v.planned_n) for v in (maths, sorting)] == [("dropped", N), ("kept", N)]
    assert told == dict.fromkeys(("both models: maths", "both models: sorting"), (N, N)), "a bar comes to its end"
    assert len(tuned.asked) < N / 2


def test_verdicts_have_their_diagnosis_from_the_items_that_count(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Subjects(ListTask):
        def score(self, engine: Any, items: Any, progress: Any = None) -> Any:
            results = ListTask.score(self, engine, items)
            return [replace(r, subject="odd" if int(r.item_id[-1]) % 2 else "even") for r in results]

    exam = exam_of(Subjects("maths", test=N))
    store = ScoreStore(tmp_path / "scores")
    base, tuned = ScriptedModel("base"), ScriptedModel("tuned", {"maths": 0.5})
    comparer = Comparer(base, tuned, base_scores=store, scores=store, alpha=0.05, stop_early=True)  # type: ignore[arg-type]
    (verdict,) = comparer.judge(exam.capabilities, draw_test_items(exam.tasks, limit=None, seed=0, fresh_seeds={}))
    assert [s.subject for s in verdict.subjects] == ["even", "odd"]
    assert sum(s.n for s in verdict.subjects) == verdict.n < len(base.asked)
