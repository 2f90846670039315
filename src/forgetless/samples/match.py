"""Two models' logged answers to one task in, paired results out, or the reason why they are no pair.

Answers belong together by number of the document, and the hashes that were logged with them are held against each
other: another document under the same number, or another prompt (another few-shot seed, say), makes the pair worthless.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forgetless.errors import TaskError
from forgetless.records import Item, ItemResult, Message
from forgetless.samples.files import lower_is_better
from forgetless.samples.metrics import is_missing, own_metric, score_of
from forgetless.samples.read import Logged, read_samples


@dataclass(frozen=True, slots=True)
class Match:
    """One task, answered by both models.

    Attributes:
        task: Its name.
        metric: The metric that scores it.
        filter: The filter that its answers went through first.
        items: What was asked.
        base: The base's results; without a score for items that only the tuned model was asked.
        tuned: The tuned model's results.
        chances: For each judged item, the score of guessing: 1/k for k choices, 0 where the model writes.
        other_prompts: Items that the two models were asked in other words.
        repeated: Items that ask the same again, and are left out.
    """

    task: str
    metric: str
    filter: str
    items: tuple[Item, ...]
    base: tuple[ItemResult, ...]
    tuned: tuple[ItemResult, ...]
    chances: tuple[float, ...]
    other_prompts: int
    repeated: int

    @property
    def right_or_wrong(self) -> bool:
        """Whether every score is 0 or 1."""
        return all(result.score in (None, 0.0, 1.0) for result in (*self.base, *self.tuned))


def match_task(task: str, base: Path, tuned: Path, *, wanted: str | None, subject: str, any_prompts: bool) -> Match:
    """Read and pair one task.

    Args:
        task: Its name.
        base: The base's file.
        tuned: The tuned model's file.
        wanted: Its metric, as `metric` or `metric,filter`; by default the task's own.
        subject: What its items are called in a group of tasks.
        any_prompts: Pair items whose prompts differ, too.

    Raises:
        DataError: A file cannot be read as samples.
        TaskError: There is no such metric, or the two files were not asked the same.
    """
    worse = lower_is_better(base, task) | lower_is_better(tuned, task)
    metric, through, before, after = _scored(task, read_samples(base), read_samples(tuned), wanted, worse)
    shared = sorted(before.keys() & after.keys())
    _same_questions(task, before, after, shared)
    other_prompts = sum(before[i].prompt_hash != after[i].prompt_hash for i in shared)
    if other_prompts and not any_prompts:
        raise TaskError(
            field=task,
            value=f"{other_prompts} of {len(shared)} prompts differ (`prompt_hash`)",
            rule="the two models were asked the same in other words: with other examples, or in another chat template",
            way_out="run lm-eval for both with the same `--num_fewshot`, `--seed` and chat template, or give "
            "`--other-prompts` where the prompt is a part of what is compared",
        )
    asked = after | before
    once: dict[str, int] = {}
    for i in [*shared, *sorted(asked.keys() - set(shared))]:
        once.setdefault(asked[i].doc_hash, i)
    judged = sorted(once.values())
    return Match(
        task=task,
        metric=metric,
        filter=through,
        items=tuple(_item(task, asked[i]) for i in judged),
        base=tuple(_result(task, i, before.get(i), metric, subject) for i in judged),
        tuned=tuple(_result(task, i, after[i], metric, subject) for i in judged if i in after),
        chances=tuple(1 / before[i].choices if before[i].choices else 0.0 for i in judged if i in before),
        other_prompts=other_prompts,
        repeated=len(asked) - len(judged),
    )


Answers = Mapping[int, Logged]
Filters = Mapping[str, Answers]


def _scored(
    task: str, base: Filters, tuned: Filters, wanted: str | None, worse: frozenset[str]
) -> tuple[str, str, dict[int, Logged], dict[int, Logged]]:
    """The metric, the filter, and both models' answers through it."""
    usable = {
        name: metrics
        for name in base
        if name in tuned and (metrics := _usable([*base[name].values(), *tuned[name].values()], worse))
    }
    if not base.keys() & tuned.keys():
        raise TaskError(
            field=task,
            value=f"{', '.join(base)} and {', '.join(tuned)}",
            rule="the answers of the two models went through no filter in common",
            way_out="run lm-eval for both on the same version of the task",
        )
    metric, _, through = (wanted or "").partition(",")
    fitting = [name for name, metrics in usable.items() if through in ("", name) and (not metric or metric in metrics)]
    if not fitting:
        logged = dict.fromkeys(name for answers in base.values() for one in answers.values() for name in one.values)
        known = ", ".join(f"`{one},{name}`" for name, metrics in usable.items() for one in metrics)
        raise TaskError(
            field=f"--metric {task}",
            value=wanted or "(not given)",
            rule=f"`{task}` has no such metric that scores each item by itself, in [0, 1], more being better; it has "
            + (known or f"none, only {', '.join(f'`{name}`' for name in logged)}"),
            way_out=f"name one of these, as `--metric {task}=NAME`"
            if usable
            else "name the tasks that can be judged by `--task`",
        )
    through = fitting[0]
    return metric or own_metric(usable[through]), through, dict(base[through]), dict(tuned[through])


def _usable(answers: Sequence[Logged], worse: frozenset[str]) -> list[str]:
    """Metrics by which every answer has a score or none at all, in the order in which they were logged."""
    names = dict.fromkeys(name for one in answers for name in one.values)
    return [name for name in names if name not in worse and _scores(name, (one.values.get(name) for one in answers))]


def _scores(metric: str, values: Iterable[object]) -> bool:
    told = [value for value in values if not is_missing(value)]
    return bool(told) and all(score_of(metric, value) is not None for value in told)


def _same_questions(task: str, base: Answers, tuned: Answers, shared: Sequence[int]) -> None:
    if not shared:
        raise TaskError(
            field=task,
            value=f"{len(base)} and {len(tuned)} documents",
            rule="the two models were asked no document in common",
            way_out="run lm-eval for both with the same `--limit` or `--samples`",
        )
    others = [i for i in shared if base[i].doc_hash != tuned[i].doc_hash]
    if others:
        raise TaskError(
            field=task,
            value=f"{len(others)} of {len(shared)} documents differ (`doc_hash`), the first is `doc_id` {others[0]}",
            rule="the two files hold other questions under the same numbers, so nothing can be paired",
            way_out="run lm-eval for both on the same version of the task and its data",
        )


def _item(task: str, logged: Logged) -> Item:
    return Item(f"{task}:{logged.doc_id}", (Message("user", logged.prompt),), target=logged.target)


def _result(task: str, doc_id: int, logged: Logged | None, metric: str, subject: str) -> ItemResult:
    """What the base was not asked has no score, and is counted as left out."""
    value = logged.values.get(metric) if logged else None
    return ItemResult(
        item_id=f"{task}:{doc_id}",
        score=None if is_missing(value) else score_of(metric, value),
        output=logged.output if logged else "",
        subject=subject,
        note=f"read as: {logged.read_as}" if logged and logged.read_as else "",
    )
