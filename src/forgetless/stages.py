"""The stages of the pipeline that take more than one call, in the order in which it makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forgetless.engines import TransformersEngine
from forgetless.errors import RunFolderError
from forgetless.guard import Exam, Guard, Multipliers, Probe, measure_noises, rehearse, set_exam
from forgetless.models import LoadedModel, attention_of, load_model, weights_hash
from forgetless.progress import Progresses
from forgetless.recipe import ComparisonRecipe, Recipe, dump_recipe, load_recipe, settled_like
from forgetless.records import Certificate, MixtureShare, StreamKind
from forgetless.rundir import RunFolder, ScoreStore, atomic_write, cache_folder, content_hash, disk_errors, manifest
from forgetless.sources import LoadedSource, Quotes, Reject, Rows, load_source, reject_line, remove_items
from forgetless.tokens import TokenReject
from forgetless.training import Blend, fit_in_ranks, latest_resumable

OnEvent = Callable[[dict[str, Any]], None]

_PROMPTS_COMPARED = 16
_BY_STEP = ("log", "evaluation", "alarm", "adjustment", "brake", "stop")


@dataclass(frozen=True, slots=True)
class Ground:
    """What a run stands on before anything is measured or trained.

    Attributes:
        folder: What relative paths in the recipe are relative to.
        sources: Every source, read.
        exam: What the model will be asked.
        rows: The rows of every source that are left to train on.
        asked: For every source, how many rows were left out because the exam asks the same.
        base: The model to start from.
        engine: Answers for it.
    """

    folder: Path
    sources: tuple[LoadedSource, ...]
    exam: Exam
    rows: dict[str, Rows]
    asked: dict[str, int]
    base: LoadedModel
    engine: TransformersEngine

    def held_out(self, source: LoadedSource) -> int:
        """How many rows of a source measure the domain instead of teaching it."""
        return len(source.rows) - self.asked[source.name] - len(self.rows[source.name])


def keep_recipe(recipe: Recipe, run: RunFolder, *, resume: bool) -> Recipe:
    """Write the recipe into the run folder; what a plan has settled there fills the gaps of a resumed one.

    Raises:
        RunFolderError: A run is to be resumed with another recipe than it was begun with.
    """
    path, plan = run.path / "recipe.yaml", told_plan(run)
    # The steps that a plan settles stand for the passes that it was made for, and for no others.
    if resume and path.exists() and (plan is None or plan["epochs"] == recipe.training.epochs):
        recipe = settled_like(recipe, load_recipe(path))
    keep_settings(dump_recipe(recipe), run, resume=resume)
    return recipe


def keep_settings(text: str, run: RunFolder, *, resume: bool) -> None:
    """Write a resolved recipe into the folder of what follows it.

    Raises:
        RunFolderError: It is to be resumed with another recipe than it was begun with.
    """
    path = run.path / "recipe.yaml"
    if resume and path.exists() and path.read_text(encoding="utf-8") != text:
        raise RunFolderError(
            field="--resume",
            value=run.path,
            rule="was begun with another recipe; what it has done so far would not be what the recipe says",
            way_out="restore the recipe (the folder holds it as recipe.yaml), or give `name:` another value",
        )
    run.write_text("recipe.yaml", text)


def told_plan(run: RunFolder) -> dict[str, Any] | None:
    """The plan that a run follows, if it has told it."""
    return next((event for event in run.events() if event["event"] == "plan"), None)


def lay_ground(recipe: Recipe, folder: Path) -> Ground:
    """Read the data, set the exam, load the base, rehearse, and take away what the exam asks (rule 14).

    Raises:
        UserError: Something in the recipe, the data or the model needs mending.
    """
    sources = load_sources(recipe, folder)
    exam = set_exam(recipe, folder=folder, domain_rows=domain_rows_of(sources))
    base = load_model(recipe.model, folder=folder)
    engine = engine_of(base, recipe)
    rehearse(exam, engine, seed=recipe.seed)
    rows, asked = rows_to_train_on(sources, exam, recipe.seed)
    return Ground(folder, tuple(sources), exam, rows, asked, base, engine)


def rows_to_train_on(sources: Sequence[LoadedSource], exam: Exam, seed: int) -> tuple[dict[str, Rows], dict[str, int]]:
    """Every source's rows less those that the exam asks about, and how many those were (rule 14)."""
    prompts = exam.fixed_prompts(seed)
    quotes = Quotes(exam.fixed_questions(seed))
    rows, asked = {}, {}
    for source in sources:
        kept = source.rows.among(exam.domain_rows) if source.kind == "domain" else source.rows
        rows[source.name], asked[source.name] = remove_items(kept, prompts, quotes.found_in)
    return rows, asked


