"""Similarity of form against the slow way to count it."""

from __future__ import annotations

import random

import pytest

from forgetless.synthesis.likeness import best_similarities, shape_of, similarity

WORDS = ["sort", "Reverse:", "17", "a", "b", "光合作用", "产生", "什么?", "the", "cat"]


def texts(n: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(0, 6))) for _ in range(n)]


@pytest.mark.parametrize(("few", "many"), [(1, 1), (3, 40), (40, 3), (12, 12)])
def test_the_best_similarity_is_that_of_the_slow_way(few: int, many: int) -> None:
    shapes, others = ([shape_of(text) for text in texts(n, n)] for n in (few, many))
    slow = [max(len(one & other) / len(one | other) for other in others) for one in shapes]
    assert best_similarities(shapes, others) == slow
    assert [max(similarity(one, other) for other in others) for one in shapes] == slow


def test_nothing_is_like_nothing() -> None:
    shape = shape_of("17 + 4")
    assert best_similarities([], [shape]) == []
    assert best_similarities([shape, shape], []) == [0.0, 0.0]
    assert shape == shape_of("23 + 9")
