"""Two finished models in, verdicts out: the tail of the pipeline, for models that were trained elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from forgetless.guard import Comparer, capabilities_of, draw_test_items, fresh_seeds
from forgetless.models import load_finished
from forgetless.progress import Progresses, unwatched
from forgetless.recipe import ComparisonRecipe, HeldOutTask, ModelSettings, Recipe, TemplateLeakTask
from forgetless.records import Row, Verdict
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
    folder: Path | None = None,
    progress: Progresses = unwatched,
) -> CompareResult:
    """Verdicts for two finished models, by the tasks of a recipe.

    Args:
        base: The model before: a folder or GGUF file here, a hub id, or settings as under `model:` in a recipe.
        tuned: The model after; also the adapter folder that a run left, over the base that it names.
        recipe: What to ask; of a whole recipe also how to load a model that is named by its path alone.
        folder: What relative paths in the recipe are relative to; by default where the recipe was read from.
        progress: Told how far the measurements have come.

    Raises:
        UserError: Something in the recipe, the data or the models needs mending.
    """
    folder = folder or recipe.folder
    rows = _rows_asked_about(recipe, folder)
    capabilities = capabilities_of(recipe, folder=folder, domain_rows=rows)
    tasks = {c.name: c.task for c in capabilities}
    if recipe.domain is not None:
        tasks["domain"] = build_task("domain", recipe.domain.task, folder=folder, seed=recipe.seed, domain_rows=rows)
    before, after = (engine_of(load_finished(_model_settings(m, recipe), folder=folder), recipe) for m in (base, tuned))
    items = draw_test_items(tasks, limit=recipe.evaluation.test_items, seed=recipe.seed,
                            fresh_seeds=fresh_seeds(tasks, before.model_hash, after.model_hash))  # fmt: skip
    comparer = Comparer(before, after, base_scores=shared_scores(), scores=shared_scores(),
                        alpha=recipe.evaluation.alpha, progress=progress)  # fmt: skip
    verdicts = comparer.judge(capabilities, items)
    return CompareResult(
        verdicts, comparer.judge_domain(tasks["domain"], items["domain"]) if "domain" in tasks else None
    )


def _rows_asked_about(recipe: Recipe | ComparisonRecipe, folder: Path) -> list[Row]:
    """The domain's rows, read only where a task measures or describes them."""
    tasks = [recipe.domain.task] if recipe.domain else []
    tasks += [capability.task for capability in recipe.keep.values()]
    if not isinstance(recipe, Recipe) or not any(isinstance(t, HeldOutTask | TemplateLeakTask) for t in tasks):
        return []
    return domain_rows_of(load_sources(recipe, folder, only="domain"))


def _model_settings(model: ModelSettings | str | Path, recipe: Recipe | ComparisonRecipe) -> ModelSettings:
    """A bare path is one from here, not from the recipe; it is loaded and asked the way the recipe's own model is.

    It is not quantised: an adapter over a base in 4 bits says so itself, and what quantising a base costs is seen by
    comparing with the base as published.
    """
    if isinstance(model, ModelSettings):
        return model
    way = {"dtype", "device", "attention", "trust_remote_code", "template", "chat_template_kwargs"}
    settings = recipe.model.model_dump(include=way) if isinstance(recipe, Recipe) else {}
    return ModelSettings(path=str(Path(model).resolve() if Path(model).exists() else model), **settings)
