"""How fast are benchmarks scored beside lm-evaluation-harness' own backend, and how soon does a drop show?

Speed. The same task files of the harness are run twice over the same weights in one process: as tasks of forgetless
over its engine (nothing taken from a cache), and by the harness' evaluator with its model for transformers (`HFLM`) at
the batch size that a short trial finds fastest. They take turns for several rounds, and medians are compared. The sets:

    mmlu_5_shot     letters A to D behind five examples; whole subjects, as many as give the items
    mmlu_0_shot     the same questions without examples
    commonsense_qa  the texts of five answers, each scored as the continuation of the question

Stopping. Noise on the weights makes worse models. The ready set `in_context_learning`, which the base can do, is put to
them in the blocks of a sequential verdict until that has decided, with the base's results from the cache; told are the
items asked of those planned, and the drop on a thousand of them. The part `simulated` needs no model: how many items of
lists as long as public ones a known drop takes.

    python bench/evaluation.py [--parts PART ...] [--model PATH] [--data FOLDER] [--items N] [--noise X ...]
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
import torch
import yaml
from lm_eval import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from results import FOLDER, write_result

from forgetless.engines import TransformersEngine
from forgetless.models import LoadedModel, load_model
from forgetless.recipe import LmEvalTask, ModelSettings, ReadyTask
from forgetless.records import Item, ItemResult
from forgetless.rundir import ScoreStore, content_hash
from forgetless.tasks import Task, block_items, build_task, measure
from forgetless.verdicts import SequentialJudge

ROOT = Path(__file__).parents[1]
LETTERS = ["A", "B", "C", "D"]
LISTS = (1_221, 14_042)
"""Items of CommonsenseQA's validation part and of MMLU's test part."""
DROPS = (0.05, 0.1, 0.2)
PLANNED = (1_000, 2_000, 4_000)
"""Items of the ability whose verdict stops early; the drop is measured on the first of these numbers."""
PARTS = ("mmlu_5_shot", "mmlu_0_shot", "commonsense_qa", "stopping", "simulated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="with mmlu/, commonsenseqa/")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--items", type=int, help="of each part; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4, 16], help="of the harness, to be tried")
    parser.add_argument("--trial-items", type=int, default=6, help="of each subject, for the batch size")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.15, 0.25], help="in standard deviations")
    parser.add_argument("--margin-points", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="evaluation", help="of the file in bench/results")
    asked = parser.parse_args()
    figures = kept(asked.name, Path(asked.model).name)
    with tempfile.TemporaryDirectory() as place:
        datasets.config.HF_DATASETS_CACHE = Path(place) / "datasets"
        loaded = None if asked.parts == ["simulated"] else load(asked.model)
        for part in asked.parts:
            folder = Path(place) / part
            folder.mkdir()
            if part == "simulated":
                figures[part] = simulated(asked.margin_points / 100, asked.seed)
            elif part == "stopping":
                figures[part] = stopping(loaded, folder, asked.noise, asked.margin_points, asked.seed)
            else:
                write_tasks(folder, part, asked.data, asked.items, asked.seed)
                size = fastest_batch_size(loaded, part, folder, asked.batch_sizes, asked.trial_items)
                figures["speed"][part] = side_by_side(loaded, part, folder, asked.rounds, size)
            print(part, json.dumps(figures["speed"].get(part) or figures[part]), flush=True)
            write_result(asked.name, figures, seed=asked.seed)
    print(f"written to {FOLDER / asked.name}.json")


def kept(name: str, model: str) -> dict[str, Any]:
    """What other parts have found with the same model."""
    path = FOLDER / f"{name}.json"
    before: dict[str, Any] = json.loads(path.read_text("utf-8"))["figures"] if path.exists() else {}
    return before if before.get("model") == model else {"model": model, "speed": {}}


def load(model: str) -> LoadedModel:
    return load_model(ModelSettings(path=str(Path(model).resolve()), dtype="float32"), folder=Path())


# The tasks


def write_tasks(folder: Path, name: str, data: Path, items: int | None, seed: int) -> None:
    """Task files under the set's name; of MMLU a group of one task for each subject."""
    tasks = commonsense_qa(folder, data, items, seed) if name == "commonsense_qa" else mmlu(name, data, items, seed)
    for task in tasks:
        (folder / f"{task.get('task') if 'group' not in task else task['group']}.yaml").write_text(yaml.safe_dump(task))


