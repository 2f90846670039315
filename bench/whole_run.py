"""What does a whole run cost beside a fine-tune that is checked once, at its end?

Two arms over the same domain rows (messages of bank customers and their intents) and the same weights, each a process
of its own from loading the model to the last figure, in turns for several rounds:

    plain       TRL's SFTTrainer with its packing, then one pass of lm-evaluation-harness with its own backend over the
                same tasks: five-shot MMLU, CommonsenseQA, and the domain by exact match
    forgetless  `train` from a recipe: the base answers replay prompts and is scored, training with KL on a share
                of replay, every look of the guard, every checkpoint, the certificate

Every token of the domain is trained on once in both; what forgetless trains on besides is what it costs. Caches start
empty. Prints the seconds and their ratio, with the parts of forgetless, and writes bench/results/whole_run.json.

    python scripts/fetch_model.py smollm2-135m-instruct && python bench/whole_run.py
    python bench/whole_run.py --rows 40 --questions 20 --messages 20 --rounds 1 --name -   # a look, in minutes
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from evaluation import write_tasks as write_public_tasks
from results import write_result

ROOT = Path(__file__).parents[1]
ARMS = ("plain", "forgetless")
PROMPT, ANSWER = "Customer message: {text}", '{{"intent": "{category}"}}'
BATCH = 3
LENGTH = 256
LEARNING_RATE = 1e-4
NEW_TOKENS = 24
TASKS = ("mmlu_5_shot", "commonsense_qa", "intents")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="banking77/, mmlu/, …")
    parser.add_argument("--rows", type=int, default=1000, help="of the domain")
    parser.add_argument("--questions", type=int, default=300, help="of MMLU, about, and of CommonsenseQA")
    parser.add_argument("--messages", type=int, default=200, help="of the domain, asked")
    parser.add_argument("--harness-batch-size", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--name", default="whole_run", help="of the file in bench/results; `-` writes none")
    parser.add_argument("--one", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.model, asked.data = asked.model.resolve(), asked.data.resolve()
    if asked.one:
        print(json.dumps({"plain": plain, "forgetless": held}[asked.one](asked, asked.folder)))
        return
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for done in range(asked.rounds):
        for arm in ARMS:
            print(f"round {done + 1} of {asked.rounds}: {arm}", file=sys.stderr, flush=True)
            found[arm].append(in_own_process(arm))
    seconds = {arm: statistics.median(one["seconds"] for one in runs) for arm, runs in found.items()}
    ratio = seconds["forgetless"] / seconds["plain"]
    for arm, runs in found.items():
        parts = ", ".join(f"{part} {took:.0f} s" for part, took in runs[-1]["parts"].items())
        print(f"{arm}: {seconds[arm]:.0f} s (the last: {parts})")
    print(f"forgetless / plain: {ratio:.2f}")
    if asked.name != "-":
        settings = {key: getattr(asked, key) for key in ("rows", "questions", "messages", "rounds")}
        figures = {"model": asked.model.name, "settings": settings, "ratio": ratio, "seconds": seconds, "runs": found}
        print(f"written to {write_result(asked.name, figures, seed=0)}")


def in_own_process(arm: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        environment = os.environ | {"FORGETLESS_CACHE": f"{place}/cache", "HF_HUB_OFFLINE": "1"}
        environment |= {"HF_DATASETS_CACHE": f"{place}/datasets"}
        command = [sys.executable, __file__, *sys.argv[1:], "--one", arm, "--folder", place]
        started, cpu = time.perf_counter(), os.times().children_user
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        took = {"seconds": time.perf_counter() - started, "cpu_seconds": os.times().children_user - cpu}
    return took | json.loads(done.stdout.splitlines()[-1])


# The same rows and tasks for both


def messages(asked: argparse.Namespace, part: str, count: int) -> list[dict[str, str]]:
    with (asked.data / "banking77" / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows[:: max(1, len(rows) // count)][:count]


def write_tasks(asked: argparse.Namespace, folder: Path) -> None:
    """Task files of the harness; that of the domain asks as the model's chat template does."""
    write_lines(folder / "asked.jsonl", messages(asked, "test", asked.messages))
    domain = {
        "task": "intents",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "asked.jsonl")}},
        "test_split": "test",
        "output_type": "generate_until",
        "num_fewshot": 0,
        "doc_to_text": "<|im_start|>user\n" + PROMPT.format(text="{{text}}") + "<|im_end|>\n<|im_start|>assistant\n",
        "doc_to_target": '{"intent": "{{category}}"}',
        "generation_kwargs": {"until": ["<|im_end|>"], "do_sample": False, "max_gen_toks": NEW_TOKENS},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    (folder / "intents.yaml").write_text(yaml.safe_dump(domain), "utf-8")
    for name in TASKS[:2]:
        write_public_tasks(folder, name, asked.data, asked.questions, 0)


