"""What a plan says of a capability that is judged on its list alone (rule 11)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forgetless.guard import set_exam
from forgetless.nano import domain_rows
from forgetless.planning.capabilities import plan_capabilities, warnings_about
from forgetless.recipe import parse_recipe

ITEMS = 90


def planned(folder: Path, **evaluation: Any) -> Any:
    lines = [json.dumps({"q": f"What is {i}?", "options": ["a", "b"], "right": "a"}) for i in range(ITEMS)]
    (folder / "q.jsonl").write_text("\n".join(lines), encoding="utf-8")
    task = {"type": "choice", "files": ["q.jsonl"], "prompt": "{q}", "choices": "options", "answer": "right"}
    recipe = parse_recipe(
        {
            "name": "list",
            "model": {"path": "model"},
            "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 1.0}},
            "keep": {
                "this": {"task": task, "target": "list", "margin_points": 2},
                "any": {"task": task, "margin_points": 2},
            },
            "evaluation": evaluation,
        }
    )
    exam = set_exam(recipe, folder=folder, domain_rows=domain_rows(n=60, seed=0))
    return plan_capabilities(recipe, exam, dev_items=20, alpha=0.05)


def test_a_whole_list_can_tell_every_margin(tmp_path: Path) -> None:
    this, any_ = planned(tmp_path)
    assert (this.target, this.certifiable_margin, this.detectable_drop, this.aim) == ("list", 0.0, 0.02, 0.02)
    assert (any_.target, any_.aim) == ("population", 0.0)
    warnings = " ".join(warnings_about([this, any_], alpha=0.05))
    assert warnings.startswith("any: ")


def test_a_part_of_a_list_is_planned_as_a_population(tmp_path: Path) -> None:
    this, any_ = planned(tmp_path, test_items=40)
    assert this.target == "list"
    assert this.certifiable_margin == any_.certifiable_margin > 0
