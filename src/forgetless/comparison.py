"""Two finished models in, verdicts out: the tail of the pipeline, for models that were trained elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from forgetless.engines import EndpointEngine, Engine, TransformersEngine, connect_endpoint
from forgetless.errors import EndpointError
from forgetless.guard import (
    Capability,
    Comparer,
    capabilities_of,
    draw_test_items,
    fresh_seeds,
    measure_noises,
    record_looks,
)
from forgetless.models import load_finished
from forgetless.progress import Progresses, unwatched
from forgetless.ranks import led
from forgetless.recipe import (
    ComparisonRecipe,
    EndpointSettings,
    HeldOutTask,
    ModelSettings,
    Recipe,
    TemplateLeakTask,
)
from forgetless.records import CompareResult, Item, Row
from forgetless.rundir import ScoreStore
from forgetless.stages import domain_rows_of, engine_of, load_sources, shared_scores
from forgetless.tasks import Task, build_task

ENDPOINT = "endpoint:"
"""What stands before the name of one of the recipe's endpoints where a model could be named too."""

Side = ModelSettings | EndpointSettings | str | Path


@led
def compare(
    base: Side,
    tuned: Side,
    recipe: Recipe | ComparisonRecipe,
    *,
    folder: Path | None = None,
    progress: Progresses = unwatched,
) -> CompareResult:
    """Verdicts for two finished models, by the tasks of a recipe.

    Args:
        base: The model before: a folder or GGUF file here, a hub id, `endpoint:NAME` for one of the recipe's endpoints,
            or settings as under `model:` or `endpoints:` in a recipe.
        tuned: The model after; also the adapter folder that a run left, over the base that it names.
        recipe: What to ask; of a whole recipe also how to load a model that is named by its path alone, and how its
            chat template is used.
        folder: What relative paths in the recipe are relative to; by default where the recipe was read from.
        progress: Told how far the measurements have come.

    Raises:
        UserError: Something in the recipe, the data, the models or the endpoints needs mending.
    """
    folder = folder or recipe.folder
    rows = _rows_asked_about(recipe, folder)
    capabilities = capabilities_of(recipe, folder=folder, domain_rows=rows)
    tasks = {c.name: c.task for c in capabilities}
    if recipe.domain is not None:
        tasks["domain"] = build_task("domain", recipe.domain.task, folder=folder, seed=recipe.seed, domain_rows=rows,
                                     endpoints=recipe.endpoints)  # fmt: skip
    before, after = (_engine(side, recipe, folder) for side in (base, tuned))
    items = draw_test_items(tasks, limit=recipe.evaluation.test_items, seed=recipe.seed,
                            fresh_seeds=fresh_seeds(tasks, before.model_hash, after.model_hash))  # fmt: skip
    for engine in (before, after):
        if isinstance(engine, EndpointEngine):
            _rehearse(engine, tasks, items)
    looks = record_looks(tasks.values(), base_hash=before.model_hash, model_hash=after.model_hash)
    with tempfile.TemporaryDirectory() as passing:
        comparer = Comparer(before, after, base_scores=_scores(before, passing), scores=_scores(after, passing),
                            alpha=recipe.evaluation.alpha, stop_early=recipe.evaluation.stop_early,
                            progress=progress)  # fmt: skip
        noises = _noises(before, capabilities, recipe, progress)
        verdicts = comparer.judge(capabilities, items, noises=noises)
        domain = comparer.judge_domain(tasks["domain"], items["domain"]) if "domain" in tasks else None
        examples = comparer.examples(tasks, items)
    return CompareResult(verdicts, domain, _notes(before, after, looks), tuple(examples))


def _rows_asked_about(recipe: Recipe | ComparisonRecipe, folder: Path) -> Sequence[Row]:
    """The domain's rows, read only where a task measures or describes them."""
    tasks = [recipe.domain.task] if recipe.domain else []
    tasks += [capability.task for capability in recipe.keep.values()]
    if not isinstance(recipe, Recipe) or not any(isinstance(t, HeldOutTask | TemplateLeakTask) for t in tasks):
        return []
    return domain_rows_of(load_sources(recipe, folder, only="domain"))


