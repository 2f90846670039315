"""Whole runs on nano: what they leave, what can be done with it, and what a kill changes (nothing).

Nothing here depends on how well nano does, only on what is done with it.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from nano_world import KilledError, World, assert_the_same, at_event, build_world, fall, run_world, uninterrupted

from forgetless import nano
from forgetless.models import load_folder
from forgetless.recipe import load_recipe, parse_recipe
from forgetless.records import Certificate, from_json
from forgetless.rundir import read_events

pytestmark = pytest.mark.slow

STORY = [
    *("source", "plan", "noise", "replay", "mixture"),
    *("evaluation", "log") * 3,
    *("mixture", "chosen", "path", "samples", "shipped"),
]


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> World:
    return uninterrupted(tmp_path_factory.mktemp("lora"), "lora")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> World:
    return uninterrupted(tmp_path_factory.mktemp("full"), "full")


@pytest.fixture(params=["lora", "full"])
def world(request: pytest.FixtureRequest) -> World:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def test_a_run_leaves_its_files(world: World) -> None:
    left = {path.name for path in world.run.iterdir()} - {"certified"}
    assert left == {
        *("recipe.yaml", "manifest.json", "events.jsonl", "rejects.jsonl", "certificate.json", "report.html"),
        *("scores", "checkpoints", "model", ".lock"),
    }
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {p.name for p in (world.run / "model").iterdir()}
    unfinished = [p for p in world.folder.rglob(".*") if not p.name.endswith("lock")]
    assert unfinished == []


def test_a_run_tells_its_story(world: World) -> None:
    told = [event["event"] for event in world.story if event["event"] != "alarm"]
    assert [kind for i, kind in enumerate(told) if kind != "path" or told[i - 1] != "path"] == STORY
    steps = [event["step"] for event in world.story if event["event"] == "evaluation"]
    assert steps == [4, 8, 12]
    (noise,) = [event for event in world.story if event["event"] == "noise"]
    margins = {c.capability: c.margin for c in world.result.certificate.verdicts}
    assert all(0.0 <= noise["noises"][name] < margin for name, margin in margins.items())
    (source,) = [event for event in world.story if event["event"] == "source"]
    assert source["rows"] + source["held_out"] == 60
    assert 4 <= source["held_out"] <= 16
    realised = [event for event in world.story if event["event"] == "mixture"][-1]
    assert {share["source"] for share in realised["shares"]} == {"messages", "replay"}
    assert all(0.3 < share["realised"] < 0.7 for share in realised["shares"])


def test_the_recipe_of_a_run_is_kept_with_every_default(world: World) -> None:
    kept = parse_recipe(yaml.safe_load((world.run / "recipe.yaml").read_text("utf-8")))
    assert kept.model_dump() == load_recipe(world.folder / "recipe.yaml").model_dump()


def test_the_certificate_speaks_of_the_files_that_are_there(world: World) -> None:
    certificate = from_json(Certificate, world.json("certificate.json"))
    assert certificate == world.result.certificate
    assert certificate.model_hash == load_folder(world.run / "model", dtype="float32", device="cpu").hash
    assert certificate.base_hash == world.json("manifest.json")["base_hash"]
    assert certificate.base_hash == load_folder(nano.MODEL_PATH, dtype="float32", device="cpu").hash
    assert certificate.model_hash != certificate.base_hash
    assert {v.capability for v in certificate.verdicts} == {"sorting", "english", "format"}
    assert set(certificate.item_seeds) == {"sorting", "english"}
    assert certificate.looks == 1
    assert certificate.chosen_step in (4, 8, 12)
    assert (0 < certificate.certified_a < 1) == (world.run / "certified").is_dir()
    assert bool(certificate.missing) != certificate.certified


def test_the_page_fetches_nothing(world: World) -> None:
    page = world.result.report.read_text("utf-8")
    linked = re.findall(r"""(?:src|href|srcset|action)\s*=\s*["']?([^"'\s>]+)""", page)
    assert [link for link in linked if "//" in link] == []
    assert not re.search(r"url\(\s*['\"]?(?:https?:)?//|@import", page)
    assert "sorting" in page
    assert "small" in page


def test_checkpoints_of_an_adapter_hold_the_adapter_alone(lora: World, full: World) -> None:
    def weights(world: World) -> set[str]:
        return {path.name for path in (world.run / "checkpoints").glob("step-*/*.safetensors")}

    assert weights(lora) == {"adapter_model.safetensors"}
    assert weights(full) == {"model.safetensors"}
    assert not list((lora.run / "model").glob("adapter*"))


def test_only_the_last_checkpoint_can_be_resumed(world: World) -> None:
    states = [path.parent.name for path in (world.run / "checkpoints").glob("step-*/optimizer.pt")]
    assert states == ["step-12"]


def test_what_a_run_saved_can_be_compared(
    full: World, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))
    told, recipe = tmp_path / "told.json", full.folder / "recipe.yaml"
    code = command("compare", nano.MODEL_PATH, full.run / "model", "--recipe", recipe, "--json", told).code
    data = json.loads(told.read_text("utf-8"))
    outcomes = {v["capability"]: v["outcome"] for v in data["verdicts"]}
    assert set(outcomes) == {"sorting", "english", "format"}
    assert code == (1 if "dropped" in outcomes.values() else 3 if "undecided" in outcomes.values() else 0)
    # Fixed items are the same ones that the certificate saw.
    certificate = full.result.certificate
    (of_format,) = [v for v in certificate.verdicts if v.capability == "format"]
    (again,) = [v for v in data["verdicts"] if v["capability"] == "format"]
    assert (again["base_score"], again["tuned_score"], again["n"]) == (
        of_format.base_score,
        of_format.tuned_score,
        of_format.n,
    )
    assert data["domain"]["tuned_score"] == pytest.approx(certificate.domain.tuned_score)


def test_a_page_can_be_written_again(lora: World, command: Callable[..., Any]) -> None:
    before = lora.result.report.read_text("utf-8")
    lora.result.report.unlink()
    assert command("report", lora.run).code == 0
    assert lora.result.report.read_text("utf-8") == before


@pytest.mark.parametrize(
    ("method", "kind", "count"),
    [("lora", "evaluation", 2), ("full", "evaluation", 3), ("lora", "path", 1), ("full", "samples", 1)],
)
def test_a_run_that_falls_and_is_resumed_is_one_that_never_fell(
    request: pytest.FixtureRequest, tmp_path: Path, method: str, kind: str, count: int
) -> None:
    whole: World = request.getfixturevalue(method)
    build_world(tmp_path, method=method)
    with pytest.raises(KilledError):
        run_world(tmp_path, on_event=at_event(kind, count, fall))
    resumed = World(tmp_path, run_world(tmp_path, resume=True))
    assert_the_same(resumed, whole)
    assert [e["event"] for e in read_events(resumed.run)].count("resumed") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_a_run_that_is_killed_while_it_certifies_and_resumed_is_one_that_never_was(full: World, tmp_path: Path) -> None:
    build_world(tmp_path, method="full")
    killer = Path(__file__).with_name("nano_world.py")
    done = subprocess.run([sys.executable, str(killer), str(tmp_path), "path", "1"], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert_the_same(World(tmp_path, run_world(tmp_path, resume=True)), full)
