"""Tasks of lm-evaluation-harness: named in a recipe, asked by our engines, scored by its own code."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from harness_files import CHOICE, GENERATION, TEXT, task_file, write_tasks
from lm_eval import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from tiny_models import tiny_llama, tiny_tokenizer

from forgetless.engines import TransformersEngine, WitnessEngine
from forgetless.errors import RecipeError, TaskError
from forgetless.recipe import LmEvalTask, parse_recipe
from forgetless.rundir import ScoreStore
from forgetless.tasks import build_task, measure
from forgetless.tasks.harness import EngineLM, loading
from forgetless.tokens import ChatFormat

Build = Callable[..., Any]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tasks(
        tmp_path / "tasks",
        task_file("sums", **CHOICE),
        task_file("more", data="more.jsonl", **CHOICE, task_alias="larger"),
        task_file("said", **GENERATION),
        task_file("text", **TEXT),
        {"group": "both", "task": ["sums", "more"]},
        {"group": "kinds", "task": ["sums", "said", "text"]},
    )


@pytest.fixture
def build(folder: Path) -> Build:
    def make(name: str, **settings: Any) -> Any:
        task = LmEvalTask(type="lm_eval", name=name, include_path=folder.name, **settings)
        return build_task("t", task, folder=folder.parent, seed=0)

    return make


@pytest.fixture(scope="module")
def engine() -> TransformersEngine:
    return TransformersEngine(tiny_llama(3), ChatFormat(tiny_tokenizer()), model_hash="tiny")


def everything(task: Any) -> tuple[Any, ...]:
    return (*task.items("dev"), *task.items("test"))


def prompts(task: Any, items: Any) -> list[str]:
    found = []
    for item in items:
        witness = WitnessEngine()
        task.score(witness, [item])
        found.append(witness.questions[0].messages[-1].content)
    return found


def test_items_are_questions_with_their_choices(build: Build) -> None:
    task = build("sums")
    items = everything(task)
    assert len(items) == 30
    assert len(task.items("test")) > len(task.items("dev")) > 1
    by_question = {item.messages[-1].content: item for item in items}
    item = by_question["What is 4 plus 4?\nAnswer:"]
    assert (item.choices, item.target) == (("8", "9", "11"), "9")
    assert task.chance == pytest.approx(1 / 3)
    assert task.binary


@pytest.fixture
def by_the_harness(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], dict[str, Any]]:
    """Every item as the harness' own evaluator logs it for a model."""

    def samples(model: Any) -> dict[str, Any]:
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            loaded = TaskManager(include_path=".", include_defaults=False).load(["sums", "said", "text"])
            for task in loaded["tasks"].values():
                task.set_fewshot_seed(1234)
            return dict(evaluate(lm=model, task_dict=loaded, bootstrap_iters=0)["samples"])

    return samples


@pytest.mark.filterwarnings("ignore")
def test_every_item_is_asked_and_scored_as_by_the_harness(build: Build, engine: Any, by_the_harness: Any) -> None:
    model = HFLM(pretrained=tiny_llama(3), tokenizer=tiny_tokenizer(), batch_size=4, device="cpu", backend="causal")
    expected = by_the_harness(model)
    ours = by_the_harness(EngineLM(engine))
    for name, metric in (("sums", "acc_bytes"), ("said", "exact_match"), ("text", "bits_per_byte")):
        task = build(name, metric=metric)
        items = everything(task)
        found = {i.messages[-1].content: r for i, r in zip(items, task.score(engine, items), strict=True)}
        asked = {i.messages[-1].content: text for i, text in zip(items, prompts(task, items), strict=True)}
        theirs = [s for s in expected[name] if s["filter"] in ("none", "first")]
        assert len(theirs) == len(found) == 30
        for sample, own in zip(theirs, (s for s in ours[name] if s["filter"] in ("none", "first")), strict=True):
            assert sample["arguments"] == own["arguments"]
            question = sample["doc"]["q"] + ("" if name == "text" else "\nAnswer:")
            assert name == "text" or asked[question] == sample["arguments"][0][0]
            if name == "text":
                likelihood, size = sample[metric]
                assert found[question].score == pytest.approx(float(np.exp(likelihood / size)), rel=1e-4)
            else:
                assert found[question].score == sample[metric]
            for one, other in zip(sample["filtered_resps"], own["filtered_resps"], strict=True):
                if name == "sums":
                    assert one[0] == pytest.approx(other[0], abs=1e-3)
                    assert one[1] == other[1]
            if name == "said":
                assert sample["resps"] == own["resps"]
                assert found[question].output == sample["resps"][0][0]


