"""What `init` writes runs as it stands: from a CSV file to a certificate, on nano."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from forgetless import nano
from forgetless.cli import main
from forgetless.nano.domain import train_message
from forgetless.rundir import read_events

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty messages of bank customers with the name of what they want."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))
    for name in ("HF_HUB_DISABLE_TELEMETRY", "TOKENIZERS_PARALLELISM", "HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
        monkeypatch.setenv(name, "1" if name != "TOKENIZERS_PARALLELISM" else "false")
    rng = random.Random(0)
    messages = {e.question: e.template for e in (train_message(rng) for _ in range(80))}
    path = tmp_path / "customers.csv"
    path.write_text("text,category\n" + "".join(f'"{text}",{intent}\n' for text, intent in messages.items()), "utf-8")
    return path


def drive(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["forgetless", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_recipe_that_init_writes_runs(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One short set of likelihoods, so that this takes seconds.
    wishes = ("--keep", "common_sense", "--language", "zh")
    assert drive(monkeypatch, "init", table, "--model", nano.MODEL_PATH, *wishes) == 0
    told = table.parent / "told.json"
    assert drive(monkeypatch, "train", "recipe.yaml", "--json", told) in (0, 1, 3)
    certificate = json.loads(told.read_text("utf-8"))["certificate"]
    assert [v["capability"] for v in certificate["verdicts"]] == ["common_sense"]
    assert certificate["domain"]["n"] > 5
    run = table.parent / "runs" / "customers"
    assert (run / "report.html").is_file()
    looks = [event for event in read_events(run) if event["event"] == "evaluation"]
    assert 2 <= len(looks) <= 5
