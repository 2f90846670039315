"""Whether documents that share a row stay apart in a given model.

In: a model. Out: yes or no, by trying: when the first of two packed documents changes, the hidden states of the
second must not. Attention kernels and recurrent layers differ in whether they honour `position_ids` that start anew,
and one that does not lets training rows read each other without any sign of it.
"""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

_LENGTH = 6


@torch.no_grad()
def documents_stay_apart(model: PreTrainedModel) -> bool:
    """Try it on a batch of two rows of two documents each."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = (torch.arange(4 * _LENGTH, device=model.device) * 7 + 1) % vocabulary
    before = ids.view(2, 2 * _LENGTH)
    after = before.clone()
    after[:, :_LENGTH] = (after[:, :_LENGTH] + 1) % vocabulary
    positions = torch.arange(_LENGTH, device=model.device).repeat(2).expand(2, -1)
    states = [
        model.base_model(input_ids=batch, position_ids=positions, use_cache=False).last_hidden_state[:, _LENGTH:]
        for batch in (before, after)
    ]
    return torch.allclose(states[0].float(), states[1].float(), rtol=0.0, atol=1e-3 * float(states[0].abs().max()))
