"""Losses on the output head: tensors in, sums and counts out.

Every loss takes the hidden states of the tokens it is about, and the weights of the output head, and returns a sum
over tokens together with their number. Means are left to the caller, who alone knows how many tokens the whole
batch has on all machines. The room knows tensors only: no model class, no recipe.
"""

from forgetless.losses.cached_kl import TopK, cached_kl_sum, top_k
from forgetless.losses.kl import Direction, kl_sum
from forgetless.losses.nll import cross_entropy_each, cross_entropy_sum
from forgetless.losses.projection import TokenSum, project
from forgetless.losses.weights import TokenWeights, entropy_weights, probability_weights

__all__ = [
    "Direction",
    "TokenSum",
    "TokenWeights",
    "TopK",
    "cached_kl_sum",
    "cross_entropy_each",
    "cross_entropy_sum",
    "entropy_weights",
    "kl_sum",
    "probability_weights",
    "project",
    "top_k",
]
