"""Whether there was an ability to lose, by every way of judging."""

from __future__ import annotations

from forgetless.records import ItemResult
from forgetless.verdicts import SequentialJudge, has_ability, judge


def results(right: int, n: int) -> list[ItemResult]:
    """So many right answers, spread evenly."""
    return [ItemResult(f"i{i}", float((i * right) // n < ((i + 1) * right) // n)) for i in range(n)]


def test_a_few_items_are_no_reason_to_call_an_ability_absent() -> None:
    ten = results(5, 10)
    verdict = judge(ten, ten, capability="c", margin=0.02, chance=0.25)
    assert verdict.outcome == "undecided"
    assert "needs at least" in verdict.reason
    assert not has_ability(ten, margin=0.02, chance=0.25)


def test_items_as_they_come_see_the_ability_that_complete_results_see() -> None:
    base = results(280, 800)  # 35 %, a little above chance and margin together
    assert has_ability(base, margin=0.02, chance=0.3)
    assert judge(base, base, capability="c", margin=0.02, chance=0.3).outcome == "kept"
    one = SequentialJudge("c", margin=0.02, planned_n=800, chance=0.3, binary=True)
    for start in range(0, 800, 100):
        if one.update(base[start : start + 100], base[start : start + 100]):
            break
    assert one.finish().outcome == "kept"


def test_a_base_at_chance_has_nothing_that_could_be_shown_to_fall() -> None:
    guessed = results(200, 800)
    assert not has_ability(guessed, margin=0.02, chance=0.25)
    assert judge(guessed, guessed, capability="c", margin=0.02, chance=0.25).outcome == "absent"
