"""Data that models make: rows answered by the base model itself, and what they cover."""

from forgetless.synthesis.continued import continues_texts
from forgetless.synthesis.coverage import Coverage, divide_by_kind, measure_coverage
from forgetless.synthesis.given import Prompt
from forgetless.synthesis.holes import Hole, prompts_for_each
from forgetless.synthesis.prompts import Forbids, Kinds
from forgetless.synthesis.replay import ReplayRows, ReplayState, answer_sampling, as_asked, replay_state, self_replay
from forgetless.synthesis.self_written import write_prompts

__all__ = [
    "Coverage",
    "Forbids",
    "Hole",
    "Kinds",
    "Prompt",
    "ReplayRows",
    "ReplayState",
    "answer_sampling",
    "as_asked",
    "continues_texts",
    "divide_by_kind",
    "measure_coverage",
    "prompts_for_each",
    "replay_state",
    "self_replay",
    "write_prompts",
]
