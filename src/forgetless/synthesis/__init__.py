"""Data that models make: rows answered by the base model itself, and what they cover."""

from forgetless.synthesis.coverage import Coverage, measure_coverage
from forgetless.synthesis.replay import ReplayRows, self_replay

__all__ = ["Coverage", "ReplayRows", "measure_coverage", "self_replay"]