def write_lines(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


# The arms


def plain(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What people do: train, then ask the harness once."""
    from datasets import Dataset
    from lm_eval import evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from trl import SFTConfig, SFTTrainer

    from forgetless.models import load_model
    from forgetless.recipe import ModelSettings

    started = time.perf_counter()
    base = load_model(ModelSettings(path=str(asked.model), dtype="float32"), folder=ROOT)
    rows = [
        {
            "prompt": [{"role": "user", "content": PROMPT.format(**row)}],
            "completion": [{"role": "assistant", "content": ANSWER.format(**row)}],
        }
        for row in messages(asked, "train", asked.rows)
    ]
    # Rows of several in one: as many tokens go into a step as forgetless' domain rows take.
    config = SFTConfig(output_dir=str(folder / "sft"), per_device_train_batch_size=1, num_train_epochs=1,
                       gradient_accumulation_steps=BATCH, learning_rate=LEARNING_RATE, max_length=LENGTH, packing=True,
                       padding_free=True, report_to="none", bf16=False, gradient_checkpointing=False,
                       save_strategy="no", use_cpu=base.model.device.type == "cpu")  # fmt: skip
    trainer = SFTTrainer(model=base.model.float().train(), args=config, train_dataset=Dataset.from_list(rows),
                         processing_class=base.format.tokenizer)  # fmt: skip
    ready = time.perf_counter()
    trainer.train()
    trained = time.perf_counter()
    write_tasks(asked, folder)
    tasks = TaskManager(include_path=str(folder), include_defaults=False).load(list(TASKS))
    model = HFLM(pretrained=trainer.model.eval(), tokenizer=base.format.tokenizer, backend="causal",
                 batch_size=asked.harness_batch_size, device=str(base.model.device))  # fmt: skip
    samples = evaluate(lm=model, task_dict=tasks, bootstrap_iters=0)["samples"]
    ended = time.perf_counter()
    domain = statistics.mean(one["exact_match"] for one in samples["intents"])
    parts = {"loading": ready - started, "training": trained - ready, "evaluation": ended - trained}
    return {"domain": domain, "items": sum(map(len, samples.values())), "parts": parts}


def held(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The same rows and tasks through a recipe; the seconds between its events say what took them."""
    import forgetless as fl
    from forgetless.rundir import read_events

    write_tasks(asked, folder)
    write_lines(folder / "domain.jsonl", messages(asked, "train", asked.rows))
    result = fl.train(fl.parse_recipe(recipe(asked)), folder=folder)
    parts: dict[str, float] = {}
    for before, after in pairwise(read_events(result.folder)):
        parts[after["event"]] = parts.get(after["event"], 0.0) + after["time"] - before["time"]
    assert result.certificate is not None
    return {"domain": result.certificate.domain.tuned_score, "parts": parts}


def recipe(asked: argparse.Namespace) -> dict[str, Any]:
    kept = {name: {"margin_points": 10, "task": {"lm_eval": name, "include_path": ".", "metric": "acc"}}
            for name in TASKS[:2]}  # fmt: skip
    return {
        "name": "whole",
        "model": {"path": str(asked.model), "dtype": "float32"},
        "sources": {
            "intents": {
                "kind": "domain",
                "files": ["domain.jsonl"],
                "template": {"prompt": PROMPT, "completion": ANSWER.replace("{{", "{").replace("}}", "}")},
                "share": 0.8,
            }
        },
        "replay": {
            "share": 0.2,
            "prompts": [{"files": [str(asked.data / "dolly" / "train.json")]}],
            "rows": max(20, asked.rows // 5),
            "max_prompt_tokens": 96,
            "max_new_tokens": 48,
        },
        "training": {
            "learning_rate": LEARNING_RATE,
            "epochs": 1,
            "batch_rows": BATCH,
            "max_length_tokens": LENGTH,
            "kl_weight": 1.0,
        },
        "domain": {
            "task": {
                "type": "generation",
                "files": ["asked.jsonl"],
                "prompt": PROMPT,
                "answer": ANSWER.replace("{{", "{").replace("}}", "}"),
                "match": "exact",
                "max_new_tokens": NEW_TOKENS,
            }
        },
        "keep": kept,
    }


if __name__ == "__main__":
    main()
