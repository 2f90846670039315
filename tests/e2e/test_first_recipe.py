"""What `init` writes runs as it stands: from a CSV file to a certificate, on nano."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forgetless import nano
from forgetless.nano.domain import train_message
from forgetless.rundir import read_events

pytestmark = pytest.mark.slow


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty messages of bank customers with the name of what they want."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))
    rng = random.Random(0)
    messages = {e.question: e.template for e in (train_message(rng) for _ in range(80))}
    path = tmp_path / "customers.csv"
    path.write_text("text,category\n" + "".join(f'"{text}",{intent}\n' for text, intent in messages.items()), "utf-8")
    return path


def test_the_recipe_that_init_writes_runs(table: Path, command: Callable[..., Any]) -> None:
    # One short set of likelihoods, so that this takes seconds.
    wishes = ("--keep", "common_sense", "--language", "zh")
    assert command("init", table, "--model", nano.MODEL_PATH, *wishes).code == 0
    told = table.parent / "told.json"
    assert command("train", "recipe.yaml", "--json", told).code in (0, 1, 3)
    certificate = json.loads(told.read_text("utf-8"))["certificate"]
    assert [v["capability"] for v in certificate["verdicts"]] == ["common_sense"]
    assert certificate["domain"]["n"] > 5
    run = table.parent / "runs" / "customers"
    assert (run / "report.html").is_file()
    looks = [event for event in read_events(run) if event["event"] == "evaluation"]
    assert 1 <= len(looks) <= 10
