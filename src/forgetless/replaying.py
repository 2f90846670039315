"""The stage in which the base answers: prompts that it writes or is given, what they cover, and who answers for it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypedDict

from forgetless.engines import EndpointEngine, Engine, RecordedEndpoint, check_agreement
from forgetless.guard import Exam
from forgetless.progress import Progresses
from forgetless.recipe import Recipe
from forgetless.records import Message, Row
from forgetless.rundir import RunFolder, cache_folder
from forgetless.sources import Quotes, Rows, remove_items
from forgetless.stages import Ground
from forgetless.synthesis import Coverage, Forbids, Hole, Kinds, divide_by_kind, measure_coverage, self_replay
from forgetless.tokens import ChatFormat

_PROMPTS_COMPARED = 16


class ReplayCall(TypedDict):
    """What `self_replay` and `replay_state` are called with alike."""

    format: ChatFormat
    folder: Path
    seed: int
    exclude: Collection[str]
    cache: Path
    at_once: int
    quotes: Forbids
    kinds: Kinds


def replay_call(recipe: Recipe, ground: Ground) -> ReplayCall:
    """How a recipe's replay rows are made, whoever answers."""
    assert recipe.replay is not None
    name = recipe.replay.endpoint
    return {
        "format": ground.base.format,
        "folder": ground.folder,
        "seed": recipe.seed,
        "exclude": ground.exam.fixed_prompts(recipe.seed),
        "cache": cache_folder(),
        "at_once": 1 if name is None else recipe.endpoints[name].concurrency,
        "quotes": Quotes(ground.exam.fixed_questions(recipe.seed)).found_in,
        "kinds": _questions(ground.exam, recipe.seed),
    }


def replay_rows(recipe: Recipe, ground: Ground, run: RunFolder, progress: Progresses) -> Rows:
    """Rows answered by the base, and which capabilities their prompts cover."""
    if recipe.replay is None:
        return Rows()
    exam, own = ground.exam, recipe.replay.endpoint is None
    answering = ground.engine if own else endpoint_of_base(recipe, ground, run)
    started = time.monotonic()
    replay = self_replay(answering, recipe.replay, **replay_call(recipe, ground),
                         progress=progress("self-replay"))  # fmt: skip
    seconds = round(time.monotonic() - started, 3)
    rows, quoting = without_quotes(replay.rows, exam, recipe.seed)
    prompts = _asked_by(rows)
    coverage = measure_coverage(_questions(exam, recipe.seed), prompts)
    run.append_event("replay", seconds=seconds, rows=len(rows), from_cache=replay.from_cache,
                     excluded=replay.excluded + quoting, too_long=replay.too_long, duplicates=replay.duplicates,
                     refused=replay.refused, empty=replay.dropped_empty,
                     prompts=recipe.replay.origin, modes=replay.modes,
                     self_written=replay.self_written, forms=replay.forms, holes=_filled(replay.holes, coverage),
                     covered={c.capability: c.covered for c in coverage},
                     likeness={c.capability: c.likeness for c in coverage})  # fmt: skip
    return rows


def _filled(holes: Sequence[Hole], coverage: Sequence[Coverage]) -> dict[str, dict[str, Any]]:
    """What was done about each hole, and whether the rows that came of it cover the capability."""
    covered = {found.capability for found in coverage if found.covered}
    return {
        hole.capability: {"likeness": hole.likeness, "prompts": hole.prompts, "filled": hole.capability in covered}
        for hole in holes
    }


def replay_parts(recipe: Recipe, exam: Exam, rows: Sequence[Row]) -> dict[str, list[int]]:
    """Numbers of the replay rows that hold one ability and no other; none where nothing moves what holds it."""
    if not recipe.constraints:
        return {}
    return divide_by_kind(_questions(exam, recipe.seed), _asked_by(rows))


def _questions(exam: Exam, seed: int) -> dict[str, Sequence[str]]:
    return {c.name: c.sample_prompts(seed) for c in exam.capabilities}


def _asked_by(rows: Sequence[Row]) -> list[str]:
    return [row.text or next(m.content for m in reversed(row.messages) if m.role == "user") for row in rows]


def covered_by_replay(run: RunFolder) -> dict[str, bool | None]:
    """Which capabilities lie close to the replay rows, as it was measured before training; empty without replay."""
    return next((event["covered"] for event in reversed(run.events()) if event["event"] == "replay"), {})


def endpoint_of_base(recipe: Recipe, ground: Ground, run: RunFolder) -> Engine:
    """The endpoint that answers replay prompts for the base, once it is seen to serve the base.

    A resumed run that has its rows goes on without the server; one that was killed among them asks for the rest.

    Raises:
        EndpointError: The server cannot be asked, or does not give the base's answers.
    """
    assert recipe.replay is not None
    assert recipe.replay.endpoint is not None
    name, base = recipe.replay.endpoint, ground.base
    told = {event["event"]: event for event in run.events()}
    earlier = told.get("endpoint")
    if earlier is not None and "replay" in told:
        return RecordedEndpoint(earlier["model_hash"], earlier["settings_hash"])
    settings = recipe.endpoints[name]
    endpoint = EndpointEngine.connect(settings, field=f"endpoints.{name}", format=base.format,
                                      stop_ids=ground.engine.stop_ids,
                                      scope=earlier["scope"] if earlier else None)  # fmt: skip
    agreement = check_agreement(ground.engine, endpoint, _telling_prompts(ground.exam, recipe.seed),
                                temperature=recipe.replay.temperature, field="replay.endpoint")  # fmt: skip
    run.append_event("endpoint", name=name, url=settings.url, model=settings.model, base=base.name,
                     form=endpoint.served.form.name, fingerprint=endpoint.served.fingerprint,
                     asked=agreement.asked, agreed=agreement.agreed, scope=endpoint.scope,
                     model_hash=endpoint.model_hash, settings_hash=endpoint.settings_hash)  # fmt: skip
    return endpoint


def _telling_prompts(exam: Exam, seed: int) -> list[tuple[Message, ...]]:
    """Dev items of the domain and of each capability in turn: what a tuned model and its base answer differently."""
    tasks = [exam.domain, *(c.task for c in exam.capabilities)]
    items = (task.items("dev", limit=_PROMPTS_COMPARED, seed=seed) for task in tasks)
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*items))
    return [item.messages for item in in_turn if item is not None][:_PROMPTS_COMPARED]


def without_quotes(replayed: Sequence[Row], exam: Exam, seed: int) -> tuple[Rows, int]:
    """Replay rows less the texts that quote what the exam asks, and how many those were (rule 14)."""
    return remove_items(replayed, (), Quotes(exam.fixed_questions(seed)).found_in)
