"""What the benches make of figures: intervals, choices and tables, on figures that are made up."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from forgetless import nano

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a bench by its name."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module


def test_a_bootstrap_draws_seeds_and_items(bench: Any) -> None:
    bootstrap: ModuleType = bench("bootstrap")
    rng = np.random.default_rng(0)
    alike = np.tile(rng.random(400), (5, 1))
    apart = alike + rng.normal(0.0, 0.2, (5, 1))
    base = np.zeros(400)
    narrow, wide = (bootstrap.told(bootstrap.changes({"t": after}, {"t": base})["t"]) for after in (alike, apart))
    assert narrow["estimate"] == pytest.approx(alike.mean())
    assert wide["estimate"] == pytest.approx(apart.mean())
    for found in (narrow, wide):
        assert found["interval"][0] < found["estimate"] < found["interval"][1]
    error = alike[0].std() / 20
    low, high = narrow["interval"]
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1.0, abs=0.15)  # seeds that do not differ add nothing
    assert np.subtract(*wide["interval"][::-1]) > 2 * (high - low)


def test_two_arms_are_compared_on_the_same_draws(bench: Any) -> None:
    bootstrap: ModuleType = bench("bootstrap")
    one = np.random.default_rng(1).random((3, 50))
    assert bootstrap.told(bootstrap.changes({"t": one + 0.25}, {"t": one})["t"]) == {
        "estimate": pytest.approx(0.25),
        "interval": pytest.approx([0.25, 0.25]),
    }


def test_an_ablation_tells_every_arm_and_its_difference(bench: Any) -> None:
    ablation: ModuleType = bench("ablation")
    tasks = ("domain", *nano.ABILITIES)
    base = {task: np.ones(40) for task in tasks}

    def run_of(right: float) -> dict[str, Any]:
        answers = {task: [1.0] * round(40 * right) + [0.0] * round(40 * (1 - right)) for task in tasks}
        return {"answers": answers, "steps": 9, "tokens": 1, "seconds": 1.0, "moves": 0}

    runs = {"plain": {0: run_of(0.5), 1: run_of(0.5)}, "forgetless": {0: run_of(1.0)}}
    figures = {
        "settings": {"items": 40},
        "arms": {name: ablation.judged(name, runs, base) for name in runs},
    }
    assert figures["arms"]["plain"]["worst"]["estimate"] == pytest.approx(-0.5)
    assert "against_forgetless" not in figures["arms"]["plain"]  # which has only one of its seeds
    assert figures["arms"]["forgetless"]["against_plain"]["uncovered"]["estimate"] == pytest.approx(0.5)
    rows = [line.split(" | ") for line in ablation.table(figures) if line.startswith("| ")]
    assert {len(row) for row in rows} == {8}
    assert rows[1][:3] == ["| plain", "2", rows[1][2]]
    assert rows[1][2].startswith("50.0 (")
    assert rows[2][3] == "+0.0 (+0.0 to +0.0)"


def _constrained(looks: list[dict[str, float]], domain: float = 0.5, worst: float = 0.0) -> dict[str, Any]:
    return {"domain_name": "a", "seed": 0, "looks": looks, "domain": domain, "worst_change": worst}


def test_returns_are_counted_by_run_and_by_fall(bench: Any) -> None:
    constraints: ModuleType = bench("constraints")
    back = _constrained([{"x": -0.10, "y": 0.0}, {"x": -0.02, "y": 0.0}, {"x": -0.3, "y": 0.0}])
    half = _constrained([{"x": -0.10, "y": -0.5}, {"x": 0.0, "y": -0.4}])
    never = _constrained([{"x": 0.0, "y": 0.0}, {"x": 0.0, "y": -0.02}])
    assert constraints.returns([back, half, never]) == (2, 1, 3, 2)


def test_the_best_is_the_highest_domain_that_keeps_all(bench: Any) -> None:
    constraints: ModuleType = bench("constraints")
    figures = {
        "loose": [_constrained([], 0.9, -0.10)],
        "good": [_constrained([], 0.8, -0.02)],
        "tight": [_constrained([], 0.7, 0.0)],
    }
    assert constraints.best(figures, list(figures), ["a"]) == "good"
    del figures["good"], figures["tight"]
    figures["looser"] = [_constrained([], 0.95, -0.2)]
    assert constraints.best(figures, list(figures), ["a"]) == "loose"