def _engine(side: Side, recipe: Recipe | ComparisonRecipe, folder: Path) -> Engine:
    if isinstance(side, str) and side.startswith(("http://", "https://")):
        raise _unknown_endpoint("an address", recipe)
    if isinstance(side, EndpointSettings):
        return _connected(side, "endpoint", recipe, folder)
    if isinstance(side, str) and side.startswith(ENDPOINT):
        name = side.removeprefix(ENDPOINT)
        if name not in recipe.endpoints:
            raise _unknown_endpoint(side, recipe)
        return _connected(recipe.endpoints[name], f"endpoints.{name}", recipe, folder)
    return engine_of(load_finished(_model_settings(side, recipe), folder=folder), recipe)


def _connected(
    settings: EndpointSettings, field: str, recipe: Recipe | ComparisonRecipe, folder: Path
) -> EndpointEngine:
    """A served model is asked the way the recipe's own model is."""
    model = recipe.model if isinstance(recipe, Recipe) else None
    return connect_endpoint(settings, folder=folder, field=field, template=model.template if model else None,
                            arguments=model.chat_template_kwargs if model else None)  # fmt: skip


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


def _unknown_endpoint(given: str, recipe: Recipe | ComparisonRecipe) -> EndpointError:
    known = ", ".join(f"`{ENDPOINT}{name}`" for name in recipe.endpoints)
    return EndpointError(
        field="model to compare",
        value=given,
        rule=f"an endpoint is named as the recipe has it under `endpoints:`, which has {known or 'none'}",
        way_out="write its `url` and `model` there under a name of your own, and give `endpoint:NAME` here",
    )


def _rehearse(engine: Engine, tasks: Mapping[str, Task], items: Mapping[str, tuple[Item, ...]]) -> None:
    """Ask one item of every task: what the server cannot do is to come out now, and not after hours."""
    for name, task in tasks.items():
        task.score(engine, items[name][:1])


def _scores(engine: Engine, passing: str) -> ScoreStore:
    """Scores are kept for other runs where the model is known: by its weights, or by an endpoint's `revision`."""
    lasts = not isinstance(engine, EndpointEngine) or engine.settings.revision is not None
    return shared_scores() if lasts else ScoreStore(Path(passing))


def _noises(
    before: Engine, capabilities: Sequence[Capability], recipe: Recipe | ComparisonRecipe, progress: Progresses
) -> dict[str, float]:
    """How far the base differs from itself (rule 6); what a server answers together is the server's own choice."""
    if not isinstance(before, TransformersEngine):
        return {}
    return measure_noises(before, capabilities, dev_items=recipe.evaluation.dev_items, seed=recipe.seed,
                          store=shared_scores(), progress=progress)  # fmt: skip


def _notes(before: Engine, after: Engine, looks: int) -> tuple[str, ...]:
    served = {name: e for name, e in (("base", before), ("tuned", after)) if isinstance(e, EndpointEngine)}
    notes = [
        f"{name} is asked by messages: the server's own chat template writes its prompts (no `tokenizer` is named)"
        for name, engine in served.items()
        if engine.served.form.reads == "messages"
    ]
    if "base" in served:
        notes.append(
            "base is asked at an endpoint, which decides by itself what it answers together: how far it differs from "
            "itself is not measured, and taken as 0"
        )
    if len(served) == 1:
        notes.append(
            f"{next(iter(served))} is asked at an endpoint and the other model in this process: where the two "
            "engines round or decode differently, that counts as a difference between the models"
        )
    if looks > 1:
        notes.append(
            f"this is look {looks} at these test items from this base: the more models are judged on them, the "
            "likelier one of them is kept by luck"
        )
    return tuple(notes)
