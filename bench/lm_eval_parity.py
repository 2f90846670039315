"""Does an engine give lm-evaluation-harness the same answers as the harness' own model for transformers?

The written and generated ready sets are put into task files of the harness, multiple choice by likelihood and greedy
answers with examples in the prompt. Its evaluator then runs twice over the same weights: with `EngineLM` over our
engine and with its own `HFLM`. Prints the agreement item by item and writes bench/results/lm_eval_parity.json.

    python bench/lm_eval_parity.py [--model PATH] [--choices N] [--answers N] [--batch-size N] [--name FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from lm_eval import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from results import write_result

from forgetless import nano
from forgetless.engines import TransformersEngine
from forgetless.models import load_model
from forgetless.recipe import ModelSettings, ReadyName
from forgetless.records import Item
from forgetless.tasks import SETS
from forgetless.tasks.harness import EngineLM

CHOICE_SETS: tuple[ReadyName, ...] = ("knowledge", "common_sense")
MEANS = {"aggregation": "mean", "higher_is_better": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(nano.MODEL_PATH))
    parser.add_argument("--choices", type=int, default=600)
    parser.add_argument("--answers", type=int, default=240)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--name", default="lm_eval_parity")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    loaded = load_model(ModelSettings(path=str(Path(asked.model).resolve()), dtype="float32"), folder=Path())
    engine = TransformersEngine(loaded.model, loaded.format, model_hash=loaded.hash)
    theirs = HFLM(
        pretrained=loaded.model,
        tokenizer=loaded.format.tokenizer,
        batch_size=asked.batch_size,
        device=str(loaded.model.device),
        backend="causal",
    )
    with tempfile.TemporaryDirectory() as place:
        manager = write_tasks(Path(place), asked.choices, asked.answers, asked.seed)
        one, our_seconds = timed(lambda: run(EngineLM(engine), manager))
        other, their_seconds = timed(lambda: run(theirs, manager))
    figures = {
        "model": Path(asked.model).name,
        "choice": agreement_of_choices(one["choices"], other["choices"]),
        "generation": agreement_of_answers(one["answers"], other["answers"]),
        "seconds": {"engine": round(our_seconds, 1), "harness": round(their_seconds, 1)},
    }
    print(json.dumps(figures, indent=2))
    write_result(asked.name, figures, seed=asked.seed)


def write_tasks(folder: Path, choices: int, answers: int, seed: int) -> TaskManager:
    """Task files over items of ready sets; the examples of a prompt come from other draws."""
    drawn = [item for name in CHOICE_SETS for item in SETS[name].sample(name, n=choices, seed=seed)][:choices]
    write_rows(folder / "choices.jsonl", drawn)
    write_rows(folder / "answers.jsonl", SETS["maths"].sample("maths", n=answers, seed=seed))
    write_rows(folder / "examples.jsonl", SETS["maths"].sample("maths", n=20, seed=seed + 1))
    common = {"dataset_path": "json", "test_split": "test"}
    files = {name: str(folder / f"{name}.jsonl") for name in ("choices", "answers", "examples")}
    tasks = (
        common
        | {
            "task": "choices",
            "dataset_kwargs": {"data_files": {"test": files["choices"]}},
            "output_type": "multiple_choice",
            "num_fewshot": 0,
            "doc_to_text": "{{question}}\nAnswer:",
            "doc_to_choice": "choices",
            "doc_to_target": "{{choices.index(answer)}}",
            "metric_list": [{"metric": metric, **MEANS} for metric in ("acc", "acc_norm")],
        },
        common
        | {
            "task": "answers",
            "dataset_kwargs": {"data_files": {"test": files["answers"], "train": files["examples"]}},
            "fewshot_split": "train",
            "output_type": "generate_until",
            "num_fewshot": 1,
            "doc_to_text": "Question: {{question}}\nAnswer:",
            "doc_to_target": "{{answer}}",
            "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": 24},
            # The space that answers begin with is none of the answer.
            "filter_list": [
                {"name": "bare", "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}]}
            ],
            "metric_list": [{"metric": "exact_match", **MEANS}],
        },
    )
    for task in tasks:
        (folder / f"{task['task']}.yaml").write_text(yaml.safe_dump(task), "utf-8")
    return TaskManager(include_path=str(folder), include_defaults=False)


def write_rows(path: Path, items: list[Item]) -> None:
    rows = [
        {"question": item.messages[-1].content, "choices": list(item.choices), "answer": item.target} for item in items
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def run(model: Any, manager: TaskManager) -> dict[str, Any]:
    """Every item of both tasks, as the harness' evaluator logs it."""
    tasks = manager.load(["choices", "answers"])
    for task in tasks["tasks"].values():
        task.set_fewshot_seed(1234)
    return dict(evaluate(lm=model, task_dict=tasks, bootstrap_iters=0)["samples"])


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def agreement_of_choices(one: list[Any], other: list[Any]) -> dict[str, Any]:
    """Items on which both metrics agree, their means, and the largest difference of a log-likelihood in nats."""
    pairs = list(zip(one, other, strict=True))
    assert all(a["arguments"] == b["arguments"] for a, b in pairs), "both are asked the same"
    gaps = [abs(x[0] - y[0]) for a, b in pairs for x, y in zip(a["filtered_resps"], b["filtered_resps"], strict=True)]
    return {
        "items": len(pairs),
        **{f"{metric}_agree": int(sum(a[metric] == b[metric] for a, b in pairs)) for metric in ("acc", "acc_norm")},
        **{f"{metric}_engine": mean(one, metric) for metric in ("acc", "acc_norm")},
        **{f"{metric}_harness": mean(other, metric) for metric in ("acc", "acc_norm")},
        "largest_gap_nats": max(gaps),
    }


def agreement_of_answers(one: list[Any], other: list[Any]) -> dict[str, Any]:
    """Items on which the texts and the scores agree, and the first texts that differ."""
    pairs = list(zip(one, other, strict=True))
    assert all(a["arguments"] == b["arguments"] for a, b in pairs), "both are asked the same"
    texts = [(a["resps"][0][0], b["resps"][0][0]) for a, b in pairs]
    return {
        "items": len(pairs),
        "texts_agree": sum(a == b for a, b in texts),
        "exact_match_agree": int(sum(a["exact_match"] == b["exact_match"] for a, b in pairs)),
        "exact_match_engine": mean(one, "exact_match"),
        "exact_match_harness": mean(other, "exact_match"),
        "differing_texts": [pair for pair in texts if pair[0] != pair[1]][:5],
    }


def mean(samples: list[Any], metric: str) -> float:
    return float(sum(sample[metric] for sample in samples) / len(samples))


if __name__ == "__main__":
    main()
