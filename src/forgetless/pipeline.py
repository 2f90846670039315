"""The whole way of a run, in order.

A recipe goes in; a run folder comes out, with the model, the certificate and the page. Whoever reads only this file
knows the system: read the data, set the exam, let the base answer, blend, train under the guard, choose, save, certify
what was saved, ship, report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forgetless.engines import TransformersEngine
from forgetless.guard import (
    Certifier,
    Comparer,
    Exam,
    Frozen,
    Guard,
    capabilities_of,
    draw_test_items,
    fresh_seeds,
    set_exam,
)
from forgetless.models import LoadedModel, load_model, weights_hash
from forgetless.recipe import ComparisonRecipe, ModelSettings, Recipe, dump_recipe
from forgetless.records import Certificate, Row, Verdict
from forgetless.reporting import write_report
from forgetless.rundir import RunFolder, ScoreStore, cache_folder, content_hash, manifest, open_run
from forgetless.sources import LoadedSource, load_source, remove_items, write_rejects
from forgetless.synthesis import measure_coverage, self_replay
from forgetless.tasks import build_task
from forgetless.training import Blend, blend, checkpoint_model, fit, latest_resumable

Progress = Callable[[str], Callable[[int, int], None] | None]
OnEvent = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What `train` leaves: the run folder, the certificate, the model that the recipe ships, the page, and the bill."""

    folder: Path
    certificate: Certificate
    tokens: int
    model: Path
    report: Path


@dataclass(frozen=True, slots=True)
class CompareResult:
    """Verdicts on two finished models; `domain` is `None` when the recipe names no domain task."""

    verdicts: tuple[Verdict, ...]
    domain: Verdict | None


