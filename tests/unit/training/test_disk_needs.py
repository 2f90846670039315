"""How much a run will write, and when that is too much."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_models import tiny_llama

from forgetless import stages
from forgetless.errors import RunFolderError
from forgetless.recipe import TrainingSettings, parse_recipe
from forgetless.rundir import open_run
from forgetless.training import predicted_bytes

RECIPE = parse_recipe(
    {
        "name": "run",
        "model": {"path": "model"},
        "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 1.0}},
        "keep": {"sorting": {"task": {"type": "procedural", "generator": "nano/sorting"}}},
        "evaluation": {"every_steps": 10},
    }
)


def test_an_adapter_needs_a_fraction_of_what_full_weights_need() -> None:
    model = tiny_llama()
    full = predicted_bytes(model, TrainingSettings(), evaluations=10)
    lora = predicted_bytes(
        model, TrainingSettings.model_validate({"method": "lora", "lora": {"rank": 1}}), evaluations=10
    )
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    assert full >= 10 * weights
    assert lora < full / 2


@pytest.mark.parametrize(("written", "refused"), [(0, True), (8_000, False)])
def test_what_a_run_has_written_already_needs_no_more_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int, refused: bool
) -> None:
    """A run that filled most of the disk by itself can be resumed."""
    monkeypatch.setattr(stages, "predicted_bytes", lambda *_, **__: 10_000)
    monkeypatch.setattr(stages, "free_bytes", lambda _: 4_000)
    base: Any = SimpleNamespace(model=None)
    blended: Any = SimpleNamespace(plan=SimpleNamespace(steps=40))
    with open_run(tmp_path / "run") as run:
        (run.path / "checkpoints").mkdir()
        (run.path / "checkpoints" / "weights").write_bytes(b"x" * written)
        if not refused:
            stages.check_disk(base, blended, RECIPE, run)
            return
        with pytest.raises(RunFolderError, match="free some space"):
            stages.check_disk(base, blended, RECIPE, run)
