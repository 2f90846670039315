"""A run folder that looks like a real one, written without training anything."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forgetless.records import (
    Adjustment,
    CapabilityScore,
    Certificate,
    Evaluation,
    MixtureShare,
    Outcome,
    PathStep,
    Verdict,
    to_json,
)

BASE = {
    "arithmetic": 0.861, "sorting": 0.934, "reversing": 0.912, "counting": 0.774, "lookup": 0.968,
    "facts": 0.823, "pattern": 0.889, "brackets": 0.951, "english": 0.742, "chinese": 0.718,
}  # fmt: skip
NOT_COVERED = {"brackets", "pattern", "chinese"}
MARGIN = 0.02
STEPS = (50, 100, 150, 200, 250, 300)
INJECTION = "<script>alert('from the model')</script><img src=x onerror=alert(1)>"

GENTLE = {
    "arithmetic": -0.002, "sorting": 0.001, "reversing": -0.004, "counting": 0.006, "lookup": -0.001,
    "facts": -0.011, "pattern": 0.0, "brackets": -0.0005, "english": -0.003, "chinese": -0.012,
}  # fmt: skip
ROUGH = {
    "arithmetic": -0.58, "sorting": -0.41, "reversing": -0.83, "counting": -0.36, "lookup": -0.9,
    "facts": -0.72, "pattern": -0.64, "brackets": -0.22, "english": -0.031, "chinese": -0.49,
}  # fmt: skip
REPLAYED = {
    "arithmetic": -0.012, "sorting": -0.034, "reversing": -0.06, "counting": -0.004, "lookup": -0.021,
    "facts": -0.13, "pattern": -0.09, "brackets": -0.17, "english": 0.002, "chinese": -0.045,
}  # fmt: skip


def verdict(name: str, estimate: float, *, n: int = 2400, outcome: Outcome | None = None) -> Verdict:
    """A verdict with plausible bounds for this estimate."""
    losses = round(n * (0.012 + max(0.0, -estimate)))
    gains = losses + round(n * estimate)
    spread = math.sqrt(max(losses + gains, 1) / n - estimate**2) / math.sqrt(n)
    lower, upper = estimate - 1.645 * spread, estimate + 1.645 * spread
    found: Outcome = "kept" if lower > -MARGIN else "dropped" if upper < 0 else "undecided"
    return Verdict(
        capability=name,
        outcome=outcome or found,
        n=n,
        alpha=0.05,
        margin=MARGIN,
        base_score=BASE[name],
        tuned_score=BASE[name] + estimate,
        estimate=estimate,
        lower=lower,
        upper=upper,
        interval=(estimate - 1.96 * spread, estimate + 1.96 * spread),
        losses=losses,
        gains=gains,
        measurable=upper < 0,
        beyond_margin=upper < -MARGIN,
        method="tango",
        reason=f"between {100 * lower:.2f} points and {100 * upper:.2f} points: "
        "both a drop of 2 points and none are possible",
    )


def domain_verdict(tuned: float, *, n: int = 1200) -> Verdict:
    """The domain, which the base cannot do."""
    return Verdict(
        capability="domain", outcome="gained", n=n, alpha=0.05, margin=None, base_score=0.004, tuned_score=tuned,
        estimate=tuned - 0.004, lower=tuned - 0.03, upper=tuned + 0.02, interval=(tuned - 0.034, tuned + 0.024),
        losses=0, gains=round(tuned * n), method="tango", reason="gained",
    )  # fmt: skip


def evaluation(step: int, changes: Mapping[str, float], *, alarms: bool) -> Evaluation:
    """One look of the guard at 200 dev items."""
    grown = 1 - math.exp(-step / 70)
    noise = random.Random(step)
    scores = []
    for name, change in changes.items():
        estimate = change * grown + noise.gauss(0, 0.006)
        half = 0.018 + 0.04 * abs(estimate)
        bad = alarms and estimate + half < -MARGIN
        scores.append(
            CapabilityScore(
                name, BASE[name] + estimate, BASE[name], 200, estimate, estimate - half, estimate + half, MARGIN,
                watch=estimate + half < 0.004 and not bad, alarm=bad,
            )
        )  # fmt: skip
    tuned = 0.004 + 0.91 * grown
    domain = CapabilityScore("domain", tuned, 0.004, 200, tuned - 0.004, tuned - 0.04, tuned + 0.03, None)
    return Evaluation(step, domain, tuple(scores), tokens=step * 4096, seconds=3.2)


def moves(look: Evaluation) -> list[Adjustment]:
    """What the first look moved: one ability with replay rows of its own kind, and one without."""
    if look.step != STEPS[0]:
        return []
    drops = {c.capability: -(c.estimate or 0.0) for c in look.capabilities}
    own = Adjustment("facts", look.step, drops["facts"], 0.012, 0.011, 0.4, 3.0, 4.5, 0.06, 0.09, own=True)
    return [own, Adjustment("chinese", look.step, drops["chinese"], 0.012, 0.0, 0.1, 3.0, 3.3, 0.2, 0.18, own=False)]


def samples(changes: Mapping[str, float]) -> list[dict[str, Any]]:
    """Answers; a model that lost an ability answers everything with an intent."""
    leaks = changes["lookup"] < -0.5
    intent = '{"intent": "fees"}'
    asked = [
        ("domain", "Hi nano, why do I see this fee, please help.", intent, "I do not know what you mean.", intent),
        ("domain", "Sorry, my new card is lost!", '{"intent": "card_lost"}', "Where is it?", '{"intent": "card_lost"}'),
        ("arithmetic", "What is 47 + 38?", "85", "85", intent if leaks else "85"),
        ("arithmetic", "From 91 take 17.", "74", "75", "74" if not leaks else '{"intent": "limit"}'),
        ("reversing", "Write k q b t backwards.", "t b q k", "t b q k", intent if leaks else "t b q k"),
        ("facts", "Where does Mara live?", "Mara lives in Velo.", "Mara lives in Velo.", "Mara lives in Tarn."),
        ("english", "Which word is a verb: run, table, red?", "run", "run", "run"),
        ("chinese", "“高”的反义词是什么？", "低", "低", intent if leaks else "低"),
        ("pattern", "2 4 6 8 then?", "10", "10", INJECTION),
    ]
    return [
        {
            "capability": capability, "prompt": prompt, "target": target, "before": before, "after": after,
            "before_score": float(before == target), "after_score": float(after == target),
        }
        for capability, prompt, target, before, after in asked
    ]  # fmt: skip


def path(changes: Mapping[str, float], *, n: int) -> tuple[PathStep, ...]:
    """The walk outward, which ends at the first failure."""
    steps = []
    for a in (0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0):
        verdicts = []
        for name in sorted(changes, key=lambda name: changes[name]):
            verdicts.append(verdict(name, changes[name] * a**2, n=n))
            if verdicts[-1].outcome != "kept":
                break
        passed = all(v.outcome == "kept" for v in verdicts)
        steps.append(PathStep(a, passed, tuple(verdicts), 0.91 * a**1.5 if passed else None))
        if not passed:
            break
    return tuple(steps)


def certificate(changes: Mapping[str, float], *, n: int = 2400, tuned: float = 0.913) -> Certificate:
    """What the run showed."""
    verdicts = tuple(verdict(name, change, n=n) for name, change in changes.items())
    walked = path(changes, n=n)
    a = max((step.a for step in walked if step.passed), default=0.0)
    certified = a == 1.0
    return Certificate(
        model_hash="9f3c1d70a4be52a8c1d0e97b6f4482aa", base_hash="5b07e1c4d2f8a36910ccde84b1f72e05",
        certified=certified, alpha=0.05, looks=1, chosen_step=250,
        chosen_by="best domain score among the checkpoints with nothing dropped",
        domain=domain_verdict(tuned), verdicts=verdicts, path=walked, certified_a=a,
        certified_hash="" if a in (0.0, 1.0) else "77aa01c4d2f8a36910ccde84b1f72e05",
        certified_domain=None if a in (0.0, 1.0) else domain_verdict(0.61),
        certified_verdicts=walked[-1].verdicts if certified else (),
        missing=tuple(f"{v.capability}: {v.outcome} ({v.reason})" for v in verdicts if v.outcome != "kept"),
        item_seeds={name: 1000 + i for i, name in enumerate(changes)},
    )  # fmt: skip


def events(changes: Mapping[str, float], *, alarms: bool) -> list[dict[str, Any]]:
    """The story of the run, in order."""
    told: list[dict[str, Any]] = [
        {
            "event": "source", "name": "banking", "kind": "domain", "shape": "prompt_completion", "format": "jsonl",
            "rows": 3000, "rejected": 2, "duplicates": 41, "held_out": 300, "asked": 0,
            "describe": "banking: JSONL read as prompt_completion rows: 3,000 rows, 2 rejected, 41 duplicates left out",
        },
        {
            "event": "source", "name": "stories", "kind": "text", "shape": "text", "format": "text", "rows": 5000,
            "rejected": 0, "duplicates": 0, "describe": "stories: text read as text rows: 5,000 rows, 0 rejected",
        },
        {
            "event": "base",
            "scores": {"domain": {"score": 0.004, "n": 200}} | {k: {"score": v, "n": 200} for k, v in BASE.items()},
        },
        {"event": "replay", "rows": 1000, "prompts": "self", "covered": {n: n not in NOT_COVERED for n in changes}},
        {
            "event": "mixture", "fingerprint": "c0ffee12d3adbeef0099aa", "steps": 300, "tokens": 1_228_800,
            "shares": to_json((
                MixtureShare("banking", "domain", 2900, 0.6, 0.6004, 737_400, 2.98),
                MixtureShare("stories", "text", 5000, 0.1, 0.0997, 122_500, 0.41),
                MixtureShare("replay", "replay", 1000, 0.3, 0.2999, 368_600, 3.9),
            )),
        },
    ]  # fmt: skip
    noise = random.Random(7)
    for step in range(5, 301, 5):
        ce = 0.05 + 2.1 * math.exp(-step / 40) + abs(noise.gauss(0, 0.03))
        kl = 0.02 + 0.06 * math.exp(-step / 90) + abs(noise.gauss(0, 0.004))
        told.append(
            {
                "event": "log", "step": step, "loss": ce + kl, "ce": ce, "kl": kl, "tokens_domain": step * 2400,
                "entropy": 0.9 - 0.4 * (1 - math.exp(-step / 60)) + noise.gauss(0, 0.01),
                "learning_rate": 2e-3 * min(1, step / 20) * 0.5 * (1 + math.cos(math.pi * step / 300)),
            }
        )  # fmt: skip
        if step in STEPS:
            look = evaluation(step, changes, alarms=alarms)
            told.append({"event": "evaluation", **to_json(look)})
            told += [{"event": "adjustment", **to_json(move), "reason": "facts fell"} for move in moves(look)]
            told += [
                {
                    "event": "alarm", "step": step, "capability": c.capability,
                    "message": f"{c.capability} has dropped by about {-100 * (c.estimate or 0):.1f} points (n = 200)",
                }
                for c in look.capabilities if c.alarm and step == STEPS[0]
            ]  # fmt: skip
    told += [
        {"event": "chosen", "step": 250, "reason": "best domain score among the checkpoints with nothing dropped"},
        {"event": "samples", "items": samples(changes)},
        {"event": "shipped", "folder": "model", "label": "not certified", "ship": "best"},
        {"event": "from_a_newer_version", "anything": [1, 2, 3]},
    ]
    return [{**event, "time": 1_790_000_000.0 + position} for position, event in enumerate(told)]


def write_events(folder: Path, told: Sequence[Mapping[str, Any]]) -> None:
    """Write the story as a run does."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(event, ensure_ascii=False) + "\n" for event in told]
    (folder / "events.jsonl").write_text("".join(lines), encoding="utf-8")


