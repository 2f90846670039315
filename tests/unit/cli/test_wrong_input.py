"""Every mistake that a user can make ends in one message with a way out, and exit code 2."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forgetless import nano
from forgetless.rundir import open_run

Refused = Callable[..., str]
Recipe = Callable[..., Path]

ROW = {"kind": "domain", "files": ["rows.jsonl"], "share": 1.0}
MISSING_PROMPTS = {"share": 0.5, "prompts": [{"files": ["prompts.txt"]}], "max_prompt_tokens": 40, "max_new_tokens": 8}


def with_source(**changes: Any) -> dict[str, Any]:
    return {"rows": ROW | changes}


def test_a_recipe_that_is_not_there(refused: Refused) -> None:
    assert "no such file" in refused("train", "missing.yaml")


def test_an_unknown_key(refused: Refused, recipe: Recipe) -> None:
    message = refused("train", recipe(trainin={"steps": 3}))
    assert "`trainin`" in message
    assert "did you mean `training`?" in message


def test_a_share_above_1(refused: Refused, recipe: Recipe) -> None:
    assert "`sources.rows.share`: 1.5" in refused("train", recipe(sources=with_source(share=1.5)))


def test_shares_that_do_not_add_up(refused: Refused, recipe: Recipe) -> None:
    assert "add up to 0.5" in refused("train", recipe(sources=with_source(share=0.5)))


def test_nothing_to_keep(refused: Refused, recipe: Recipe, rows: Path) -> None:
    assert "`keep`" in refused("train", recipe(keep={}))


def test_a_file_that_is_not_there(refused: Refused, recipe: Recipe, rows: Path) -> None:
    message = refused("train", recipe(sources=with_source(files=["row.jsonl"])))
    assert "`sources.rows.files`: row.jsonl" in message
    assert "did you mean `rows.jsonl`?" in message


def test_an_empty_file(refused: Refused, recipe: Recipe, rows: Path) -> None:
    rows.write_text("")
    assert "0 bytes" in refused("train", recipe())


def test_a_file_in_another_encoding(refused: Refused, recipe: Recipe, rows: Path) -> None:
    rows.write_bytes('{"prompt": "你好", "completion": "再见"}\n'.encode("gb18030"))
    message = refused("train", recipe())
    assert "line 1" in message
    assert "encoding: gb18030" in message


@pytest.fixture
def one_broken_line(tmp_path: Path) -> Path:
    """40,100 rows, with JSON that is cut short on line 40,000."""
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({"prompt": f"Say {i}.", "completion": str(i)}) for i in range(40_100)]
    lines[39_999] = lines[39_999][:-4]
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_one_broken_line_in_forty_thousand_is_counted(
    refused: Refused, recipe: Recipe, one_broken_line: Path, tmp_path: Path
) -> None:
    # A missing file of prompts ends the run right after the rows are counted.
    message = refused("train", recipe(sources=with_source(share=0.5), replay=MISSING_PROMPTS))
    assert "prompts.txt" in message
    events = [json.loads(line) for line in (tmp_path / "runs/small/events.jsonl").read_text("utf-8").splitlines()]
    (source,) = [event for event in events if event["event"] == "source"]
    assert (source["rows"], source["rejected"]) == (40_099, 1)
    assert "40,099 rows, 1 rejected" in source["describe"]
    (reject,) = [json.loads(line) for line in (tmp_path / "runs/small/rejects.jsonl").read_text("utf-8").splitlines()]
    assert reject["origin"].endswith("rows.jsonl:40000")


def test_too_many_broken_lines_end_the_run(refused: Refused, recipe: Recipe, one_broken_line: Path) -> None:
    message = refused("train", recipe(sources=with_source(max_rejected_percent=0)))
    assert "1 of 40,100 records rejected" in message
    assert "rows.jsonl:40000" in message
    assert "max_rejected_percent" in message


def test_a_table_without_the_column(refused: Refused, recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,category\nhello,greeting\n")
    template = {"prompt": "{text}", "completion": "{label}"}
    message = refused("train", recipe(sources=with_source(files=["rows.csv"], template=template)))
    assert "`{label}` is not a column" in message
    assert "`category`" in message


def test_a_task_with_one_item(refused: Refused, recipe: Recipe, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text('{"question": "1 + 1?", "result": "2"}\n')
    task = {"type": "generation", "files": ["items.jsonl"], "prompt": "{question}", "answer": "result"}
    message = refused("train", recipe(keep={"maths": {"task": task}}))
    assert "`keep.maths.task`" in message
    assert "1 distinct item" in message


def test_a_generator_that_there_is_not(refused: Refused, recipe: Recipe, rows: Path) -> None:
    task = {"type": "procedural", "generator": "nano/sortng"}
    assert "did you mean `nano/sorting`?" in refused("train", recipe(keep={"sorting": {"task": task}}))


@pytest.fixture
def no_tokenizer(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(nano.MODEL_PATH, folder, ignore=shutil.ignore_patterns("tokenizer*"))
    return folder


def test_a_model_without_a_tokenizer(refused: Refused, recipe: Recipe, rows: Path, no_tokenizer: Path) -> None:
    message = refused("train", recipe(model={"path": "model"}))
    assert "`model.path`" in message
    assert "no tokenizer" in message


def test_a_model_that_is_not_there(refused: Refused, recipe: Recipe, rows: Path) -> None:
    assert "`model.path`" in refused("train", recipe(model={"path": "./no/such/model"}))


def test_a_model_whose_weights_are_cut_short(refused: Refused, recipe: Recipe, rows: Path, tmp_path: Path) -> None:
    shutil.copytree(nano.MODEL_PATH, tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert "`model.path`" in refused("train", recipe(model={"path": "model"}))


def test_models_to_compare_that_are_not_there(refused: Refused, recipe: Recipe, no_tokenizer: Path) -> None:
    asked = {"keep": {"sorting": {"task": {"type": "procedural", "generator": "nano/sorting"}}}}
    message = refused("compare", nano.MODEL_PATH, no_tokenizer, "--recipe", recipe(asked))
    assert "no tokenizer" in message
    assert "./nowhere" in refused("compare", "./nowhere", nano.MODEL_PATH, "--recipe", recipe(asked))


def test_a_comparison_that_asks_nothing(refused: Refused, recipe: Recipe) -> None:
    assert "`keep`" in refused("compare", nano.MODEL_PATH, nano.MODEL_PATH, "--recipe", recipe({"seed": 1}))


def test_a_folder_in_use(refused: Refused, recipe: Recipe, rows: Path, tmp_path: Path) -> None:
    with open_run(tmp_path / "runs" / "small"):
        assert "is in use by another process" in refused("train", recipe())


def test_a_folder_that_holds_a_run(refused: Refused, recipe: Recipe, rows: Path, tmp_path: Path) -> None:
    with open_run(tmp_path / "runs" / "small") as run:
        run.append_event("evaluation", step=4)
    message = refused("train", recipe())
    assert "already holds a run" in message
    assert "--resume" in message


def test_a_file_where_the_run_should_go(refused: Refused, recipe: Recipe, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    assert "cannot be written" in refused("train", recipe())


def test_a_mistake_that_is_mended_needs_no_other_name(refused: Refused, recipe: Recipe, rows: Path) -> None:
    refused("train", recipe(sources=with_source(files=["row.jsonl"])))
    message = refused("train", recipe(model={"path": "./no/such/model"}))
    assert "`model.path`" in message


def test_a_mistake_that_shows_after_the_rows_were_read_needs_no_other_name(
    refused: Refused, recipe: Recipe, rows: Path
) -> None:
    refused("train", recipe(sources=with_source(share=0.5), replay=MISSING_PROMPTS))
    message = refused("train", recipe(model={"path": "./no/such/model"}))
    assert "`model.path`" in message


def test_a_full_disk(
    refused: Refused, recipe: Recipe, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    message = refused("train", recipe())
    assert "the disk is full" in message
    assert "--resume" in message


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a matter of Unix")
@pytest.mark.parametrize("bytes_left", [1_000_000, 6_000_000], ids=["weights", "optimiser"])
def test_a_disk_that_runs_full_while_a_checkpoint_is_saved(
    refused: Refused, recipe: Recipe, rows: Path, tmp_path: Path, bytes_left: int
) -> None:
    path = recipe()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, hard))
    try:
        message = refused("train", path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "`output`" in message
    assert not list((tmp_path / "runs" / "small" / "checkpoints").glob("step-*"))


def test_a_run_that_does_not_fit_is_refused_before_it_is_measured(
    refused: Refused, recipe: Recipe, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from forgetless import planning

    monkeypatch.setattr(planning.room, "free_bytes", lambda output: 1000)
    message = refused("plan", recipe())
    assert "`output`" in message
    assert "free some space" in message
    monkeypatch.setattr(planning.room, "free_memory_bytes", lambda device: 1000)
    assert "method: lora" in refused("plan", recipe())


def test_items_that_allow_no_margin(refused: Refused, recipe: Recipe, rows: Path) -> None:
    task = {"type": "procedural", "generator": "nano/sorting", "items": 4}
    assert "`keep.sorting.margin_points`: (not given)" in refused("plan", recipe(keep={"sorting": {"task": task}}))


def test_a_folder_that_is_no_run(refused: Refused, tmp_path: Path) -> None:
    assert "is not a run folder" in refused("report", tmp_path)
    assert "is not a run folder" in refused("report", tmp_path / "missing")


def test_a_folder_where_the_json_should_go(refused: Refused, command: Any, tmp_path: Path) -> None:
    with open_run(tmp_path / "run") as run:
        run.append_event("stop", step=3, reason="enough")
    code, _, err = command("report", tmp_path / "run", "--json", tmp_path)
    assert code == 2
    assert "error: " in err


def test_a_demo_deletes_nothing_that_is_not_its_own(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    assert "not an earlier demo's" in refused("demo", "--output", tmp_path)
    assert (tmp_path / "thesis.tex").exists()
    assert "thesis.tex" in refused("demo", "--output", tmp_path / "thesis.tex")


@pytest.mark.parametrize(
    "arguments",
    [("trian",), ("train",), ("train", "a.yaml", "--resme"), ("compare", "a"), ("demo", "--seed", "-1")],
    ids=" ".join,
)
def test_a_command_that_is_not_understood(command: Any, arguments: tuple[str, ...]) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert "Usage: forgetless" in err
    assert "Traceback" not in err


def test_a_mode_that_the_template_does_not_know_is_refused_before_training(
    refused: Refused, recipe: Recipe, rows: Path, tmp_path: Path
) -> None:
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps({"q": f"{n}?", "a": "1"}) + "\n" for n in range(30)))
    task = {"type": "generation", "files": ["sums.jsonl"], "prompt": "{q}", "answer": "a", "thinking": True}
    message = refused("train", recipe(keep={"sums": {"task": task}}))
    assert "`keep.sums.task`" in message
    assert "knows no such switch" in message


def test_chat_data_on_a_model_without_a_template(refused: Refused, recipe: Recipe, rows: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(nano.MODEL_PATH, tmp_path / "base"))
    (base / "chat_template.jinja").unlink()
    message = refused("train", recipe(model={"path": "base", "dtype": "float32", "device": "cpu"}))
    assert "`model.template`" in message
    assert "no chat template" in message


def test_a_setting_that_the_template_does_not_read(refused: Refused, recipe: Recipe, rows: Path) -> None:
    model = {"path": str(nano.MODEL_PATH), "dtype": "float32", "chat_template_kwargs": {"enable_thinking": False}}
    assert "`model.chat_template_kwargs.enable_thinking`" in refused("train", recipe(model=model))
    # The models of a comparison are asked as the recipe's model is.
    assert "does not read this name" in refused(
        "compare", nano.MODEL_PATH, nano.MODEL_PATH, "--recipe", recipe(model=model)
    )


def test_rows_that_are_all_too_long_say_so(refused: Refused, recipe: Recipe, rows: Path) -> None:
    message = refused("train", recipe(training={"steps": 1, "batch_rows": 1, "max_length_tokens": 8}))
    assert "`sources.rows`" in message
    assert "is longer than the 8 tokens" in message
