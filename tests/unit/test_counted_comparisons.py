"""`compare` is a look at the test part like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from forgetless import nano
from forgetless.comparison import compare
from forgetless.models import load_folder, save_model
from forgetless.recipe import ComparisonRecipe
from forgetless.records import CompareResult


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ComparisonRecipe:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))
    records = [{"question": f"sort {i % 7} {i % 5} {i}", "answer": str(i)} for i in range(24)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    task = {"type": "generation", "files": ["items.jsonl"], "prompt": "{question}", "answer": "answer",
            "max_new_tokens": 4}  # fmt: skip
    return ComparisonRecipe.model_validate({"keep": {"sorting": {"margin_points": 50, "task": task}}})


def tuned(folder: Path, seed: int) -> Path:
    """nano with other weights at its end."""
    loaded = load_folder(nano.MODEL_PATH)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        weight = list(loaded.model.parameters())[-1]
        weight.add_(torch.randn(weight.shape, generator=generator) * 0.01)
    save_model(loaded.model, loaded.format.tokenizer, folder)
    return folder


def looks_noted(result: CompareResult) -> list[str]:
    return [note for note in result.notes if note.startswith("this is look")]


def test_another_model_on_the_same_items_is_another_look(recipe: ComparisonRecipe, tmp_path: Path) -> None:
    models = [tuned(tmp_path / f"tuned-{seed}", seed) for seed in (1, 2)]
    first, second, again = (
        compare(str(nano.MODEL_PATH), model, recipe, folder=tmp_path) for model in (*models, models[0])
    )
    assert looks_noted(first) == looks_noted(again) == []
    (note,) = looks_noted(second)
    assert note.startswith("this is look 2 at these test items from this base")
    lines = (tmp_path / "cache" / "ledger.jsonl").read_text().splitlines()
    assert sum(bool(line) for line in lines) == 2
