"""How documents that share a row are kept apart in a given model.

In: a model. Out: the layout of its batches, found by trying: when the first of two packed documents changes, the
hidden states of the second must not. Attention kernels and recurrent layers differ in whether they honour
`position_ids` that start anew, and one that does not lets training rows read each other without any sign of it.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from forgetless.errors import ModelError
from forgetless.models import FLASH, attention_of

Layout = Literal["packed", "alone", "flat"]
"""Several documents in each row; each in a row of its own; all documents of a batch in one row without padding."""

_LENGTH = 6


def layout_of(model: PreTrainedModel) -> Layout:
    """The layout that keeps documents apart in this model.

    Flash attention honours new starts in a single row only (transformers' `_is_packed_sequence`), so it gets one; it
    is asked for by name, so a model that leaks under it is refused and not given a slower layout unasked.

    Raises:
        ModelError: Flash attention lets documents see each other.
    """
    if attention_of(model) != FLASH:
        return "packed" if documents_stay_apart(model) else "alone"
    if not documents_stay_apart(model, "flat"):
        raise ModelError(
            field="model.attention",
            value=FLASH,
            rule="in this model it lets packed documents see each other",
            way_out="set `model.attention: sdpa`",
        )
    return "flat"


@torch.no_grad()
def documents_stay_apart(model: PreTrainedModel, layout: Layout = "packed") -> bool:
    """Try it on four documents of one length: in a row, or two in each of two rows."""
    rows = 1 if layout == "flat" else 2
    vocabulary = model.get_input_embeddings().weight.shape[0]
    before = (torch.arange(4 * _LENGTH, device=model.device) * 7 + 1) % vocabulary
    changed = torch.arange(4 * _LENGTH, device=model.device) // _LENGTH % 2 == 0
    after = torch.where(changed, (before + 1) % vocabulary, before)
    positions = torch.arange(_LENGTH, device=model.device).repeat(4).view(rows, -1)
    arguments = boundaries(positions) if layout == "flat" else {}
    states = [
        model.base_model(
            input_ids=ids.view(rows, -1), position_ids=positions, use_cache=False, **arguments
        ).last_hidden_state.flatten(0, 1)[~changed]
        for ids in (before, after)
    ]
    return torch.allclose(states[0].float(), states[1].float(), rtol=0.0, atol=1e-3 * float(states[0].abs().max()))


def boundaries(position_ids: Tensor) -> dict[str, Any]:
    """Where documents begin and end in the one row of a flat batch, as transformers' attention kernels take it.

    Said once for a batch: each layer would otherwise find it out from the positions, and wait for the device.

    Args:
        position_ids: `[1, L]`, starting anew with each document.
    """
    starts = (position_ids[0] == 0).nonzero().flatten()
    ends = torch.cat([starts, starts.new_tensor([position_ids.shape[1]])]).to(torch.int32)
    longest = int(ends.diff().max())
    return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}
