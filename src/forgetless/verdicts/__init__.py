"""Paired statistics with known error rates: verdicts, alarms, plans and the walk that certifies.

In go two models' results on the same items, out come `Verdict`s. Numpy and scipy only; nothing here knows what a task
or a model is. Start with `judge` (complete results) or `SequentialJudge` (items as they come); the rules are told in
order in `docs/concepts/verdicts.md`, and each is named where it is implemented.
"""

from forgetless.verdicts.alarms import AlarmReading, FixedListAlarm, FreshItemsAlarm
from forgetless.verdicts.binary import floor_items
from forgetless.verdicts.domain import PairedComparison, compare_paired, judge_domain, measure_noise
from forgetless.verdicts.judge import has_ability, judge, judge_all
from forgetless.verdicts.multiplicity import alpha_of_look, holm, holm_adjusted
from forgetless.verdicts.paired import PairedDifferences, group_id, pair, subject_estimates
from forgetless.verdicts.path import POSITIONS, certified_position, passes, stands, walk_outward
from forgetless.verdicts.planning import (
    ASSUMED_DISCORDANCE,
    ASSUMED_SPREAD,
    POWER,
    assumed_discordance,
    certifiable_margin,
    detectable_drop,
    items_to_certify,
    power_to_certify,
    power_to_detect,
    smallest_margin_points,
    training_budget,
)
from forgetless.verdicts.sequential import SequentialJudge, settle_together
from forgetless.verdicts.split import part_of
from forgetless.verdicts.terms import Terms, points

__all__ = [
    "ASSUMED_DISCORDANCE",
    "ASSUMED_SPREAD",
    "POSITIONS",
    "POWER",
    "AlarmReading",
    "FixedListAlarm",
    "FreshItemsAlarm",
    "PairedComparison",
    "PairedDifferences",
    "SequentialJudge",
    "Terms",
    "alpha_of_look",
    "assumed_discordance",
    "certifiable_margin",
    "certified_position",
    "compare_paired",
    "detectable_drop",
    "floor_items",
    "group_id",
    "has_ability",
    "holm",
    "holm_adjusted",
    "items_to_certify",
    "judge",
    "judge_all",
    "judge_domain",
    "measure_noise",
    "pair",
    "part_of",
    "passes",
    "points",
    "power_to_certify",
    "power_to_detect",
    "settle_together",
    "smallest_margin_points",
    "stands",
    "subject_estimates",
    "training_budget",
    "walk_outward",
]
