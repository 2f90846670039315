"""An engine whose answers say what it was asked and with which seed, and a format that counts words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from forgetless.errors import ModelError
from forgetless.records import Message
from forgetless.sampling import Sampling


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
    asked: list[tuple[int, Sampling]] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    written: int = 0
    begun: list[str] = field(default_factory=list)

    def generate(
        self, prompts: Sequence[Sequence[Message]], *, max_new_tokens: int, sampling: Sampling, progress: Any = None
    ) -> list[str]:
        if len(self.asked) == self.blocks:
            raise Killed
        self.asked.append((max_new_tokens, sampling))
        self.answered += [messages[-1].content for messages in prompts]
        if progress is not None:
            progress(len(prompts), len(prompts))
        return [self.answer(messages[-1].content, sampling.seed) for messages in prompts]

    def continue_texts(
        self, texts: Sequence[str], *, max_new_tokens: int, sampling: Sampling, progress: Any = None
    ) -> list[str]:
        self.asked.append((max_new_tokens, sampling))
        self.answered += texts
        return [f" and {text[:3]} {sampling.seed % 97} {i}" for i, text in enumerate(texts)]

    def write_prompts(self, beginnings: Sequence[str], *, max_new_tokens: int, sampling: Sampling) -> list[str]:
        self.written += len(beginnings)
        self.begun += [begun for begun in beginnings if begun]
        self.asked.append((max_new_tokens, sampling))
        return [f"{begun} {self.writes(i, sampling.seed)}".strip() for i, begun in enumerate(beginnings)]


@dataclass
class WordFormat:
    """One token for each word of the prompt."""

    template: str | None = "any"
    switches_thinking: bool = False

    def as_message(self, answer: str) -> Message:
        return Message("assistant", answer, trained=True)

    def beginning(self, text: str, *, most_tokens: int) -> str:
        words = text.split()
        return " ".join(words[: min(len(words) // 2, most_tokens)])

    def require_template(self) -> None:
        raise ModelError(field="model.template", value="", rule="no chat template", way_out="set one")

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


@pytest.fixture
def thinking_words() -> WordFormat:
    return WordFormat(switches_thinking=True)


@pytest.fixture
def bare_words() -> WordFormat:
    """Words without a chat template."""
    return WordFormat(template=None)
