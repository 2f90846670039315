"""An engine whose answers say what it was asked and with which seed, and a format that counts words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from forgetless.records import Message


class Killed(BaseException):
    """Stands for the end of the process."""


@dataclass
class ScriptedEngine:
    """Answers `seed: prompt`; dies after `blocks` calls to `generate`."""

    blocks: int = 1_000
    answer: Callable[[str, int], str] = lambda prompt, seed: f"{seed}: {prompt}"
    writes: Callable[[int, int], str] = lambda i, seed: f"prompt {seed % 97} {i}"
    model_hash: str = "model"
    settings_hash: str = "settings"
    sampled: list[dict[str, Any]] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    written: int = 0

    def generate(self, prompts: Sequence[Sequence[Message]], *, progress: Any = None, **sampling: Any) -> list[str]:
        if len(self.sampled) == self.blocks:
            raise Killed
        self.sampled.append(sampling)
        self.answered += [messages[-1].content for messages in prompts]
        if progress is not None:
            progress(len(prompts), len(prompts))
        return [self.answer(messages[-1].content, sampling["seed"]) for messages in prompts]

    def write_prompts(self, n: int, *, seed: int, **sampling: Any) -> list[str]:
        self.written += n
        self.sampled.append(sampling)
        return [self.writes(i, seed) for i in range(n)]


class WordFormat:
    """One token for each word of the prompt."""

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        return [0] * sum(len(message.content.split()) for message in messages)


@pytest.fixture
def scripted() -> type[ScriptedEngine]:
    return ScriptedEngine


@pytest.fixture
def killed() -> type[Killed]:
    return Killed


@pytest.fixture
def words() -> WordFormat:
    return WordFormat()
