"""What the demo shows of its three arms: the terminal's table, the page's words, the JSON figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich import box
from rich.table import Table

from forgetless.records import Certificate, Verdict
from forgetless.reporting import ArmText, Language


def summary(certificates: dict[str, Certificate], tokens: dict[str, int], seconds: float) -> dict[str, Any]:
    """The figures of the demo, by arm; the base as it stood beside the forgetless arm."""
    held = certificates["forgetless"]
    base = {
        "domain": held.domain.base_score,
        "abilities": {
            v.capability: {"score": v.base_score, "n": v.n, "outcome": None, "lower": None, "upper": None}
            for v in held.verdicts
        },
    }
    arms = {arm: _arm(certificate) | {"tokens": tokens[arm]} for arm, certificate in certificates.items()}
    return {"base": base} | arms | {"seconds": round(seconds, 1)}


def _arm(certificate: Certificate) -> dict[str, Any]:
    return {
        "domain": certificate.domain.tuned_score,
        "domain_n": certificate.domain.n,
        "abilities": {v.capability: _ability(v) for v in certificate.verdicts},
        "certified": {
            "a": certificate.certified_a,
            "domain": _certified_domain(certificate),
            "abilities": {v.capability: _ability(v) for v in certificate.certified_verdicts},
        },
    }


def _ability(verdict: Verdict) -> dict[str, Any]:
    return {
        "score": verdict.tuned_score,
        "n": verdict.n,
        "outcome": verdict.outcome,
        "lower": verdict.lower,
        "upper": verdict.upper,
    }


def arms_table(certificates: dict[str, Certificate], tokens: dict[str, int], uncovered: Sequence[str]) -> Table:
    """Abilities down, arms across; `*` marks what replay does not cover."""
    table = Table(
        box=box.SIMPLE_HEAD, title="Score in % (kept, dropped or undecided at its margin)", title_justify="left"
    )
    table.add_column("ability")
    table.add_column("base", justify="right")
    for arm in certificates:
        table.add_column(arm, justify="right")
    held = certificates["forgetless"]
    table.add_row(
        "domain", _percent(held.domain.base_score), *(_percent(c.domain.tuned_score) for c in certificates.values())
    )
    table.add_section()
    for verdict in held.verdicts:
        name = verdict.capability
        in_arms = [next(v for v in c.verdicts if v.capability == name) for c in certificates.values()]
        cells = [f"{_percent(v.tuned_score)} {v.outcome}" for v in in_arms]
        table.add_row(name + (" *" if name in uncovered else ""), _percent(verdict.base_score), *cells)
    table.add_section()
    table.add_row("certified at a", "", *(f"{c.certified_a:g}" for c in certificates.values()))
    table.add_row("domain there", "", *(_percent(_certified_domain(c)) for c in certificates.values()))
    table.add_row("training tokens", "", *(f"{tokens[arm]:,}" for arm in certificates))
    if uncovered:
        table.caption = "* no replay prompt of its own kind"
        table.caption_justify = "left"
    return table


def _certified_domain(certificate: Certificate) -> float | None:
    return certificate.certified_domain.tuned_score if certificate.certified_domain else None


def _percent(score: float | None) -> str:
    return "unknown" if score is None else f"{100 * score:.1f}"


TITLE: Final[dict[Language, str]] = {
    "en": "One domain, three fine-tunes, ten abilities to keep",
    "zh": "同一份领域数据，三种微调，十项能力谁还在",
}

_COVER_EN: Final = {
    "given": "Two abilities have no replay prompts of their own kind.",
    "self": "The base wrote the prompts too.",
}
_COVER_ZH: Final = {"given": "其中两项能力没有同类的回放提示。", "self": "回放的提示也由基座自己写。"}


def arm_texts(prompts: str) -> dict[str, ArmText]:
    """What the page says about each arm."""
    return {
        "plain": ArmText(
            name={"en": "plain", "zh": "普通微调"},
            note={
                "en": "Domain rows only.",
                "zh": "只用领域数据。",
            },
            link="runs/plain/report.html",
        ),
        "plain_low_lr": ArmText(
            name={"en": "plain, a third of the rate", "zh": "普通微调，学习率 1/3"},
            note={"en": "The usual advice: be gentler.", "zh": "常见的建议：学习率调小一点。"},
            link="runs/plain_low_lr/report.html",
        ),
        "forgetless": ArmText(
            name={"en": "forgetless", "zh": "forgetless"},
            note={
                "en": f"The same rows, plus rows that the base answered, held to the base by KL. {_COVER_EN[prompts]}",
                "zh": f"同样的领域数据，外加由基座自己作答的回放数据，用 KL 把模型拉住。{_COVER_ZH[prompts]}",
            },
            link="runs/forgetless/report.html",
        ),
    }
