"""Plans on models that think and call tools, and on base models without a chat template: none of it may stop a plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chat_templates import tokenizer_for
from tiny_models import CHATML, tiny_llama, tiny_tokenizer

from forgetless.planning import Plan, measured, plan
from forgetless.recipe import parse_recipe
from forgetless.stages import lay_ground
from forgetless.training import trial

TOOL = {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": {}}}


@pytest.fixture(autouse=True)
def _own_cache_and_no_long_measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(measured, "_ASKING_SECONDS", 0.0)
    monkeypatch.setattr(trial, "_ENOUGH_SECONDS", 0.0)


def write_model(folder: Path, tokenizer: Any) -> None:
    tiny_llama(vocab_size=len(tokenizer), window=4096).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")


def recipe(**parts: Any) -> Any:
    data = {
        "name": "odd",
        "model": {"path": "base", "dtype": "float32", "device": "cpu"},
        "replay": {"share": 0.5, "rows": 20, "max_new_tokens": 8, "max_prompt_tokens": 900},
        "mixture": {"repetition_cap": 90},
        "training": {"steps": 4, "batch_rows": 1, "max_length_tokens": 1024},
        "keep": ["common_sense"],
        "evaluation": {"path": [1.0], "dev_items": 4, "every_steps": 4},
    }
    return parse_recipe(data | parts)


def tool_row(n: int) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "weather", "arguments": {"day": n}}}
    return {
        "tools": [TOOL],
        "messages": [
            {"role": "user", "content": f"Weather on day {n}?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "sunny", "name": "weather"},
            {"role": "assistant", "content": f"Sunny on day {n}."},
        ],
    }


def test_a_model_with_tools_and_thoughts_is_planned(tmp_path: Path) -> None:
    write_model(tmp_path, tokenizer_for("qwen3"))
    lines = "".join(json.dumps(tool_row(n)) + "\n" for n in range(40))
    (tmp_path / "rows.jsonl").write_text(lines, "utf-8")
    made = plan(
        recipe(
            sources={"calls": {"kind": "domain", "files": ["rows.jsonl"], "share": 0.5}},
            replay={
                "share": 0.5, "rows": 20, "prompts": [{"files": ["rows.jsonl"]}], "max_new_tokens": 8,
                "max_prompt_tokens": 900,
            },
            domain={"task": {"type": "held_out", "percent": 40}},
        ),
        folder=tmp_path,
    )  # fmt: skip
    calls, replay = made.sources
    assert calls.account is not None
    assert calls.account.rows == 40 - calls.held_out
    assert replay.asked > 0
    assert 0 < replay.rows <= 20
    assert made.bill[0].generated_tokens > 0


@pytest.mark.parametrize(
    ("template", "prompts"),
    [(None, "self"), (None, [{"files": ["prompts.txt"]}]), (CHATML, "self")],
    ids=["self", "given", "raw text in spite of a template"],
)
def test_a_base_that_continues_texts_is_planned(tmp_path: Path, template: str | None, prompts: Any) -> None:
    write_model(tmp_path, tiny_tokenizer(template))
    for name in ("books", "prompts"):
        texts = (f"{name} {n}: the cat sat on the mat and the dog ran off" for n in range(40))
        (tmp_path / f"{name}.txt").write_text("\n\n".join(texts), "utf-8")
    (tmp_path / "items.jsonl").write_text("".join(f'{{"q": "{n}", "a": "{n + 1}"}}\n' for n in range(24)), "utf-8")
    probability = {"type": "answer_probability", "files": ["items.jsonl"], "prompt": "{q}", "answer": "{a}"}
    written = recipe(
        sources={"books": {"kind": "domain", "files": ["books.txt"], "share": 0.5}},
        replay={
            "share": 0.5, "rows": 20, "prompts": prompts, "max_new_tokens": 8, "max_prompt_tokens": 8,
            "raw_text": template is not None,
        },
        domain={"task": probability},
    )  # fmt: skip
    made: Plan = plan(written, folder=tmp_path)
    assert lay_ground(written, tmp_path).base.format.template == template
    assert 0 < made.sources[1].rows <= 20
    assert made.bill[0].work == "replay"
    assert made.bill[0].seconds > 0
    assert made.speeds.answer_tokens_per_second is not None
