"""What is trained on: every source's rows less those that a test item asks about."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from forgetless import replaying, stages
from forgetless.guard import set_exam
from forgetless.progress import unwatched
from forgetless.recipe import Recipe, parse_recipe
from forgetless.records import Row
from forgetless.rundir import open_run
from forgetless.synthesis import Hole, ReplayRows

QUOTE = "which of the 7 planets is the nearest to the SUN? Mercury!"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A domain, notes of which the second quotes a test question, and replay."""
    asked = [{"q": f"Which of the {n} planets is the nearest to the sun?", "a": "Mercury"} for n in range(20)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in asked))
    learnt = [{"question": f"q{n}", "answer": f"a{n}"} for n in range(200)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in learnt))
    (tmp_path / "notes.txt").write_text(f"A note.\n\n{QUOTE}\n")
    items = {"type": "answer_probability", "files": ["items.jsonl"], "prompt": "{q}", "answer": "a"}
    return parse_recipe(
        {
            "name": "quotes",
            "model": {"path": "model"},
            "sources": {
                "rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 0.4},
                "notes": {"kind": "text", "files": ["notes.txt"], "share": 0.4},
            },
            "replay": {"share": 0.2},
            "keep": {"planets": {"task": items}},
        }
    )


def test_a_text_that_quotes_a_test_question_is_left_out_and_counted(tmp_path: Path, recipe: Recipe) -> None:
    sources = stages.load_sources(recipe, tmp_path)
    exam = set_exam(recipe, folder=tmp_path, domain_rows=stages.domain_rows_of(sources))
    rows, asked = stages.rows_to_train_on(sources, exam, recipe.seed)
    nobody: Any = None
    ground = stages.Ground(tmp_path, tuple(sources), exam, rows, asked, nobody, nobody)
    with open_run(tmp_path / "run") as run:
        stages.tell_sources(ground, run)
        told = {event["name"]: event["asked"] for event in run.events() if event["event"] == "source"}
    assert [row.text for row in rows["notes"]] == ["A note."]
    assert told == {"rows": 0, "notes": 1}


def test_a_text_that_the_base_continued_is_searched_too(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = tuple(Row(id=text, source="replay", text=text) for text in ("It goes on.", f"It says: {QUOTE}"))
    written = ReplayRows(rows=texts, written=2, from_cache=0, dropped_empty=0, excluded=3, too_long=0, duplicates=0,
                         key="k", holes=(Hole("planets", 0.2, 3),))  # fmt: skip
    monkeypatch.setattr(replaying, "self_replay", lambda *_, **__: written)
    exam = set_exam(recipe, folder=tmp_path, domain_rows=stages.domain_rows_of(stages.load_sources(recipe, tmp_path)))
    nobody: Any = SimpleNamespace(format=None)
    with open_run(tmp_path / "run") as run:
        ground = stages.Ground(tmp_path, (), exam, {}, {}, nobody, nobody)
        rows = replaying.replay_rows(recipe, ground, run, unwatched)
        (told,) = [event for event in run.events() if event["event"] == "replay"]
    assert rows == texts[:1]
    assert (told["rows"], told["excluded"]) == (1, 4)
    assert told["holes"] == {"planets": {"likeness": 0.2, "prompts": 3, "filled": False}}
