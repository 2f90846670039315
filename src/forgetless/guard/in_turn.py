"""Asking in turn: both models answer block after block, until a verdict is reached or its items run out.

Capabilities and their items go in, verdicts come out, each on as many items as it took (rules 3 and 8). The order of
the items is random and fixed beforehand, so the first blocks stand for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from forgetless.guard.capability import Capability
from forgetless.guard.two_models import Answers, Items, TwoModels
from forgetless.progress import Progress, Progresses
from forgetless.records import Item, ItemResult, Verdict
from forgetless.tasks import Task, blocks, judgements_in
from forgetless.verdicts import SequentialJudge, group_id, settle_together, stands, subject_estimates


def judge_in_turn(
    models: TwoModels,
    capabilities: Sequence[Capability],
    items: Items,
    *,
    alpha: float,
    discordance: Mapping[str, float],
    noises: Mapping[str, float],
    progress: Progresses,
    title: str,
    until_failure: bool = False,
) -> tuple[Verdict, ...]:
    """Verdicts on capabilities, one after the other, with Holm over all of them for *dropped* (rule 2).

    Args:
        models: Who is asked.
        capabilities: What to judge, in this order.
        items: The items of each, in random order.
        alpha: One-sided level of every verdict.
        discordance: Mean squared differences on the dev part, where known.
        noises: How far the base may differ from itself, where measured (rule 6).
        progress: Told how far each capability has come.
        title: What stands before its name there.
        until_failure: Go no further than the first that is neither kept nor absent, and ask no more of it than shows
            that; otherwise a drop is asked about until it is shown among all capabilities.
    """
    jointly = 1 if until_failure else len(capabilities)
    judges = [
        _judge(models, c, items[c.name], alpha, discordance.get(c.name), noises.get(c.name, 0.0), jointly)
        for c in capabilities
    ]
    counted: list[Answers] = []
    for capability, judge in zip(capabilities, judges, strict=True):
        told = progress(f"{title}: {capability.name}")
        counted.append(_ask(models, capability.task, items[capability.name], judge, told))
        if until_failure and not stands(judge.finish()):
            break
    verdicts = settle_together(judges)[: len(counted)]
    return tuple(_with_diagnosis(verdict, *answers) for verdict, answers in zip(verdicts, counted, strict=True))


def _judge(
    models: TwoModels,
    capability: Capability,
    items: Sequence[Item],
    alpha: float,
    discordance: float | None,
    noise: float,
    jointly: int,
) -> SequentialJudge:
    sizes: dict[str, int] = {}
    for item in items:
        sizes[item.group or item.id] = sizes.get(item.group or item.id, 0) + 1
    return SequentialJudge(
        capability.name,
        margin=capability.margin,
        planned_n=len(sizes),
        alpha=alpha,
        chance=capability.task.chance,
        noise=noise,
        discordance=discordance,
        binary=capability.task.binary and len(sizes) == len(items),
        largest_group=max(sizes.values(), default=1),
        list_size=_list_size(models, capability, items),
        jointly=jointly,
    )


def _list_size(models: TwoModels, capability: Capability, items: Sequence[Item]) -> int | None:
    """Rule 11. A list is what the base has a score for, so of a list the base is asked whole."""
    return None if capability.target == "population" else capability.list_size(models.ask_base(capability.task, items))


def _ask(
    models: TwoModels, task: Task, items: Sequence[Item], judge: SequentialJudge, told: Progress | None
) -> Answers:
    """Ask until the judge has decided; the results that it has counted."""
    before: list[ItemResult] = []
    after: list[ItemResult] = []
    for block in blocks(items):
        of_base, of_tuned = models.ask(task, block, within=items)
        before += of_base
        after += of_tuned
        if told:
            told(len(before), len(items))
        if judge.update(of_base, of_tuned):
            break
    if told:
        told(len(items), len(items))
    counted = set(judge.paired.units)
    return [r for r in before if group_id(r) in counted], [r for r in after if group_id(r) in counted]


def _with_diagnosis(verdict: Verdict, before: Sequence[ItemResult], after: Sequence[ItemResult]) -> Verdict:
    return replace(verdict, judgements=judgements_in(after), subjects=subject_estimates(before, after))
