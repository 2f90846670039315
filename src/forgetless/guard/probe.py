"""What can be seen of a capability every few steps: how likely its right answers still are, and KL on all answers.

In: a few fixed items of every capability's dev part, as the base answered them. Out, for a model in training and in
one pass: how much of the probability of the base's right answers is gone, which is on the scale of the scores and moves
before the answers do; and how far the model has gone from the base on all of its answers. It steers and certifies
nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from forgetless.engines import Engine, TransformersEngine
from forgetless.guard.capability import Capability
from forgetless.progress import Progresses, unwatched
from forgetless.records import Message
from forgetless.rundir import ScoreStore
from forgetless.tasks import measure

ANSWER_CHARACTERS: Final = 100
"""Of a longer answer the beginning: the probability of a whole page says little about whether it is right."""

_COST: Final = 1 / 3
"""Of a token that is read, beside one that is trained on: forward alone, and forward with twice as much backward."""

_PART_OF_TRAINING: Final = 0.05
_ERROR_FLOOR: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Signal:
    """What a check says of one capability.

    Attributes:
        drop: Mean over the items of score · max(0, 1 − p / p_base), the score being the base's and p the probability
            of its answer: what is gone of the score that answers drawn as the base draws them would have. In [0, 1].
        error: Its standard error, above 0.
        kl: Mean over the tokens of the base's answers of log p_base − log p, in nats; at least 0. It estimates the
            forward KL on them.
        n: Items that it is about.
    """

    drop: float
    error: float
    kl: float
    n: int


@dataclass(frozen=True, slots=True)
class _Answered:
    """An item as the base answered it."""

    capability: str
    messages: tuple[Message, ...]
    answer: str
    score: float
    log_likelihood: float
    tokens: int


class Probe:
    """A small fixed set of dev items, to be asked again and again.

    Args:
        capabilities: What is to be kept.
        base: Answers for the base; it is asked here, once.
        base_scores: Where its score sheets are kept between runs.
        items: Of each capability.
        seed: Fixes the draw of items that are fresh at every look.
        progress: Told how far the base has come.
    """

    def __init__(
        self,
        capabilities: Sequence[Capability],
        *,
        base: TransformersEngine,
        base_scores: ScoreStore,
        items: int,
        seed: int,
        progress: Progresses = unwatched,
    ) -> None:
        found: list[tuple[str, tuple[Message, ...], str, float]] = []
        for capability in capabilities:
            asked = capability.task.items("dev", limit=items, seed=seed)
            told = progress(f"base, to be checked between looks: {capability.name}")
            results = measure(base, capability.task, asked, store=base_scores, progress=told).results
            found += [
                (capability.name, item.messages, result.output[:ANSWER_CHARACTERS], result.score)
                for item, result in zip(asked, results, strict=True)
                if result.score is not None and result.output.strip()
            ]
        pairs = [(messages, answer) for _, messages, answer, _ in found]
        likelihoods = base.answer_likelihoods(pairs)
        self._items = [
            _Answered(*one, log_likelihood=own.log_likelihood, tokens=own.tokens)
            for one, own in zip(found, likelihoods, strict=True)
            if own.tokens and math.isfinite(own.log_likelihood)
        ]
        encoded = base.encode_answers([(item.messages, item.answer) for item in self._items])
        self.tokens = sum(len(pair.context) + len(pair.answer) for pair in encoded)

    def every_steps(self, tokens_per_step: float) -> int | None:
        """Steps between two checks that cost a twentieth of the training at most; none where there is nothing to ask.

        Args:
            tokens_per_step: Tokens of a batch, on all processes.
        """
        if not self._items:
            return None
        return max(1, math.ceil(_COST * self.tokens / (_PART_OF_TRAINING * tokens_per_step)))

    def read(self, engine: Engine) -> dict[str, Signal]:
        """One signal for each capability that has items."""
        found = engine.answer_likelihoods([(item.messages, item.answer) for item in self._items])
        gone: dict[str, list[float]] = {}
        nats: dict[str, float] = {}
        tokens: dict[str, int] = {}
        for item, now in zip(self._items, found, strict=True):
            fall = item.log_likelihood - now.log_likelihood
            gone.setdefault(item.capability, []).append(item.score * -math.expm1(-max(0.0, fall)))
            nats[item.capability] = nats.get(item.capability, 0.0) + fall
            tokens[item.capability] = tokens.get(item.capability, 0) + item.tokens
        return {
            name: Signal(
                drop=statistics.fmean(falls),
                error=max(_ERROR_FLOOR, _standard_error(falls)),
                kl=max(0.0, nats[name] / tokens[name]),
                n=len(falls),
            )
            for name, falls in gone.items()
        }


def _standard_error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 1.0
