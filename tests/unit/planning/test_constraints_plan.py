"""What a plan says of constraints that cannot move anything."""

from __future__ import annotations

import pytest

from forgetless.planning.make import warnings_of
from forgetless.planning.nouns import Cadence
from forgetless.recipe import parse_recipe


@pytest.mark.parametrize(("looks", "constraints", "warned"), [(1, True, True), (2, True, False), (1, False, False)])
def test_a_run_with_one_look_at_its_end_moves_nothing(looks: int, constraints: bool, warned: bool) -> None:
    recipe = parse_recipe(
        {
            "name": "few-looks",
            "model": {"path": "model"},
            "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 0.5}},
            "replay": {"share": 0.5},
            "constraints": constraints,
        }
    )
    cadence = Cadence(100, 20, looks, 0.1, within_budget=True, every_steps_given=True, dev_items_given=True)
    assert any("every_steps" in warning for warning in warnings_of(recipe, cadence, (), 0.05)) is warned