def keep_manifest(recipe: Recipe, base: LoadedModel, exam: Exam, run: RunFolder) -> None:
    """Write down what the run is made with: seed, model, items, versions, machine.

    Raises:
        RunFolderError: A run is resumed with another base model or other items than it was begun with.
    """
    made_with = {"base_hash": base.hash, "items_hash": content_hash(sorted(exam.fixed_prompts(recipe.seed)))}
    before = run.read_json("manifest.json") or {}
    for what, found in made_with.items():
        if before.get(what, found) != found:
            raise RunFolderError(
                field="--resume",
                value=run.path,
                rule=f"was begun with {'another base model' if what == 'base_hash' else 'other items to test on'}",
                way_out="put the files back as they were, or give `name:` another value",
            )
    device = base.model.device.type
    run.write_json("manifest.json", manifest(seed=recipe.seed, device=device, **(identity(base) | made_with)))


def identity(base: LoadedModel) -> dict[str, str]:
    """What a run is measured against, for the manifest: the base as it was loaded."""
    told = {"base": base.name, "base_hash": base.hash, "dtype": str(base.model.dtype).removeprefix("torch."),
            "attention": attention_of(base.model)}  # fmt: skip
    if base.origin is not None and base.origin.quantization is not None:
        told["reference"] = f"the base quantised to {base.origin.quantization} (4 bits), not the base as published"
    return told


def load_sources(recipe: Recipe, folder: Path, *, only: StreamKind | None = None) -> list[LoadedSource]:
    """Every source of the recipe, or every one of a kind, read."""
    wanted = {name: source for name, source in recipe.sources.items() if only in (None, source.kind)}
    return [load_source(n, s, kind=s.kind, folder=folder, field=f"sources.{n}") for n, s in wanted.items()]


def domain_rows_of(sources: Sequence[LoadedSource]) -> Rows:
    """The rows of all domain sources, in their order."""
    return Rows.joined(source.rows for source in sources if source.kind == "domain")


def tell_sources(ground: Ground, run: RunFolder) -> None:
    """Write down how every source was read; rejects are kept in a file."""
    keep_rejects(ground.sources, run)
    for source in ground.sources:
        run.append_event("source", name=source.name, kind=source.kind, shape=source.shape, format=source.file_format,
                         rows=len(ground.rows[source.name]), rejected=len(source.rejects),
                         duplicates=source.duplicates, held_out=ground.held_out(source),
                         asked=ground.asked[source.name], describe=source.describe())  # fmt: skip


def keep_rejects(sources: Sequence[LoadedSource], run: RunFolder, blended: Blend | None = None) -> None:
    """Write down every record that did not become a row, and every row that cannot be trained on, with the reason.

    Rows that turn out to be of no use when they are drawn are added then; a resumed run keeps those of before.
    """
    path, left_out = run.path / "rejects.jsonl", blended.rejects if blended else {}
    unread = [reject_line(source.name, reject) for source in sources for reject in source.rejects]
    untrained = [_untrained(name, reject) for name, rejects in left_out.items() for reject in rejects]
    lines = dict.fromkeys([*unread, *untrained])
    if path.exists() and any(event["event"] == "mixture" for event in run.events()):
        told = path.read_text(encoding="utf-8").split("\n")[:-1]
        lines |= dict.fromkeys(f"{line}\n" for line in told)
    atomic_write(path, "".join(lines))

    def tell(source: str, reject: TokenReject) -> None:
        line = _untrained(source, reject)
        if line not in lines:
            lines[line] = None
            with disk_errors(path), path.open("a", encoding="utf-8") as file:
                file.write(line)

    if blended:
        blended.tell_left_out(tell)


def _untrained(source: str, reject: TokenReject) -> str:
    return reject_line(source, Reject(reject.origin, reject.reason, reject.preview))


def noises_of_base(recipe: Recipe, ground: Ground, run: RunFolder, progress: Progresses) -> dict[str, float]:
    """How far the base differs from itself on every capability (rule 6), told once.

    Raises:
        TaskError: A margin lies within that noise.
    """
    noises = measure_noises(ground.engine, ground.exam.capabilities, dev_items=recipe.evaluation.dev_items,
                            seed=recipe.seed, store=shared_scores(), progress=progress)  # fmt: skip
    if not any(event["event"] == "noise" for event in run.events()):
        run.append_event("noise", noises=noises)
    return noises


