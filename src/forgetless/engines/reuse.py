"""How much of what a model has read can be read on from, by the memory that its layers keep.

Full attention sees every key by its position, so a beginning may be shared by rows of all lengths, with padding between
it and their ends. A window is counted in columns of the cache and padding would push text out of it. A recurrent state
takes in everything that it is fed.
"""

from __future__ import annotations

from typing import NamedTuple

from transformers import DynamicCache, PreTrainedModel

from .running import known_arguments

_FULL = {"DynamicLayer", "DummyLayer"}
"""Layers with a cache that grows column by column, and those that keep none because they use another layer's."""
_WINDOWED = "DynamicSlidingWindowLayer"


class Reuse(NamedTuple):
    """What may be read on from.

    Attributes:
        contexts: Whether several answers may follow one context that was read once.
        prefix_columns: The most columns, padding included, of rows that share a beginning; `None` for any number.
    """

    contexts: bool
    prefix_columns: int | None


def reuse_of(model: PreTrainedModel) -> Reuse:
    """What may be shared inside this model; nothing where its cache is of a kind that is not known."""
    known = known_arguments(type(model).forward)
    if model._is_stateful or "past_key_values" not in known:
        return Reuse(contexts=False, prefix_columns=0)
    layers = DynamicCache(config=model.config).layers
    if not layers or not {type(layer).__name__ for layer in layers} <= {*_FULL, _WINDOWED}:
        return Reuse(contexts=False, prefix_columns=0)
    if "position_ids" not in known:
        # Its positions are columns, so no padding may stand between a beginning and what follows it.
        return Reuse(contexts=True, prefix_columns=0)
    windows = [layer.sliding_window for layer in layers if type(layer).__name__ == _WINDOWED]
    return Reuse(contexts=True, prefix_columns=min(windows, default=None))
