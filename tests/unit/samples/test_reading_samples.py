"""What is found of lm-eval's files, what is read of their lines, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from logged_samples import choice, lay, written

from forgetless.errors import DataError
from forgetless.samples.files import holds_samples, lower_is_better, sample_files, task_of
from forgetless.samples.metrics import is_missing, own_metric, score_of
from forgetless.samples.read import LONGEST_PROMPT, Logged, read_samples

GOLDEN = Path(__file__).parents[2] / "golden" / "samples"


def only(tmp_path: Path, sample: dict) -> Logged:
    folder = lay(tmp_path / "out", {"t": [sample]})
    ((logged,),) = [found.values() for found in read_samples(next(folder.iterdir())).values()]
    return logged


def test_what_the_harness_wrote_is_read() -> None:
    files = sample_files(GOLDEN / "base")
    assert sorted(files.by_task) == ["pets", "sums"]
    pets = read_samples(files.by_task["pets"])
    assert list(pets) == ["none"]
    barks = pets["none"][0]
    assert barks.prompt == "Which animal barks?\nAnswer:"
    assert barks.values == {"acc": 1.0, "acc_norm": 1.0}
    assert (barks.choices, barks.target) == (3, "dog")
    assert barks.output.split() == ["-1.50", "dog", "-3.50", "cat", "-3.50", "fish"]
    sums = read_samples(files.by_task["sums"])
    assert list(sums) == ["whole", "number"]
    three = sums["number"][0]
    assert (three.choices, three.output, three.read_as, three.target) == (0, " 3, I think", "3", "3")
    assert sums["whole"][0].read_as == ""


def test_a_folder_above_the_models_and_the_models_own_and_a_file_will_do() -> None:
    inner = GOLDEN / "base" / "org__base"
    for side in (GOLDEN / "base", inner):
        assert holds_samples(str(side))
        assert sample_files(side).by_task.keys() == {"pets", "sums"}
    file = next(inner.glob("samples_pets_*"))
    assert holds_samples(str(file))
    assert sample_files(file).by_task == {"pets": file}


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("samples_gsm8k_2026-11-23T10-15-22.053093.jsonl", "gsm8k"),
        ("samples_mmlu_law_2026-11-23T10-15-22.jsonl", "mmlu_law"),
        ("samples_mmlu_law.jsonl", "mmlu_law"),
        ("before.jsonl", None),
    ],
)
def test_the_task_is_told_by_the_files_name(name: str, task: str | None) -> None:
    assert task_of(Path(name)) == task


def test_models_and_other_things_hold_no_samples(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for side in (str(tmp_path), "org/model", "endpoint:fast", str(tmp_path / "config.json"), str(tmp_path / "nowhere")):
        assert not holds_samples(side)


@pytest.mark.parametrize("model", ["config.json", "weights.gguf", "adapter_config.json", "model.safetensors"])
def test_a_model_beside_samples_is_refused(tmp_path: Path, model: str) -> None:
    lay(tmp_path / "org__model", {"t": [choice("t", 0, 1.0)]})
    (tmp_path / model).write_text("{}")
    with pytest.raises(DataError, match="holds a model and lm-eval samples"):
        holds_samples(str(tmp_path))


def test_results_without_samples_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results_2026-11-23T10-15-22.json").write_text("{}")
    with pytest.raises(DataError, match="--log_samples"):
        holds_samples(str(tmp_path))


def test_the_newest_of_several_runs_is_read(tmp_path: Path) -> None:
    for time in ("2026-11-24T09-00-00.5", "2026-11-23T10-00-00"):
        lay(tmp_path, {"t": [choice("t", 0, 1.0)]}, time=time)
    lay(tmp_path, {"other": [choice("other", 0, 1.0)]})
    found = sample_files(tmp_path)
    assert found.by_task["t"].name == "samples_t_2026-11-24T09-00-00.5.jsonl"
    assert found.older == 1


def test_samples_of_two_models_are_refused(tmp_path: Path) -> None:
    for model in ("a", "b"):
        lay(tmp_path / model, {"t": [choice("t", 0, 1.0)]})
    with pytest.raises(DataError, match="several models"):
        sample_files(tmp_path)
    with pytest.raises(DataError, match="no lm-eval samples"):
        sample_files(tmp_path / "nowhere")


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = next(lay(tmp_path, {"t": [choice("t", i, 1.0) for i in range(3)]}).iterdir())
    lines = path.read_text().split("\n")
    path.write_text("\n".join([lines[0], "", lines[1][:-40]]))
    with pytest.raises(DataError, match="no JSON") as caught:
        read_samples(path)
    assert caught.value.field == f"{path}:3"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1, 2]", "a sample is a JSON object"),
        ('{"question": "?"}', "doc_id, doc_hash"),
        (json.dumps(choice("t", 0, 1.0) | {"metrics": "acc"}), "metrics"),
        (json.dumps(choice("t", 0, 1.0) | {"metrics": ["acc", ["acc"]]}), "metrics"),
        (json.dumps(choice("t", 0, 1.0) | {"arguments": {"a": ["x", "y"]}}), "arguments"),
        ("\n".join([json.dumps(choice("t", 5, 1.0))] * 2), "document 5 stands in the file twice"),
        ("\n", "holds no sample"),
    ],
)
def test_what_is_no_sample_is_refused(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "samples_t.jsonl").write_text(line + "\n")
    with pytest.raises(DataError) as caught:
        read_samples(tmp_path / "samples_t.jsonl")
    assert said in str(caught.value)


def test_a_long_prompt_keeps_its_end(tmp_path: Path) -> None:
    logged = only(tmp_path, choice("t", 0, 1.0, shots="shot " * 1000))
    assert len(logged.prompt) == LONGEST_PROMPT + 2
    assert logged.prompt.endswith("t question 0\nAnswer:")


def test_choices_before_the_same_end(tmp_path: Path) -> None:
    sample = choice("t", 0, 1.0, choices=2)
    for k, name in enumerate(("Ann", "Bob")):
        sample["arguments"][f"gen_args_{k}"] = {"arg_0": f"{name} won because", "arg_1": " it was late."}
    logged = only(tmp_path, sample)
    assert (logged.choices, logged.target) == (2, "Ann won because")
    assert "Bob won because" in logged.output


def test_choices_asked_again_without_a_question_are_not_counted(tmp_path: Path) -> None:
    sample = choice("t", 0, 1.0) | {"metrics": ["acc", "acc_mutual_info"], "acc_mutual_info": 1.0}
    for k in range(4):
        sample["arguments"][f"gen_args_{4 + k}"] = {"arg_0": "", "arg_1": f" answer 0-{k}"}
        sample["filtered_resps"].append(["-9", "False"])
    assert only(tmp_path, sample).choices == 4


def test_one_likelihood_is_no_choice(tmp_path: Path) -> None:
    sample = choice("t", 0, 1.0, choices=1)
    assert only(tmp_path, sample).choices == 0


def test_odd_answers_do_no_harm(tmp_path: Path) -> None:
    logged = only(tmp_path, choice("t", 0, 1.0) | {"filtered_resps": ["?", None], "resps": [], "target": None})
    assert (logged.output, logged.target) == ("", "")
    assert only(tmp_path, written("t", 0, 1.0) | {"resps": [[]], "filtered_resps": []}).output == ""


def test_metrics_of_which_less_is_better_are_told_by_the_results(tmp_path: Path) -> None:
    path = next(lay(tmp_path, {"t": [choice("t", 0, 1.0)]}, time="2026-11-23T10-15-22").iterdir())
    assert lower_is_better(path, "t") == frozenset()
    known = {"higher_is_better": {"t": {"acc": True, "wer": False}}}
    (tmp_path / "results_2026-11-23T10-15-22.json").write_text(json.dumps(known))
    lower_is_better.__globals__["_directions"].cache_clear()
    assert lower_is_better(path, "t") == {"wer"}
    assert lower_is_better(path, "other") == frozenset()


@pytest.mark.parametrize(
    ("metric", "value", "score"),
    [
        ("acc", 1, 1.0),
        ("prompt_level_strict_acc", True, 1.0),
        ("f1", 0.25, 0.25),
        ("bleu", 31.0, None),
        ("acc", math.nan, None),
        ("acc", "1.0", None),
        ("inst_level_strict_acc", [True, False], None),
        ("bits_per_byte", [-16 * math.log(2), 8], 0.25),
        ("bits_per_byte", [-1.0, 0], None),
        ("bits_per_byte", [math.nan, 10], None),
        ("byte_perplexity", ["a", 1], None),
        ("bits_per_byte", 0.7, 0.7),
    ],
)
def test_a_score_is_a_number_of_one_item_between_0_and_1(metric: str, value: object, score: float | None) -> None:
    assert score_of(metric, value) == (score if score is None else pytest.approx(score))


@pytest.mark.parametrize("value", [None, math.nan, [math.nan, 10], [-3.0, None]])
def test_what_has_no_number_is_missing(value: object) -> None:
    assert is_missing(value)


@pytest.mark.parametrize("value", [0.0, 1, True, [-3.0, 4]])
def test_what_has_one_is_not(value: object) -> None:
    assert not is_missing(value)


def test_the_metric_that_nobody_names() -> None:
    assert own_metric(["f1", "acc", "acc_norm"]) == "acc_norm"
    assert own_metric(["f1", "acc"]) == "acc"
    assert own_metric(["exact_match", "f1"]) == "exact_match"
