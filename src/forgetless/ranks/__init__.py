"""Ranks: the processes of one run, one for each accelerator, started by `torchrun`.

The first process runs the pipeline and decides everything; the others wait for orders and take their part of the work
that is worth sharing: asking a model many things, and training. What is not shared happens once, in the first.
"""

from __future__ import annotations

from .crew import ALL, Crew, Part, crew, led, refuse_ranks

__all__ = ["ALL", "Crew", "Part", "crew", "led", "refuse_ranks"]
