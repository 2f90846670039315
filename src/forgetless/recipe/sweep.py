"""A recipe with a `sweep:` block: many runs that differ in a few settings, all of them checked before one begins.

In: a YAML file, or its content. Out: a recipe for each trial. The trials stand on the same base, the same data and the
same exam, so that their scores can be compared; a setting that would change one of these cannot be swept.
"""

from __future__ import annotations

import copy
import difflib
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BeforeValidator, Field

from forgetless.errors import RecipeError
from forgetless.recipe.load import names_at, parse_recipe, placed, read_yaml, validate
from forgetless.recipe.schema import Recipe
from forgetless.recipe.settings import Settings, Whole

_THE_SAME_FOR_ALL: Final = {
    "name", "output", "seed", "mix", "endpoints", "model", "domain", "keep", "evaluation", "ship",
}  # fmt: skip


def _written_out(axis: object) -> object:
    """A range as the list of its values, evenly spaced in their logarithm, to three digits between its ends."""
    if not isinstance(axis, dict):
        return axis
    form = "a range is written `{from: 0.5, to: 8, points: 4}`"
    if set(axis) != {"from", "to", "points"}:
        raise ValueError(f"{form}, with these three keys")
    try:
        low, high, points = (float(axis[key]) for key in ("from", "to", "points"))
    except (TypeError, ValueError):
        raise ValueError(f"{form}, with three numbers") from None
    if not (0.0 < low < high < math.inf and 2 <= points <= 1000 and points.is_integer()):
        raise ValueError(f"{form}: it rises from above 0, in 2 points or more")
    inside = (low * (high / low) ** (i / (points - 1)) for i in range(1, int(points) - 1))
    return [low, *(float(f"{value:.3g}") for value in inside), high]


Axis = Annotated[list[Any], BeforeValidator(_written_out), Field(min_length=1)]


class SweepSettings(Settings):
    """What to try, and how to find the best of it by successive halving (arXiv 1502.07943).

    `axes` gives values to settings of the recipe by their dotted names; the trials are all combinations, or `trials` of
    them drawn by the recipe's `seed`. All trials train up to a first rung, the best one in `halving` of them up to the
    next, `halving` times as far, and so on through `rungs`, the last of which is a run's whole length.
    """

    axes: Annotated[dict[str, Axis], Field(min_length=1)]
    trials: Annotated[Whole, Field(ge=1)] | None = None
    halving: Annotated[Whole, Field(ge=2)] = 3
    rungs: Annotated[Whole, Field(ge=1)] = 3


class _SweepBlock(Settings):
    sweep: SweepSettings


@dataclass(frozen=True, slots=True)
class SweepTrial:
    """One run of a sweep: its name, the swept settings with their values, and its whole recipe."""

    name: str
    values: dict[str, Any]
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class SweepRecipe:
    """A sweep: the recipe without its `sweep:` block, that block, and the trials that follow from both.

    `combinations` is the size of the grid that the trials are from.
    """

    recipe: Recipe
    settings: SweepSettings
    trials: tuple[SweepTrial, ...]
    combinations: int


def load_sweep(path: Path | str) -> SweepRecipe:
    """Read and validate a recipe with a `sweep:` block.

    Raises:
        RecipeError: As `parse_sweep`; or the file is missing, or is not YAML.
    """
    sweep = parse_sweep(read_yaml(Path(path)), origin=str(path))
    for recipe in (sweep.recipe, *(trial.recipe for trial in sweep.trials)):
        placed(recipe, Path(path))
    return sweep


def parse_sweep(data: Any, *, origin: str = "recipe") -> SweepRecipe:
    """Validate the content of a recipe with a `sweep:` block, and every trial as a recipe of its own.

    Raises:
        RecipeError: The first thing that is wrong, with its field and value, and the trial in which it is.
    """
    if not isinstance(data, dict) or "sweep" not in data:
        raise RecipeError(
            field="sweep",
            value="(not given)",
            rule=f"{origin} does not say which settings to try",
            way_out="add `sweep: {axes: {training.learning_rate: [1.0e-5, 3.0e-5]}}`, or run `forgetless train`",
        )
    settings = validate(_SweepBlock, {"sweep": data["sweep"]}, origin).sweep
    content = {key: value for key, value in data.items() if key != "sweep"}
    recipe = parse_recipe(content, origin=origin)
    for path in settings.axes:
        _check_axis(path, recipe)
    combinations = math.prod(len(values) for values in settings.axes.values())
    trials = tuple(_trials(content, recipe, settings, combinations, origin))
    _check_trials_differ(trials)
    return SweepRecipe(recipe, settings, trials, combinations)


