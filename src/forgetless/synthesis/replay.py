"""Self-replay: prompts in, rows out that the base model itself has answered.

What the base answers to general prompts is the nearest thing to its own training data, and holding the tuned model to
the base on it is what keeps general abilities. Prompts are given in files or written by the base; prompts that a
test item asks are left out. Answers are sampled, kept in blocks and addressed by content, so they are made once for
all runs on the same base and a killed run goes on after the last full block. A base without a chat template, or with
`raw_text`, continues raw text instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, cycle, islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from forgetless.errors import DataError
from forgetless.progress import Progress
from forgetless.recipe import ReplaySettings
from forgetless.records import Message, Row
from forgetless.rundir import content_hash
from forgetless.sampling import Sampling
from forgetless.synthesis.blocks import Block, answer_blocks, block_rows, find
from forgetless.synthesis.continued import beginnings, continues_texts
from forgetless.synthesis.given import Prompt
from forgetless.synthesis.holes import Hole
from forgetless.synthesis.prompts import Forbids, Kinds, LeftOut, choose_prompts, nothing_forbidden
from forgetless.synthesis.self_written import Author, prompt_sampling

if TYPE_CHECKING:
    from forgetless.engines import Engine
    from forgetless.tokens import ChatFormat

_NO_KINDS: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ReplayRows:
    """The rows, and what became of the prompts that are not among them.

    `written` answers were made by this call and `from_cache` found on disk; `dropped_empty` of both were empty.
    Prompts were left out because a test item asks the same (`excluded`), because they are too long (`too_long`),
    because they came twice (`duplicates`) or because the chat template refuses them (`refused`). `key` addresses the
    answers by content. `modes` says how many rows were answered with the template's `enable_thinking` on and off;
    none where it knows no such switch. Of its own prompts the base wrote `self_written` that may be asked, in `forms`
    groups of like form (0 where they were taken as they came), and `holes` were left uncovered before it wrote some
    for them.
    """

    rows: tuple[Row, ...]
    written: int
    from_cache: int
    dropped_empty: int
    excluded: int
    too_long: int
    duplicates: int
    key: str
    refused: int = 0
    modes: dict[str, int] = field(default_factory=dict)
    self_written: int = 0
    forms: int = 0
    holes: tuple[Hole, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplayState:
    """What there is of the replay rows before anything is written.

    Attributes:
        prompts: The prompts that will be answered, as far as they are known: those of files, and self-written ones
            once all that they are chosen from are kept; or the texts that the base will continue, as raw text.
        answers: The kept answers to the first of them.
        whole: Whether `prompts` are all that there will be.
        excluded: Prompts left out because an item asks the same.
        too_long: Prompts left out because they are too long.
        duplicates: Prompts left out because they came before.
        refused: Prompts left out because the chat template refuses them.
        block_rows: Rows that are answered together.
        unwritten: Prompts that the base has yet to write, as far as it is known how many.
        holes: What the prompts leave uncovered, once they are known, and what is written for it so far.
    """

    prompts: tuple[Prompt, ...]
    answers: tuple[str, ...]
    whole: bool
    block_rows: int
    excluded: int = 0
    too_long: int = 0
    duplicates: int = 0
    refused: int = 0
    unwritten: int = 0
    holes: tuple[Hole, ...] = ()

    @property
    def continues(self) -> bool:
        """Whether the base continues texts in place of answering prompts."""
        return any(message.raw_text for prompt in self.prompts[:1] for message in prompt)

    @property
    def complete(self) -> bool:
        """Whether every answer is kept, so that nothing has to be written."""
        return self.whole and len(self.answers) == len(self.prompts)

    def stand_ins(
        self, prompts: Sequence[Prompt], answers: Sequence[str], *, rows: int, format: ChatFormat
    ) -> tuple[Row, ...]:
        """Rows as long as the real ones will be: what is known, and a sample over and over for what is not.

        Args:
            prompts: A sample of prompts; read where not all are known.
            answers: A sample of answers; read where not all are kept.
            rows: How many rows there will be, where their prompts are not known.
            format: The base model's chat format.
        """
        asked = self.prompts if self.whole else tuple(islice(chain(self.prompts, cycle(prompts)), rows))
        said = islice(chain(self.answers, cycle(answers)), len(asked))
        pairs = [(prompt, answer) for prompt, answer in zip(asked, said, strict=True) if answer.strip()]
        if not self.continues:
            return tuple(
                _row((*prompt, format.as_message(answer)), origin=f"replay:{i}")
                for i, (prompt, answer) in enumerate(pairs)
            )
        texts = [prompt[0].content + answer for prompt, answer in pairs]
        return tuple(
            _text_row(text, origin=f"replay:{i}")
            for i, text in enumerate(dict.fromkeys(texts) if self.complete else texts)
        )


def self_replay(
    engine: Engine,
    settings: ReplaySettings,
    *,
    format: ChatFormat,
    folder: Path,
    seed: int,
    exclude: Collection[str],
    cache: Path,
    at_once: int = 1,
    quotes: Forbids = nothing_forbidden,
    kinds: Kinds = _NO_KINDS,
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
        at_once: How many prompts the engine answers side by side; blocks are made large enough to keep it busy.
        quotes: Whether a text holds a question of such an item; asked of self-written prompts.
        kinds: What the dev items of each kept capability ask; holes among them are filled with self-written prompts.
        progress: Called as answers come.

    Returns:
        At most `settings.rows` rows of source `replay`, whose last turn is the base's answer; or texts that it has
        continued. Where the template knows `enable_thinking`, half of the prompts are
        answered in either mode.
        An answer cut off at `max_new_tokens` is kept: leaving it out would teach that answers are short. Its stop
        token is no sample of the base, so train these rows by KL to the base, which needs no label, not by likelihood.

    Raises:
        DataError: A prompt file cannot be read, or no prompt can be used.
        ModelError: Prompt files hold conversations, and there is no chat template.
    """
    cache = cache / "replay"
    size = _answers_in_a_block(settings, at_once)
    if continues_texts(settings, format):
        return _continued(engine, settings, format, folder, seed, size, cache, progress)
    author = Author(engine, settings, seed, cache, at_once)
    chosen = choose_prompts(author, settings, format=format, folder=folder, seed=seed, exclude=exclude, quotes=quotes,
                            kinds=kinds)  # fmt: skip
    if not chosen.prompts:
        raise _no_prompts(settings, chosen.left_out)
    prompts = as_asked(chosen.prompts, format)
    key = _key(engine, settings, prompts, seed, size)
    sampling, longest = answer_sampling(settings, format), settings.max_new_tokens

    def answer(part: Sequence[Prompt], seed: int, within: Progress) -> list[str]:
        return engine.generate(part, max_new_tokens=longest, sampling=sampling.seeded(seed), progress=within)

    blocks = list(answer_blocks(prompts, size, answer, folder=cache / key, seed=seed, progress=progress))
    answers = [text for block in blocks for text in block.texts]
    rows = tuple(
        _row((*prompt, format.as_message(answer)), origin=f"replay/{key}:{i}")
        for i, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
        if answer.strip()
    )
    modes = [row.messages[-2].enable_thinking for row in rows]
    return ReplayRows(
        rows=rows,
        written=_texts(blocks, found=False),
        from_cache=_texts(blocks, found=True),
        dropped_empty=len(answers) - len(rows),
        excluded=chosen.left_out.excluded,
        too_long=chosen.left_out.too_long,
        duplicates=chosen.left_out.duplicates,
        key=key,
        refused=chosen.left_out.refused,
        modes={"on": modes.count(True), "off": modes.count(False)} if format.switches_thinking else {},
        self_written=chosen.self_written,
        forms=chosen.forms,
        holes=chosen.holes,
    )


