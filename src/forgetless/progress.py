"""How long work tells how far it has come."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""

Progresses = Callable[[str], Progress | None]
"""Gives the progress of a described piece of work, or `None` where nobody watches."""


def unwatched(description: str) -> None:
    """Nobody watches."""