def tell_mixture(blended: Blend, shares: Sequence[MixtureShare], run: RunFolder) -> None:
    """Write down what each source is asked to give, or gave."""
    drawn = blended.stream.left_out()
    run.append_event("mixture", shares=shares, steps=blended.plan.steps, tokens=blended.plan.tokens,
                     fingerprint=blended.stream.fingerprint,
                     rejected={name: len(r) + drawn[name] for name, r in blended.rejects.items()},
                     accounts=blended.accounts)  # fmt: skip


def multipliers_of(
    recipe: Recipe, ground: Ground, blended: Blend, run: RunFolder, progress: Progresses
) -> Multipliers | None:
    """What the guard's looks move, and checks between them; nothing without `constraints`."""
    if not recipe.constraints:
        return None
    capabilities, items, probe = ground.exam.capabilities, recipe.evaluation.check_items, None
    if items:
        probe = Probe(capabilities, base=ground.engine, base_scores=shared_scores(), items=items, seed=recipe.seed,
                      progress=progress)  # fmt: skip
    return Multipliers(capabilities, stream=blended.stream, plan=blended.plan, recipe=recipe, run=run, probe=probe)


def train_under_guard(
    recipe: Recipe,
    base: LoadedModel,
    blended: Blend,
    guard: Guard,
    run: RunFolder,
    resume: bool,
    progress: Progresses,
    until: int | None = None,
) -> None:
    """Train, with the guard looking at every evaluation; a resumed run goes on from its last whole checkpoint.

    With `until` the run pauses after that step, which is one of its looks.
    """
    assert recipe.evaluation.every_steps is not None, "the plan settles it"
    checkpoints = run.path / "checkpoints"
    resumable = latest_resumable(checkpoints) if resume else None
    last = resumable.step if resumable else 0
    run.rewind_events(lambda event: event["event"] not in _BY_STEP or event["step"] <= last)
    if resumable:
        guard.load_state_dict(resumable.extra)
    bar = progress("training")

    def on_evaluate(model: Any, step: int, tokens: int) -> str | None:
        live = TransformersEngine(model, base.format, model_hash=weights_hash(model),
                                  batch_tokens=recipe.evaluation.batch_tokens)  # fmt: skip
        return guard.look(live, step=step, tokens=tokens)

    def on_check(model: Any, step: int) -> None:
        assert guard.multipliers is not None
        live = TransformersEngine(model, base.format, model_hash=f"step {step}",
                                  batch_tokens=recipe.evaluation.batch_tokens)  # fmt: skip
        guard.multipliers.check(live, step)

    result = fit_in_ranks(
        base,
        blended,
        settings=recipe.training,
        output=checkpoints,
        every_steps=recipe.evaluation.every_steps,
        on_evaluate=on_evaluate,
        check_steps=guard.multipliers.check_steps if guard.multipliers else None,
        on_check=on_check,
        extra_state=guard.state_dict,
        on_log=lambda fields: run.append_event("log", **fields),
        on_step=bar,
        seed=recipe.seed,
        resume=resumable,
        until=until,
        progress=progress,
    )
    if result.stopped:
        run.append_event("stop", step=result.steps, reason=result.stopped)


def ship(recipe: Recipe, certificate: Certificate, run: RunFolder) -> Path:
    """The folder that the run speaks for, and what may be said of it."""
    certified = "certified" if 0.0 < certificate.certified_a < 1.0 else "model"
    name = certified if recipe.ship == "certified" and certificate.certified_a > 0.0 else "model"
    label = "certified" if certificate.certified or name == "certified" else "not certified"
    run.append_event("shipped", folder=name, label=label, ship=recipe.ship, missing=certificate.missing)
    return run.path / name


def engine_of(loaded: LoadedModel, recipe: Recipe | ComparisonRecipe) -> TransformersEngine:
    """Answers for a loaded model, in batches of the recipe's size."""
    return TransformersEngine(
        loaded.model, loaded.format, model_hash=loaded.hash, batch_tokens=recipe.evaluation.batch_tokens
    )


def shared_scores() -> ScoreStore:
    """Where score sheets of base models are kept between runs."""
    return ScoreStore(cache_folder() / "scores")
