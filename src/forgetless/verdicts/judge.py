"""Verdicts on complete results: was this capability kept, did it drop, or can the items not tell?

In go all item results of the base and of the tuned model; out comes one `Verdict` for each capability. Kept means that
a drop as large as the margin is ruled out; dropped, that no drop at all is ruled out; neither is said without its error
rate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from forgetless.records import ItemResult, Verdict
from forgetless.verdicts.evidence import Method, weigh
from forgetless.verdicts.outcome import settle_all
from forgetless.verdicts.paired import pair, subject_estimates
from forgetless.verdicts.terms import Terms

Results = tuple[Sequence[ItemResult], Sequence[ItemResult]]


def judge(
    base_results: Sequence[ItemResult],
    tuned_results: Sequence[ItemResult],
    *,
    capability: str,
    margin: float,
    alpha: float = 0.05,
    chance: float = 0.0,
    noise: float = 0.0,
    discordance: float | None = None,
    method: Method = "auto",
    list_size: int | None = None,
) -> Verdict:
    """Rule 9. The verdict on one capability from complete results.

    Right-or-wrong scores: Tango's bound with the gate at α for kept, the exact McNemar test for dropped. Other scores
    and grouped items: betting. Where the base cannot do the task the outcome is `absent` (rule 12b); below the floor
    (rule 4) nothing is ever kept, though a drop can still show.

    Args:
        base_results: The base's results.
        tuned_results: The tuned model's results on the same items.
        capability: Its name.
        margin: The most that it may drop (0.02 is 2 points).
        alpha: One-sided level.
        chance: Score of guessing.
        noise: Upper bound of the base's difference from itself (see `measure_noise`).
        discordance: Mean of d² on the dev part, used by betting only; never taken from the judged items.
        method: "auto", or the way to force.
        list_size: Rule 11. Items of the list that alone the claim is about, those that the base has a score for;
            without it the claim is about the population that the items stand for.

    Raises:
        TaskError: Terms or results that cannot be judged.
    """
    terms = Terms(capability, margin, alpha, chance, noise, discordance, list_size)
    return _judge_together([terms], [(base_results, tuned_results)], method)[0]


def has_ability(results: Sequence[ItemResult], *, margin: float, chance: float = 0.0, alpha: float = 0.05) -> bool:
    """Rule 12b. Whether a model is shown to score above chance by more than the margin, on at least two units."""
    paired = pair(results, results)
    return paired.n > 1 and weigh(paired, Terms("ability", margin, alpha, chance)).present


def judge_all(
    results: Mapping[str, Results],
    *,
    margins: Mapping[str, float],
    alpha: float = 0.05,
    chances: Mapping[str, float] = MappingProxyType({}),
    noises: Mapping[str, float] = MappingProxyType({}),
    discordances: Mapping[str, float] = MappingProxyType({}),
    list_sizes: Mapping[str, int] = MappingProxyType({}),
) -> list[Verdict]:
    """Rule 2. Verdicts on several capabilities at once, in the order of `results`.

    Kept needs no correction for their number; `dropped` uses Holm's step-down over all of them, so that the chance
    of calling any unharmed capability dropped is at most α.

    Args:
        results: For each capability, the base's and the tuned model's results.
        margins: For each capability, the most that it may drop.
        alpha: One-sided level.
        chances: Scores of guessing; 0 where none is given.
        noises: Upper bounds of the base's difference from itself; 0 where none is given.
        discordances: Mean of d² on the dev part, where known.
        list_sizes: Items of the list, of those that are judged on a list (rule 11).

    Raises:
        TaskError: Terms or results that cannot be judged.
    """
    terms = [
        Terms(
            name,
            margins[name],
            alpha,
            chances.get(name, 0.0),
            noises.get(name, 0.0),
            discordances.get(name),
            list_sizes.get(name),
        )
        for name in results
    ]
    return _judge_together(terms, list(results.values()), "auto")


def _judge_together(all_terms: Sequence[Terms], results: Sequence[Results], method: Method) -> list[Verdict]:
    paired = [pair(base, tuned) for base, tuned in results]
    evidence = [
        weigh(differences, terms, method=method) if differences.n >= 2 else None
        for differences, terms in zip(paired, all_terms, strict=True)
    ]
    verdicts = settle_all(paired, evidence, all_terms)
    return [
        dataclasses.replace(verdict, subjects=subject_estimates(base, tuned))
        for verdict, (base, tuned) in zip(verdicts, results, strict=True)
    ]
