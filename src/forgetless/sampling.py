"""How the next token is chosen, whoever chooses it: a model in this process or one behind a server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the tokens of an answer are chosen.

    Attributes:
        temperature: Divides the logits before they become probabilities; 0 for the likeliest token each time.
        top_p: Draws only from the likeliest tokens that together reach this probability (Holtzman et al.,
            arXiv 1904.09751).
        seed: Decides every draw.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def seeded(self, seed: int) -> Sampling:
        """The same with another seed."""
        return replace(self, seed=seed)


GREEDY: Final = Sampling()
