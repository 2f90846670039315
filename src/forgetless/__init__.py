"""Fine-tune a language model on a domain without losing what it could already do.

    import forgetless as fl

    plan = fl.plan(fl.load_recipe("recipe.yaml"))
    result = fl.train(fl.load_recipe("recipe.yaml"))
    best = fl.sweep(fl.load_sweep("sweep.yaml"))
    verdicts = fl.compare("base/", "tuned/", fl.load_comparison("recipe.yaml"))

Importing this package is cheap: torch and transformers are loaded by the first call that needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forgetless.comparison import compare
    from forgetless.errors import ForgetlessError, UserError
    from forgetless.pipeline import TrainResult, train
    from forgetless.planning import Plan, plan
    from forgetless.recipe import (
        EndpointSettings,
        ModelSettings,
        Recipe,
        SweepRecipe,
        dump_recipe,
        load_comparison,
        load_recipe,
        load_sweep,
        parse_recipe,
        parse_sweep,
    )
    from forgetless.records import Certificate, CompareResult, Verdict
    from forgetless.samples.compare import compare_samples
    from forgetless.sweeping import SweepPlan, SweepResult, plan_sweep, sweep

_HOMES = {
    "Certificate": "forgetless.records",
    "CompareResult": "forgetless.records",
    "EndpointSettings": "forgetless.recipe",
    "ForgetlessError": "forgetless.errors",
    "ModelSettings": "forgetless.recipe",
    "Plan": "forgetless.planning",
    "Recipe": "forgetless.recipe",
    "SweepPlan": "forgetless.sweeping",
    "SweepRecipe": "forgetless.recipe",
    "SweepResult": "forgetless.sweeping",
    "TrainResult": "forgetless.pipeline",
    "UserError": "forgetless.errors",
    "Verdict": "forgetless.records",
    "compare": "forgetless.comparison",
    "compare_samples": "forgetless.samples.compare",
    "dump_recipe": "forgetless.recipe",
    "load_comparison": "forgetless.recipe",
    "load_recipe": "forgetless.recipe",
    "load_sweep": "forgetless.recipe",
    "parse_recipe": "forgetless.recipe",
    "parse_sweep": "forgetless.recipe",
    "plan": "forgetless.planning",
    "plan_sweep": "forgetless.sweeping",
    "sweep": "forgetless.sweeping",
    "train": "forgetless.pipeline",
}

__all__ = [
    "Certificate",
    "CompareResult",
    "EndpointSettings",
    "ForgetlessError",
    "ModelSettings",
    "Plan",
    "Recipe",
    "SweepPlan",
    "SweepRecipe",
    "SweepResult",
    "TrainResult",
    "UserError",
    "Verdict",
    "compare",
    "compare_samples",
    "dump_recipe",
    "load_comparison",
    "load_recipe",
    "load_sweep",
    "parse_recipe",
    "parse_sweep",
    "plan",
    "plan_sweep",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'forgetless' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
