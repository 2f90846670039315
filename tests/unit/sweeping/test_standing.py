"""Where trials stand: what holds comes first, then the domain; a loss counts when it was seen and is over budget."""

from __future__ import annotations

from typing import Any

import pytest

from forgetless.records import CapabilityScore, Evaluation
from forgetless.sweeping.standing import Standing, broken, ranked, standing_of


def score(name: str, estimate: float | None, margin: float = 0.02, **fields: Any) -> CapabilityScore:
    return CapabilityScore(name, 0.5, 0.5, 100, estimate, None, None, margin, **fields)


def stood(*scores: CapabilityScore, domain: float = 0.7, budget: float = 0.005) -> Standing:
    look = Evaluation(step=4, domain=_domain(domain), capabilities=scores)
    return standing_of(look, {s.capability: budget for s in scores})


def _domain(value: float) -> CapabilityScore:
    return CapabilityScore("domain", value, 0.1, 100, value - 0.1, None, None, None)


@pytest.mark.parametrize("seen", [{"watch": True}, {"alarm": True}, {"outcome": "dropped"}])
def test_a_loss_that_was_seen_and_is_over_its_budget_counts(seen: dict[str, Any]) -> None:
    standing = stood(score("a", -0.025, **seen), score("b", 0.0))
    assert standing.lost == ("a",)
    assert standing.excess == pytest.approx((0.025 - 0.005) / 0.02)
    assert (standing.worst, standing.change) == ("a", -0.025)


def test_a_loss_within_its_budget_or_within_chance_does_not_count() -> None:
    standing = stood(score("seen", -0.004, watch=True), score("chance", -0.03))
    assert (standing.lost, standing.excess) == ((), 0.0)
    assert standing.worst == "chance"


def test_of_several_losses_the_one_largest_by_its_own_margin_is_the_worst() -> None:
    standing = stood(score("wide", -0.05, margin=0.1, watch=True), score("narrow", -0.03, margin=0.02, watch=True))
    assert standing.lost == ("wide", "narrow")
    assert standing.worst == "narrow"
    assert standing.excess == pytest.approx(0.025 / 0.02)


def test_what_the_base_cannot_do_is_not_the_worst() -> None:
    standing = stood(score("gone", None, outcome="absent"), score("there", 0.01))
    assert (standing.worst, standing.change) == ("there", 0.01)
    assert stood(score("gone", None, outcome="absent")).worst is None


def test_trials_that_hold_come_first_by_the_domain_then_those_that_lost_least() -> None:
    trials = {
        "loses much": stood(score("a", -0.2, watch=True), domain=0.99),
        "learns little": stood(score("a", 0.0), domain=0.3),
        "loses little": stood(score("a", -0.03, watch=True), domain=0.6),
        "learns much": stood(score("a", -0.001), domain=0.9),
        "unmeasured": Standing(4, None, None, None, (), 0.0),
        "broke": broken("the loss of step 3 is nan"),
    }
    assert ranked(trials) == ["learns much", "learns little", "unmeasured", "loses little", "loses much", "broke"]


def test_of_two_that_stand_alike_the_earlier_comes_first() -> None:
    alike = stood(score("a", 0.0))
    assert ranked({"one": alike, "two": alike, "three": alike}) == ["one", "two", "three"]
