"""The guard: measure, judge and act at a checkpoint; choose one; certify what is saved."""

from forgetless.guard.capability import Capability
from forgetless.guard.certify import Certifier
from forgetless.guard.compare import Comparer, draw_test_items, fresh_seeds
from forgetless.guard.exam import Exam, capabilities_of, rehearse, set_exam
from forgetless.guard.frozen import Frozen
from forgetless.guard.ledger import level_of_look, next_look, record_looks
from forgetless.guard.margins import JudgedPart, judged_part, training_aim
from forgetless.guard.multipliers import Multipliers
from forgetless.guard.noise import first_items, in_other_batches, measure_noises
from forgetless.guard.probe import Probe
from forgetless.guard.trial import Trial, try_sample
from forgetless.guard.watch import Choice, Guard

__all__ = [
    "Capability",
    "Certifier",
    "Choice",
    "Comparer",
    "Exam",
    "Frozen",
    "Guard",
    "JudgedPart",
    "Multipliers",
    "Probe",
    "Trial",
    "capabilities_of",
    "draw_test_items",
    "first_items",
    "fresh_seeds",
    "in_other_batches",
    "judged_part",
    "level_of_look",
    "measure_noises",
    "next_look",
    "record_looks",
    "rehearse",
    "set_exam",
    "training_aim",
    "try_sample",
]