def mmlu(name: str, data: Path, items: int | None, seed: int) -> list[dict[str, Any]]:
    files = sorted((data / "mmlu" / "val").glob("*_val.csv"))
    random.Random(seed).shuffle(files)
    chosen, found = [], 0
    for file in files:
        if items is None or found < items:
            chosen.append(file.stem.removesuffix("_val"))
            with file.open(encoding="utf-8", newline="") as rows:
                found += sum(1 for _ in csv.reader(rows))
    options = "\n".join(f"{letter}. {{{{{letter}}}}}" for letter in LETTERS)
    shown = 5 if name == "mmlu_5_shot" else 0
    tasks: list[dict[str, Any]] = [
        {
            "task": f"{name}_{subject}",
            "dataset_path": "csv",
            "dataset_kwargs": {
                "data_files": {
                    "test": str(data / f"mmlu/val/{subject}_val.csv"),
                    "dev": str(data / f"mmlu/dev/{subject}_dev.csv"),
                },
                "column_names": ["question", *LETTERS, "answer"],
            },
            "test_split": "test",
            "fewshot_split": "dev",
            "fewshot_config": {"sampler": "first_n"},
            "num_fewshot": shown,
            "output_type": "multiple_choice",
            "description": "The following are multiple choice questions (with answers) about "
            f"{subject.replace('_', ' ')}.\n\n",
            "doc_to_text": f"{{{{question}}}}\n{options}\nAnswer:",
            "doc_to_choice": LETTERS,
            "doc_to_target": f"{{{{{LETTERS}.index(answer)}}}}",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
        for subject in chosen
    ]
    return [*tasks, {"group": name, "task": [task["task"] for task in tasks]}]


def commonsense_qa(folder: Path, data: Path, items: int | None, seed: int) -> list[dict[str, Any]]:
    (file,) = (data / "commonsenseqa").glob("*.jsonl")
    rows = file.read_text("utf-8").splitlines()
    random.Random(seed).shuffle(rows)
    (folder / "rows.jsonl").write_text("\n".join(rows[:items]) + "\n", "utf-8")
    return [
        {
            "task": "commonsense_qa",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(folder / "rows.jsonl")}},
            "test_split": "test",
            "output_type": "multiple_choice",
            "num_fewshot": 0,
            "doc_to_text": "Question: {{question}}\nAnswer:",
            "doc_to_choice": "choices",
            "doc_to_target": "answer",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
    ]


def read_task(name: str, folder: Path) -> Task:
    settings = LmEvalTask(type="lm_eval", name=name, include_path=str(folder), metric="acc")
    return build_task(name, settings, folder=folder, seed=0)


def everything(task: Task) -> tuple[Item, ...]:
    return (*task.items("dev"), *task.items("test"))


# Speed


class Took(NamedTuple):
    """Seconds by the clock, and seconds of all cores, which tell more where others use the machine."""

    wall: float
    cores: float


def side_by_side(loaded: LoadedModel, name: str, folder: Path, rounds: int, batch_size: int) -> dict[str, Any]:
    """Both in every round; medians of the seconds, their ratios, and whether the same items were right."""
    task = read_task(name, folder)
    items = everything(task)
    ours: list[Took] = []
    theirs: list[Took] = []
    for _ in range(rounds):
        results, took = timed(lambda: task.score(engine_over(loaded), items))
        ours.append(took)
        other, took = timed(lambda: by_the_harness(loaded, name, folder, batch_size))
        theirs.append(took)
    one, two = (Took(*map(statistics.median, zip(*all_rounds, strict=True))) for all_rounds in (ours, theirs))
    right = {result.item_id: result.score for result in results}
    assert right.keys() == other.keys(), "both are asked the same"
    return {
        "items": len(items),
        "ratio": {"wall": round(two.wall / one.wall, 2), "cores": round(two.cores / one.cores, 2)},
        "seconds": {"engine": one._asdict(), "harness": two._asdict()},
        "all_seconds": {"engine": ours, "harness": theirs},
        "harness_batch_size": batch_size,
        "accuracy": {"engine": statistics.mean(right.values()), "harness": statistics.mean(other.values())},
        "items_agree": sum(right[i] == other[i] for i in right),
    }


def fastest_batch_size(loaded: LoadedModel, name: str, folder: Path, sizes: Sequence[int], items: int) -> int:
    if len(sizes) == 1:
        return sizes[0]
    by_the_harness(loaded, name, folder, sizes[0], limit=1)  # a warm-up
    took = {
        size: timed(lambda size=size: by_the_harness(loaded, name, folder, size, limit=items))[1].cores
        for size in sizes
    }
    return min(took, key=took.__getitem__)


