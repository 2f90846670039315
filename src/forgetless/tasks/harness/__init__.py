"""Tasks of lm-evaluation-harness by name: its prompts, filters and metrics, our engines, items and verdicts.

Needs the package `lm-eval`; `tasks.build` looks for it before this room is entered.
"""

from forgetless.tasks.harness.build import lm_eval_task
from forgetless.tasks.harness.model import EngineLM

__all__ = ["EngineLM", "lm_eval_task"]
