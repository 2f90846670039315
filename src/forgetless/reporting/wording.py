"""Sentences about a run: the headline, and what a verdict means.

A view or a verdict goes in, a `Phrase` comes out, still in no language. What is said rests on what the records hold;
counting outcomes is the only arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from forgetless.records import CapabilityScore, Verdict
from forgetless.reporting import numbers
from forgetless.reporting.phrases import Phrase, Recorded, Said, phrase
from forgetless.reporting.view import View

ICONS: Final = {
    "kept": "✓",
    "dropped": "✗",
    "undecided": "?",
    "absent": "∅",
    "gained": "▲",
    "not_gained": "=",
    "untested": "…",
}
"""One mark for each outcome, always beside its word."""

MOST_NAMED = 4
"""Abilities of one outcome named in the headline; the rest are counted."""


def headline(view: View) -> Phrase:
    """The run in one sentence: what the domain gained, what was kept, and whether it is certified."""
    return phrase("headline.sentence", domain=_domain(view), abilities=_abilities(view), certificate=_certificate(view))


def second_line(view: View) -> Phrase | None:
    """What is certified between base and tuned model, where the tuned model itself is not."""
    certificate = view.certificate
    if certificate is None or certificate.certified or not certificate.path:
        return None
    if certificate.certified_a <= 0:
        return phrase("headline.base_only")
    a = numbers.decimal(certificate.certified_a)
    domain = certificate.certified_domain
    if domain is None or domain.outcome != "gained":
        return phrase("headline.in_between", a=a)
    whole, there = certificate.domain.tuned_score, domain.tuned_score
    if whole is None or there is None or whole <= there:
        return phrase("headline.in_between_gain", a=a, **_change(domain))
    return phrase("headline.in_between_cost", a=a, cost=numbers.size(whole - there), **_change(domain))


def position(view: View) -> Phrase | None:
    """How far from the base everything was shown to be kept, and the domain's score there; `None` without a walk."""
    certificate = view.certificate
    if certificate is None or not certificate.path:
        return None
    domain = certificate.certified_domain
    if domain is None or certificate.certified_a <= 0:
        return phrase("comparison.at_base")
    a, there = numbers.decimal(certificate.certified_a), numbers.percent(domain.tuned_score)
    return phrase("comparison.at_position", a=a, domain=there)


def compared(view: View) -> Phrase:
    """Two finished models in one sentence: what was kept, and what was not."""
    missing = _missing(tuple(view.verdicts.values()))
    return phrase("compared.missing" if missing else "compared.kept", abilities=_abilities(view), missing=missing)


def outcome(verdict: Verdict) -> Phrase:
    """The word for a verdict's outcome."""
    small_drop = verdict.outcome == "kept" and verdict.measurable
    word = phrase("outcome.kept_small_drop" if small_drop else f"outcome.{verdict.outcome}")
    return phrase("outcome.on_list", outcome=word) if verdict.target == "list" else word


def why(verdict: Verdict) -> Said:
    """What a verdict means, in one sentence.

    An undecided one, and one that is not told, is explained in the judge's own words, for only the judge knows why.
    """
    if verdict.reason and (verdict.outcome == "undecided" or verdict.n == 0):
        return Recorded(verdict.reason)
    if verdict.outcome == "absent":
        return phrase("why.absent", margin=numbers.margin(verdict.margin))
    if verdict.lower is None or verdict.upper is None:
        return phrase(f"why.{verdict.outcome}_plain")
    limits = _limits(verdict)
    if verdict.outcome == "gained":
        limits["lower"] = numbers.size(verdict.lower, 2)
    return phrase(_reasoned(verdict), **limits)


def judged(verdict: Verdict) -> Phrase | None:
    """How far the judge agreed with itself; `None` where none compared answers."""
    found = verdict.judgements
    if found is None:
        return None
    share = numbers.percent(found.disagreement)
    asked, unreadable = numbers.count(found.asked), numbers.count(found.unreadable)
    return phrase("verdicts.judged", share=share, asked=asked, unreadable=unreadable)


def stopped_early(verdict: Verdict) -> Phrase | None:
    """On how many of its items a verdict stands; `None` where it had them all."""
    if verdict.planned_n is None:
        return None
    return phrase("verdicts.stopped_early", n=numbers.count(verdict.n), planned=numbers.count(verdict.planned_n))


