"""KL divergence between a reference model and the model in training.

In: the hidden states of both models at the same positions, and both output heads. Out: the summed divergence and the
number of tokens. It is the differentiable stand-in for "answer as before": zero only where the whole next-token
distribution is the reference's.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from forgetless.losses.projection import TokenSum, head_loss, project
from forgetless.losses.weights import Weighing

Direction = Literal["forward", "reverse"]
"""KL(reference ‖ model), which asks for all that the reference may say; KL(model ‖ reference), for nothing else."""


def kl_sum(
    hidden: Tensor,
    reference_hidden: Tensor,
    weight: Tensor,
    reference_weight: Tensor,
    *,
    bias: Tensor | None = None,
    reference_bias: Tensor | None = None,
    weights: Tensor | None = None,
    direction: Direction = "forward",
    softcap: float | None = None,
    chunk: int | None = None,
) -> TokenSum:
    """KL between reference and model, summed over tokens, in nats.

    With p the model's and q the reference's distribution, the forward value of a token is sum over v of
    q_v (log q_v − log p_v), and its gradient with respect to the model's logits is p − q. The reverse value D is sum
    over v of p_v (log p_v − log q_v), and its gradient p_v (log p_v − log q_v − D). Nothing flows into the reference.

    Args:
        hidden: `[N, H]`, states of the model in training.
        reference_hidden: `[N, H']`, states of the reference at the same positions.
        weight: `[V, H]`, head of the model in training.
        reference_weight: `[V, H']`, head of the reference.
        bias: `[V]` or none.
        reference_bias: `[V]` or none.
        weights: `[N]`, how much each token counts; none for 1 each. `tokens` counts every token as one.
        direction: Which of the two comes first.
        softcap: Bound of the logits of both models, for models that cap them.
        chunk: Tokens projected at a time; by default see `tokens_at_once`.

    Raises:
        ValueError: The two models do not speak of the same positions or the same vocabulary.
    """
    if hidden.shape[0] != reference_hidden.shape[0] or weight.shape[0] != reference_weight.shape[0]:
        raise ValueError(
            f"model and reference differ in tokens ({hidden.shape[0]}, {reference_hidden.shape[0]}) "
            f"or vocabulary ({weight.shape[0]}, {reference_weight.shape[0]})"
        )

    weighing = Weighing(weights)

    def measure(log_probabilities: Tensor, probabilities: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        logits = project(reference_hidden[rows], reference_weight, reference_bias, softcap)
        log_reference = torch.log_softmax(logits, dim=-1)
        if direction == "reverse":
            difference = log_probabilities - log_reference
            values = (probabilities * difference).sum(dim=-1, keepdim=True)
            return weighing(probabilities.mul_(difference.sub_(values)), rows, values)
        reference = log_reference.exp()
        values = reference * (log_reference - log_probabilities)
        return weighing(probabilities.sub_(reference), rows, values)

    return weighing.told(head_loss(hidden, weight, measure, bias=bias, softcap=softcap, chunk=chunk))