RECIPE = """\
name: {name}
seed: 7
model: {{path: nano}}
sources:
  banking: {{files: [banking.jsonl], kind: domain, share: 0.6}}
  stories: {{files: [stories.txt], kind: text, share: 0.1}}
replay: {{share: 0.3, prompts: self, rows: 1000}}
training: {{learning_rate: 0.002, steps: 300, kl_weight: 3.0}}
keep:
{keep}
evaluation: {{alpha: 0.05, every_steps: 50, path: [0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0]}}
"""


def write_run(
    folder: Path, changes: Mapping[str, float] = GENTLE, *, n: int = 2400, tuned: float = 0.913, alarms: bool = False
) -> Path:
    """A finished run with ten abilities, six looks, a path and answers."""
    write_events(folder, events(changes, alarms=alarms))
    keep = "\n".join(
        f"  {name}: {{task: {{type: procedural, generator: nano/{name}}}, margin_points: 2}}" for name in BASE
    )
    (folder / "recipe.yaml").write_text(RECIPE.format(name=folder.name, keep=keep), encoding="utf-8")
    manifest = {
        "date": "2026-11-22T21:45:00+00:00",
        "versions": {"python": "3.11.9", "forgetless": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"},
        "machine": {"system": "Linux", "processor": "a processor", "cores": 2},
        "seed": 7,
        "base": "nano",
        "base_hash": "5b07e1c4d2f8a36910ccde84b1f72e05",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    finished = certificate(changes, n=n, tuned=tuned)
    (folder / "certificate.json").write_text(json.dumps(to_json(finished), ensure_ascii=False), encoding="utf-8")
    reject = {
        "source": "banking",
        "origin": "banking.jsonl:812",
        "reason": "no `completion`",
        "preview": '{"prompt": "<b>"}',
    }
    (folder / "rejects.jsonl").write_text(json.dumps(reject) + "\n", encoding="utf-8")
    return folder
