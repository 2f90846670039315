"""What is trained on: every source's rows less those that a test item asks about."""

from __future__ import annotations

import json
from pathlib import Path

from forgetless import stages
from forgetless.guard import set_exam
from forgetless.recipe import parse_recipe
from forgetless.rundir import open_run


def test_a_text_that_quotes_a_test_question_is_left_out_and_counted(tmp_path: Path) -> None:
    asked = [{"q": f"Which of the {n} planets is the nearest to the sun?", "a": "Mercury"} for n in range(20)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in asked))
    learnt = [{"question": f"q{n}", "answer": f"a{n}"} for n in range(200)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in learnt))
    (tmp_path / "notes.txt").write_text("A note.\n\nwhich of the 7 planets is the nearest to the SUN? Mercury!\n")
    items = {"type": "answer_probability", "files": ["items.jsonl"], "prompt": "{q}", "answer": "a"}
    recipe = parse_recipe(
        {
            "name": "quotes",
            "model": {"path": "model"},
            "sources": {
                "rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 0.5},
                "notes": {"kind": "text", "files": ["notes.txt"], "share": 0.5},
            },
            "keep": {"planets": {"task": items}},
        }
    )
    sources = stages.load_sources(recipe, tmp_path)
    exam = set_exam(recipe, folder=tmp_path, domain_rows=stages.domain_rows_of(sources))
    with open_run(tmp_path / "run") as run:
        rows = stages.rows_to_train_on(sources, exam, recipe, run)
        told = {event["name"]: event["asked"] for event in run.events() if event["event"] == "source"}
    assert [row.text for row in rows["notes"]] == ["A note."]
    assert told == {"rows": 0, "notes": 1}
