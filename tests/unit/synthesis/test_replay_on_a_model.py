"""Self-replay on the shipped model: whole answers in its own words, the same ones every time."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from forgetless.engines import TransformersEngine
from forgetless.nano import MODEL_PATH
from forgetless.recipe import ReplaySettings
from forgetless.records import Row
from forgetless.sources import prompt_key
from forgetless.synthesis import ReplayRows, self_replay
from forgetless.tokens import ChatFormat


@pytest.fixture(scope="module")
def engine() -> TransformersEngine:
    chat = ChatFormat(AutoTokenizer.from_pretrained(MODEL_PATH))
    return TransformersEngine(AutoModelForCausalLM.from_pretrained(MODEL_PATH).eval(), chat, model_hash="nano")


def run(engine: TransformersEngine, cache: Path, *, seed: int = 0, exclude: tuple[str, ...] = ()) -> ReplayRows:
    settings = ReplaySettings(share=0.2, rows=24, max_new_tokens=24, max_prompt_tokens=48)
    chat = ChatFormat(AutoTokenizer.from_pretrained(MODEL_PATH))
    return self_replay(engine, settings, format=chat, folder=cache, seed=seed, exclude=exclude, cache=cache)


def texts(rows: tuple[Row, ...]) -> list[tuple[str, str]]:
    return [(row.messages[0].content, row.messages[1].content) for row in rows]


def test_a_model_goes_on_from_the_beginning_of_a_prompt(engine: TransformersEngine) -> None:
    beginnings = ["Reverse:", "Past: the dog", "<|user|>", ""] * 4
    written = engine.write_prompts(beginnings, max_new_tokens=40, temperature=1.0, top_p=1.0, seed=0)
    assert sum(map(bool, written)) > 8
    assert all(
        text.startswith(begun) and text != begun for begun, text in zip(beginnings, written, strict=True) if text
    )
    assert len(set(written)) > 8


def test_a_model_replays_itself(engine: TransformersEngine, tmp_path: Path) -> None:
    first = run(engine, tmp_path / "a")
    assert first.written == 24
    assert len({prompt for prompt, _ in texts(first.rows)}) == len(first.rows) > 12
    assert texts(run(engine, tmp_path / "b").rows) == texts(first.rows)
    assert texts(run(engine, tmp_path / "b", seed=1).rows) != texts(first.rows)
    forbidden = prompt_key(first.rows[0].messages)
    without = run(engine, tmp_path / "a", exclude=(forbidden,))
    assert without.excluded >= 1
    assert forbidden not in {prompt_key(row.messages) for row in without.rows}
