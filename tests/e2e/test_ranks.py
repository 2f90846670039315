"""Several processes of one run, as `torchrun` starts them: here two on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from nano_world import build_world, run_world

import forgetless as fl
from forgetless.errors import RecipeError, ResourceError
from forgetless.ranks import Crew, Part, led
from forgetless.rundir import read_events

pytestmark = pytest.mark.slow

ASK = """
    import json, os, sys
    from pathlib import Path
    from forgetless import nano
    from forgetless.engines import TransformersEngine
    from forgetless.models import load_model
    from forgetless.ranks import Crew, Part, led
    from forgetless.recipe import ModelSettings
    from forgetless.sampling import Sampling

    @led
    def ask():
        base = load_model(ModelSettings(path=str(nano.MODEL_PATH), device="cpu"), folder=Path())
        rows = nano.dialogues(nano.ABILITIES, n=48, seed=0)
        prompts = [row.messages[:1] for row in rows]
        told = []
        def asked(name):
            engine = TransformersEngine(base.model, base.format, model_hash=name, batch_tokens=256)
            return {
                "answers": engine.generate(prompts, max_new_tokens=8, progress=lambda *done: told.append(done)),
                "stopped": engine.generate(prompts, max_new_tokens=8, stop_texts=["1"]),
                "drawn": engine.generate(prompts, max_new_tokens=8, sampling=Sampling(temperature=3.0, seed=7)),
                "texts": engine.continue_texts(["The ", "A "] * 20, max_new_tokens=4, sampling=Sampling()),
                "likelihoods": [
                    [found.log_likelihood, found.tokens, found.greedy]
                    for found in engine.answer_likelihoods([(p, r.messages[1].content) for p, r in zip(prompts, rows)])
                ],
                "told": told[-1],
            }
        found = [asked("as it is")]
        base.model.model.layers[0].mlp.down_proj.weight.data.neg_()
        return [*found, asked("another"), asked("a third name"), asked("another")]

    result = ask()
    if len(sys.argv) > 1:
        Path(sys.argv[1], os.environ.get("RANK", "alone")).write_text(json.dumps(result))
"""
FAIL = """
    from forgetless.ranks import crew, led

    def work(thing, part):
        raise ValueError("the other one fell")

    @led
    def fail():
        crew().order("key", "thing", work, own=lambda: None)

    fail()
"""


def run_in_ranks(*what: object, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`torchrun` on two processes."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | ({"FORGETLESS_CACHE": str(cache)} if cache else {})
    return subprocess.run(
        [*start, *map(str, what)], env=environment, capture_output=True, text=True, check=False, timeout=240
    )


def test_two_processes_answer_as_one(tmp_path: Path) -> None:
    script = tmp_path / "ask.py"
    script.write_text(textwrap.dedent(ASK), "utf-8")
    done = run_in_ranks(script, tmp_path)
    assert done.returncode == 0, done.stderr
    subprocess.run([sys.executable, script, tmp_path], env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)
    alone, first, second = (json.loads((tmp_path / name).read_text("utf-8")) for name in ("alone", "0", "1"))
    assert first == second, "the result of the run is everybody's"
    for one, two in zip(alone, first, strict=True):
        assert one["drawn"] != one["answers"]
        assert len(two.pop("drawn")) == len(one.pop("drawn"))
        assert one == two, "the same batches of the same model"
    assert first[0]["answers"] != first[1]["answers"] == first[3]["answers"], "weights are sent anew with a new name"
    assert first[1]["answers"] == first[2]["answers"]


def test_failure_of_another_process_is_told(tmp_path: Path) -> None:
    script = tmp_path / "fail.py"
    script.write_text(textwrap.dedent(FAIL), "utf-8")
    done = run_in_ranks(script)
    assert done.returncode != 0
    assert "`process 1`: ValueError: the other one fell" in done.stderr


@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_processes_train_as_one(method: str, tmp_path: Path) -> None:
    build_world(tmp_path, method=method)
    recipe = tmp_path / "recipe.yaml"
    settings = yaml.safe_load(recipe.read_text("utf-8"))
    settings["training"].get("lora", {}).pop("dropout", None)
    recipe.write_text(yaml.safe_dump(settings | {"constraints": True}), "utf-8")
    alone = run_world(tmp_path)
    recipe.write_text(yaml.safe_dump(settings | {"constraints": True, "name": "ranks"}), "utf-8")
    done = run_in_ranks("-m", "forgetless", "train", recipe, cache=tmp_path / "cache")
    assert (alone.folder.parent / "ranks" / "certificate.json").exists(), done.stderr
    assert done.stdout.count("report:") == 1, "one process speaks"
    one, two = (list(read_events(f)) for f in (alone.folder, alone.folder.parent / "ranks"))
    assert kinds(one) == kinds(two)
    assert losses(two) == pytest.approx(losses(one), rel=2e-3)
    assert [e["tokens_replay"] for e in two if e["event"] == "log"] == [
        e["tokens_replay"] for e in one if e["event"] == "log"
    ]
    if method == "lora":
        resumed = run_in_ranks("-m", "forgetless", "train", recipe, "--resume", cache=tmp_path / "cache")
        assert resumed.stdout == done.stdout, resumed.stderr


def test_a_batch_has_a_row_for_every_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("forgetless.training.in_ranks.crew", lambda: Crew(Part(0, 4)))
    build_world(tmp_path, method="full")
    with pytest.raises(RecipeError, match=r"`training.batch_rows`: 2\n.*4 processes"):
        run_world(tmp_path)


def test_shards_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ResourceError, match="no process holds whole"):
        led(lambda: None)()


def test_a_sweep_runs_in_one_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    build_world(tmp_path, method="full")
    settings = yaml.safe_load((tmp_path / "recipe.yaml").read_text("utf-8"))
    settings["sweep"] = {"axes": {"training.learning_rate": [1e-3, 2e-3]}}
    recipe = fl.parse_sweep(settings)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ResourceError, match="a sweep runs in one process"):
        fl.sweep(recipe, folder=tmp_path)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def losses(events: list[dict[str, Any]]) -> list[float]:
    return [event["loss"] for event in events if event["event"] == "log"]
