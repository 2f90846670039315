"""Self-replay on the shipped model: whole answers in its own words, the same ones every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from forgetless import nano
from forgetless.engines import TransformersEngine
from forgetless.nano import MODEL_PATH
from forgetless.recipe import FileSettings, ReplaySettings
from forgetless.records import Row
from forgetless.sampling import Sampling
from forgetless.sources import prompt_key
from forgetless.synthesis import ReplayRows, self_replay
from forgetless.synthesis.holes import find_holes
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
    written = engine.write_prompts(beginnings, max_new_tokens=40, sampling=Sampling(1.0, 1.0, 0))
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


def test_a_model_fills_the_holes_that_given_prompts_leave(engine: TransformersEngine, tmp_path: Path) -> None:
    given = [row.messages[0].content for row in nano.dialogues(["arithmetic", "weekday"], n=80, seed=0)]
    (tmp_path / "given.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in given), "utf-8")
    prompts = ["self", FileSettings(files=["given.jsonl"])]
    settings = ReplaySettings(share=0.2, rows=100, prompts=prompts, max_new_tokens=4, max_prompt_tokens=48)
    items = {name: nano.ability_items(name, n=120, seed=1) for name in ("arithmetic", "reversing", "pattern")}
    kinds = {name: [item.messages[0].content for item in asked] for name, asked in items.items()}
    chat = ChatFormat(AutoTokenizer.from_pretrained(MODEL_PATH))
    found = self_replay(engine, settings, format=chat, folder=tmp_path, seed=0, exclude=(), cache=tmp_path, kinds=kinds)
    assert {hole.capability for hole in found.holes} <= {"reversing", "pattern"}
    assert {hole.prompts for hole in found.holes} <= {5, 10}
    assert found.holes
    assert find_holes(kinds, [prompt for prompt, _ in texts(found.rows)]) == {}
