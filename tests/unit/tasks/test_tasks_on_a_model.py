"""Tasks asked of a real engine: a tiny random model behind the shipped tokenizer."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from forgetless.engines import TransformersEngine
from forgetless.nano import MODEL_PATH
from forgetless.recipe import AnswerProbabilityTask, ChoiceTask, ProceduralTask
from forgetless.rundir import ScoreStore
from forgetless.tasks import build_task, measure
from forgetless.tokens import ChatFormat


@pytest.fixture(scope="module")
def engine() -> TransformersEngine:
    chat = ChatFormat(AutoTokenizer.from_pretrained(MODEL_PATH))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(chat.tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=chat.stop_ids[0],
        pad_token_id=chat.pad_id,
    )
    return TransformersEngine(LlamaForCausalLM(config).eval(), chat, model_hash="random")


def test_an_ignorant_model_scores_what_chance_gives(
    engine: TransformersEngine, tmp_path: Path, write_jsonl: Callable[..., str]
) -> None:
    words = ["red", "blue", "north", "seven"]
    records = [{"q": f"word {n}?", "options": words, "a": n % 4} for n in range(200)]
    settings = ChoiceTask(type="choice", files=[write_jsonl(records)], prompt="{q}", choices="options", answer="a")
    task = build_task("quiz", settings, folder=tmp_path, seed=0)
    store = ScoreStore(tmp_path / "scores")
    sheet = measure(engine, task, task.items("test"), store=store)
    assert task.chance == 0.25
    assert sheet.mean == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / len(sheet.results)))
    assert measure(engine, task, task.items("test"), store=store) == sheet


def test_a_random_model_gives_an_answer_the_probability_of_its_vocabulary(
    engine: TransformersEngine, tmp_path: Path, write_jsonl: Callable[..., str]
) -> None:
    records = [{"q": f"{n}?", "a": "a red house"} for n in range(20)]
    files = [write_jsonl(records)]
    settings = AnswerProbabilityTask(type="answer_probability", files=files, prompt="{q}", answer="a")
    task = build_task("p", settings, folder=tmp_path, seed=0)
    items = task.items("test")
    scores: list[Any] = [result.score for result in task.score(engine, items)]
    tokens = engine.answer_likelihoods([(items[0].messages, "a red house")])[0].tokens
    uniform = len(AutoTokenizer.from_pretrained(MODEL_PATH)) ** (-tokens / len("a red house"))
    assert scores == pytest.approx([uniform] * len(scores), rel=0.1)


def test_fresh_items_are_generated_and_matched(engine: TransformersEngine) -> None:
    settings = ProceduralTask(type="procedural", generator="nano/sorting", max_new_tokens=4)
    task = build_task("sorting", settings, folder=Path(), seed=0)
    results = task.score(engine, task.items("dev", limit=8, seed=1))
    assert [result.score for result in results] == [0.0] * 8
    assert any(result.output for result in results)