def dump_sweep(sweep: SweepRecipe) -> str:
    """The resolved recipe of a sweep as YAML, every default and every value of a range written out."""
    data = sweep.recipe.model_dump(mode="json") | {"sweep": sweep.settings.model_dump(mode="json")}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def combination(number: int, axes: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The combination with this number; the last axis turns fastest."""
    values = {}
    for path in reversed(list(axes)):
        number, place = divmod(number, len(axes[path]))
        values[path] = axes[path][place]
    return {path: values[path] for path in axes}


def _trials(
    content: dict[str, Any], recipe: Recipe, settings: SweepSettings, combinations: int, origin: str
) -> Iterator[SweepTrial]:
    numbers: Sequence[int] = range(combinations)
    if settings.trials is not None and settings.trials < combinations:
        numbers = sorted(random.Random(recipe.seed).sample(numbers, settings.trials))
    digits = max(2, len(str(len(numbers))))
    for place, number in enumerate(numbers, 1):
        values = combination(number, settings.axes)
        name = f"trial-{place:0{digits}}"
        try:
            trial = parse_recipe(
                _with_values(content, recipe, values)
                | {"name": name, "output": f"{recipe.output}/{recipe.name}/trials"},
                origin=origin,
            )
        except RecipeError as error:
            raise RecipeError(
                field=error.field,
                value=error.value,
                rule=error.rule,
                way_out=f"{error.way_out}; it is the trial with {_shown(values)}",
            ) from None
        resolved = trial.model_dump(mode="json")
        yield SweepTrial(name, {path: _at(resolved, _names(path)) for path in values}, trial)


def _with_values(content: dict[str, Any], recipe: Recipe, values: dict[str, Any]) -> dict[str, Any]:
    data = copy.deepcopy(content)
    shares = {path: value for path, value in values.items() if _is_share(path)}
    for path, value in (values | (_rest_for_the_domain(recipe, shares) if shares else {})).items():
        *parents, last = _names(path)
        inner = data
        for name in parents:
            inner[name] = inner.get(name) or {}
            inner = inner[name]
        inner[last] = value
    return data


def _rest_for_the_domain(recipe: Recipe, swept: dict[str, Any]) -> dict[str, Any]:
    """The shares of the domain's sources, whose proportions stay, where other shares are swept."""
    shares: dict[str, Any] = {f"sources.{n}.share": s.share for n, s in recipe.sources.items() if s.kind != "domain"}
    shares |= {"replay.share": recipe.replay.share} if recipe.replay else {}
    try:
        rest = 1.0 - sum(float(share) for share in (shares | swept).values())
    except (TypeError, ValueError):
        return {}  # the recipe says what is wrong with a share that is no number
    if rest <= 1e-9:
        raise RecipeError(
            field="sweep.axes",
            value=_shown(swept),
            rule="these shares, with those of the other sources, leave nothing for the domain",
            way_out="sweep smaller shares",
        )
    domain = {name: source.share for name, source in recipe.sources.items() if source.kind == "domain"}
    whole = sum(domain.values())
    return {f"sources.{name}.share": round(rest * share / whole, 12) for name, share in domain.items()}


def _check_axis(path: str, recipe: Recipe) -> None:
    """Raises `RecipeError` for what is no setting, or none that trials may differ in."""
    parts = _names(path)

    def refused(rule: str, way_out: str) -> RecipeError:
        return RecipeError(field=f"sweep.axes.{path}", value=path, rule=rule, way_out=way_out)

    if parts[0] in _THE_SAME_FOR_ALL:
        raise refused(
            "trials can be compared only on the same base, data, exam and seed",
            "sweep `constraints`, settings of `training`, `replay` or `mixture`, or the share of a source; write a "
            "recipe of its own for another question",
        )
    known = names_at(Recipe, parts[:-1])
    if parts[0] == "sources" and len(parts) > 1:
        if parts[1] not in recipe.sources:
            raise refused(
                "there is no such source", _nearest(path, [f"sources.{name}.share" for name in recipe.sources])
            )
        if parts[2:] != ["share"]:
            raise refused("of a source only the `share` can be swept: trials are compared on the same data",
                          f"sweep `sources.{parts[1]}.share`")  # fmt: skip
        if recipe.sources[parts[1]].kind == "domain":
            raise refused("the domain has what the other shares leave", "sweep theirs")
    elif parts[-1] not in known:
        raise refused("is no setting of a recipe", _nearest(path, [".".join([*parts[:-1], name]) for name in known]))
    elif isinstance(_at(recipe.model_dump(), parts[:-1]), (list, str)):
        whole = ".".join(parts[:-1])
        raise refused(f"`{whole}` has no settings of its own by name", f"sweep `{whole}` as a whole")


def _nearest(path: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`?" if near else "write its dotted name, such as `training.learning_rate`"


def _check_trials_differ(trials: Sequence[SweepTrial]) -> None:
    """Raises `RecipeError` where two trials would be the same run."""
    seen: dict[str, SweepTrial] = {}
    for trial in trials:
        key = json.dumps(trial.recipe.model_dump(mode="json", exclude={"name"}), sort_keys=True)
        if key in seen:
            raise RecipeError(
                field="sweep.axes",
                value=_shown(trial.values),
                rule=f"`{seen[key].name}` and `{trial.name}` would be the same run twice",
                way_out="write every value once",
            )
        seen[key] = trial


def _is_share(path: str) -> bool:
    return path == "replay.share" or (path.startswith("sources.") and path.endswith(".share"))


def _names(path: str) -> list[str]:
    """The names along a dotted path; a source's own name may have dots in it."""
    if path.startswith("sources.") and path.endswith(".share") and path.count(".") > 1:
        return ["sources", path.removeprefix("sources.").removesuffix(".share"), "share"]
    return path.split(".")


def _at(data: Any, names: Sequence[str]) -> Any:
    """What stands there; `None` where it, or what should hold it, is not given."""
    for name in names:
        data = data.get(name) if isinstance(data, dict) else data
    return data


def _shown(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}: {value}" for path, value in values.items())