def label(text: str) -> Said:
    """The label of a shipped model, as a phrase where it is one of the two that a run gives."""
    known = {"certified": "state.certified", "not certified": "state.not_certified"}
    return phrase(known[text]) if text in known else text


def prompts(origin: str) -> Said:
    """Where the prompts of replay rows came from."""
    return phrase(f"prompts.{origin}") if origin in ("self", "given", "both") else origin


def tally(view: View) -> tuple[int, int, int]:
    """How many abilities were kept, how many could have been (absent ones could not), and how many are absent."""
    outcomes = [v.outcome for v in view.verdicts.values()]
    absent = outcomes.count("absent")
    return outcomes.count("kept"), len(outcomes) - absent, absent


def _reasoned(verdict: Verdict) -> str:
    if verdict.outcome == "kept":
        return "why.kept_small_drop" if verdict.measurable else "why.kept"
    if verdict.outcome == "dropped":
        return "why.dropped_beyond" if verdict.beyond_margin else "why.dropped"
    if verdict.outcome == "undecided":
        return "why.undecided_drop" if verdict.measurable else "why.undecided"
    return f"why.{verdict.outcome}"


def _limits(verdict: Verdict) -> dict[str, str]:
    # Two digits: a bound just inside the margin must not read as if it lay on it.
    return {
        "lower": numbers.points(verdict.lower, 2),
        "upper": numbers.points(verdict.upper, 2),
        "margin": numbers.margin(verdict.margin),
    }


def _change(verdict: Verdict | CapabilityScore) -> dict[str, str]:
    tuned = verdict.tuned_score if isinstance(verdict, Verdict) else verdict.score
    return {
        "change": numbers.size(verdict.estimate),
        "base": numbers.percent(verdict.base_score),
        "tuned": numbers.percent(tuned),
    }


def _domain(view: View) -> Phrase:
    if view.domain is not None:
        fell = view.domain.outcome == "not_gained" and view.domain.measurable
        return phrase("headline.fell" if fell else f"headline.{view.domain.outcome}", **_change(view.domain))
    if view.look is not None:
        return phrase("headline.domain_dev", **_change(view.look.domain))
    return phrase("headline.domain_unknown")


def _abilities(view: View) -> Phrase:
    if not view.verdicts:
        return phrase(
            "headline.kept_unknown" if view.capabilities or not view.recipe else "headline.kept_nothing_named"
        )
    kept, countable, absent = tally(view)
    if kept == countable:
        said = phrase("headline.kept_the_one") if kept == 1 else phrase("headline.kept_all", n=kept)
    else:
        said = phrase("headline.kept_some", k=kept, n=countable)
    return phrase("headline.absent", kept=said, n=absent) if absent else said


def _certificate(view: View) -> Phrase:
    certificate = view.certificate
    if certificate is None:
        if view.stop is not None and view.stop.step is not None:
            return phrase("headline.stopped", step=view.stop.step)
        return phrase("headline.no_certificate")
    if certificate.certified:
        return phrase("headline.certified", alpha=numbers.decimal(certificate.alpha))
    missing = _missing(certificate.verdicts)
    if missing:
        return phrase("headline.not_certified", missing=missing)
    failed = [step.a for step in certificate.path if not step.passed]
    if failed:
        stopped = phrase("headline.path_stopped", a=numbers.decimal(failed[-1]))
        return phrase("headline.not_certified", missing=stopped)
    return phrase("headline.not_certified_plain")


def _missing(verdicts: Sequence[Verdict]) -> tuple[Said, ...]:
    """What stands in the way of a certificate, drops first."""
    return tuple(
        _failures(verdicts, word) for word in ("dropped", "undecided") if any(v.outcome == word for v in verdicts)
    )


def _failures(verdicts: Sequence[Verdict], word: str) -> Phrase:
    names = tuple(v.capability for v in verdicts if v.outcome == word)
    rest = len(names) - MOST_NAMED
    key = "headline.failures_more" if rest > 0 else "headline.failures"
    return phrase(key, n=len(names), outcome=phrase(f"outcome.{word}"), names=names[:MOST_NAMED], more=rest)
