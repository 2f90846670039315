"""What is seen of a capability between two looks."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scripted_models import MARGIN, ListTask, ScriptedModel

from forgetless.engines import AnswerLikelihood
from forgetless.guard import Capability
from forgetless.guard.probe import ANSWER_CHARACTERS, Probe
from forgetless.records import ItemResult
from forgetless.rundir import ScoreStore

ITEMS = 20


class Likely(ScriptedModel):
    """Finds every answer of a task as likely as it is told."""

    def __init__(self, model_hash: str, probabilities: dict[str, float], **settings: Any) -> None:
        super().__init__(model_hash, **settings)
        self.probabilities = probabilities
        self.pairs: list[tuple[Any, str]] = []

    def answer_likelihoods(self, pairs: Any, progress: Any = None) -> list[AnswerLikelihood]:
        self.pairs += pairs
        asked = [messages[-1].content.split()[1].split("-")[0] for messages, _ in pairs]
        return [AnswerLikelihood(math.log(self.probabilities[name]), 2, 3, True) for name in asked]

    def encode_answers(self, pairs: Any) -> list[SimpleNamespace]:
        return [SimpleNamespace(context=[0] * 8, answer=[0] * 2) for _ in pairs]


def probe_of(base: Likely, tmp_path: Path, *names: str) -> Probe:
    capabilities = [Capability(name, ListTask(name), MARGIN) for name in names]
    return Probe(capabilities, base=base, base_scores=ScoreStore(tmp_path), items=ITEMS, seed=0)  # type: ignore[arg-type]


def test_what_is_gone_of_the_probability_of_right_answers(tmp_path: Path) -> None:
    base = Likely("base", {"maths": 0.8, "facts": 0.5}, lost={"maths": 0.25})
    probe = probe_of(base, tmp_path, "maths", "facts")
    read = probe.read(Likely("now", {"maths": 0.4, "facts": 0.5}))  # type: ignore[arg-type]
    maths, facts = read["maths"], read["facts"]
    # Three of four were right, and half of their probability is gone; what was wrong counts in the KL alone.
    assert maths.drop == pytest.approx(0.75 * 0.5)
    assert maths.kl == pytest.approx(math.log(2.0) / 2)
    assert maths.n == facts.n == ITEMS
    spread = math.sqrt(ITEMS / (ITEMS - 1) * (0.75 * 0.25 - 0.75**2 * 0.25))
    assert maths.error == pytest.approx(spread / math.sqrt(ITEMS))
    assert facts.drop == facts.kl == 0.0
    assert facts.error > 0.0


def test_a_likelier_answer_is_no_drop(tmp_path: Path) -> None:
    probe = probe_of(Likely("base", {"maths": 0.5}), tmp_path, "maths")
    signal = probe.read(Likely("now", {"maths": 0.9}))["maths"]  # type: ignore[arg-type]
    assert signal.drop == signal.kl == 0.0


def test_checks_cost_a_twentieth_of_the_training(tmp_path: Path) -> None:
    probe = probe_of(Likely("base", {"maths": 0.5}), tmp_path, "maths")
    assert probe.tokens == 10 * ITEMS
    assert probe.every_steps(100.0) == math.ceil(200 / 3 / 5)
    assert probe.every_steps(1e6) == 1


def test_answers_are_the_bases_own_and_long_ones_are_cut(tmp_path: Path) -> None:
    class Long(ListTask):
        def score(self, engine: Any, items: Any, progress: Any = None) -> Any:
            outputs = ["x" * 500, " ", *("yes" for _ in items[2:])]
            return [ItemResult(item.id, 1.0, output) for item, output in zip(items, outputs, strict=True)]

    base = Likely("base", {"maths": 0.5})
    probe = Probe([Capability("maths", Long("maths"), MARGIN)], base=base, base_scores=ScoreStore(tmp_path),  # type: ignore[arg-type]
                  items=ITEMS, seed=0)  # fmt: skip
    answers = [answer for _, answer in base.pairs]
    assert answers[0] == "x" * ANSWER_CHARACTERS
    assert len(answers) == probe.read(base)["maths"].n == ITEMS - 1  # type: ignore[arg-type]


def test_nothing_to_ask_means_no_checks(tmp_path: Path) -> None:
    class Silent(ListTask):
        def score(self, engine: Any, items: Any, progress: Any = None) -> Any:
            return [ItemResult(item.id, None) for item in items]

    base = Likely("base", {"maths": 0.5})
    probe = Probe([Capability("maths", Silent("maths"), MARGIN)], base=base, base_scores=ScoreStore(tmp_path),  # type: ignore[arg-type]
                  items=ITEMS, seed=0)  # fmt: skip
    assert probe.every_steps(100.0) is None
