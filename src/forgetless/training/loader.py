"""The trainer's data loader: a thin iterator over the mixture stream.

In: the stream and the collator. Out: batches, one for each time the trainer asks. Nothing is drawn ahead, so a new
share holds from the very next batch, and the stream's state is at any time the state of what has been trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from forgetless.mixture import MixtureStream
from forgetless.training.collate import Collator


@dataclass(frozen=True, slots=True)
class Loader:
    """Batches without end.

    Every process walks through the same stream and takes its own bins of each batch.
    """

    stream: MixtureStream
    collate: Collator
    rank: int = 0
    processes: int = 1

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            yield self.collate(self.stream.next_batch()[self.rank :: self.processes])
