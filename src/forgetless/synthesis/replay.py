"""Self-replay: prompts in, rows out that the base model itself has answered.

What the base answers to general prompts is the nearest thing to its own training data, and holding the tuned model to
the base on it is what keeps general abilities. Prompts are given in files or written by the base; prompts that a
test item asks are left out. Answers are sampled, kept in blocks and addressed by content, so they are made once for
all runs on the same base and a killed run goes on after the last full block.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from forgetless.errors import DataError
from forgetless.recipe import ReplaySettings
from forgetless.records import Message, Row
from forgetless.rundir import content_hash
from forgetless.sources import prompt_key, remove_items
from forgetless.synthesis.blocks import Block, block_rows, block_seed, find, find_or_make
from forgetless.synthesis.given import Prompt, given_prompts
from forgetless.synthesis.self_written import kept_prompts, self_written_prompts

if TYPE_CHECKING:
    from forgetless.engines import Engine
    from forgetless.tokens import ChatFormat

Progress = Callable[[int, int], None]
"""Called with the number of rows answered and the number in all."""


@dataclass(frozen=True, slots=True)
class ReplayRows:
    """The rows, and what became of the prompts that are not among them.

    `written` answers were made by this call and `from_cache` found on disk; `dropped_empty` of both were empty.
    Prompts were left out because a test item asks the same (`excluded`), because they are too long (`too_long`) or
    because they came twice (`duplicates`). `key` addresses the answers by content.
    """

    rows: tuple[Row, ...]
    written: int
    from_cache: int
    dropped_empty: int
    excluded: int
    too_long: int
    duplicates: int
    key: str


@dataclass(frozen=True, slots=True)
class ReplayState:
    """What there is of the replay rows before anything is written.

    Attributes:
        prompts: The prompts that will be answered, as far as they are known: those of files, or self-written ones that
            are kept on disk.
        answers: The kept answers to the first of them.
        whole: Whether `prompts` are all that there will be.
        excluded: Prompts left out because an item asks the same.
        too_long: Prompts left out because they are too long.
        duplicates: Prompts left out because they came before.
        block_rows: Rows that are answered together.
    """

    prompts: tuple[Prompt, ...]
    answers: tuple[str, ...]
    whole: bool
    excluded: int
    too_long: int
    duplicates: int
    block_rows: int

    @property
    def complete(self) -> bool:
        """Whether every answer is kept, so that nothing has to be written."""
        return self.whole and len(self.answers) == len(self.prompts)

    def stand_ins(self, prompts: Sequence[Prompt], answers: Sequence[str], *, rows: int) -> tuple[Row, ...]:
        """Rows as long as the real ones will be: what is known, and a sample over and over for what is not.

        Args:
            prompts: A sample of prompts; read where not all are known.
            answers: A sample of answers; read where not all are kept.
            rows: How many rows there will be, where their prompts are not known.
        """
        asked = self.prompts if self.whole else tuple(islice(chain(self.prompts, cycle(prompts)), rows))
        said = islice(chain(self.answers, cycle(answers)), len(asked))
        return tuple(
            _row(prompt, answer, origin=f"replay:{i}")
            for i, (prompt, answer) in enumerate(zip(asked, said, strict=True))
            if answer.strip()
        )


class _Selection(NamedTuple):
    prompts: list[Prompt]
    excluded: int
    too_long: int
    duplicates: int


def self_replay(
    engine: Engine,
    settings: ReplaySettings,
    *,
    format: ChatFormat,
    folder: Path,
    seed: int,
    exclude: Collection[str],
    cache: Path,
    progress: Progress | None = None,
) -> ReplayRows:
    """Let the base model answer prompts, and return the answers as training rows.

    Args:
        engine: Answers for the base model.
        settings: Where prompts come from, how many rows, and how to sample.
        format: The base model's chat format, which counts the tokens of a prompt.
        folder: The folder of the recipe, which prompt files are relative to.
        seed: Fixes the order of given prompts and the sampling.
        exclude: The `prompt_key` of every item that a task will test on.
        cache: The folder that keeps blocks of prompts and answers.
        progress: Called as answers come.

    Returns:
        At most `settings.rows` rows of source `replay`, whose last turn is the base's answer.
        An answer cut off at `max_new_tokens` is kept: leaving it out would teach that answers are short. Its stop
        token is no sample of the base, so train these rows by KL to the base, which needs no label, not by likelihood.

    Raises:
        DataError: A prompt file cannot be read, or no prompt can be used.
    """
    cache = cache / "replay"
    selection = _select(_prompts(engine, settings, folder, seed, cache), settings, format, exclude)
    if not selection.prompts:
        raise _no_prompts(settings, selection)
    key = _key(engine, settings, selection.prompts, seed)
    blocks = list(_answers(engine, settings, selection.prompts, seed, cache / key, progress))
    answers = [text for block in blocks for text in block.texts]
    rows = tuple(
        _row(prompt, answer, origin=f"replay/{key}:{i}")
        for i, (prompt, answer) in enumerate(zip(selection.prompts, answers, strict=True))
        if answer.strip()
    )
    return ReplayRows(
        rows=rows,
        written=sum(len(block.texts) for block in blocks if not block.found),
        from_cache=sum(len(block.texts) for block in blocks if block.found),
        dropped_empty=len(answers) - len(rows),
        excluded=selection.excluded,
        too_long=selection.too_long,
        duplicates=selection.duplicates,
        key=key,
    )


def replay_state(
    engine: Engine,
    settings: ReplaySettings,
    *,
    format: ChatFormat,
    folder: Path,
    seed: int,
    exclude: Collection[str],
    cache: Path,
) -> ReplayState:
    """What `self_replay` would find, with the same arguments; nothing is written or answered.

    Raises:
        DataError: A prompt file cannot be read, or no prompt can be used.
    """
    cache = cache / "replay"
    if settings.prompts == "self":
        known, whole = kept_prompts(engine, settings, seed=seed, cache=cache)
    else:
        known, whole = list(given_prompts(settings.prompts, folder=folder, seed=seed)), True
    selection = _select(known, settings, format, exclude)
    whole = whole or len(selection.prompts) == settings.rows
    if whole and not selection.prompts:
        raise _no_prompts(settings, selection)
    answers: list[str] = []
    if whole:
        place, size = cache / _key(engine, settings, selection.prompts, seed), _block_rows(settings)
        for index, start in enumerate(range(0, len(selection.prompts), size)):
            texts = find(place, index, len(selection.prompts[start : start + size]))
            if texts is None:
                break
            answers += texts
    return ReplayState(
        prompts=tuple(selection.prompts),
        answers=tuple(answers),
        whole=whole,
        excluded=selection.excluded,
        too_long=selection.too_long,
        duplicates=selection.duplicates,
        block_rows=_block_rows(settings),
    )


def _prompts(engine: Engine, settings: ReplaySettings, folder: Path, seed: int, cache: Path) -> Iterator[Prompt]:
    if settings.prompts == "self":
        return self_written_prompts(engine, settings, seed=seed, cache=cache)
    return given_prompts(settings.prompts, folder=folder, seed=seed)


def _select(
    prompts: Iterable[Prompt], settings: ReplaySettings, format: ChatFormat, exclude: Collection[str]
) -> _Selection:
    """The first `settings.rows` prompts that may be used; no more are asked for than that takes."""
    chosen: dict[str, Prompt] = {}
    excluded = too_long = duplicates = 0
    forbidden = frozenset(exclude)
    for prompt in prompts:
        key = prompt_key(prompt)
        if key in chosen:
            duplicates += 1
        elif remove_items([Row(id=key, source="replay", messages=prompt)], forbidden)[1]:
            excluded += 1
        elif len(format.encode_prompt(prompt)) > settings.max_prompt_tokens:
            too_long += 1
        else:
            chosen[key] = prompt
        if len(chosen) == settings.rows:
            break
    return _Selection(list(chosen.values()), excluded, too_long, duplicates)


def _key(engine: Engine, settings: ReplaySettings, prompts: list[Prompt], seed: int) -> str:
    sampling = [settings.max_new_tokens, settings.temperature, settings.top_p, _block_rows(settings)]
    return content_hash("replay answers", engine.model_hash, engine.settings_hash, sampling, seed, prompts)


def _block_rows(settings: ReplaySettings) -> int:
    return block_rows(settings.max_prompt_tokens + settings.max_new_tokens)


def _answers(
    engine: Engine,
    settings: ReplaySettings,
    prompts: list[Prompt],
    seed: int,
    folder: Path,
    progress: Progress | None,
) -> Iterator[Block]:
    size = _block_rows(settings)
    for index, start in enumerate(range(0, len(prompts), size)):
        block = prompts[start : start + size]

        def within(done: int, _: int, start: int = start) -> None:
            if progress is not None:
                progress(start + done, len(prompts))

        def answer(block: list[Prompt] = block, index: int = index, within: Progress = within) -> list[str]:
            return engine.generate(
                block,
                max_new_tokens=settings.max_new_tokens,
                temperature=settings.temperature,
                top_p=settings.top_p,
                seed=block_seed(seed, "answers", index),
                progress=within,
            )

        yield find_or_make(folder, index, len(block), answer)
        within(len(block), len(block))


def _row(prompt: Prompt, answer: str, *, origin: str) -> Row:
    messages = (*prompt, Message("assistant", answer, trained=True))
    return Row(id=content_hash("replay", messages), source="replay", messages=messages, origin=origin)


def _no_prompts(settings: ReplaySettings, selection: _Selection) -> DataError:
    written = settings.prompts == "self"
    return DataError(
        field="replay.prompts",
        value="self" if written else f"{len(settings.prompts)} files",
        rule=f"leaves no prompt to answer: {selection.excluded:,} are test items, {selection.too_long:,} are longer "
        f"than {settings.max_prompt_tokens:,} tokens, {selection.duplicates:,} are duplicates",
        way_out="give prompt files under `replay.prompts`"
        if written
        else "give other prompts, or raise `max_prompt_tokens`",
    )
