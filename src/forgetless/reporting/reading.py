"""From a run folder to a `View`.

The folder's files go in: `recipe.yaml`, `manifest.json`, `events.jsonl`, `certificate.json`, `rejects.jsonl`. Each may
be missing. An event of an unknown kind, an unknown field of a known one, and an evaluation, a share or a step of the
path that lacks what this version needs are passed over, so a page can be made of a run by a newer version. The events
that are read:

    source       name, kind, shape, format, rows, rejected, duplicates, held_out, asked, describe
    mixture      shares (of `MixtureShare`), fingerprint, steps, tokens, rejected {source: rows}; the last one counts
    replay       rows, prompts (`self`, `given`), covered {capability: true | false | null}, holes {capability: filled}
    log          step, loss, ce, kl, domain_kl, entropy, learning_rate
    evaluation   the fields of `Evaluation`
    adjustment   the fields of `Adjustment`
    brake        capability, weight_before, weight
    alarm        step, capability, message
    stop         step, reason
    chosen       step, reason
    path         the fields of `PathStep`; used until there is a certificate
    samples      items [{capability, prompt, target, before, after, before_score, after_score}]
    shipped      folder, label, ship
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from forgetless.errors import RunFolderError
from forgetless.records import Adjustment, Certificate, Evaluation, Example, MixtureShare, PathStep, from_json
from forgetless.reporting.view import (
    Braked,
    LogPoint,
    MixtureView,
    Moment,
    RejectView,
    ReplayView,
    Shipped,
    SourceView,
    View,
)
from forgetless.rundir import read_events

MOST_REJECTS = 20
"""Rejected rows that are shown; the file in the run folder holds them all."""

T = TypeVar("T")
Event = Mapping[str, Any]


def build_view(folder: Path) -> View:
    """Read what a page shows of a run, finished or not.

    Raises:
        RunFolderError: There is no run in the folder, or a file of it cannot be read back.
    """
    if not (folder / "events.jsonl").exists() and not (folder / "certificate.json").exists():
        raise RunFolderError(
            field="run",
            value=folder,
            rule="holds no run: there is neither `events.jsonl` nor `certificate.json`",
            way_out="give the folder of one run, such as `runs/NAME`",
        )
    events = list(read_events(folder))
    recipe = _text(folder / "recipe.yaml")
    settings = _settings(recipe)
    certificate = _certificate(folder)
    times = [e["time"] for e in events if isinstance(e.get("time"), int | float)]
    return View(
        name=str(settings.get("name") or folder.resolve().name),
        started=min(times, default=None),
        finished=max(times, default=None),
        recipe=recipe,
        positions=tuple(_mapping(settings.get("evaluation")).get("path") or ()),
        kept_by_recipe=tuple(_mapping(settings.get("keep"))),
        margins=_margins(settings),
        manifest=tuple(_flatten(_json(folder / "manifest.json"))),
        sources=tuple({s.name: s for s in (_some(SourceView, e) for e in _of(events, "source"))}.values()),
        rejects=tuple(_rejects(folder / "rejects.jsonl")),
        mixture=_mixture(events),
        replay=_replay(events),
        logs=_by_step(_some(LogPoint, e) for e in _of(events, "log") if "step" in e),
        evaluations=_by_step(_records(Evaluation, _of(events, "evaluation"))),
        adjustments=tuple(_records(Adjustment, _of(events, "adjustment"))),
        brakes=tuple(_brakes(_of(events, "brake"))),
        alarms=tuple(_moment(e, "message") for e in _of(events, "alarm")),
        stop=_last_moment(events, "stop"),
        chosen=_last_moment(events, "chosen"),
        path=certificate.path if certificate and certificate.path else _path(events),
        samples=tuple(_some(Example, s) for e in _of(events, "samples")[-1:] for s in e.get("items", ())),
        certificate=certificate,
        shipped=next((_some(Shipped, e) for e in reversed(_of(events, "shipped"))), None),
    )


def _of(events: Sequence[Event], kind: str) -> list[Event]:
    return [e for e in events if e.get("event") == kind]


def _fields_of(kind: type[Any], data: Event) -> dict[str, Any]:
    return {f.name: data[f.name] for f in dataclasses.fields(kind) if f.name in data}


def _some(kind: type[T], data: Event) -> T:
    """A view part from the fields it knows; a `null` leaves the default, for it says no more than a missing field."""
    return kind(**{k: v for k, v in _fields_of(kind, data).items() if v is not None})


def _records(kind: type[T], data: Sequence[Event]) -> Iterator[T]:
    for fields in data:
        with contextlib.suppress(TypeError, ValueError, AttributeError):
            yield from_json(kind, fields)


def _brakes(events: Sequence[Event]) -> Iterator[Braked]:
    raised: dict[str, list[float]] = {}
    for event in events:
        with contextlib.suppress(KeyError, TypeError):
            if event["weight"] > event["weight_before"]:
                raised.setdefault(str(event["capability"]), []).append(float(event["weight"]))
    return (Braked(name, len(weights), max(weights)) for name, weights in raised.items())


def _by_step(points: Iterator[T]) -> tuple[T, ...]:
    """In step order, the latest telling of each step: a resumed run may live through a step again."""
    latest = {point.step: point for point in points}  # type: ignore[attr-defined]
    return tuple(latest[step] for step in sorted(latest))


def _moment(event: Event, field: str) -> Moment:
    return Moment(event.get("step"), str(event.get(field) or ""), str(event.get("capability") or ""))


def _last_moment(events: Sequence[Event], kind: str) -> Moment | None:
    return next((_moment(e, "reason") for e in reversed(_of(events, kind))), None)


def _mixture(events: Sequence[Event]) -> MixtureView | None:
    for event in reversed(_of(events, "mixture")):
        shares = tuple(_records(MixtureShare, event.get("shares", ())))
        return dataclasses.replace(_some(MixtureView, event), shares=shares)
    return None


def _replay(events: Sequence[Event]) -> ReplayView | None:
    for event in reversed(_of(events, "replay")):
        covered = event.get("covered")
        known = covered if isinstance(covered, Mapping) else dict.fromkeys(covered or (), True)
        holes = event.get("holes") or {}
        filled = tuple(name for name, hole in holes.items() if hole["filled"])
        return ReplayView(
            rows=event.get("rows"),
            prompts=_inline(event.get("prompts") or ""),
            covered=known,
            filled=filled,
            open=tuple(name for name in holes if name not in filled),
        )
    return None


def _path(events: Sequence[Event]) -> tuple[PathStep, ...]:
    return tuple(
        sorted({step.a: step for step in _records(PathStep, _of(events, "path"))}.values(), key=lambda step: step.a)
    )


def _certificate(folder: Path) -> Certificate | None:
    path = folder / "certificate.json"
    data = _json(path)
    if data is None:
        return None
    try:
        return from_json(Certificate, data)
    except (TypeError, ValueError, AttributeError) as error:
        raise _unreadable(path, f"is not a certificate that this version knows ({error})") from error


def _rejects(path: Path) -> Iterator[RejectView]:
    for line in _text(path).split("\n")[:MOST_REJECTS]:
        try:
            data = json.loads(line)
        except json.JSONDecodeError:
            return
        yield RejectView(str(data.get("origin", "")), str(data.get("reason", "")), str(data.get("preview", "")))


def _settings(recipe: str) -> Mapping[str, Any]:
    """The recipe as data. It is shown as text whatever it holds, so a recipe that is no YAML is not an error here."""
    try:
        return _mapping(yaml.safe_load(recipe))
    except yaml.YAMLError:
        return {}


def _margins(settings: Mapping[str, Any]) -> dict[str, float]:
    points = {n: _mapping(c).get("margin_points") for n, c in _mapping(settings.get("keep")).items()}
    return {name: value / 100 for name, value in points.items() if isinstance(value, int | float)}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _flatten(data: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names and text: `versions.torch`, `2.11.0`."""
    if not isinstance(data, Mapping):
        if data is not None:
            yield prefix, _inline(data)
        return
    for key, value in data.items():
        yield from _flatten(value, f"{prefix}.{key}" if prefix else str(key))


def _inline(value: Any) -> str:
    return ", ".join(map(_inline, value)) if isinstance(value, list | tuple) else str(value)


def _json(path: Path) -> Any:
    text = _text(path)
    try:
        return json.loads(text) if text else None
    except json.JSONDecodeError as error:
        raise _unreadable(path, f"is not JSON ({error})") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _unreadable(path: Path, rule: str) -> RunFolderError:
    return RunFolderError(
        field=path.name,
        value=path,
        rule=rule,
        way_out="read the run with the version that wrote it, or remove the file",
    )
