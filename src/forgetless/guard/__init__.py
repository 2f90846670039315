"""The guard: measure, judge and act at a checkpoint; choose one; certify what is saved."""

from forgetless.guard.capability import Capability
from forgetless.guard.certify import Certifier, block_items
from forgetless.guard.compare import Comparer, draw_test_items, fresh_seeds
from forgetless.guard.exam import Exam, capabilities_of, rehearse, set_exam
from forgetless.guard.examples import Example
from forgetless.guard.frozen import Frozen
from forgetless.guard.margins import JudgedPart, judged_part
from forgetless.guard.trial import Trial, try_sample
from forgetless.guard.watch import Choice, Guard

__all__ = [
    "Capability",
    "Certifier",
    "Choice",
    "Comparer",
    "Exam",
    "Example",
    "Frozen",
    "Guard",
    "JudgedPart",
    "Trial",
    "block_items",
    "capabilities_of",
    "draw_test_items",
    "fresh_seeds",
    "judged_part",
    "rehearse",
    "set_exam",
    "try_sample",
]
