"""A whole run on nano that ships the adapter: what is certified is the adapter over the base that it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nano_world import KilledError, at_event, build_world, fall, run_world

import forgetless as fl
from forgetless import nano
from forgetless.models import load_finished
from forgetless.pipeline import TrainResult
from forgetless.recipe import ModelSettings
from forgetless.rundir import hash_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    folder = tmp_path_factory.mktemp("adapter")
    build_world(folder, method="adapter")
    return run_world(folder)  # type: ignore[no-any-return]


def hash_of(folder: Path) -> str:
    return load_finished(ModelSettings(path=str(folder), device="cpu"), folder=Path()).hash


def test_the_certificate_speaks_of_the_adapter_that_is_there(run: TrainResult) -> None:
    certificate, model = run.certificate, run.folder / "model"
    assert not list(model.glob("model*.safetensors"))
    size_of_base = (nano.MODEL_PATH / "model.safetensors").stat().st_size
    assert (model / "adapter_model.safetensors").stat().st_size < size_of_base / 4
    assert json.loads((model / "base.json").read_text("utf-8"))["hash"] == certificate.base_hash
    assert hash_of(model) == certificate.model_hash
    assert [step.a for step in certificate.path][:1] == [0.5]
    if 0.0 < certificate.certified_a < 1.0:
        assert hash_of(run.folder / "certified") == certificate.certified_hash


def test_the_manifest_says_how_the_base_was_computed(run: TrainResult) -> None:
    manifest = json.loads((run.folder / "manifest.json").read_text("utf-8"))
    assert (manifest["dtype"], manifest["attention"]) == ("float32", "sdpa")
    assert "reference" not in manifest
    assert "<code>attention</code>" in run.report.read_text("utf-8")


def test_it_can_be_compared_as_it_is(run: TrainResult) -> None:
    folder = run.folder.parents[1]
    recipe = fl.load_recipe(folder / "recipe.yaml")
    compared = fl.compare(nano.MODEL_PATH, run.folder / "model", recipe, folder=folder)
    (again,) = [v for v in compared.verdicts if v.capability == "format"]
    (certified,) = [v for v in run.certificate.verdicts if v.capability == "format"]
    assert (again.base_score, again.tuned_score) == (certified.base_score, certified.tuned_score)


def test_a_run_that_falls_while_it_certifies_and_is_resumed_is_one_that_never_fell(
    run: TrainResult, tmp_path: Path
) -> None:
    build_world(tmp_path, method="adapter")
    with pytest.raises(KilledError):
        run_world(tmp_path, on_event=at_event("path", 1, fall))
    again = run_world(tmp_path, resume=True)
    assert again.certificate == run.certificate
    assert hash_folder(again.folder / "model") == hash_folder(run.folder / "model")
