"""Fine-tune a language model on a domain without losing what it could already do.

    import forgetless as fl

    plan = fl.plan(fl.load_recipe("recipe.yaml"))
    result = fl.train(fl.load_recipe("recipe.yaml"))
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
        dump_recipe,
        load_comparison,
        load_recipe,
        parse_recipe,
    )
    from forgetless.records import Certificate, CompareResult, Verdict
    from forgetless.samples.compare import compare_samples

_HOMES = {
    "Certificate": "forgetless.records",
    "CompareResult": "forgetless.records",
    "EndpointSettings": "forgetless.recipe",
    "ForgetlessError": "forgetless.errors",
    "ModelSettings": "forgetless.recipe",
    "Plan": "forgetless.planning",
    "Recipe": "forgetless.recipe",
    "TrainResult": "forgetless.pipeline",
    "UserError": "forgetless.errors",
    "Verdict": "forgetless.records",
    "compare": "forgetless.comparison",
    "compare_samples": "forgetless.samples.compare",
    "dump_recipe": "forgetless.recipe",
    "load_comparison": "forgetless.recipe",
    "load_recipe": "forgetless.recipe",
    "parse_recipe": "forgetless.recipe",
    "plan": "forgetless.planning",
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
    "TrainResult",
    "UserError",
    "Verdict",
    "compare",
    "compare_samples",
    "dump_recipe",
    "load_comparison",
    "load_recipe",
    "parse_recipe",
    "plan",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'forgetless' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
