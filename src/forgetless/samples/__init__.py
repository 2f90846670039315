"""Answers that lm-evaluation-harness has logged (`--log_samples`), of two models: in go its files, out come verdicts.

No model is asked and none is loaded. `files` finds what lies where, `read` reads it, `metrics` says which number is a
score, `match` lays the two models' answers side by side, and `compare` judges them. What needs NumPy (`compare`) is
imported by its own name, for the command line looks here before it knows whether models or samples are compared.
"""

from forgetless.samples.files import holds_samples
from forgetless.samples.metrics import BYTES, own_metric, score_of

__all__ = ["BYTES", "holds_samples", "own_metric", "score_of"]
