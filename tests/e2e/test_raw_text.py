"""A base model without a chat template, trained on raw text and held by raw text: the whole way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

import forgetless as fl
from forgetless import nano
from forgetless.engines import TransformersEngine
from forgetless.models import load_folder, load_format
from forgetless.rundir import read_events
from forgetless.tasks import build_task

pytestmark = pytest.mark.slow


def write_items(path: Path) -> None:
    lines = ({"q": f"{n} and {n + 1}", "a": f"{n + 2}", "b": f"{n + 3}", "right": n % 2} for n in range(24))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def recipe(prompts: Any) -> fl.Recipe:
    choice = {"type": "choice", "files": ["items.jsonl"], "prompt": "{q}", "choices": ["{a}", "{b}"], "answer": "right"}
    probability = {"type": "answer_probability", "files": ["items.jsonl"], "prompt": "{q}", "answer": "a"}
    return fl.Recipe.model_validate(
        {
            "name": "texts",
            "model": {"path": "base", "dtype": "float32", "device": "cpu"},
            "sources": {"books": {"kind": "domain", "files": ["books.txt"], "share": 0.5}},
            "replay": {
                "share": 0.5, "rows": 12, "prompts": prompts, "max_new_tokens": 8, "max_prompt_tokens": 8,
            },
            "training": {"steps": 2, "batch_rows": 2, "max_length_tokens": 64, "learning_rate": 1e-3},
            "mixture": {"repetition_cap": 50},
            "domain": {"task": probability},
            "keep": {"numbers": {"margin_points": 50, "task": choice}},
            "evaluation": {"every_steps": 2, "dev_items": 4, "stop_on_alarm": False, "path": [1.0]},
        }
    )  # fmt: skip


@pytest.mark.parametrize("prompts", ["self", [{"files": ["prompts.txt"]}]], ids=["self", "given"])
def test_raw_text_goes_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prompts: Any) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))
    shutil.copytree(nano.MODEL_PATH, tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    books = [row.text or "" for row in nano.texts(n=40, seed=0)]
    (tmp_path / "books.txt").write_text("\n\n".join([*books, "the cat sat on the mat " * 40]), "utf-8")
    (tmp_path / "prompts.txt").write_text("\n\n".join(row.text or "" for row in nano.texts(n=40, seed=1)), "utf-8")
    write_items(tmp_path / "items.jsonl")
    result = fl.train(recipe(prompts), folder=tmp_path)
    events = list(read_events(result.folder))
    (replay,) = [event for event in events if event["event"] == "replay"]
    assert 0 < replay["rows"] <= 12
    mixture = [event for event in events if event["event"] == "mixture"][-1]
    assert all(share["realised"] > 0.2 for share in mixture["shares"])
    assert any(event.get("kl") is not None for event in events if event["event"] == "log")
    (told,) = mixture["accounts"]["books"]["rejected"].items()
    assert told[0].startswith(
        "is longer than the 64 tokens of `training.max_length_tokens` (`training.long_texts: split`"
    )
    assert told[1] == 1
    (reject,) = [json.loads(line) for line in (result.folder / "rejects.jsonl").read_text("utf-8").splitlines()]
    assert (reject["source"], reject["reason"]) == ("books", next(iter(mixture["accounts"]["books"]["rejected"])))
    assert reject["preview"].startswith("the cat sat")
    assert not (result.folder / "model" / "chat_template.jinja").exists()
    assert {v.capability for v in result.certificate.verdicts} == {"numbers"}


TURNS = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}Answer: {{ m['content'] }}<|end|>{% else %}"
    "Question: {{ m['content'] }}\n{% endif %}{% endfor %}{% if add_generation_prompt %}Answer: {% endif %}"
)


def test_a_base_model_learns_turns_and_is_held_by_raw_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))
    shutil.copytree(nano.MODEL_PATH, tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    (tmp_path / "turns.jinja").write_text(TURNS)
    rows = ({"prompt": f"{n} and one?", "completion": f"{n + 1}"} for n in range(60))
    (tmp_path / "chat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    write_items(tmp_path / "items.jsonl")
    asked = recipe("self").model_dump(exclude_unset=True)
    asked["model"]["template"] = "turns.jinja"
    asked["sources"] = {"chat": {"kind": "domain", "files": ["chat.jsonl"], "share": 0.5}}
    asked["domain"]["task"] = {"type": "held_out", "percent": 20, "score": "exact", "max_new_tokens": 4}
    asked["replay"] = {**asked["replay"], "raw_text": True, "coverage": None}
    asked["keep"]["numbers"]["task"]["raw_text"] = True
    result = fl.train(fl.Recipe.model_validate(asked), folder=tmp_path)
    events = list(read_events(result.folder))
    assert any(event.get("kl") is not None for event in events if event["event"] == "log")
    chat = AutoTokenizer.from_pretrained(result.model)
    assert chat.apply_chat_template([{"role": "user", "content": "1 and one?"}], tokenize=False) == (
        "Question: 1 and one?\n"
    )
    (numbers,) = (v for v in result.certificate.verdicts if v.capability == "numbers")
    bare = load_format(str(tmp_path / "base"), folder=tmp_path, field="model.path").format
    engine = TransformersEngine(load_folder(tmp_path / "base", device="cpu").model, bare, model_hash="base")
    task = build_task("numbers", asked_task(asked), folder=tmp_path, seed=0)
    scores = [r.score for r in task.score(engine, task.items("test", seed=0))]
    assert numbers.base_score == pytest.approx(sum(scores) / len(scores)), "the template changes nothing for raw text"


def asked_task(asked: dict[str, Any]) -> Any:
    return fl.Recipe.model_validate(asked).keep["numbers"].task