def _continued(
    engine: Engine,
    settings: ReplaySettings,
    format: ChatFormat,
    folder: Path,
    seed: int,
    size: int,
    cache: Path,
    progress: Progress | None,
) -> ReplayRows:
    texts = beginnings(settings, format, folder=folder, seed=seed)
    sampling, longest = answer_sampling(settings, format), settings.max_new_tokens
    key = _text_key(engine, settings, format, texts, seed, size)

    def answer(part: Sequence[str], seed: int, within: Progress) -> list[str]:
        return engine.continue_texts(part, max_new_tokens=longest, sampling=sampling.seeded(seed), progress=within)

    blocks = list(answer_blocks(texts, size, answer, folder=cache / key, seed=seed, progress=progress))
    written = [text for block in blocks for text in block.texts]
    whole = [start + text for start, text in zip(texts, written, strict=True) if text.strip()]
    rows = tuple(_text_row(text, origin=f"replay/{key}:{i}") for i, text in enumerate(dict.fromkeys(whole)))
    return ReplayRows(
        rows=rows,
        written=_texts(blocks, found=False),
        from_cache=_texts(blocks, found=True),
        dropped_empty=len(texts) - len(whole),
        excluded=0,
        too_long=0,
        duplicates=len(whole) - len(rows),
        key=key,
    )


def _texts(blocks: Sequence[Block], *, found: bool) -> int:
    return sum(len(block.texts) for block in blocks if block.found == found)


