"""The same questions for every process of a run, and for each its own batches of them.

Batches are cut the same way everywhere and by all, so that a batch holds the same rows whoever runs it: greedy answers
and likelihoods are those of a run in one process, bit for bit on the same hardware. Draws are seeded by the batch
where there are several processes, for one generator cannot go from batch to batch there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from forgetless.models import LoadedModel, plain_model
from forgetless.progress import Progress
from forgetless.ranks import Part, crew
from forgetless.sampling import Sampling

from .batches import LOGITS_PER_BATCH, length_sorted_batches
from .decoding import Continuation, TokenChooser, continue_batch
from .likelihood import Continued, Likelihood, likelihoods
from .measuring import measuring
from .stops import StopTexts

T = TypeVar("T")

Work = Callable[..., Iterator[dict[int, T]]]
"""`work(loaded, part, batch_tokens, asked, *arguments)` yields what is found for the part's batches, by place."""


def key_of(loaded: LoadedModel) -> str:
    """What the processes of a run call a model."""
    return f"{loaded.hash} {loaded.model.dtype}"


def shared(
    loaded: LoadedModel, work: Work[T], batch_tokens: int, asked: Sequence[Any], *arguments: Any,
    progress: Progress | None,
) -> list[T]:  # fmt: skip
    """What `work` finds for each of `asked`, in their order.

    Args:
        loaded: The model that is asked.
        work: A function of a module.
        batch_tokens: The most tokens of a batch.
        asked: The questions.
        arguments: Whatever else the work needs.
        progress: Told of questions done, those of the other processes by what this one has done.

    Raises:
        ResourceError: Another process failed at its part.
    """
    of_all = crew()

    def own() -> dict[int, T]:
        return _part(loaded, of_all.part, work, batch_tokens, asked, arguments, progress)

    parts = of_all.order(key_of(loaded), loaded, _part, work, batch_tokens, asked, arguments, own=own)
    found = {place: answer for part in parts for place, answer in part.items()}
    return [found[place] for place in range(len(asked))]


def _part(
    loaded: LoadedModel, part: Part, work: Work[T], batch_tokens: int, asked: Sequence[Any],
    arguments: Sequence[Any], progress: Progress | None = None,
) -> dict[int, T]:  # fmt: skip
    found: dict[int, T] = {}
    with measuring(loaded.model):
        for answers in work(loaded, part, batch_tokens, asked, *arguments):
            found |= answers
            if progress is not None:
                progress(min(len(found) * part.of, len(asked)), len(asked))
    return found


def continued(
    loaded: LoadedModel,
    part: Part,
    batch_tokens: int,
    prompts: Sequence[Sequence[int]],
    room: Sequence[int],
    stops: Collection[int],
    sampling: Sampling,
    stop_texts: Sequence[str],
) -> Iterator[dict[int, Continuation]]:
    """Yields the continuations of prompts, given as ids, each of at most its `room` tokens."""
    model, format = plain_model(loaded.model), loaded.format
    choose = TokenChooser(sampling, model.device)
    finished = StopTexts(stop_texts, format.decode) if stop_texts else None
    lengths = [len(prompt) + new for prompt, new in zip(prompts, room, strict=True)]
    most_rows = max(1, LOGITS_PER_BATCH // model.config.get_text_config().vocab_size)
    batches = length_sorted_batches(lengths, batch_tokens=batch_tokens, most_rows=most_rows)
    for place, batch in part.of_batches(enumerate(batches)):
        if part.of > 1 and sampling.temperature > 0:
            choose = TokenChooser(_of_batch(sampling, place), model.device)
        found = continue_batch(
            model,
            [prompts[i] for i in batch],
            room=[room[i] for i in batch],
            stops=stops,
            pad_id=format.pad_id,
            choose=choose,
            finished=finished,
        )
        yield dict(zip(batch, found, strict=True))


def _of_batch(sampling: Sampling, place: int) -> Sampling:
    seed = int(np.random.SeedSequence([sampling.seed, place]).generate_state(1)[0])
    return Sampling(sampling.temperature, sampling.top_p, seed)


def scored(
    loaded: LoadedModel, part: Part, batch_tokens: int, pairs: Sequence[Continued]
) -> Iterator[dict[int, Likelihood]]:
    """Yields the likelihoods of answers, none empty, after their contexts."""
    model = plain_model(loaded.model)
    yield from likelihoods(model, pairs, pad_id=loaded.format.pad_id, batch_tokens=batch_tokens, part=part)
