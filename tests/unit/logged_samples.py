"""Files as lm-evaluation-harness leaves them behind, written by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TIME = "2026-11-23T10-11-12.123456"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def choice(task: str, i: int, right: float | None, *, choices: int = 4, shots: str = "", **more: Any) -> dict[str, Any]:
    """One item of a multiple choice; the first choice is the right one."""
    prompt = f"{shots}{task} question {i}\nAnswer:"
    texts = [f" answer {i}-{k}" for k in range(choices)]
    best = 0 if right else 1
    answers = [[str(-1.0 - (k != best) * (1 + k)), str(k == best)] for k in range(choices)]
    return {
        "doc_id": i,
        "doc": {"question": f"question {i}"},
        "target": "0",
        "arguments": {f"gen_args_{k}": {"arg_0": prompt, "arg_1": text} for k, text in enumerate(texts)},
        "resps": [[answer] for answer in answers],
        "filtered_resps": answers,
        "filter": "none",
        "metrics": ["acc", "acc_norm"],
        "doc_hash": digest(f"{task} {i}"),
        "prompt_hash": digest(prompt),
        "target_hash": digest("0"),
        "acc": right,
        "acc_norm": right,
    } | more


def written(task: str, i: int, right: float | None, *, through: str = "strict-match", **more: Any) -> dict[str, Any]:
    """One item whose answer the model writes."""
    prompt = f"Q: what is {i} + {i}?\nA:"
    answer = 2 * i if right else 2 * i + 1
    return {
        "doc_id": i,
        "doc": {"question": f"what is {i} + {i}?"},
        "target": str(2 * i),
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": ["\n\n"], "max_gen_toks": 64}}},
        "resps": [[f" {i} and {i} are {answer}. The answer is {answer}."]],
        "filtered_resps": [str(answer)],
        "filter": through,
        "metrics": ["exact_match"],
        "doc_hash": digest(f"{task} {i}"),
        "prompt_hash": digest(prompt),
        "target_hash": digest(str(2 * i)),
        "exact_match": right,
    } | more


def lay(folder: Path, samples: Mapping[str, Sequence[Mapping[str, Any]]], *, time: str = TIME) -> Path:
    """Write an output folder with these samples by task."""
    folder.mkdir(parents=True, exist_ok=True)
    for task, lines in samples.items():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"samples_{task}_{time}.jsonl").write_text(text, "utf-8")
    return folder
