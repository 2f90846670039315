"""Answers before and after, for the reader who wants to see what a number means."""

from __future__ import annotations

from collections.abc import Sequence

from forgetless.records import Example, Item, ItemResult


def pick_examples(
    capability: str,
    items: Sequence[Item],
    before: Sequence[ItemResult],
    after: Sequence[ItemResult],
    *,
    count: int = 3,
) -> list[Example]:
    """The items whose score fell most and then those whose score rose most, up to `count` of each.

    Where no score moved there are `count` that stood still. Answers without text (likelihoods) give no example.
    """
    asked = {item.id: item for item in items}
    tuned = {result.item_id: result for result in after}
    both = [(b, tuned[b.item_id]) for b in before if b.item_id in tuned and (b.output or tuned[b.item_id].output)]
    both.sort(key=lambda pair: (_change(*pair), pair[0].item_id))
    fell = [pair for pair in both if _change(*pair) < 0]
    rose = [pair for pair in reversed(both) if _change(*pair) > 0]
    return [_example(capability, asked[b.item_id], b, t) for b, t in fell[:count] + rose[:count] or both[:count]]


def _example(capability: str, item: Item, before: ItemResult, after: ItemResult) -> Example:
    return Example(
        capability=capability,
        prompt=item.messages[-1].content,
        target=item.target,
        before=_shown(before),
        after=_shown(after),
        before_score=before.score,
        after_score=after.score,
    )


def _shown(result: ItemResult) -> str:
    return f"{result.output}\n[{result.note}]" if result.note else result.output


def _change(before: ItemResult, after: ItemResult) -> float:
    """How far the score moved; what has no score has not been seen to move."""
    return 0.0 if before.score is None or after.score is None else after.score - before.score
