"""A whole sweep on nano that falls on its way and is resumed: nothing is done twice, and one trial is certified.

Its third trial has a learning rate at which no weight stays a number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from nano_world import KilledError, at_event, build_world, fall

import forgetless as fl
from forgetless.recipe import load_recipe
from forgetless.rundir import file_hash, read_events

pytestmark = pytest.mark.slow

KEPT = ("scores", "replay", "reference", "speed")
AXES = {"training.learning_rate": [1e-3, 3e-4, 1e30]}


@dataclass
class Swept:
    """A sweep that fell after a look at its second trial, and what was told when it was resumed.

    `cache_at` is what the cache held before the second trial and after that look.
    """

    folder: Path
    result: fl.SweepResult
    events: list[dict[str, Any]]
    cache_at: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        return self.result.folder

    def told(self, trial: str, kind: str) -> list[dict[str, Any]]:
        return [e for e in read_events(self.run / "trials" / trial) if e["event"] == kind]


def write_sweep(folder: Path, **sweep: Any) -> Path:
    path = build_world(folder, method="full")
    data = yaml.safe_load(path.read_text("utf-8"))
    del data["evaluation"]["every_steps"]
    data["training"] |= {"kl_reference": "cached", "kl_top_k": 8}
    data["sweep"] = {"axes": AXES, "halving": 2, "rungs": 2, **sweep}
    path.write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
    return path


def cached(folder: Path) -> dict[str, int]:
    """Everything that is kept of the base, with the time at which it was written."""
    kept = (path for name in KEPT for path in (folder / "cache" / name).rglob("*"))
    return {str(path): path.stat().st_mtime_ns for path in kept if path.is_file()}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    folder = tmp_path_factory.mktemp("sweep")
    path = write_sweep(folder)
    events: list[dict[str, Any]] = []
    cache_at: dict[str, dict[str, int]] = {}

    def fall_in_the_second_trial(event: dict[str, Any]) -> None:
        if event.get("trial") == "trial-02":
            cache_at["before"] = cached(folder)
        if (event.get("of_trial"), event["event"]) == ("trial-02", "evaluation"):
            cache_at["after"] = cached(folder)
            fall()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORGETLESS_CACHE", str(folder / "cache"))
        with pytest.raises(KilledError):
            fl.sweep(fl.load_sweep(path), on_event=fall_in_the_second_trial)
        yield Swept(folder, fl.sweep(fl.load_sweep(path), resume=True, on_event=events.append), events, cache_at)


def test_the_field_is_halved_and_the_best_comes_first(swept: Swept) -> None:
    result = swept.result
    assert [trial.rung for trial in result.trials] == [2, 2, 1]
    assert [trial.standing.broke is None for trial in result.trials] == [True, True, False]
    assert result.chosen == result.trials[0].name
    assert {trial.name for trial in result.trials} == {f"trial-0{n}" for n in (1, 2, 3)}
    looks = {t.name: [e["step"] for e in swept.told(t.name, "evaluation")] for t in result.trials}
    assert looks == {"trial-01": [6, 12], "trial-02": [6, 12], "trial-03": []}
    for trial in result.trials:
        kept = yaml.safe_load((trial.folder / "recipe.yaml").read_text("utf-8"))
        assert kept["training"]["learning_rate"] == trial.values["training.learning_rate"]
        assert (kept["training"]["steps"], kept["evaluation"]["every_steps"]) == (12, 6)


def test_a_resumed_sweep_repeats_no_trial(swept: Swept) -> None:
    first_rung = swept.events[: next(i for i, e in enumerate(swept.events) if e["event"] == "rung")]
    assert "trial-01" not in {event.get("of_trial") for event in first_rung}
    assert [e["trial"] for e in read_events(swept.run) if e["event"] == "trial" and e["rung"] == 1] == [
        f"trial-0{n}" for n in (1, 2, 3)
    ]
    assert len(swept.told("trial-02", "plan")) == 1


def test_a_later_trial_generates_no_replay_and_measures_nothing_of_the_base(swept: Swept) -> None:
    before = swept.cache_at["before"]
    assert {Path(path).relative_to(swept.folder / "cache").parts[0] for path in before} == set(KEPT)
    assert before == swept.cache_at["after"]
    (replay,) = swept.told("trial-02", "replay")
    assert replay["from_cache"] == replay["rows"] > 0


def test_the_chosen_trial_alone_is_certified_and_its_look_counted_once(swept: Swept) -> None:
    certified = [path.parent.name for path in (swept.run / "trials").glob("*/certificate.json")]
    assert certified == [swept.result.chosen]
    assert swept.result.result.certificate.looks == 1
    ledger = (swept.folder / "cache" / "ledger.jsonl").read_text("utf-8").split()
    assert ledger.count('{"base":') == 2  # the domain's held-out rows, and the questions of the template's leak
    kept = json.loads((swept.run / "sweep.json").read_text("utf-8"))
    assert kept["chosen"] == swept.result.chosen
    assert (swept.run / kept["model"]).is_dir()
    assert (swept.run / kept["report"]).is_file()


def test_trials_that_go_no_further_leave_no_checkpoints(swept: Swept) -> None:
    left = {path.parent.name for path in (swept.run / "trials").glob("*/checkpoints")}
    assert left == {trial.name for trial in swept.result.trials if trial.rung == 2}


def test_a_trial_is_the_run_that_its_recipe_gives_by_itself(swept: Swept) -> None:
    """Nothing of an earlier trial is left in the base that all share, and a pause changes nothing."""
    (last,) = [trial for trial in swept.result.trials if trial.name == "trial-02"]
    alone = load_recipe(last.folder / "recipe.yaml").model_copy(update={"output": "alone"})
    with pytest.raises(KilledError):
        fl.train(alone, folder=swept.folder, on_event=at_event("chosen", 1, fall))
    weights = Path("checkpoints/step-12/model.safetensors")
    assert file_hash(swept.folder / "alone" / last.name / weights) == file_hash(last.folder / weights)


def test_a_finished_sweep_can_be_told_again(swept: Swept, command: Callable[..., Any], tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    code, printed, _ = command("sweep", swept.folder / "recipe.yaml", "--resume", "--json", told)
    data = json.loads(told.read_text("utf-8"))
    outcomes = {verdict["outcome"] for verdict in data["certificate"]["verdicts"]}
    assert code == (1 if "dropped" in outcomes else 3 if "undecided" in outcomes else 0)
    assert data["chosen"] == swept.result.chosen
    assert data["certificate"]["model_hash"] == swept.result.result.certificate.model_hash
    assert [trial["name"] for trial in data["trials"]] == [trial.name for trial in swept.result.trials]
    lines = [line.split() for line in printed.splitlines() if line.strip().startswith("trial-0")]
    assert [line[0] for line in lines] == [trial.name for trial in swept.result.trials]
    assert f"chosen: {swept.result.chosen} (training.learning_rate: " in printed


def test_a_sweep_has_no_page_of_its_own(swept: Swept, command: Callable[..., Any]) -> None:
    assert command("report", swept.run).code == 2


def test_a_folder_with_a_sweep_is_refused_without_resume_and_with_another_recipe(swept: Swept, tmp_path: Path) -> None:
    with pytest.raises(fl.UserError, match="already holds a run"):
        fl.sweep(fl.load_sweep(swept.folder / "recipe.yaml"))
    other = fl.load_sweep(write_sweep(tmp_path, rungs=1))
    with pytest.raises(fl.UserError, match="begun with another recipe"):
        fl.sweep(other, folder=swept.folder, resume=True)


def test_a_plan_tells_trials_rungs_and_steps_and_leaves_nothing(
    swept: Swept, command: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = write_sweep(tmp_path, trials=2)
    code, said, _ = command("sweep", recipe, "--plan")
    assert code == 0
    assert said.startswith("sweep: 2 trials of 3 combinations; 2 to 50 % of a run, 1 to 100 % of a run; about 18 steps")
    assert not (tmp_path / "runs").exists()