def test_examples_are_the_same_in_every_order(build: Build) -> None:
    task = build("sums")
    items = everything(task)
    assert prompts(task, items) == prompts(task, items[::-1])[::-1]
    asked = prompts(task, items)
    assert all(text.count("Answer:") == 3 for text in asked)
    assert len({text.rpartition("What")[0] for text in asked}) > 10, "examples are drawn for each item"


def test_another_number_of_examples(build: Build) -> None:
    task = build("sums", num_fewshot=0)
    assert all(text.count("Answer:") == 1 for text in prompts(task, task.items("dev")))
    assert {i.id for i in everything(task)} == {i.id for i in everything(build("sums"))}
    assert task.fingerprint != build("sums").fingerprint
    with pytest.raises(TaskError, match="9 examples to show"):
        build("sums", num_fewshot=10)
    with pytest.raises(TaskError, match="no examples by its own definition"):
        build("text", num_fewshot=1)


def test_a_group_has_its_tasks_as_subjects(build: Build, engine: Any) -> None:
    task = build("both")
    items = everything(task)
    assert len(items) == 60
    assert {item.subject for item in items} == {"sums", "larger"}
    assert {result.subject for result in task.score(engine, items)} == {"sums", "larger"}
    mixed = build("kinds")
    assert len(mixed.score(engine, everything(mixed))) == len(everything(mixed)) == 90


def test_the_metric_is_the_tasks_own_or_named(build: Build, engine: Any) -> None:
    assert set(build("sums").scorer.metrics.values()) == {("acc_norm", "none")}
    assert set(build("said").scorer.metrics.values()) == {("exact_match", "first")}
    named = build("said", metric="exact_match,any")
    assert set(named.scorer.metrics.values()) == {("exact_match", "any")}
    assert named.fingerprint != build("said").fingerprint
    assert not build("text").binary
    with pytest.raises(TaskError, match="it has acc, acc_norm, acc_bytes"):
        build("sums", metric="f1")
    with pytest.raises(TaskError, match="it has first, any"):
        build("said", metric="exact_match,last")


def test_a_chat_template_makes_turns(build: Build, engine: Any) -> None:
    task = build("sums", apply_chat_template=True)
    witness = WitnessEngine()
    task.score(witness, task.items("dev", limit=1))
    asked = witness.questions[0]
    assert [message.role for message in asked.messages] == ["user", "assistant"] * 2 + ["user"]
    assert not any(message.raw_text for message in asked.messages)
    assert asked.given in task.items("dev", limit=1)[0].choices
    together = build("sums", apply_chat_template=True, fewshot_as_multiturn=False)
    witness = WitnessEngine()
    together.score(witness, together.items("dev", limit=1))
    assert [message.role for message in witness.questions[0].messages] == ["user"]
    assert {r.score for r in task.score(engine, everything(task))} <= {0.0, 1.0}


def test_an_answer_that_the_task_begins_is_no_turn(folder: Path, build: Build) -> None:
    write_tasks(folder, task_file("begun", **CHOICE, gen_prefix="The result is"))
    task = build("begun")
    assert prompts(task, task.items("dev", limit=1))[0].endswith("The result is")
    chat = build("begun", apply_chat_template=True)
    with pytest.raises(TaskError, match="begins the answer itself"):
        chat.score(WitnessEngine(), chat.items("dev", limit=1))


def test_a_shorter_answer_is_another_measurement(build: Build, engine: Any) -> None:
    task, short = build("said"), build("said", max_new_tokens=1)
    assert task.fingerprint != short.fingerprint
    items = everything(task)
    lengths = [[len(r.output) for r in t.score(engine, items)] for t in (task, short)]
    assert sum(lengths[1]) < sum(lengths[0])


def test_measuring_leaves_the_model_and_random_states_alone(build: Build) -> None:
    model = tiny_llama(3).train()
    engine = TransformersEngine(model, ChatFormat(tiny_tokenizer()), model_hash="tiny")
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    task = build("kinds")
    task.score(engine, task.items("dev"))
    assert model.training
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])


