"""`forgetless init`: few questions, none where nobody is there, and a recipe that nobody's work is lost for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from forgetless import nano
from forgetless.cli.asking import MOST_QUESTIONS, Asker
from forgetless.errors import RecipeError
from forgetless.recipe import load_recipe

Refused = Callable[..., str]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.csv"
    rows = "\n".join(f"message number {i},{('refund', 'card')[i % 2]}" for i in range(80))
    path.write_text(f"text,category\n{rows}\n")
    return path


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Somebody at a terminal who gives these answers; returns what they were asked."""

    def sit(*answers: str) -> list[str]:
        asked: list[str] = []
        given = iter(answers)

        def prompt(question: str, default: str | None, err: bool) -> str:
            asked.append(question)
            return next(given, default or "")

        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr(typer, "prompt", prompt)
        return asked

    return sit


def test_what_is_missing_is_named_where_nobody_can_be_asked(refused: Refused, table: Path) -> None:
    assert "`DATA`" in refused("init")
    assert "`--model`" in refused("init", table)
    table.write_text("body,one,other\n" + "\n".join(f"a long text {i},a{i % 2},b{i % 2}" for i in range(60)))
    assert "give --answer" in refused("init", table, "--model", nano.MODEL_PATH)


def test_a_recipe_is_written_and_never_over_another(
    command: Any, refused: Refused, table: Path, tmp_path: Path
) -> None:
    code, out, err = command("init", table, "--model", nano.MODEL_PATH, "--keep", "knowledge, maths", "--margin", "4")
    assert (code, out) == (0, "recipe: recipe.yaml\n")
    assert "80 rows" in err
    assert "forgetless train recipe.yaml" in err
    recipe = load_recipe(tmp_path / "recipe.yaml")
    assert {name: c.margin_points for name, c in recipe.keep.items()} == {"knowledge": 4.0, "maths": 4.0}
    assert "already there" in refused("init", table, "--model", nano.MODEL_PATH)


def test_comments_may_be_chinese_and_the_recipe_elsewhere(command: Any, table: Path, tmp_path: Path) -> None:
    output = tmp_path / "elsewhere" / "r.yaml"
    code, _, _ = command("init", table, "--model", nano.MODEL_PATH, "--language", "zh", "--output", output, "--yes")
    assert code == 0
    assert "从哪个模型开始" in output.read_text("utf-8")
    recipe = load_recipe(output)
    assert recipe.sources["tickets"].files == [table.as_posix()]
    assert "format_freedom" in recipe.keep


def test_answers_on_a_terminal_are_taken(command: Any, terminal: Any, table: Path, tmp_path: Path) -> None:
    asked = terminal(str(table), str(nano.MODEL_PATH), "maths", "3")
    assert command("init").code == 0
    assert len(asked) == MOST_QUESTIONS
    (name, kept), *_ = load_recipe(tmp_path / "recipe.yaml").keep.items()
    assert (name, kept.margin_points) == ("maths", 3.0)


def test_options_leave_nothing_to_ask(command: Any, terminal: Any, table: Path) -> None:
    asked = terminal()
    arguments = ("init", table, "--model", nano.MODEL_PATH, "--keep", "maths", "--margin", "own")
    assert command(*arguments).code == 0
    assert asked == []


def test_no_more_than_four_questions_are_asked(terminal: Any) -> None:
    asked = terminal(*"abcd")
    asker = Asker(silent=False)
    answers = [asker.ask(f"question {i}", option="--x", default="default") for i in range(6)]
    assert answers == ["a", "b", "c", "d", "default", "default"]
    assert len(asked) == MOST_QUESTIONS


def test_yes_means_no_questions(terminal: Any) -> None:
    asked = terminal("a")
    assert Asker(silent=True).ask("question", option="--x", default="default") == "default"
    with pytest.raises(RecipeError, match="give --x"):
        Asker(silent=True).ask("question", option="--x")
    assert asked == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--keep", "mats"), "`--keep`"),
        (("--margin", "many"), "`--margin`"),
        (("--model", "./nowhere"), "`--model`"),
        (("--answer", "labl"), "`--answer`"),
    ],
)
def test_options_that_are_wrong_are_named(refused: Refused, table: Path, arguments: tuple[str, ...], said: str) -> None:
    # A later option of the same name is the one that counts.
    assert said in refused("init", table, "--model", nano.MODEL_PATH, *arguments).splitlines()[0]
