"""Self-replay of models that think, and of models without a chat template."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forgetless.errors import DataError, ModelError, RecipeError
from forgetless.recipe import FileSettings, ReplaySettings
from forgetless.synthesis import ReplayRows, replay_state, self_replay

Replay = Callable[..., ReplayRows]


@pytest.fixture
def replay(tmp_path: Path) -> Replay:
    def run(engine: Any, format: Any, *, seed: int = 0, at_once: int = 1, **settings: Any) -> ReplayRows:
        chosen = {"share": 0.2, "prompts": "self", "rows": 20, "max_prompt_tokens": 20, **settings}
        return self_replay(
            engine,
            ReplaySettings(**chosen),
            format=format,
            folder=tmp_path,
            seed=seed,
            exclude=(),
            cache=tmp_path / "cache",
            at_once=at_once,
        )

    return run


@pytest.fixture
def texts(tmp_path: Path) -> list[FileSettings]:
    """Thirty texts of eight words, and one of a single word."""
    written = [f"text {n} is about the number {n} itself" for n in range(30)]
    (tmp_path / "texts.txt").write_text("\n\n".join([*written, "short"]))
    return [FileSettings(files=["texts.txt"])]


def test_a_model_with_a_switch_answers_half_of_the_prompts_in_either_mode(
    scripted: Any, replay: Replay, thinking_words: Any
) -> None:
    found = replay(scripted(), thinking_words, rows=21)
    modes = [row.messages[-2].enable_thinking for row in found.rows]
    assert (modes.count(True), modes.count(False)) == (11, 10)
    assert found.modes == {"on": 11, "off": 10}


def test_a_model_without_a_switch_is_left_in_its_mode(scripted: Any, replay: Replay, words: Any) -> None:
    found = replay(scripted(), words)
    assert {row.messages[-2].enable_thinking for row in found.rows} == {None}
    assert found.modes == {}


def test_which_prompt_is_answered_in_which_mode_depends_on_the_seed(
    scripted: Any, replay: Replay, thinking_words: Any, tmp_path: Path
) -> None:
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"q{n}"}) + "\n" for n in range(20)))
    prompts = [FileSettings(files=["prompts.jsonl"])]

    def modes(seed: int) -> dict[str, bool | None]:
        rows = replay(scripted(), thinking_words, prompts=prompts, seed=seed).rows
        return {row.messages[0].content: row.messages[0].enable_thinking for row in rows}

    assert modes(0) == modes(0)
    assert modes(0) != modes(1)


def test_a_base_without_a_template_continues_given_texts(
    scripted: Any, replay: Replay, bare_words: Any, texts: list[FileSettings]
) -> None:
    engine = scripted()
    found = replay(engine, bare_words, prompts=texts, rows=12, temperature=0.0)
    assert len(found.rows) == 12
    assert all(row.text and not row.messages and row.source == "replay" for row in found.rows)
    assert all(len(begun.split()) == 4 for begun in engine.answered)
    assert all(row.text.startswith(begun) for row, begun in zip(found.rows, engine.answered, strict=True))
    assert engine.asked[0][1].temperature == 0.0
    assert replay(scripted(), bare_words, prompts=texts, rows=12, max_prompt_tokens=2).rows != found.rows


def test_texts_are_taken_in_an_order_fixed_by_the_seed_and_kept(
    scripted: Any, replay: Replay, bare_words: Any, texts: list[FileSettings]
) -> None:
    first, other, again = scripted(), scripted(), scripted()
    rows = replay(first, bare_words, prompts=texts, rows=5).rows
    replay(other, bare_words, prompts=texts, rows=5, seed=1)
    assert first.answered != other.answered
    found = replay(again, bare_words, prompts=texts, rows=5)
    assert (again.answered, found.rows, found.from_cache) == ([], rows, 5)


def test_a_base_without_a_template_writes_texts_from_nothing(scripted: Any, replay: Replay, bare_words: Any) -> None:
    engine = scripted()
    found = replay(engine, bare_words, temperature=0.0)
    assert len(found.rows) == 20
    assert set(engine.answered) == {""}
    assert engine.asked[0][1].temperature == 1.0


def test_a_model_with_a_template_continues_texts_where_that_is_asked(
    scripted: Any, replay: Replay, words: Any, texts: list[FileSettings], tmp_path: Path
) -> None:
    found = replay(scripted(), words, prompts=texts, raw_text=True)
    assert found.rows
    assert all(row.text and row.text.startswith("text ") and not row.messages for row in found.rows)
    (tmp_path / "chat.jsonl").write_text(json.dumps({"prompt": "q", "completion": "a"}) + "\n")
    with pytest.raises(RecipeError, match=r"chat\.jsonl:1\n  is a conversation"):
        replay(scripted(), words, prompts=[FileSettings(files=["chat.jsonl"])], raw_text=True)


def test_conversations_need_a_template(scripted: Any, replay: Replay, bare_words: Any, tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text(json.dumps({"prompt": "q", "completion": "a"}) + "\n")
    with pytest.raises(ModelError, match="no chat template"):
        replay(scripted(), bare_words, prompts=[FileSettings(files=["chat.jsonl"])])


def test_texts_too_short_to_be_begun_are_refused(
    scripted: Any, replay: Replay, bare_words: Any, tmp_path: Path
) -> None:
    (tmp_path / "short.txt").write_text("one\n\ntwo")
    with pytest.raises(DataError, match="long enough to be begun"):
        replay(scripted(), bare_words, prompts=[FileSettings(files=["short.txt"])])


def test_prompts_that_the_template_refuses_are_left_out_and_counted(
    scripted: Any, replay: Replay, words: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [json.dumps({"prompt": f"q{n}", **({"system": "s"} if n < 3 else {})}) + "\n" for n in range(10)]
    (tmp_path / "prompts.jsonl").write_text("".join(lines))
    counted = type(words).encode_prompt

    def refuses_systems(self: Any, messages: Any) -> list[int]:
        if messages[0].role == "system":
            raise ModelError(field="chat template", value="", rule="no system here", way_out="")
        return counted(self, messages)

    monkeypatch.setattr(type(words), "encode_prompt", refuses_systems)
    found = replay(scripted(), words, prompts=[FileSettings(files=["prompts.jsonl"])])
    assert (len(found.rows), found.refused) == (7, 3)


@pytest.mark.parametrize("made", ["self", "texts.txt", "both"])
@pytest.mark.parametrize(
    ("kind", "raw_text", "at_once"),
    [("thinking_words", False, 1), ("thinking_words", True, 1), ("bare_words", False, 1), ("words", False, 50)],
)
def test_what_is_kept_is_found_again_without_asking(
    scripted: Any,
    replay: Replay,
    texts: Any,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    kind: str,
    raw_text: bool,
    at_once: int,
    made: str,
) -> None:
    format = request.getfixturevalue(kind)
    prompts = {"self": "self", "texts.txt": texts, "both": [*texts, "self"]}[made]
    chosen = {"prompts": prompts, "raw_text": raw_text, "temperature": 0.0, "rows": 20, "max_prompt_tokens": 20}
    settings = ReplaySettings(share=0.2, **chosen)

    def state(engine: Any, at_once: int = at_once) -> Any:
        return replay_state(
            engine, settings, format=format, folder=tmp_path, seed=0, exclude=(), cache=tmp_path / "cache",
            at_once=at_once,
        )  # fmt: skip

    assert not state(scripted()).complete
    rows = replay(scripted(), format, at_once=at_once, **chosen).rows
    found = state(scripted())
    assert not state(None).complete, "nobody knows yet who will answer"
    assert not state(scripted(), at_once=100).answers, "larger blocks are other draws"
    assert found.complete
    stand_ins = found.stand_ins((), (), rows=20, format=format)
    assert [(row.messages, row.text) for row in stand_ins] == [(row.messages, row.text) for row in rows]
