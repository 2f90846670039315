"""Answers before and after, for the reader who wants to see what a number means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forgetless.records import Item, ItemResult


@dataclass(frozen=True, slots=True)
class Example:
    """One item as both models answered it."""

    capability: str
    prompt: str
    target: str
    before: str
    after: str
    before_score: float | None
    after_score: float | None


def pick_examples(
    capability: str,
    items: Sequence[Item],
    before: Sequence[ItemResult],
    after: Sequence[ItemResult],
    *,
    count: int = 3,
) -> list[Example]:
    """The items whose score moved most, losses first; answers without text (likelihoods) give no example."""
    prompts = {i.id: i for i in items}
    tuned = {r.item_id: r for r in after}
    both = [(b, tuned[b.item_id]) for b in before if b.item_id in tuned and (b.output or tuned[b.item_id].output)]
    both.sort(key=lambda pair: (_moved(*pair), pair[0].item_id))
    return [
        Example(
            capability=capability,
            prompt=prompts[b.item_id].messages[-1].content,
            target=prompts[b.item_id].target,
            before=_shown(b),
            after=_shown(t),
            before_score=b.score,
            after_score=t.score,
        )
        for b, t in both[:count]
    ]


def _shown(result: ItemResult) -> str:
    return f"{result.output}\n[{result.note}]" if result.note else result.output


def _moved(before: ItemResult, after: ItemResult) -> float:
    change = (after.score or 0.0) - (before.score or 0.0)
    return change if change < 0 else 1.0 - change