def replay_state(
    engine: Engine | None,
    settings: ReplaySettings,
    *,
    format: ChatFormat,
    folder: Path,
    seed: int,
    exclude: Collection[str],
    cache: Path,
    at_once: int = 1,
    quotes: Forbids = nothing_forbidden,
    kinds: Kinds = _NO_KINDS,
) -> ReplayState:
    """What `self_replay` would find, with the same arguments; nothing is written or answered.

    Without an engine, because nobody has asked yet who will answer, nothing that is kept is found.

    Raises:
        DataError: A prompt file cannot be read, or no prompt can be used.
        RecipeError: A prompt file holds conversations, where `raw_text` asks for texts.
        ModelError: Prompt files hold conversations, and there is no chat template.
    """
    cache, size = cache / "replay", _answers_in_a_block(settings, at_once)
    answers: tuple[str, ...] = ()
    if continues_texts(settings, format):
        texts = beginnings(settings, format, folder=folder, seed=seed)
        if engine is not None:
            key = _text_key(engine, settings, format, texts, seed, size)
            answers = _kept_answers(cache / key, len(texts), size)
        prompts = tuple((Message("user", text, raw_text=True),) for text in texts)
        return ReplayState(prompts, answers, whole=True, block_rows=size)
    author = None if engine is None else Author(engine, settings, seed, cache, at_once, only_kept=True)
    chosen = choose_prompts(author, settings, format=format, folder=folder, seed=seed, exclude=exclude, quotes=quotes,
                            kinds=kinds)  # fmt: skip
    whole = not chosen.unwritten
    if whole and not chosen.prompts:
        raise _no_prompts(settings, chosen.left_out)
    asked = as_asked(chosen.prompts, format)
    if whole and engine is not None:
        answers = _kept_answers(cache / _key(engine, settings, asked, seed, size), len(asked), size)
    return ReplayState(
        prompts=tuple(asked),
        answers=answers,
        whole=whole,
        block_rows=size,
        excluded=chosen.left_out.excluded,
        too_long=chosen.left_out.too_long,
        duplicates=chosen.left_out.duplicates,
        refused=chosen.left_out.refused,
        unwritten=chosen.unwritten,
        holes=chosen.holes,
    )


def as_asked(prompts: Sequence[Prompt], format: ChatFormat) -> list[Prompt]:
    """Prompts as they are put to the base: where the template knows `enable_thinking`, every other one asks for
    thoughts and the others for none; their order depends on the seed.
    """
    if not format.switches_thinking:
        return list(prompts)
    return [
        (*prompt[:-1], dataclasses.replace(prompt[-1], enable_thinking=i % 2 == 0)) for i, prompt in enumerate(prompts)
    ]


def answer_sampling(settings: ReplaySettings, format: ChatFormat) -> Sampling:
    """How answers are drawn, seed apart.

    Texts that begin with nothing are drawn even at temperature 0, where all were the same.
    """
    from_nothing = continues_texts(settings, format) and settings.writes_prompts
    return prompt_sampling(settings) if from_nothing else Sampling(settings.temperature, settings.top_p)


def _answers_in_a_block(settings: ReplaySettings, at_once: int) -> int:
    return block_rows(settings.max_prompt_tokens + settings.max_new_tokens, at_once=at_once)


def _kept_answers(folder: Path, rows: int, size: int) -> tuple[str, ...]:
    """The answers of the whole blocks that are kept, up to the first that is not."""
    answers: list[str] = []
    for index, start in enumerate(range(0, rows, size)):
        texts = find(folder, index, min(size, rows - start))
        if texts is None:
            break
        answers += texts
    return tuple(answers)


def _key(engine: Engine, settings: ReplaySettings, prompts: list[Prompt], seed: int, size: int) -> str:
    sampling = [settings.max_new_tokens, settings.temperature, settings.top_p, size]
    return content_hash("replay answers", engine.model_hash, engine.settings_hash, sampling, seed, prompts)


def _text_key(
    engine: Engine, settings: ReplaySettings, format: ChatFormat, texts: Sequence[str], seed: int, size: int
) -> str:
    sampling = (settings.max_new_tokens, answer_sampling(settings, format))
    return content_hash("replay texts", engine.model_hash, engine.settings_hash, sampling, size, seed, texts)


def _row(messages: Prompt, *, origin: str) -> Row:
    return Row(id=content_hash("replay", messages), source="replay", messages=messages, origin=origin)


def _text_row(text: str, *, origin: str) -> Row:
    return Row(id=content_hash("replay", text), source="replay", text=text, origin=origin)


def _no_prompts(settings: ReplaySettings, left_out: LeftOut) -> DataError:
    count = len(settings.prompt_files)
    files = [f"{count} file{'s' * (count != 1)}"] * bool(count)
    return DataError(
        field="replay.prompts",
        value=" and ".join([*files, *["self"] * settings.writes_prompts]),
        rule=f"leaves no prompt to answer: {left_out.excluded:,} are test items, {left_out.too_long:,} are longer "
        f"than {settings.max_prompt_tokens:,} tokens, {left_out.duplicates:,} are duplicates, "
        f"{left_out.refused:,} are refused by the chat template",
        way_out="give other prompts, or raise `max_prompt_tokens`"
        if files
        else "give prompt files under `replay.prompts`",
    )
