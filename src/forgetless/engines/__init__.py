"""Engines: a model that can be asked.

Conversations go in; answers, self-written prompts and the likelihoods of given answers come out. Tasks and synthesis
speak to the `Engine` interface and know nothing of weights, batches or devices.
"""

from __future__ import annotations

from .engine import AnswerLikelihood, Engine
from .fitting import FittingEngine
from .in_process import TransformersEngine
from .measuring import measuring

__all__ = ["AnswerLikelihood", "Engine", "FittingEngine", "TransformersEngine", "measuring"]