def test_the_base_is_measured_once(build: Build, engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ScoreStore(tmp_path / "scores")
    task, again = build("sums"), build("sums")
    sheet = measure(engine, task, task.items("test"), store=store)
    monkeypatch.setattr(engine, "answer_likelihoods", None)
    assert measure(engine, again, again.items("test"), store=store) == sheet


def test_a_moved_folder_is_the_same_task_and_other_examples_are_not(build: Build, folder: Path) -> None:
    before = build("sums")
    records = (folder / "dev.jsonl").read_text("utf-8")
    moved = write_tasks(folder.parent / "elsewhere", task_file("sums", **CHOICE))
    settings = LmEvalTask(type="lm_eval", name="sums", include_path=str(moved))
    there = build_task("t", settings, folder=folder.parent, seed=0)
    assert there.fingerprint == before.fingerprint
    assert [i.id for i in everything(there)] == [i.id for i in everything(before)]
    (folder / "dev.jsonl").write_text(records.replace("What is", "How much is"), "utf-8")
    assert build("sums").fingerprint != before.fingerprint


def test_an_answer_that_could_not_be_had_is_missing(build: Build, scripted: Any) -> None:
    task = build("sums")
    items = task.items("dev", limit=2)
    unknown = scripted(likelihood=lambda prompt, answer: float("nan"))
    assert [r.score for r in task.score(unknown, items)] == [None, None]
    said = build("said")
    silent = said.score(scripted(answer=lambda prompt: None), said.items("dev", limit=2))
    assert [r.score for r in silent] == [None, None]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"unsafe_code": True}, "outside any sandbox"),
        ({"dataset_kwargs": {"data_files": {"test": "none.jsonl"}}}, "cannot be read"),
        ({"doc_to_text": "{{q | nothing}}"}, "cannot be read"),
        ({"metric_list": [{"metric": "mcc", "aggregation": "mcc", "higher_is_better": True}]}, "none, only mcc"),
    ],
)
def test_what_cannot_be_asked_is_refused(folder: Path, build: Build, settings: dict[str, Any], said: str) -> None:
    write_tasks(folder, task_file("odd", **CHOICE | settings))
    with pytest.raises(TaskError, match=said) as caught:
        build("odd")
    assert caught.value.field.startswith("keep.t.task")


def test_data_that_cannot_be_parsed_is_told_by_its_cause(folder: Path, build: Build) -> None:
    (folder / "numbers.csv").write_text("question,A\nq,1.5\n", "utf-8")
    (folder / "words.csv").write_text("question,A\nq,one and a half\n", "utf-8")
    parts = {"dev": str(folder / "numbers.csv"), "test": str(folder / "words.csv")}
    odd = {"dataset_path": "csv", "dataset_kwargs": {"data_files": parts}, "fewshot_split": "dev"}
    write_tasks(folder, task_file("odd", **CHOICE | odd))
    with pytest.raises(TaskError, match=r"generating the dataset: .*one and a half"):
        build("odd")


def test_a_task_whose_own_code_fails_is_named(folder: Path, build: Build) -> None:
    (folder / "own.py").write_text("def judge(doc, results):\n    return {'acc': {}['no']}\n", "utf-8")
    text = "output_type: generate_until\ndoc_to_target: result\nprocess_results: !function own.judge\n"
    write_tasks(folder, task_file("own"))
    (folder / "own.yaml").write_text(
        (folder / "own.yaml").read_text("utf-8")
        + text
        + "metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]\n",
        "utf-8",
    )
    task = build("own")
    with pytest.raises(TaskError, match="own code fails: KeyError"):
        task.score(WitnessEngine(), task.items("dev", limit=1))


def test_a_name_that_is_none_is_answered_with_the_nearest(
    build: Build, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_all_tasks", lambda own: TaskManager(include_path=own, include_defaults=False))
    with pytest.raises(TaskError) as caught:
        build("sumz")
    assert "did you mean `sums`?" in caught.value.way_out
    with pytest.raises(TaskError, match="is no folder"):
        build_task("t", LmEvalTask(type="lm_eval", name="x", include_path="none"), folder=folder, seed=0)


@pytest.mark.parametrize(("kind", "extra"), [("lm_eval", "lm-eval"), ("reasoning_gym", "reasoning-gym")])
def test_without_the_package_the_command_is_told(kind: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parse_recipe(recipe_with({kind: "anything"})).keep["known"].task
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TaskError) as caught:
        build_task("known", settings, folder=Path(), seed=0)
    assert caught.value.way_out == f"pip install 'forgetless[{extra}]'"


def recipe_with(task: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "small",
        "model": {"path": "base"},
        "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 1.0}},
        "keep": {"known": {"task": task}},
    }


def test_the_short_form_is_written_out() -> None:
    long = {"type": "lm_eval", "name": "mmlu", "num_fewshot": 5}
    short = {"lm_eval": "mmlu", "num_fewshot": 5}
    assert parse_recipe(recipe_with(short)) == parse_recipe(recipe_with(long))
    with pytest.raises(RecipeError, match="num_fewshots") as caught:
        parse_recipe(recipe_with(short | {"num_fewshots": 5}))
    assert "did you mean `num_fewshot`?" in caught.value.way_out
    with pytest.raises(RecipeError, match="about turns"):
        parse_recipe(recipe_with(short | {"fewshot_as_multiturn": True}))