def train(
    recipe: Recipe,
    *,
    folder: Path = Path(),
    resume: bool = False,
    progress: Progress = lambda description: None,
    on_event: OnEvent | None = None,
) -> TrainResult:
    """Fine-tune by a recipe, hold what is to be kept, and certify the result.

    Args:
        recipe: What to do; see `load_recipe`.
        folder: What relative paths in the recipe are relative to.
        resume: Go on with a run that was killed.
        progress: Gives a `(done, total)` callback for a described piece of long work, or `None`.
        on_event: Sees every event of the run as it happens.

    Raises:
        UserError: Something in the recipe, the data, the model or the folder needs mending.
    """
    with open_run(folder / recipe.output / recipe.name, resume=resume) as run:
        run.on_event = on_event
        run.write_text("recipe.yaml", dump_recipe(recipe))
        sources = _load_sources(recipe, folder)
        exam = set_exam(recipe, folder=folder, domain_rows=_domain_rows(sources))

        base = load_model(recipe.model, folder=folder)
        engine = _engine(base, recipe)
        run.write_json("manifest.json", manifest(seed=recipe.seed, base=base.name, base_hash=base.hash))
        rows = _rows_to_train_on(sources, exam, recipe, run)
        replay = _replay(recipe, folder, engine, base, exam, run, progress)
        blended = blend(rows, replay, base.format, recipe=recipe)
        run.append_event("mixture", shares=blended.plan.shares, steps=blended.plan.steps, tokens=blended.plan.tokens,
                         fingerprint=blended.stream.fingerprint,
                         rejected={name: len(r) for name, r in blended.rejects.items()})  # fmt: skip

        guard = Guard(exam, base=engine, settings=recipe.evaluation, run=run, base_scores=_shared_scores(),
                      planned_evaluations=-(-blended.plan.steps // recipe.evaluation.every_steps),
                      seed=recipe.seed)  # fmt: skip
        _train_under_guard(recipe, base, blended, guard, run, resume, progress)

        choice = guard.choose()
        run.append_event("chosen", step=choice.step, reason=choice.reason)
        chosen = checkpoint_model(base, run.path / "checkpoints", choice.step, recipe.training)
        frozen = Frozen.save(base, chosen, run.path / "model", batch_tokens=recipe.evaluation.batch_tokens)
        certifier = Certifier(exam, settings=recipe.evaluation, run=run, base_scores=_shared_scores(),
                              discordance=guard.discordance(choice.step), seed=recipe.seed,
                              recipe_hash=content_hash(dump_recipe(recipe)))  # fmt: skip
        certificate = certifier.certify(frozen, choice)
        run.write_json("certificate.json", certificate)
        run.append_event("samples", items=certifier.examples(frozen))
        model = _ship(recipe, certificate, run)
        return TrainResult(run.path, certificate, sum(blended.stream.tokens().values()), model, write_report(run.path))


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
        tuned: The model after.
        recipe: What to ask; everything about training is ignored.
        folder: What relative paths in the recipe are relative to.

    Raises:
        UserError: Something in the recipe, the data or the models needs mending.
    """
    rows = _domain_rows(_load_sources(recipe, folder)) if isinstance(recipe, Recipe) else []
    capabilities = capabilities_of(recipe, folder=folder, domain_rows=rows)
    tasks = {c.name: c.task for c in capabilities}
    if recipe.domain is not None:
        tasks["domain"] = build_task("domain", recipe.domain.task, folder=folder, seed=recipe.seed, domain_rows=rows)
    before, after = (_engine(load_model(_model_settings(m), folder=folder), recipe) for m in (base, tuned))
    items = draw_test_items(tasks, limit=recipe.evaluation.test_items, seed=recipe.seed,
                            fresh_seeds=fresh_seeds(tasks, before.model_hash, after.model_hash))  # fmt: skip
    comparer = Comparer(before, after, base_scores=_shared_scores(), scores=_shared_scores(),
                        alpha=recipe.evaluation.alpha)  # fmt: skip
    verdicts = comparer.judge(capabilities, items)
    return CompareResult(
        verdicts, comparer.judge_domain(tasks["domain"], items["domain"]) if "domain" in tasks else None
    )


def _model_settings(model: ModelSettings | str | Path) -> ModelSettings:
    return model if isinstance(model, ModelSettings) else ModelSettings(path=str(model))


def _load_sources(recipe: Recipe, folder: Path) -> list[LoadedSource]:
    return [load_source(n, s, kind=s.kind, folder=folder, field=f"sources.{n}") for n, s in recipe.sources.items()]


def _domain_rows(sources: Sequence[LoadedSource]) -> list[Row]:
    return [row for source in sources if source.kind == "domain" for row in source.rows]


def _rows_to_train_on(
    sources: Sequence[LoadedSource], exam: Exam, recipe: Recipe, run: RunFolder
) -> dict[str, tuple[Row, ...]]:
    """Every source's rows less those that the exam asks about; rejects are kept in a file (rule 14)."""
    write_rejects(run.path / "rejects.jsonl", sources)
    asked, domain_rows = exam.fixed_prompts(recipe.seed), {row.id for row in exam.domain_rows}
    rows = {}
    for source in sources:
        kept = [row for row in source.rows if source.kind != "domain" or row.id in domain_rows]
        rows[source.name], removed = remove_items(kept, asked)
        run.append_event("source", name=source.name, kind=source.kind, shape=source.shape, format=source.file_format,
                         rows=len(rows[source.name]), rejected=len(source.rejects), duplicates=source.duplicates,
                         held_out=len(source.rows) - len(kept), asked=removed, describe=source.describe())  # fmt: skip
    return rows


def _replay(
    recipe: Recipe,
    folder: Path,
    engine: TransformersEngine,
    base: LoadedModel,
    exam: Exam,
    run: RunFolder,
    progress: Progress,
) -> tuple[Row, ...]:
    """Rows answered by the base, and which capabilities their prompts cover."""
    if recipe.replay is None:
        return ()
    replay = self_replay(engine, recipe.replay, format=base.format, folder=folder, seed=recipe.seed,
                         exclude=exam.fixed_prompts(recipe.seed), cache=cache_folder(),
                         progress=progress("self-replay"))  # fmt: skip
    prompts = [row.messages[0].content for row in replay.rows]
    coverage = [measure_coverage(c.name, c.sample_prompts(recipe.seed), prompts) for c in exam.capabilities]
    run.append_event("replay", rows=len(replay.rows), excluded=replay.excluded, too_long=replay.too_long,
                     duplicates=replay.duplicates, empty=replay.dropped_empty, from_cache=replay.from_cache,
                     prompts="self" if recipe.replay.prompts == "self" else "given",
                     covered={c.capability: c.covered for c in coverage},
                     likeness={c.capability: c.likeness for c in coverage})  # fmt: skip
    return replay.rows


def _train_under_guard(
    recipe: Recipe,
    base: LoadedModel,
    blended: Blend,
    guard: Guard,
    run: RunFolder,
    resume: bool,
    progress: Progress,
) -> None:
    checkpoints = run.path / "checkpoints"
    resumable = latest_resumable(checkpoints) if resume else None
    last = resumable.step if resumable else 0
    run.rewind_events(
        lambda event: event["event"] not in ("log", "evaluation", "alarm", "stop") or event["step"] <= last
    )
    if resumable:
        guard.load_state_dict(resumable.extra)
    bar = progress("training")

    def on_evaluate(model: Any, step: int, tokens: int) -> str | None:
        live = TransformersEngine(model, base.format, model_hash=weights_hash(model),
                                  batch_tokens=recipe.evaluation.batch_tokens)  # fmt: skip
        return guard.look(live, step=step, tokens=tokens)

    result = fit(
        base,
        blended,
        settings=recipe.training,
        output=checkpoints,
        every_steps=recipe.evaluation.every_steps,
        on_evaluate=on_evaluate,
        extra_state=guard.state_dict,
        on_log=lambda fields: run.append_event("log", **fields),
        on_step=bar,
        seed=recipe.seed,
        resume=resumable,
    )
    if result.stopped:
        run.append_event("stop", step=result.steps, reason=result.stopped)


def _ship(recipe: Recipe, certificate: Certificate, run: RunFolder) -> Path:
    """The folder that the run speaks for, and what may be said of it."""
    certified = "certified" if 0.0 < certificate.certified_a < 1.0 else "model"
    name = certified if recipe.ship == "certified" and certificate.certified_a > 0.0 else "model"
    label = "certified" if certificate.certified or name == "certified" else "not certified"
    run.append_event("shipped", folder=name, label=label, ship=recipe.ship, missing=certificate.missing)
    return run.path / name


def _engine(loaded: LoadedModel, recipe: Recipe | ComparisonRecipe) -> TransformersEngine:
    return TransformersEngine(
        loaded.model, loaded.format, model_hash=loaded.hash, batch_tokens=recipe.evaluation.batch_tokens
    )


def _shared_scores() -> ScoreStore:
    return ScoreStore(cache_folder() / "scores")
