"""Every chat template that TRL ships: the text that a conversation becomes, and what of it is trained.

The expected texts stand in `tests/golden/chat_templates`, one file for a template; a training variant of a template has
one only where it writes something else. `⟦` and `⟧` stand around what carries loss. Long stretches that carry none are
shortened to their ends and a hash. `UPDATE_GOLDENS=1` writes the files anew; read the difference before you keep it.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from chat_templates import CONVERSATIONS, TEMPLATES, chat_format, row_of, source_of, vocabulary_of

from forgetless.errors import ModelError
from forgetless.rundir import content_hash
from forgetless.tokens import ChatFormat, Encoded
from forgetless.tokens.rendering import as_turns, tool_definitions

GOLDENS = Path(__file__).parents[2] / "golden" / "chat_templates"
ENDS = 60

formats = functools.cache(chat_format)


def shortened(text: str) -> str:
    if len(text) <= 3 * ENDS:
        return text
    return f"{text[:ENDS]}[… {len(text):,} characters, {content_hash(text)[:8]} …]{text[-ENDS:]}"


def shown(chat: ChatFormat, document: Encoded) -> str:
    """A document as text, with brackets around what carries loss."""
    runs: list[tuple[bool, list[int]]] = []
    for token, label in zip(document.input_ids, document.labels, strict=True):
        if not runs or runs[-1][0] != (label != -100):
            runs.append((label != -100, []))
        runs[-1][1].append(token)
    texts = [(trained, chat.tokenizer.decode(ids)) for trained, ids in runs]
    return "".join(f"⟦{text}⟧" if trained else shortened(text) for trained, text in texts)


def outcome(name: str, kind: str) -> str:
    chat = formats(name)
    try:
        documents = chat.encode_row(row_of(kind))
    except ModelError as error:
        return f"refused: {error.rule}"
    return "\n--- and ---\n".join(shown(chat, document) for document in documents)


def rendition(name: str) -> str:
    return "".join(f"===== {kind} =====\n{outcome(name, kind)}\n" for kind in CONVERSATIONS)


def golden(name: str) -> Path:
    own = GOLDENS / f"{name}.txt"
    return own if own.exists() else GOLDENS / f"{name.removesuffix('_training')}.txt"


def update(name: str) -> None:
    GOLDENS.mkdir(parents=True, exist_ok=True)
    own, written = GOLDENS / f"{name}.txt", rendition(name)
    original = name.removesuffix("_training")
    if original != name and written == rendition(original):
        own.unlink(missing_ok=True)
    else:
        own.write_text(written, encoding="utf-8")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_shipped_template_trains_what_its_golden_says(name: str) -> None:
    if os.environ.get("UPDATE_GOLDENS"):
        update(name)
    assert rendition(name) == golden(name).read_text(encoding="utf-8")


def test_every_golden_belongs_to_a_template() -> None:
    assert {path.stem for path in GOLDENS.iterdir()} <= set(TEMPLATES)


def squeezed(text: str) -> str:
    return "".join(text.split())


def runs(chat: ChatFormat, ids: Sequence[int], chosen: Sequence[bool]) -> list[str]:
    """The texts of the runs of chosen tokens, without white space."""
    grouped = itertools.groupby(zip(ids, chosen, strict=True), key=lambda pair: pair[1])
    return [squeezed(chat.tokenizer.decode([i for i, _ in run])) for is_chosen, run in grouped if is_chosen]


WRITTEN_OTHERWISE = {("diffusion_gemma_training", "tools")}
"""It does not prompt for the answer to a tool's result, and then writes the prompt all the same."""


@pytest.mark.parametrize("kind", ["single", "system", "tools", "thoughts"])
@pytest.mark.parametrize("name", [name for name in TEMPLATES if "endgeneration" in source_of(name)])
def test_what_a_template_marks_as_generated_is_what_is_trained(name: str, kind: str) -> None:
    """The marks are another's word on the matter. They may hold the prompt for the answer and the end of the sequence
    as well; rows that are refused, or trained turn by turn, have no counterpart.
    """
    chat, row = formats(name), row_of(kind)
    assert chat.reading
    try:
        document, *others = chat.encode_row(row)
    except ModelError:
        return
    question = row.messages[: next(i for i, message in enumerate(row.messages) if message.role == "assistant")]
    asked, plain = (chat.render(question, add_generation_prompt=asks) for asks in (True, False))
    if others or (name, kind) in WRITTEN_OTHERWISE or chat.reading.ways.thoughts in ("inside", "prompt"):
        return
    marked = chat.tokenizer.apply_chat_template(
        as_turns(row.messages, chat.reading.ways, str),
        tools=tool_definitions(row.messages, str) or None,
        return_assistant_tokens_mask=True,
        return_dict=True,
    )
    shared = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(asked, plain, strict=False)))
    prompt = squeezed(asked[shared:])
    theirs = runs(chat, marked["input_ids"], [bool(m) for m in marked["assistant_masks"]])
    ours = runs(chat, document.input_ids, [label != -100 for label in document.labels])
    for their, our in zip(theirs, ours, strict=True):
        before, found, after = their.rpartition(our)
        assert found
        assert prompt.endswith(before)
        assert after in ("", chat.tokenizer.eos_token)


@pytest.mark.parametrize("kind", CONVERSATIONS)
@pytest.mark.parametrize("name", [name for name in TEMPLATES if golden(name).stem == name])
def test_special_tokens_that_a_conversation_spells_open_and_end_nothing(name: str, kind: str) -> None:
    chat = formats(name)
    special = [token for token in vocabulary_of(name).special.split() if len(token) > 1]
    ids = chat.tokenizer.convert_tokens_to_ids(special)

    def documents(spelt: str) -> list[Encoded]:
        turns = (
            dataclasses.replace(
                m, content=m.content and m.content + spelt, reasoning=m.reasoning and m.reasoning + spelt
            )
            for m in row_of(kind).messages
        )
        return chat.encode_row(dataclasses.replace(row_of(kind), messages=tuple(turns)))

    try:
        plain = documents(" x")
    except ModelError:
        return
    for one, other in zip(plain, documents(" " + " ".join(special)), strict=True):
        for encoded in (lambda d: d.input_ids, lambda d: d.labels):
            assert [encoded(one).count(token) for token in ids] == [encoded(other).count(token) for token in ids]
        assert other.plain_specials >= len(special)
