"""The samples of two models in, verdicts out: `compare` without a model.

Each task is a capability, unless it is pooled with others of its group. Margins that are not named are the smallest
that the items can certify, by the function that recipes go by; whatever is chosen here is told in a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from forgetless.errors import TaskError
from forgetless.examples import pick_examples
from forgetless.records import CompareResult, Item, ItemResult
from forgetless.samples.files import SampleFiles, sample_files, task_of
from forgetless.samples.match import Match, match_task
from forgetless.verdicts import assumed_discordance, judge_all, points, smallest_margin_points

ALPHA = 0.05

_NO_NOISE = "samples do not tell how far the base differs from itself in other batches: it is taken as 0"


@dataclass(frozen=True, slots=True)
class _Pool:
    """A capability: one task, or the tasks of a group."""

    name: str
    matches: tuple[Match, ...]

    @property
    def results(self) -> tuple[list[ItemResult], list[ItemResult]]:
        return [r for m in self.matches for r in m.base], [r for m in self.matches for r in m.tuned]

    @property
    def items(self) -> list[Item]:
        return [item for match in self.matches for item in match.items]

    @property
    def judged(self) -> int:
        """Items that the base has a score for."""
        return sum(result.score is not None for result in self.results[0])

    @property
    def chance(self) -> float:
        """Mean score of guessing over its items."""
        chances = [chance for match in self.matches for chance in match.chances]
        return sum(chances) / len(chances)


def compare_samples(
    base: str | Path,
    tuned: str | Path,
    *,
    tasks: Sequence[str] = (),
    groups: Sequence[str] = (),
    metrics: Mapping[str, str] = MappingProxyType({}),
    margin_points: float | None = None,
    margins_points: Mapping[str, float] = MappingProxyType({}),
    any_prompts: bool = False,
) -> CompareResult:
    """Verdicts on two models from what lm-evaluation-harness has logged of their answers.

    Args:
        base: What was logged of the model before: an output folder, or one file of samples.
        tuned: What was logged of the model after.
        tasks: Names or patterns (`mmlu_*`) of the tasks to judge; by default all that the base was asked.
        groups: Beginnings of names: tasks called `GROUP_...` are one capability, and its subjects.
        metrics: The metric of a task or group, as `metric` or `metric,filter`; by default `acc_norm`, else `acc`, else
            the first that scores each item.
        margin_points: The most that each capability may drop; by default the least that its items can certify.
        margins_points: The same by capability.
        any_prompts: Pair answers to prompts that differ as well.

    Raises:
        DataError: There are no samples, or a line of them cannot be read.
        TaskError: The two sides were not asked the same, or what is named is not there.
    """
    sides = sample_files(Path(base)), sample_files(Path(tuned))
    pairs = _pairs(base, tuned, sides, tasks)
    homes = _homes(list(pairs), groups)
    _known("--metric", metrics, {*pairs, *homes.values()})
    _known("--margin", margins_points, set(homes.values()))
    pools = [
        _pool(name, [task for task, home in homes.items() if home == name], pairs, metrics, any_prompts)
        for name in dict.fromkeys(homes.values())
    ]
    asked = {pool.name: margins_points.get(pool.name, margin_points) for pool in pools}
    margins = {
        pool.name: _smallest_margin(pool, len(pools)) if (named := asked[pool.name]) is None else named
        for pool in pools
    }
    results = {pool.name: pool.results for pool in pools}
    verdicts = judge_all(
        results,
        margins={name: value / 100 for name, value in margins.items()},
        chances={pool.name: pool.chance for pool in pools},
        alpha=ALPHA,
    )
    examples = [e for pool in pools for e in pick_examples(pool.name, pool.items, *pool.results)]
    notes = [_read_as(base, sides[0], "base"), _read_as(tuned, sides[1], "tuned"), *_unasked(sides, tasks), _NO_NOISE]
    for pool in pools:
        notes += _told(pool, margins[pool.name], named=asked[pool.name] is not None)
    return CompareResult(tuple(verdicts), None, tuple(notes), tuple(examples))


def _pairs(
    base: str | Path, tuned: str | Path, sides: tuple[SampleFiles, SampleFiles], wanted: Sequence[str]
) -> dict[str, tuple[Path, Path]]:
    """The two files of each task to judge.

    Two single files are one pair even where a name does not tell the task.
    """
    before, after = (dict(side.by_task) for side in sides)
    if Path(base).is_file() and Path(tuned).is_file() and not (task_of(Path(base)) and task_of(Path(tuned))):
        name = task_of(Path(base)) or task_of(Path(tuned)) or Path(base).stem
        before, after = {name: Path(base)}, {name: Path(tuned)}
    if not before.keys() & after.keys():
        raise TaskError(
            field="samples",
            value=f"{_listed(before)} and {_listed(after)}",
            rule="the two sides have no task in common",
            way_out="run lm-eval with the same `--tasks` for both models",
        )
    for pattern in wanted:
        if not any(fnmatchcase(task, pattern) for task in before):
            raise TaskError(
                field="--task",
                value=pattern,
                rule=f"names none of the tasks that the base was asked: {_listed(before)}",
                way_out="name one of these, or a pattern such as `mmlu_*`",
            )
    judged = [task for task in sorted(before) if _wanted(task, wanted)]
    if lost := [task for task in judged if task not in after]:
        raise TaskError(
            field="samples",
            value=_listed(lost),
            rule="the base was asked these tasks and the tuned model was not: what was not measured is not kept",
            way_out="run them for the tuned model too, or name the tasks to judge by `--task`",
        )
    return {task: (before[task], after[task]) for task in judged}


def _wanted(task: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(task, pattern) for pattern in patterns)


def _homes(tasks: Sequence[str], groups: Sequence[str]) -> dict[str, str]:
    """The capability that each task belongs to."""

    def home(task: str) -> str:
        return next((group for group in groups if task == group or task.startswith(f"{group}_")), task)

    homes = {task: home(task) for task in tasks}
    for group in groups:
        if group not in homes.values():
            raise TaskError(
                field="--group",
                value=group,
                rule=f"pools the tasks called `{group}_...`, and there is none among {_listed(tasks)}",
                way_out="give the beginning of their names, such as `mmlu`",
            )
    return homes


def _known(option: str, given: Iterable[str], names: set[str]) -> None:
    for name in given:
        if name not in names:
            raise TaskError(
                field=option,
                value=name,
                rule=f"names no task that is judged; these are {_listed(names)}",
                way_out=f"write `{option} NAME=...` with one of them",
            )


def _pool(
    name: str,
    tasks: Sequence[str],
    pairs: Mapping[str, tuple[Path, Path]],
    metrics: Mapping[str, str],
    any_prompts: bool,
) -> _Pool:
    matches = tuple(
        match_task(
            task,
            *pairs[task],
            wanted=metrics.get(task, metrics.get(name)),
            subject=task if len(tasks) > 1 else "",
            any_prompts=any_prompts,
        )
        for task in tasks
    )
    if len({match.metric for match in matches}) > 1:
        raise TaskError(
            field="--group",
            value=name,
            rule="its tasks are scored by different metrics: "
            + ", ".join(f"`{match.task}` by `{match.metric}`" for match in matches),
            way_out=f"give one that all of them have, as `--metric {name}=NAME`",
        )
    return _Pool(name, matches)


def _smallest_margin(pool: _Pool, capabilities: int) -> float:
    exact = all(match.right_or_wrong for match in pool.matches)
    least = smallest_margin_points(
        pool.judged, assumed_discordance(binary=exact), ALPHA, capabilities=capabilities, exact=exact
    )
    if least is None:
        raise TaskError(
            field="--margin",
            value="(not given)",
            rule=f"the {pool.judged} items of `{pool.name}` can tell no drop, however large, from none, so no margin "
            "follows from them",
            way_out=f"give more items, pool tasks by `--group`, or write `--margin {pool.name}=POINTS` and expect "
            "`undecided`",
        )
    return least


def _read_as(side: str | Path, files: SampleFiles, whose: str) -> str:
    count = len(files.by_task) + files.older
    older = f", of which {files.older} older ones are left aside" if files.older else ""
    return f"{whose} is read as lm-eval samples: {count} {'files' if count > 1 else 'file'} in {side}{older}"


def _unasked(sides: tuple[SampleFiles, SampleFiles], wanted: Sequence[str]) -> list[str]:
    new = [task for task in sides[1].by_task if task not in sides[0].by_task and _wanted(task, wanted)]
    if not new or len(sides[0].by_task) == len(sides[1].by_task) == 1:
        return []
    return [f"the base was not asked {_listed(new)}, so nothing is said about it"]


def _told(pool: _Pool, margin: float, *, named: bool) -> list[str]:
    """What was settled about a capability before it was judged."""
    filters = ", ".join(dict.fromkeys(f"`{match.filter}`" for match in pool.matches))
    tasks = f" over {len(pool.matches)} tasks" if len(pool.matches) > 1 else ""
    why = "as asked" if named else f"the smallest that {pool.judged} items can certify"
    notes = [
        f"{pool.name}: `{pool.matches[0].metric}` through the filter {filters}{tasks}; guessing scores "
        f"{points(pool.chance)}; the margin is {points(margin / 100)}, {why}"
    ]
    if others := sum(match.other_prompts for match in pool.matches):
        notes.append(f"{pool.name}: {others} prompts differ, which counts as a difference between the models")
    if repeated := sum(match.repeated for match in pool.matches):
        notes.append(f"{pool.name}: {repeated} items ask the same again and are left out")
    return notes


def _listed(names: Iterable[str]) -> str:
    shown = [f"`{name}`" for name in sorted(names)]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
