"""Two finished models in, verdicts out: the tail of the pipeline, for models that were trained elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from forgetless.guard import Comparer, capabilities_of, draw_test_items, fresh_seeds
from forgetless.models import load_finished
from forgetless.recipe import ComparisonRecipe, ModelSettings, Recipe
from forgetless.records import Verdict
from forgetless.stages import domain_rows_of, engine_of, load_sources, shared_scores
from forgetless.tasks import build_task


@dataclass(frozen=True, slots=True)
class CompareResult:
    """Verdicts on two finished models; `domain` is `None` when the recipe names no domain task."""

    verdicts: tuple[Verdict, ...]
    domain: Verdict | None


def compare(
    base: ModelSettings | str | Path,
    tuned: ModelSettings | str | Path,
    recipe: Recipe | ComparisonRecipe,
    *,
    folder: Path = Path(),
) -> CompareResult:
    """Verdicts for two finished models, by the tasks of a recipe.

    Args:
        base: The model before: a folder, a GGUF file, a hub id, or settings as under `model:` in a recipe.
        tuned: The model after; also the adapter folder that a run left, over the base that it names.
        recipe: What to ask; everything about training is ignored.
        folder: What relative paths in the recipe are relative to.

    Raises:
        UserError: Something in the recipe, the data or the models needs mending.
    """
    rows = domain_rows_of(load_sources(recipe, folder)) if isinstance(recipe, Recipe) else []
    capabilities = capabilities_of(recipe, folder=folder, domain_rows=rows)
    tasks = {c.name: c.task for c in capabilities}
    if recipe.domain is not None:
        tasks["domain"] = build_task("domain", recipe.domain.task, folder=folder, seed=recipe.seed, domain_rows=rows)
    before, after = (engine_of(load_finished(_model_settings(m), folder=folder), recipe) for m in (base, tuned))
    items = draw_test_items(tasks, limit=recipe.evaluation.test_items, seed=recipe.seed,
                            fresh_seeds=fresh_seeds(tasks, before.model_hash, after.model_hash))  # fmt: skip
    comparer = Comparer(before, after, base_scores=shared_scores(), scores=shared_scores(),
                        alpha=recipe.evaluation.alpha)  # fmt: skip
    verdicts = comparer.judge(capabilities, items)
    return CompareResult(
        verdicts, comparer.judge_domain(tasks["domain"], items["domain"]) if "domain" in tasks else None
    )


def _model_settings(model: ModelSettings | str | Path) -> ModelSettings:
    return model if isinstance(model, ModelSettings) else ModelSettings(path=str(model))
