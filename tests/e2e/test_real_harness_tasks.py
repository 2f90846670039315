"""Public benchmarks as task files of lm-evaluation-harness over local copies of their data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml

from forgetless import nano
from forgetless.engines import TransformersEngine, WitnessEngine
from forgetless.models import load_model
from forgetless.recipe import LmEvalTask, ModelSettings
from forgetless.tasks import build_task

pytestmark = pytest.mark.real

DATA = Path(__file__).parents[2].parent / "shared" / "data"
LETTERS = ["A", "B", "C", "D"]
ACCURACY = [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]
EXACT = [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True}]


@pytest.fixture
def engine() -> TransformersEngine:
    loaded = load_model(ModelSettings(path=str(nano.MODEL_PATH), device="cpu"), folder=Path())
    return TransformersEngine(loaded.model, loaded.format, model_hash=loaded.hash)


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")

    def make(name: str, *tasks: dict[str, Any], **settings: Any) -> Any:
        for task in tasks:
            file = tmp_path / f"{task.get('task') if 'group' not in task else task['group']}.yaml"
            # `datasets` takes the types of columns from the first part: the small one would take words for numbers.
            file.write_text(yaml.safe_dump(task, sort_keys=False), "utf-8")
        return build_task("t", LmEvalTask(type="lm_eval", name=name, include_path=str(tmp_path), **settings),
                          folder=tmp_path, seed=0)  # fmt: skip

    return make


def everything(task: Any) -> tuple[Any, ...]:
    return (*task.items("dev"), *task.items("test"))


def first_prompt(task: Any) -> str:
    witness = WitnessEngine()
    task.score(witness, task.items("dev", limit=1))
    return witness.questions[0].messages[-1].content


def benchmark(
    name: str,
    subject: str,
    test: str,
    dev: str,
    *,
    columns: list[str] | None = None,
    question: str = "question",
    answer: str = "answer",
) -> dict[str, Any]:
    options = "\n".join(f"{letter}. {{{{{letter}}}}}" for letter in LETTERS)
    return {
        "task": f"{name}_{subject}",
        "task_alias": subject,
        "dataset_path": "csv",
        "dataset_kwargs": {
            "data_files": {"test": str(DATA / test), "dev": str(DATA / dev)},
            **({"column_names": columns} if columns else {}),
        },
        "test_split": "test",
        "fewshot_split": "dev",
        "fewshot_config": {"sampler": "first_n"},
        "num_fewshot": 5,
        "output_type": "multiple_choice",
        "doc_to_text": f"{{{{{question}}}}}\n{options}\nAnswer:",
        "doc_to_choice": LETTERS,
        "doc_to_target": f"{{{{{LETTERS}.index({answer})}}}}",
        "metric_list": ACCURACY,
    }


def test_mmlu_is_a_group_of_57_subjects(build: Any) -> None:
    subjects = sorted(path.stem.removesuffix("_val") for path in (DATA / "mmlu" / "val").glob("*.csv"))
    assert len(subjects) == 57
    columns = ["question", *LETTERS, "answer"]
    tasks = [
        benchmark("mmlu", subject, f"mmlu/val/{subject}_val.csv", f"mmlu/dev/{subject}_dev.csv", columns=columns)
        for subject in subjects
    ]
    task = build("mmlu", *tasks, {"group": "mmlu", "task": [t["task"] for t in tasks]})
    items = everything(task)
    assert len(items) > 1500
    assert {item.subject for item in items} == set(subjects)
    assert task.chance == pytest.approx(0.25, abs=0.005)
    assert first_prompt(task).count("Answer:") == 6
    some = build("mmlu", num_fewshot=0, max_items=60)
    assert len(everything(some)) == 60
    assert {r.score for r in some.score(WitnessEngine(), everything(some))} == {0.0, 1.0}


def test_cmmlu_is_a_group_of_67_subjects(build: Any) -> None:
    subjects = sorted(path.stem for path in (DATA / "cmmlu" / "test").glob("*.csv"))
    tasks = [
        benchmark("cmmlu", s, f"cmmlu/test/{s}.csv", f"cmmlu/dev/{s}.csv", question="Question", answer="Answer")
        for s in subjects
    ]
    task = build("cmmlu", *tasks, {"group": "cmmlu", "task": [t["task"] for t in tasks]}, max_items=2000)
    assert {item.subject for item in everything(task)} == set(subjects)
    assert len(subjects) == 67
    assert first_prompt(task).count("Answer:") >= 5


def test_gsm8k_by_two_filters(build: Any) -> None:
    number = r"(-?[0-9][0-9.,]*)"
    definition = {
        "task": "gsm8k",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {part: str(DATA / f"gsm8k/{part}.jsonl") for part in ("test", "train")}},
        "training_split": "train",
        "fewshot_split": "train",
        "test_split": "test",
        "num_fewshot": 5,
        "output_type": "generate_until",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["Question:"], "do_sample": False},
        "filter_list": [
            {"name": "strict", "filter": [{"function": "regex", "regex_pattern": f"#### {number}"},
                                          {"function": "take_first"}]},
            {"name": "flexible", "filter": [{"function": "regex", "group_select": -1, "regex_pattern": number},
                                            {"function": "take_first"}]},
        ],
        "metric_list": [EXACT[0] | {"regexes_to_ignore": [",", r"(?s).*#### ", r"\.$"]}],
    }  # fmt: skip
    task = build("gsm8k", definition)
    assert len(everything(task)) == 1319
    item = task.items("dev", limit=1)[0]
    final = item.target.rpartition("####")[2].strip()

    class Right(WitnessEngine):
        def generate(self, prompts: Any, **asked: Any) -> list[str]:
            super().generate(prompts, **asked)
            return [f"so it is {final}"]

    assert [r.score for r in task.score(Right(), [item])] == [0.0], "strict wants the mark"
    flexible = build("gsm8k", metric="exact_match,flexible")
    assert [r.score for r in flexible.score(Right(), [item])] == [1.0]
    assert first_prompt(task).count("Question:") == 6


def test_ifeval_is_checked_by_the_harness(build: Any, tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text(
        "from lm_eval.tasks.ifeval.utils import process_results\n"
        "def without_sentences(docs):\n"
        "    return docs.filter(lambda doc: not any('sentence' in i for i in doc['instruction_id_list']))\n",
        "utf-8",
    )
    definition = {
        "task": "ifeval",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(next((DATA / "ifeval").glob("*.jsonl")))}},
        "test_split": "test",
        "output_type": "generate_until",
        "num_fewshot": 0,
        "doc_to_text": "prompt",
        "doc_to_target": "0",
        "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": 64},
        "metric_list": [{"metric": "prompt_level_strict_acc", "aggregation": "mean", "higher_is_better": True}],
    }
    (tmp_path / "ifeval.yaml").write_text(
        yaml.safe_dump(definition)
        + "process_docs: !function rules.without_sentences\nprocess_results: !function rules.process_results\n",
        "utf-8",
    )
    task = build("ifeval", apply_chat_template=True)
    assert len(everything(task)) > 400
    assert task.binary
    assert {r.score for r in task.score(WitnessEngine(), task.items("dev", limit=40))} <= {0.0, 1.0}


def test_humaneval_is_read_as_text_for_there_is_no_sandbox(build: Any, engine: Any) -> None:
    definition = {
        "task": "humaneval_text",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(next((DATA / "humaneval").glob("*.jsonl")))}},
        "test_split": "test",
        "output_type": "loglikelihood_rolling",
        "num_fewshot": 0,
        "doc_to_text": "",
        "doc_to_target": "{{canonical_solution}}",
        "metric_list": [{"metric": "bits_per_byte", "aggregation": "bits_per_byte", "higher_is_better": False}],
    }
    task = build("humaneval_text", definition)
    assert len(everything(task)) > 150
    short = [item for item in everything(task) if len(item.target) < 80][:10]
    assert all(0.0 < (r.score or 0.0) < 1.0 for r in task.score(engine, short))
