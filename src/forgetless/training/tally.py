"""What has been counted since the last line of the log.

In: sums and token counts of every micro-batch. Out: their means over the whole window, so that a logged loss is the
loss of its tokens and not a mean of means. Sums stay tensors until they are read: on an accelerator nothing waits.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Reduce = Callable[[Tensor], Tensor]


class Tally:
    """Running sums by name, each with its own number of tokens."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._tokens: dict[str, Tensor] = {}

    def add(self, name: str, total: Tensor, tokens: int | Tensor) -> None:
        """Count a sum over `tokens` tokens under `name`."""
        total = total.detach().double()
        count = torch.as_tensor(tokens, dtype=torch.float64, device=total.device)
        self._sums[name] = self._sums.get(name, torch.zeros_like(total)) + total
        self._tokens[name] = self._tokens.get(name, torch.zeros_like(count)) + count

    def drain(self, reduce: Reduce) -> dict[str, float]:
        """The means since the last call, and a fresh start. What has seen no token is left out.

        Args:
            reduce: Adds a tensor up over all processes.
        """
        means: dict[str, float] = {}
        for name, total in self._sums.items():
            both = reduce(torch.stack([total, self._tokens[name]]))
            if float(both[1]) > 0.0:
                means[name] = float(both[0] / both[1])
        self._sums.clear()
        self._tokens.clear()
        return means
