"""Chinese data through two real models: nothing fails, and no character is lost on the way."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from forgetless.engines import TransformersEngine
from forgetless.models import LoadedModel, load_model
from forgetless.recipe import AnswerProbabilityTask, ChoiceTask, FileSettings, GenerationTask, ModelSettings
from forgetless.sources import load_source
from forgetless.tasks import build_task
from forgetless.tokens import encode_rows

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
MODELS = {
    "smollm2": ModelSettings(path="SmolLM2-135M-Instruct.Q4_1.gguf", dtype="float32"),
    "gemma": ModelSettings(path="gemma-3-270m-q4_k_m.gguf", template="gemma3", dtype="float32"),
}
QUESTION = "{Question}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\n答案："
LETTERS = ["A", "B", "C", "D"]


@pytest.fixture(scope="module", params=MODELS)
def base(request: pytest.FixtureRequest) -> LoadedModel:
    if not (ROOT / "models" / MODELS[request.param].path).exists():
        pytest.skip("fetch it by scripts/fetch_model.py")
    return load_model(MODELS[request.param], folder=ROOT / "models")


@pytest.fixture(scope="module")
def engine(base: LoadedModel) -> TransformersEngine:
    return TransformersEngine(base.model, base.format, model_hash=base.hash, batch_tokens=2048)


def items_of(settings: Any, n: int) -> tuple[Any, Any]:
    task = build_task("chinese", settings, folder=DATA, seed=0)
    return task, task.items("test", limit=n)


def test_exam_questions_are_scored(engine: TransformersEngine) -> None:
    task, items = items_of(
        ChoiceTask(
            type="choice", files=["cmmlu/test/*.csv"], prompt=QUESTION, choices=LETTERS, answer="Answer", subject="file"
        ),
        24,
    )
    assert len({item.subject for item in items}) > 5
    results = task.score(engine, items)
    assert [result.score in (0.0, 1.0) for result in results] == [True] * 24


def test_the_probability_of_answers_counts_their_bytes(engine: TransformersEngine) -> None:
    task, items = items_of(
        AnswerProbabilityTask(
            type="answer_probability", files=["alpaca_zh/train.json"], prompt="{instruction}{input}", answer="output"
        ),
        12,
    )
    short = [dataclasses.replace(item, target=item.target[:60]) for item in items]
    results = task.score(engine, short)
    assert all(0.0 < result.score < 1.0 for result in results)
    asked = [(item.messages, item.target) for item in short]
    assert [found.bytes for found in engine.answer_likelihoods(asked)] == [len(t.encode()) for _, t in asked]


def test_what_is_written_is_text(engine: TransformersEngine) -> None:
    task, items = items_of(
        GenerationTask(
            type="generation",
            files=["alpaca_zh/train.json"],
            prompt="{instruction}{input}",
            answer="output",
            match="exact",
            max_new_tokens=24,
        ),
        8,
    )
    results = task.score(engine, items)
    assert all(result.score == 0.0 or result.output for result in results)
    written = "".join(result.output or "" for result in results)
    assert any("一" <= letter <= "鿿" for letter in written)
    # A character whose bytes were cut off by the limit may end an answer, and stands nowhere else.
    assert all("�" not in (result.output or "").rstrip("�") for result in results)


def test_training_rows_hold_every_character(base: LoadedModel) -> None:
    source = load_source(
        "alpaca",
        FileSettings(files=["alpaca_zh/train.json"], max_rows=200),
        folder=DATA,
        kind="general",
        field="sources.alpaca",
    )
    documents, rejects = encode_rows(source.rows, base.format, max_length=4096)
    assert (len(documents), rejects) == (len(source.rows), [])
    for row, document in zip(source.rows, documents, strict=True):
        trained = [token for token, label in zip(document.input_ids, document.labels, strict=True) if label != -100]
        assert base.format.decode_many([trained])[0].strip() == row.messages[-1].content.strip()
