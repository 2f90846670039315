"""Which sequences begin alike, for the beginning to be read once for all of them.

The prompts of a task share their instructions and the examples that they show, those of one subject or passage more
than that. A group of its own is worth its reading apart only where it saves more tokens than the passes that it adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

_PASSES_OF_A_GROUP = 2
"""Passes that a group costs besides those of its rows: over its beginning, and for a last batch that is not full."""


class PrefixGroup(NamedTuple):
    """Sequences whose first `prefix` tokens are the same; each has at least one more. `members` are their indices."""

    prefix: int
    members: list[int]


def prefix_groups(sequences: Sequence[Sequence[int]], *, pass_tokens: int) -> list[PrefixGroup]:
    """Every sequence in one group, the deepest that pays.

    The sorted sequences are the leaves of a trie, which is walked from its root: a node becomes a group of its own
    where reading its tokens once saves more than the passes cost, against the group that it lies in.

    Args:
        sequences: Token ids, none empty, none twice.
        pass_tokens: How many tokens a pass through the model costs beside those that it reads.
    """
    order = sorted(range(len(sequences)), key=lambda i: tuple(sequences[i]))
    shared = [0, *(_shared(sequences[a], sequences[b]) for a, b in pairwise(order))]
    groups = [PrefixGroup(0, [])]
    runs = [(0, len(order), groups[0])]
    while runs:
        start, end, group = runs.pop()
        if end - start < 2:
            group.members.extend(order[start:end])
            continue
        depth = min(shared[start + 1 : end])
        # The first of a run in order is all that they share where it ends there; its last token is left to it.
        prefix = min(depth, len(sequences[order[start]]) - 1)
        if (end - start - 1) * (prefix - group.prefix) > _PASSES_OF_A_GROUP * pass_tokens:
            group = PrefixGroup(prefix, [])
            groups.append(group)
        cuts = [i for i in range(start + 1, end) if shared[i] == depth]
        runs += [(a, b, group) for a, b in pairwise([start, *cuts, end])]
    return [group for group in groups if group.members]


def shared_prefix(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all sequences begin with; the last token of each is left to it."""
    first, last = min(sequences, key=tuple), max(sequences, key=tuple)
    return min(_shared(first, last), min(map(len, sequences)) - 1)


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin alike with."""
    differing = (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))
