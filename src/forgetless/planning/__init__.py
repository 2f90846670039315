"""The plan of a run: what it will do, what its items can show, and what it will cost, before anything is trained."""

from forgetless.planning.cadence import choose_cadence, looks_in
from forgetless.planning.follow import follow_plan
from forgetless.planning.make import make_plan, plan
from forgetless.planning.nouns import Cadence, CapabilityPlan, Cost, DomainPlan, Plan, Room, SourcePlan, Speeds

__all__ = [
    "Cadence",
    "CapabilityPlan",
    "Cost",
    "DomainPlan",
    "Plan",
    "Room",
    "SourcePlan",
    "Speeds",
    "choose_cadence",
    "follow_plan",
    "looks_in",
    "make_plan",
    "plan",
]