def by_the_harness(
    loaded: LoadedModel, name: str, folder: Path, batch_size: int, limit: int | None = None
) -> dict[str, float]:
    """The accuracy of every item, by its id."""
    tasks = TaskManager(include_path=str(folder), include_defaults=False).load(name)
    model = HFLM(pretrained=loaded.model, tokenizer=loaded.format.tokenizer, batch_size=batch_size,
                 device=str(loaded.model.device), backend="causal")  # fmt: skip
    samples = evaluate(lm=model, task_dict=tasks, limit=limit, bootstrap_iters=0)["samples"]
    return {content_hash(task, one["doc"])[:16]: one["acc"] for task, found in samples.items() for one in found}


def engine_over(loaded: LoadedModel, hash: str | None = None) -> TransformersEngine:
    return TransformersEngine(loaded.model, loaded.format, model_hash=hash or loaded.hash)


def timed(work: Callable[[], Any]) -> tuple[Any, Took]:
    wall, cores = time.perf_counter(), time.process_time()
    return work(), Took(time.perf_counter() - wall, time.process_time() - cores)


# Stopping


def stopping(
    loaded: LoadedModel, folder: Path, noises: Sequence[float], margin_points: float, seed: int
) -> dict[str, Any]:
    """For every noise: how far the score fell, and how many items of each plan were asked until the verdict stood."""
    settings = ReadyTask(type="ready", set="in_context_learning", items=max(PLANNED))
    task = build_task("in_context_learning", settings, folder=folder, seed=seed)
    items, store = task.items("test", limit=max(PLANNED)), ScoreStore(folder / "scores")
    measured = items[: PLANNED[0]]
    base, first = timed(lambda: measure(engine_over(loaded), task, measured, store=store))
    _, again = timed(lambda: measure(engine_over(loaded), task, measured, store=store))
    figures: dict[str, Any] = {
        "task": task.name,
        "margin_points": margin_points,
        "base": {"score": base.mean, "seconds": first.wall, "seconds_from_the_cache": again.wall},
        "worse": [],
    }
    for noise in noises:
        with noisy(loaded.model, noise, seed):
            hash = f"{loaded.hash} with noise {noise}, seed {seed}"
            worse = measure(engine_over(loaded, hash), task, measured, store=store)
        found = {"noise": noise, "drop_points": 100 * ((base.mean or 0.0) - (worse.mean or 0.0))}

        def asked_of(block: Sequence[Item], noise: float = noise, hash: str = hash) -> list[ItemResult]:
            with noisy(loaded.model, noise, seed):
                return list(measure(engine_over(loaded, hash), task, block, store=store).results)

        found["plans"] = []
        for planned in PLANNED:
            judge = SequentialJudge(task.name, margin=margin_points / 100, planned_n=planned, chance=task.chance,
                                    binary=True)  # fmt: skip
            for start in range(0, planned, block_items(planned)):
                block = items[start : min(start + block_items(planned), planned)]
                before = measure(engine_over(loaded), task, block, store=store).results
                judge.update(list(before), asked_of(block))
                if judge.decided:
                    break
            asked_items = start + len(block)
            outcome = judge.finish().outcome
            found["plans"].append(
                {"planned": planned, "outcome": outcome, "items": asked_items, "share": asked_items / planned}
            )
        figures["worse"].append(found)
    return figures


def simulated(margin: float, seed: int, draws: int = 20) -> list[dict[str, float]]:
    """Medians over draws of right-or-wrong scores; the base is right in 60 %, and 2 % of all answers become right."""
    rng = np.random.default_rng(seed)
    found = []
    for planned in LISTS:
        for drop in DROPS:
            shares = []
            for _ in range(draws):
                base = rng.random(planned) < 0.6
                turned = rng.random(planned) < np.where(base, (drop + 0.02) / 0.6, 0.02 / 0.4)
                judge = SequentialJudge("simulated", margin=margin, planned_n=planned, chance=0.25, binary=True)
                for start in range(0, planned, block_items(planned)):
                    block = range(start, min(start + block_items(planned), planned))
                    before = [ItemResult(str(i), float(base[i]), group=str(i)) for i in block]
                    after = [ItemResult(str(i), float(base[i] ^ turned[i]), group=str(i)) for i in block]
                    if judge.update(before, after):
                        break
                shares.append(block.stop / planned)
            # Items are asked in blocks, so what a verdict does not need of its last one is asked too.
            found.append({"planned": planned, "drop_points": 100 * drop, "share_of_planned": statistics.median(shares)})
    return found


@contextmanager
def noisy(model: torch.nn.Module, noise: float, seed: int) -> Iterator[None]:
    """Within the block every matrix of the model has Gaussian noise, in standard deviations of its own weights."""
    kept = {name: weight.clone() for name, weight in model.state_dict().items()}
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight += noise * weight.std() * torch.randn(weight.shape, generator=generator)
    try:
        yield
    finally:
        model.load_state_dict(kept)


if __name__ == "__main__":
    main()
