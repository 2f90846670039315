"""Which prompts will the base answer? Those of files first, then its own: balanced, and with holes filled.

Nothing is written that is not needed, and everything that is written is kept, so that the same call, after a kill or
when a plan only looks, comes to the same prompts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from forgetless.errors import ModelError
from forgetless.recipe import ReplaySettings
from forgetless.records import Message
from forgetless.sources import asked_keys, prompt_key
from forgetless.synthesis.balance import SPARE, group_by_form, take_turns
from forgetless.synthesis.given import Prompt, given_prompts
from forgetless.synthesis.holes import Hole, beginnings_of, find_holes, prompts_for_each
from forgetless.synthesis.self_written import Author, NotWrittenError

if TYPE_CHECKING:
    from forgetless.tokens import ChatFormat

Forbids = Callable[[str], bool]
"""Whether a text holds what a test item asks."""

Kinds = Mapping[str, Sequence[str]]
"""What the dev items of each kept capability ask."""


def nothing_forbidden(text: str) -> bool:
    """Forbids no text."""
    return False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many prompts will not be asked: a test item asks them, they are too long, came twice, or are refused."""

    excluded: int
    too_long: int
    duplicates: int
    refused: int


@dataclass(frozen=True, slots=True)
class ChosenPrompts:
    """The prompts that will be answered, as far as they are known.

    Attributes:
        prompts: In the order in which they will be asked, where nothing is unwritten.
        unwritten: How many the base has yet to write before all are known; holes that are not found yet not counted.
        left_out: What became of the others.
        self_written: Prompts that the base wrote and that may be asked, taken or not.
        forms: How many groups of like form they are of; 0 where they are taken as they were written.
        holes: What the prompts left uncovered, and what was written for it.
    """

    prompts: tuple[Prompt, ...]
    unwritten: int
    left_out: LeftOut
    self_written: int = 0
    forms: int = 0
    holes: tuple[Hole, ...] = ()


def choose_prompts(
    author: Author | None,
    settings: ReplaySettings,
    *,
    format: ChatFormat,
    folder: Path,
    seed: int,
    exclude: Collection[str],
    quotes: Forbids,
    kinds: Kinds,
) -> ChosenPrompts:
    """At most `settings.rows` prompts.

    Args:
        author: Writes what files leave missing, or finds it; nobody where it is not known yet who will write.
        settings: Where prompts come from and how many are wanted.
        format: Counts tokens.
        folder: The folder of the recipe, which prompt files are relative to.
        seed: Fixes the order of given prompts.
        exclude: The `prompt_key` of every item that a task will test on.
        quotes: Whether a text holds a question of an item; asked of self-written prompts.
        kinds: What is to be covered.

    Raises:
        DataError: A prompt file cannot be read.
        ModelError: The base writes too few whole prompts.
    """
    sieve, given = _Sieve(settings, format, frozenset(exclude)), list[Prompt]()
    sieve.fill(given, given_prompts(settings.prompt_files, folder=folder, seed=seed), settings.rows)
    missing = settings.rows - len(given) if settings.writes_prompts else 0
    balanced = settings.coverage == "balanced"
    wanted, pool = SPARE * missing if balanced else missing, list[Prompt]()
    unwritten = wanted if author is None else sieve.fill(pool, author.own() if missing else (), wanted, quotes)
    if unwritten:
        return ChosenPrompts(tuple(given), unwritten, sieve.left_out(), len(pool))

    groups = group_by_form(_texts(pool)) if balanced else [0] * len(pool)
    filled = _Filled([], [], 0)
    if settings.fills_holes:
        holes = find_holes(kinds, _texts([*given, *_taken(pool, groups, missing)]))
        each = prompts_for_each(len(holes), rows=settings.rows, replaced=missing or settings.rows)
        filled = _fill_holes(holes, each, author, sieve, quotes, kinds)
    room = settings.rows - len(filled.prompts) - filled.unwritten
    kept = given[:room]
    own = _taken(pool, groups, min(missing, room - len(kept)))
    return ChosenPrompts(
        prompts=(*kept, *own, *filled.prompts),
        unwritten=filled.unwritten,
        left_out=sieve.left_out(),
        self_written=len(pool) + len(filled.prompts),
        forms=len(set(groups)) if balanced else 0,
        holes=tuple(filled.holes),
    )


class _Filled(NamedTuple):
    """Prompts that were written for holes, the holes, and how many prompts are missing because nobody wrote them."""

    prompts: list[Prompt]
    holes: list[Hole]
    unwritten: int


def _fill_holes(
    likeness: Mapping[str, float], each: int, author: Author | None, sieve: _Sieve, quotes: Forbids, kinds: Kinds
) -> _Filled:
    """`each` prompts for every hole, begun as the items of its capability begin."""
    begun, holes, unwritten = list[Prompt](), list[Hole](), 0
    for name, found in likeness.items():
        before = len(begun)
        beginnings = [text for text in beginnings_of(kinds[name]) if sieve.leaves_room(text)]
        if each and beginnings:
            unwritten += sieve.fill(begun, author.begun(beginnings, each), before + each, quotes) if author else each
        holes.append(Hole(name, found, len(begun) - before))
    return _Filled(begun, holes, unwritten)


@dataclass(slots=True)
class _Sieve:
    """Lets through what may be asked, each prompt once, and counts the others by their reason."""

    settings: ReplaySettings
    format: ChatFormat
    exclude: frozenset[str]
    counts: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def fill(
        self, into: list[Prompt], prompts: Iterable[Prompt], most: int, forbids: Forbids = nothing_forbidden
    ) -> int:
        """Add what may be asked until there are `most`; no more is asked for than that takes.

        Returns:
            How many are missing because they are not written yet.
        """
        try:
            for prompt in prompts:
                reason = self._reason(prompt, forbids)
                if reason:
                    self.counts[reason] += 1
                else:
                    into.append(prompt)
                if len(into) == most:
                    break
        except NotWrittenError:
            return most - len(into)
        return 0

    def leaves_room(self, beginning: str) -> bool:
        """Whether a prompt may go on after this beginning."""
        length = _length((Message("user", beginning),), self.format)
        return length is not None and length < self.settings.max_prompt_tokens

    def left_out(self) -> LeftOut:
        """What did not pass."""
        names = ("excluded", "too_long", "duplicates", "refused")
        return LeftOut(**{name: self.counts[name] for name in names})

    def _reason(self, prompt: Prompt, forbids: Forbids) -> str:
        """Why a prompt may not be asked; empty for one that may, and is seen now."""
        key = prompt_key(prompt)
        if key in self.seen:
            return "duplicates"
        if not self.exclude.isdisjoint(asked_keys(prompt)) or forbids(prompt[-1].content):
            return "excluded"
        length = _length(prompt, self.format)
        if length is None:
            return "refused"
        if length > self.settings.max_prompt_tokens:
            return "too_long"
        self.seen.add(key)
        return ""


def _length(prompt: Prompt, format: ChatFormat) -> int | None:
    """Tokens of a prompt; `None` where the chat template refuses it (system turns, tools)."""
    try:
        return len(format.encode_prompt(prompt))
    except ModelError:
        return None


def _taken(pool: Sequence[Prompt], groups: Sequence[int], n: int) -> list[Prompt]:
    return [pool[number] for number in take_turns(groups, n)]


def _texts(prompts: Iterable[Prompt]) -> list[str]:
    return [prompt[-1].content for prompt in prompts]
