"""Engines: a model that can be asked.

Conversations go in; answers, self-written prompts and the likelihoods of given answers come out. Tasks and synthesis
speak to the `Engine` interface and know nothing of weights, batches, devices or servers.
"""

from __future__ import annotations

from .agreement import Agreement, check_agreement
from .endpoint import EndpointEngine, connect_endpoint
from .engine import AnswerLikelihood, Engine
from .fitting import FittingEngine
from .in_process import TransformersEngine
from .measuring import measuring, random_states_kept
from .recorded import RecordedEndpoint
from .sharing import key_of
from .witness import Question, WitnessEngine

__all__ = [
    "Agreement",
    "AnswerLikelihood",
    "EndpointEngine",
    "Engine",
    "FittingEngine",
    "Question",
    "RecordedEndpoint",
    "TransformersEngine",
    "WitnessEngine",
    "check_agreement",
    "connect_endpoint",
    "key_of",
    "measuring",
    "random_states_kept",
]
