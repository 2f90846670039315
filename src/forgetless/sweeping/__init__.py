"""Many runs that differ in a few settings: the best under the constraints, chosen on the dev part, certified once."""

from forgetless.sweeping.plan import SweepPlan, TrialPlan, plan_sweep
from forgetless.sweeping.run import SweepResult, TrialResult, sweep
from forgetless.sweeping.standing import Standing

__all__ = [
    "Standing",
    "SweepPlan",
    "SweepResult",
    "TrialPlan",
    "TrialResult",
    "plan_sweep",
    "sweep",
]
