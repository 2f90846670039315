"""What a first recipe says, and why: from what data and model look like, to every number that is written down.

None of it is clever. Each choice is a usual starting point, made so that the run goes through: answers fit into rows,
replay rows suffice, and enough prompts are held out to measure the domain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forgetless.drafting.data import DataLook, Metric
from forgetless.errors import DataError, ModelError, RecipeError, TaskError
from forgetless.models import ModelLook
from forgetless.recipe import BUNDLES, READY_SETS, HeldOutTask
from forgetless.records import Row
from forgetless.tasks import build_task
from forgetless.tokens import ChatFormat, encode_rows

DEFAULT_KEEP: Final = ("general",)
LORA_FROM: Final = 1_000_000_000
"""Weights from which on an adapter is trained instead of all of them."""

_REPLAY_SHARE: Final = 0.3
_REPLAY_PASSES: Final = 4
"""Passes over the replay rows; a run allows twice as many, for rows may be shorter than is guessed here."""
_REPLAY_FILLED: Final = 5
"""A prompt and its answer take about a fifth of the room that they have, before any is written a guess."""
_MOST_REPLAY_ROWS: Final = 20_000
_HELD_OUT_PROMPTS: Final = 150
_LONGEST_ROW: Final = 2048
_SAMPLE_ROWS: Final = 400
_ANY_LENGTH: Final = 1 << 40
_EPOCHS: Final = ((300, 5), (1000, 3), (20_000, 2), (math.inf, 1))
"""Passes over the domain, for fewer rows than so many."""
_WANTED_STEPS: Final = 60


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user decided.

    Attributes:
        model: As `model.path` is to say it.
        keep: Names of ready sets or bundles; empty for the usual ones.
        margin_points: One margin for all of them; `None` for their own.
        metric: How the domain is measured; `None` for what fits its answers.
    """

    model: str
    keep: tuple[str, ...] = ()
    margin_points: float | None = None
    metric: Metric | None = None


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of the rows: all of them, those of a middling one, and those of a long one (the 99th percentile)."""

    total: int
    middle: int
    long: int
    counted: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """Every value of a recipe, ready to be written."""

    name: str
    data: DataLook
    model: str
    look: ModelLook
    lengths: Lengths
    method: str
    learning_rate: float
    epochs: int
    batch_rows: int
    max_length_tokens: int
    warmup_steps: int
    replay_share: float
    replay_rows: int
    replay_new_tokens: int
    replay_prompt_tokens: int
    metric: Metric
    held_out_percent: int
    held_out_prompts: int | None
    answer_tokens: int
    keep: tuple[str, ...]
    margin_points: float | None
    steps: int


def draft_recipe(data: DataLook, look: ModelLook, wishes: Wishes) -> Draft:
    """Decide on every value of a recipe.

    Raises:
        RecipeError: An ability to keep is none of the ready sets, or a margin is none.
        TaskError: The rows are too few to measure a domain by, or share no template where one is asked for.
        ModelError: The model cannot read the rows: they are too long for it, or its chat template refuses them.
    """
    window = look.window or _LONGEST_ROW
    lengths = _lengths(data.rows, look)
    longest = min(_LONGEST_ROW, window)
    if lengths.middle > longest:
        raise ModelError(
            field="--model",
            value=wishes.model,
            rule=f"rows of at most {longest:,} tokens are trained, and half of these are longer than "
            f"{lengths.middle:,}",
            way_out="shorten the rows, or take a model with a longer window",
        )
    prompt_tokens, new_tokens = min(256, window // 4), min(128, window // 4)
    max_length = min(longest, _power_of_two(max(lengths.long, prompt_tokens + new_tokens + 16, 64)))
    epochs = next(epochs for most, epochs in _EPOCHS if len(data.rows) < most)
    row_tokens = (prompt_tokens + new_tokens) // _REPLAY_FILLED
    share, rows = _replay(epochs * lengths.total, row_tokens)
    total = epochs * lengths.total / (1 - share)
    batch_rows = min(16, max(1, int(total / (max_length * _WANTED_STEPS))))
    steps = max(1, math.ceil(total / (0.9 * max_length * batch_rows)))
    metric = wishes.metric or data.metric
    percent, prompts = _held_out(data, metric)
    method, rate = _method(look.parameters)
    return Draft(
        name=data.source.name,
        data=data,
        model=wishes.model,
        look=look,
        lengths=lengths,
        method=method,
        learning_rate=rate,
        epochs=epochs,
        batch_rows=batch_rows,
        max_length_tokens=max_length,
        warmup_steps=min(10, steps // 10),
        replay_share=share,
        replay_rows=rows,
        replay_new_tokens=new_tokens,
        replay_prompt_tokens=prompt_tokens,
        metric=metric,
        held_out_percent=percent,
        held_out_prompts=prompts,
        answer_tokens=_answer_tokens(data.answers, look),
        keep=_keep(wishes.keep, data),
        margin_points=_margin(wishes.margin_points),
        steps=steps,
    )


def _lengths(rows: Sequence[Row], look: ModelLook) -> Lengths:
    sample = rows[:: max(1, len(rows) // _SAMPLE_ROWS)]
    counts = sorted(_tokens(sample, look.format))
    long = counts[math.ceil(0.99 * len(counts)) - 1]
    total = round(sum(counts) / len(counts) * len(rows))
    return Lengths(total, counts[len(counts) // 2], long, counted=look.format is not None)


def _tokens(rows: Sequence[Row], chat: ChatFormat | None) -> list[int]:
    if chat is None:
        return [16 + sum(_estimated(message.content) for message in row.messages) for row in rows]
    encoded, left_out = encode_rows(rows, chat, max_length=_ANY_LENGTH)
    if not encoded:
        raise ModelError(
            field="--model",
            value=chat.tokenizer.name_or_path,
            rule=f"no row can be written in its chat format: {left_out[0].reason}",
            way_out="take another model, or give rows that its chat template knows",
        )
    return [len(row.input_ids) for row in encoded]


def _estimated(text: str) -> int:
    """Tokens of a text without a tokenizer: three letters or one other character a token, rather too many."""
    plain = sum(character.isascii() for character in text)
    return len(text) - plain + math.ceil(plain / 3)


def _answer_tokens(answers: Sequence[str], look: ModelLook) -> int:
    """Room for the longest answer, and as much again."""
    longest = sorted(answers, key=len)[-20:]
    if look.format is None:
        tokens = max(map(_estimated, longest))
    else:
        tokens = max(len(look.format.encode_plain(answer).ids) for answer in longest)
    return min(512, max(8, 2 * tokens))


def _replay(domain_tokens: float, row_tokens: int) -> tuple[float, int]:
    """Share and number of replay rows, so that none is needed more than a few times."""
    needed = domain_tokens * _REPLAY_SHARE / (1 - _REPLAY_SHARE)
    rows = math.ceil(needed / (_REPLAY_PASSES * row_tokens))
    if rows <= _MOST_REPLAY_ROWS:
        return _REPLAY_SHARE, max(100, rows)
    most = _REPLAY_PASSES * row_tokens * _MOST_REPLAY_ROWS
    share = most / (domain_tokens + most)
    return max(0.01, math.floor(100 * share) / 100), _MOST_REPLAY_ROWS


def _method(parameters: int | None) -> tuple[str, float]:
    """An adapter for large models and those of unknown size; smaller models learn at higher rates."""
    if parameters is None or parameters > LORA_FROM:
        return "lora", 2e-4
    return "full", 1e-3 if parameters < 10_000_000 else 5e-5 if parameters < 500_000_000 else 2e-5


def _held_out(data: DataLook, metric: Metric) -> tuple[int, int | None]:
    """So many percent that about 150 prompts are held out, and a limit where 10 percent are far more."""
    percent = min(30, max(10, math.ceil(100 * _HELD_OUT_PROMPTS / len(data.rows))))
    prompts = 4 * _HELD_OUT_PROMPTS if percent * len(data.rows) / 100 > 4 * _HELD_OUT_PROMPTS else None
    settings = HeldOutTask(type="held_out", percent=percent, score=metric, max_items=prompts)
    try:
        build_task("domain", settings, folder=Path(), seed=0, domain_rows=data.rows)
    except (TaskError, DataError) as error:
        raise DataError(
            field="DATA",
            value=f"{len(data.rows):,} rows measured by `{metric}`",
            rule=f"cannot be measured by rows that are held out: {error.rule}",
            way_out="give more rows, or another `--domain-metric`",
        ) from None
    return percent, prompts


def _keep(wished: Sequence[str], data: DataLook) -> tuple[str, ...]:
    for name in wished:
        if name not in BUNDLES and name not in READY_SETS:
            raise RecipeError(
                field="--keep",
                value=name,
                rule=f"is none of the ready sets: {', '.join((*BUNDLES, *READY_SETS))}",
                way_out="name some of these with commas between them; `forgetless tasks list` says what they ask",
            )
    if "format_freedom" in wished and data.form is None:
        raise RecipeError(
            field="--keep",
            value="format_freedom",
            rule="asks whether the template of the domain's answers leaks, and these answers share none",
            way_out="leave it out",
        )
    if wished:
        return tuple(dict.fromkeys(wished))
    return DEFAULT_KEEP + (("format_freedom",) if data.form is not None else ())


def _margin(points: float | None) -> float | None:
    if points is not None and not 0 < points < 100:
        raise RecipeError(
            field="--margin",
            value=points,
            rule="a margin lies between 0 and 100 points",
            way_out="write 5, say: no ability may drop by more than 5 points",
        )
    return points


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()
