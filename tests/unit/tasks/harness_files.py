"""Task files of lm-evaluation-harness over small files of data, written on the spot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

WORDS = ("cat", "dog", "mat", "cow", "hat", "sun")


def sums(n: int, *, first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "q": f"What is {i} plus {i % 7}?",
            "options": [str(i + i % 7 + k) for k in (0, 1, 3)],
            "gold": i % 3,
            "result": str(i + i % 7),
        }
        for i in range(first, first + n)
    ]


def task_file(name: str, *, data: str = "sums.jsonl", **settings: Any) -> dict[str, Any]:
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": data, "dev": "dev.jsonl"}},
        "test_split": "test",
        "fewshot_split": "dev",
        "doc_to_text": "{{q}}\nAnswer:",
        **settings,
    }


CHOICE = {
    "output_type": "multiple_choice",
    "num_fewshot": 2,
    "doc_to_choice": "options",
    "doc_to_target": "gold",
    "metric_list": [
        {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_norm", "acc_bytes")
    ],
}
GENERATION = {
    "output_type": "generate_until",
    "doc_to_target": "result",
    "num_fewshot": 1,
    "generation_kwargs": {"until": ["\n", "a"], "max_gen_toks": 8, "do_sample": False},
    "filter_list": [
        {"name": "first", "filter": [{"function": "regex", "regex_pattern": r"^ ?(\d+)"}, {"function": "take_first"}]},
        {"name": "any", "filter": [{"function": "regex", "regex_pattern": r"(\d+)"}, {"function": "take_first"}]},
    ],
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}
TEXT = {
    "output_type": "loglikelihood_rolling",
    "num_fewshot": 0,
    "doc_to_text": "",
    "doc_to_target": "{{q}}",
    "metric_list": [{"metric": "bits_per_byte", "aggregation": "bits_per_byte", "higher_is_better": False}],
}


def write_tasks(folder: Path, *tasks: dict[str, Any], records: Sequence[dict[str, Any]] | None = None) -> Path:
    """A folder with `sums.jsonl`, `more.jsonl`, examples in `dev.jsonl`, and the given task files."""
    folder.mkdir(exist_ok=True)
    for name, rows in {
        "sums": list(records or sums(30)),
        "more": sums(30, first=100),
        "dev": sums(9, first=40),
    }.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    for task in tasks:
        (folder / f"{task.get('task') if 'group' not in task else task['group']}.yaml").write_text(
            yaml.safe_dump(task), "utf-8"
        )
    return folder
