"""`compare` of what lm-eval has logged: exit codes, files written, and what is refused."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from logged_samples import choice, lay

from forgetless import nano

Command = Callable[..., Any]
Refused = Callable[..., str]
HEAVY = {"torch", "transformers", "trl", "peft", "datasets", "lm_eval", "matplotlib", "pandas"}


def quiz(n: int, wrong: Sequence[int] = ()) -> list[dict[str, Any]]:
    return [choice("quiz", i, float(i not in wrong)) for i in range(n)]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return lay(tmp_path / "base" / "org__base", {"quiz": quiz(300)}).parent


@pytest.fixture
def tuned(tmp_path: Path) -> Callable[..., Path]:
    def write(lines: list[dict[str, Any]], task: str = "quiz") -> Path:
        return lay(tmp_path / "tuned" / "org__tuned", {task: lines}).parent

    return write


@pytest.mark.parametrize(("lost", "outcome", "code"), [(0, "kept", 0), (60, "dropped", 1), (4, "undecided", 3)])
def test_the_verdict_is_the_exit_code_and_is_written_down(
    command: Command, base: Path, tuned: Command, tmp_path: Path, lost: int, outcome: str, code: int
) -> None:
    after = tuned(quiz(300, range(lost)))
    files = {option: tmp_path / "out" / f"gate.{option}" for option in ("json", "junit", "html")}
    options = [part for option, path in files.items() for part in (f"--{option}", path)]
    result = command("compare", base, after, "--margin", "quiz=2", *options)
    assert result.code == code
    assert f"note: base is read as lm-eval samples: 1 file in {base}" in result.err
    assert outcome in result.out
    (verdict,) = json.loads(files["json"].read_text("utf-8"))["verdicts"]
    assert (verdict["outcome"], verdict["losses"], verdict["n"], verdict["margin"]) == (outcome, lost, 300, 0.02)
    (case,) = ElementTree.parse(files["junit"]).getroot().iter("testcase")
    assert case.get("name") == "quiz"
    assert [part.tag for part in case] == {0: [], 1: ["failure"], 3: ["error"]}[code] + ["system-out"]
    page = files["html"].read_text("utf-8")
    assert f"{base} → {after}" in page
    assert ("right → wrong" in page) == (lost > 0)


def test_the_table_in_a_pipe_is_wide_enough(command: Command, base: Path) -> None:
    assert "100.0% → 100.0%" in command("compare", base, base).out


def test_json_on_standard_output_is_json_alone(command: Command, base: Path) -> None:
    result = command("compare", base, base, "--json", "-")
    assert json.loads(result.out)["verdicts"][0]["outcome"] == "kept"
    assert "quiz" in result.err


def test_a_comparison_of_samples_loads_no_model_library(base: Path) -> None:
    code = (
        "import sys\nfrom forgetless.cli import main\n"
        f"sys.argv = ['forgetless', 'compare', {str(base)!r}, {str(base)!r}, '--html', 'page.html']\n"
        "try: main()\nexcept SystemExit as end: print('code', end.code, *sys.modules)"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    _, exit_code, *loaded = done.stdout.splitlines()[-1].split()
    assert exit_code == "0"
    assert not set(loaded) & HEAVY
    # Most of it is importing numpy and scipy; torch alone would take longer.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 4


def test_sides_that_were_asked_differently(refused: Refused, base: Path, tuned: Command) -> None:
    after = tuned([choice("quiz", i, 1.0, shots="An example.\n") for i in range(300)])
    message = refused("compare", base, after)
    assert "300 of 300 prompts differ" in message
    assert "--other-prompts" in message


def test_the_same_questions_in_another_prompt(command: Command, base: Path, tuned: Command) -> None:
    after = tuned([choice("quiz", i, 1.0, shots="An example.\n") for i in range(300)])
    assert command("compare", base, after, "--other-prompts").code == 0


def test_no_task_in_common(refused: Refused, base: Path, tuned: Command) -> None:
    assert "no task in common" in refused("compare", base, tuned(quiz(9), task="trivia"))


def test_no_such_metric(refused: Refused, base: Path) -> None:
    assert "`acc,none`, `acc_norm,none`" in refused("compare", base, base, "--metric", "quiz=f1")


def test_a_broken_line(refused: Refused, base: Path, tuned: Command) -> None:
    after = tuned(quiz(3))
    path = next(after.rglob("*.jsonl"))
    path.write_text(path.read_text("utf-8")[:-30], "utf-8")
    assert f"`{path}:3`" in refused("compare", base, after)


def test_an_empty_folder(refused: Refused, base: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for sides in ((base, "empty"), ("empty", base), ("empty", "empty")):
        message = refused("compare", *sides)
        assert "`model to compare`: empty" in message
        assert "lm-eval" in message


def test_a_folder_with_a_model_and_samples(refused: Refused, base: Path) -> None:
    (base / "config.json").write_text("{}")
    assert "holds a model and lm-eval samples" in refused("compare", base, base)


def test_a_model_on_the_other_side(refused: Refused, base: Path) -> None:
    assert "the other side does" in refused("compare", base, nano.MODEL_PATH)
    assert "the other side does" in refused("compare", "org/model", base)


def test_two_models_need_a_recipe(refused: Refused) -> None:
    message = refused("compare", nano.MODEL_PATH, "org/model")
    assert "`--recipe`: (not given, and" in message
    assert "org/model are taken for models" in message


def test_a_misspelt_recipe_is_refused_before_anything_is_loaded(recipe: Command) -> None:
    path = recipe({"keeep": ["general"]})
    code = (
        "import sys\nfrom forgetless.cli import main\n"
        f"sys.argv = ['forgetless', 'compare', 'a', 'b', '--recipe', {str(path)!r}]\n"
        "try: main()\nexcept SystemExit as end: print('code', end.code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    _, exit_code, *loaded = done.stdout.splitlines()[-1].split()
    assert exit_code == "2"
    assert "did you mean `keep`?" in done.stderr
    assert not set(loaded) & (HEAVY | {"numpy", "scipy"})


def test_samples_have_no_recipe_and_models_no_margin(refused: Refused, base: Path, recipe: Command) -> None:
    assert "were asked already" in refused("compare", base, base, "--recipe", recipe())
    for option in (
        ("--margin", "2"),
        ("--metric", "quiz=acc"),
        ("--task", "quiz"),
        ("--group", "q"),
        ("--other-prompts",),
    ):
        message = refused("compare", nano.MODEL_PATH, nano.MODEL_PATH, "--recipe", recipe(), *option)
        assert f"`{option[0]}`" in message
        assert "under `keep:`" in message


@pytest.mark.parametrize(
    "options",
    [("0",), ("-2",), ("100",), ("two",), ("quiz=0",), ("quiz=",), ("=2",), ("2", "--margin", "3"), ("nan",)],
)
def test_a_margin_that_is_none(refused: Refused, base: Path, options: tuple[str, ...]) -> None:
    assert "`--margin`" in refused("compare", base, base, "--margin", *options)
