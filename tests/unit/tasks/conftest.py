"""An engine whose answers are functions of the prompt, and item files written on the spot."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from forgetless.records import Item, Message


class Likelihood(NamedTuple):
    log_likelihood: float
    tokens: int
    bytes: int
    greedy: bool = False


@dataclass
class ScriptedEngine:
    """Answers the last user turn by `answer`, and finds an answer as likely as `likelihood` says."""

    answer: Callable[[str], Any] = str
    likelihood: Callable[[str, str], float] = lambda prompt, answer: -float(len(answer))
    model_hash: str = "model"
    settings_hash: str = "settings"
    generated: list[str] = field(default_factory=list)
    asked: dict[str, Any] = field(default_factory=dict)

    def generate(self, prompts: Sequence[Sequence[Message]], *, progress: Any = None, **asked: Any) -> list[Any]:
        self.asked = asked
        self.generated += [messages[-1].content for messages in prompts]
        outputs = [self.answer(messages[-1].content) for messages in prompts]
        if progress is not None:
            progress(len(prompts), len(prompts))
        return outputs

    def answer_likelihoods(self, pairs: Any, *, progress: Any = None) -> list[Likelihood]:
        found = [self.likelihood(messages[-1].content, answer) for messages, answer in pairs]
        if progress is not None:
            progress(len(pairs), len(pairs))
        return [
            Likelihood(value, tokens=max(len(answer), 1), bytes=len(answer.encode()))
            for value, (_, answer) in zip(found, pairs, strict=True)
        ]


@pytest.fixture
def scripted() -> type[ScriptedEngine]:
    return ScriptedEngine


@pytest.fixture
def write_jsonl(tmp_path: Path) -> Callable[..., str]:
    def write(records: Sequence[dict[str, Any]], name: str = "items.jsonl") -> str:
        (tmp_path / name).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")
        return name

    return write


@pytest.fixture
def questions() -> list[dict[str, Any]]:
    """Sixty sums with their results."""
    return [{"question": f"What is {n} + {n}?", "result": str(2 * n)} for n in range(60)]


@pytest.fixture
def item() -> Callable[..., Item]:
    def make(name: str, target: str = "yes", **others: Any) -> Item:
        return Item(id=name, messages=(Message("user", name),), target=target, **others)

    return make


@pytest.fixture
def unknown() -> float:
    return math.nan
