"""One pass of the base over documents, before the first step.

In: documents of which some tokens are asked about. Out: batch by batch, in the order of the documents, the base's
hidden states that predict those tokens, in the number format in which training computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from forgetless.recipe import TrainingSettings
from forgetless.training.collate import Bin, Collator
from forgetless.training.heads import OutputHead
from forgetless.training.isolation import boundaries


class Predicted(NamedTuple):
    """The tokens of one batch that are asked about.

    Attributes:
        documents: How many documents have been read so far.
        states: `[N, H]`, what the base's head projects.
        ids: `[N]`, the tokens themselves.
        head: The base's head, in the number format of the states.
    """

    documents: int
    states: Tensor
    ids: Tensor
    head: OutputHead


@dataclass(frozen=True, slots=True)
class BasePass:
    """Reads documents by the base.

    Args:
        base: In evaluation mode.
        collate: Its held documents and their mask say what is asked about.
        settings: Number format and size of a batch.
    """

    base: PreTrainedModel
    collate: Collator
    settings: TrainingSettings

    @torch.no_grad()
    def over(self, documents: Bin) -> Iterator[Predicted]:
        """All of `documents`, in their order."""
        bfloat16 = self.settings.precision == "bfloat16"
        own = OutputHead.of(self.base)
        head = own.detached(torch.bfloat16 if bfloat16 else torch.promote_types(own.weight.dtype, torch.float32))
        done = 0
        for part in self._batches(documents):
            batch = self.collate.reference_columns(part, longest=self.settings.max_length_tokens)
            batch = {name: column.to(self.base.device) for name, column in batch.items()}
            positions, asked = batch["reference_position_ids"], batch["reference_mask"][:, 1:]
            with torch.autocast(self.base.device.type, torch.bfloat16, enabled=bfloat16):
                hidden = self.base.base_model(
                    input_ids=batch["reference_input_ids"],
                    position_ids=positions,
                    use_cache=False,
                    **(boundaries(positions) if self.collate.layout == "flat" else {}),
                ).last_hidden_state
            done += len(part)
            states = own.states(hidden)[:, :-1][asked].to(head.weight.dtype)
            yield Predicted(done, states, batch["reference_input_ids"][:, 1:][asked], head)

    def _batches(self, documents: Bin) -> Iterator[list[tuple[int, int]]]:
        """As many documents at once as a batch of training has room for."""
        room = self.settings.batch_rows * self.settings.max_length_tokens
        part: list[tuple[int, int]] = []
        held = 0
        for stream, index in documents:
            length = len(self.collate.documents[stream][index].input_ids)
            if part and held + length > room:
                yield part
                part, held = [], 0
            part.append((stream, index))
            held += length
        if part:
            yield part
