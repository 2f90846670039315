"""An engine whose answers take as long as a law says, on a clock that nothing else moves; and a task that asks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from forgetless.planning.answering import AnsweringLaw, Answers, BatchShape, passes_for
from forgetless.records import Item, ItemResult, Message, Part
from forgetless.tokens import Prompt


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class WordFormat:
    """Counts a word as a token; a text that begins with nothing begins with one."""

    template: str | None = "any"
    switches_thinking: bool = False

    def writes_plain(self, messages: Sequence[Message]) -> bool:
        return self.template is None or any(message.raw_text for message in messages)

    def prompts(self, prompts: Sequence[Sequence[Message]]) -> list[Prompt]:
        return [Prompt([0] * len(prompt[-1].content.split())) for prompt in prompts]

    def text_start(self, text: str) -> list[int]:
        return [0] * (len(text.split()) or 1)

    @property
    def pieces(self) -> WordFormat:
        return self

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [[0] * len(text.split()) for text in texts]

    def user_opening(self) -> list[int]:
        return [0, 0]


@dataclass
class TimedEngine:
    """Answers a prompt of n words with n % 7 + 1 words; a likelihood takes 10 ms."""

    clock: Clock
    law: AnsweringLaw
    shape: BatchShape
    model_hash: str = "model"
    settings_hash: str = "settings"
    asked: list[int] = field(default_factory=list)

    def generate(self, prompts: Sequence[Sequence[Message]], *, max_new_tokens: int, **_: Any) -> list[str]:
        prompt_tokens = tuple(len(p[-1].content.split()) for p in prompts)
        lengths = tuple(min(n % 7 + 1, max_new_tokens) for n in prompt_tokens)
        self._take(Answers(prompt_tokens, lengths, max_new_tokens))
        self.asked.append(len(prompts))
        return [" ".join("w" * n) for n in lengths]

    def continue_texts(self, texts: Sequence[str], *, max_new_tokens: int, **_: Any) -> list[str]:
        prompts = [(Message("user", text or "w"),) for text in texts]
        return self.generate(prompts, max_new_tokens=max_new_tokens)

    def write_prompts(self, beginnings: Sequence[str], *, max_new_tokens: int, **_: Any) -> list[str]:
        # Every second prompt comes to no end.
        n = len(beginnings)
        self._take(Answers((2,) * n, (5,) * n, max_new_tokens))
        return [f"a b c d {i}" if i % 2 else "" for i in range(n)]

    def answer_likelihoods(self, pairs: Sequence[Any], **_: Any) -> list[Any]:
        self.clock.now += 0.01 * len(pairs)
        return [None for _ in pairs]

    def _take(self, answers: Answers) -> None:
        rows = len(answers.prompt_tokens)
        self.clock.now += self.law.seconds(passes_for(answers, rows, self.shape, block=rows))


@dataclass(frozen=True)
class WordTask:
    """Items that ask in 3 to 13 words; `generates` or asks for likelihoods, and takes a millisecond to score each."""

    clock: Clock
    generates: bool = True
    dev: int = 200
    name: str = "words"
    chance: float = 0.0
    fingerprint: str = "words"
    fresh: bool = False
    binary: bool = True

    def size(self, part: Part) -> int:
        return self.dev if part == "dev" else 2 * self.dev

    def items(self, part: Part, *, limit: int | None = None, seed: int = 0) -> tuple[Item, ...]:
        numbers = range(self.size(part))[:limit]
        return tuple(Item(f"{part}-{i}", (Message("user", " ".join("w" * (3 + i % 11))),)) for i in numbers)

    def score(self, engine: Any, items: Sequence[Item], progress: Any = None) -> list[ItemResult]:
        if self.generates:
            engine.generate([item.messages for item in items], max_new_tokens=6)
        else:
            engine.answer_likelihoods([(item.messages, "yes") for item in items])
        self.clock.now += 0.001 * len(items)
        return [ItemResult(item.id, 1.0) for item in items]
