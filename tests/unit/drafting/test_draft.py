"""From a data file and a look at a model to a recipe that validates, in two languages."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from forgetless import nano
from forgetless.drafting import COMMENT_LANGUAGES, DataLook, Wishes, draft_recipe, look_at_data, write_recipe
from forgetless.drafting.data import metric_for, name_from
from forgetless.drafting.decisions import _replay
from forgetless.drafting.writing import _phrases
from forgetless.errors import DataError, ForgetlessError, ModelError
from forgetless.models import ModelLook, look_at_model
from forgetless.recipe import Recipe, parse_recipe
from forgetless.sources import load_source

SMALL = ModelLook(parameters=135_000_000, window=2048, format=None)
Look = Callable[..., DataLook]


def never(columns: Sequence[str]) -> str:
    raise AssertionError(f"asked for one of {columns}")


@pytest.fixture
def look(tmp_path: Path) -> Look:
    def read(name: str, text: str, **options: Any) -> DataLook:
        (tmp_path / name).write_text(text, "utf-8")
        options = {"question": None, "answer": None, "encoding": "auto", "ask": never} | options
        return look_at_data(tmp_path / name, **options)

    return read


def table(n: int = 200) -> str:
    rows = [f'"message {i}, with a comma",{("refund", "card", "login")[i % 3]}' for i in range(n)]
    return "text,category\n" + "\n".join(rows) + "\n"


def answered(answers: Sequence[str]) -> str:
    return "".join(json.dumps({"prompt": f"question {i}", "completion": a}) + "\n" for i, a in enumerate(answers))


def recipe_of(data: DataLook, model: ModelLook = SMALL, *, language: Any = "en", **wishes: Any) -> tuple[Recipe, str]:
    draft = draft_recipe(data, model, Wishes(model="org/model-135M", **wishes))
    text = write_recipe(draft, folder=data.path.parent, file_name="recipe.yaml", language=language)
    return parse_recipe(yaml.safe_load(text)), text


def test_a_table_of_labels(look: Look) -> None:
    recipe, text = recipe_of(look("tickets.csv", table()))
    source = recipe.sources["tickets"]
    assert recipe.name == "tickets"
    assert source.files == ["tickets.csv"]
    assert source.template is not None
    assert (source.template.prompt, source.template.completion) == ("{text}", "{category}")
    assert recipe.replay is not None
    assert source.share + recipe.replay.share == pytest.approx(1.0)
    assert (recipe.domain.task.type, recipe.domain.task.score) == ("held_out", "exact")  # type: ignore[union-attr]
    assert recipe.domain.task.percent == 30  # type: ignore[union-attr]
    assert "format_freedom" in recipe.keep
    assert "maths" in recipe.keep
    assert (recipe.training.method, recipe.training.epochs) == ("full", 5)
    assert "exactly one of 3 answers" in text


@pytest.mark.parametrize(
    ("answers", "metric", "leaks"),
    [
        ([f'{{"a": {i}}}' for i in range(60)], "json", True),
        ([f"{i}.5" for i in range(60)], "number", False),
        ([f"{'pqrstu'[i % 6]} sentence of its own, number {i}." for i in range(60)], "answer_probability", False),
        ([("yes", "no")[i % 2] for i in range(60)], "exact", True),
    ],
)
def test_the_metric_follows_from_the_answers(look: Look, answers: list[str], metric: str, leaks: bool) -> None:
    data = look("rows.jsonl", answered(answers))
    recipe, _ = recipe_of(data)
    assert metric_for(answers) == metric
    assert recipe.domain.task.score == metric  # type: ignore[union-attr]
    assert ("format_freedom" in recipe.keep) is leaks
    assert data.template is None


def test_what_the_user_wishes_is_taken(look: Look) -> None:
    data = look("tickets.csv", table())
    recipe, _ = recipe_of(data, keep=("maths", "refusal"), margin_points=3.0, metric="answer_probability")
    assert {name: c.margin_points for name, c in recipe.keep.items()} == {"maths": 3.0, "refusal": 3.0}
    assert recipe.domain.task.score == "answer_probability"  # type: ignore[union-attr]


def test_how_often_to_look_is_left_to_the_plan(look: Look) -> None:
    evaluation = recipe_of(look("tickets.csv", table()))[0].evaluation
    assert (evaluation.budget_percent, evaluation.every_steps, evaluation.dev_items) == (15.0, None, None)


@pytest.mark.parametrize(("parameters", "method"), [(135_000_000, "full"), (1_500_000_000, "lora"), (None, "lora")])
def test_large_models_and_unknown_ones_get_an_adapter(look: Look, parameters: int | None, method: str) -> None:
    recipe, text = recipe_of(look("t.csv", table()), ModelLook(parameters, None, None))
    assert recipe.training.method == method
    assert ("unknown size" in text) is (parameters is None)


@pytest.mark.parametrize("tokens", [2_000, 100_000, 3_000_000, 40_000_000])
@pytest.mark.parametrize("row_tokens", [25, 76])
def test_replay_suffices_whatever_the_size_of_the_domain(tokens: int, row_tokens: int) -> None:
    share, rows = _replay(tokens, row_tokens)
    needed = tokens * share / (1 - share)
    assert 0.01 <= share <= 0.3
    assert 100 <= rows <= 20_000
    assert needed / (rows * row_tokens) <= 4.01


def test_lengths_are_counted_where_there_is_a_tokenizer(look: Look) -> None:
    data = look("t.csv", table())
    seen = look_at_model(str(nano.MODEL_PATH), folder=Path(), field="--model")
    recipe, text = recipe_of(data, seen)
    assert recipe.training.max_length_tokens <= 256
    assert recipe.replay is not None
    assert recipe.replay.max_prompt_tokens + recipe.replay.max_new_tokens < 256
    assert "estimated" not in text
    assert "estimated" in recipe_of(data)[1]


@pytest.mark.parametrize("language", COMMENT_LANGUAGES)
def test_every_choice_is_explained_in_one_line(look: Look, language: str) -> None:
    recipe, text = recipe_of(look("tickets.csv", table()), language=language)
    comments = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    assert len(comments) >= 20
    assert all(len(line) < 400 for line in comments)
    assert (re.search(r"[\u4e00-\u9fff]", text) is not None) is (language == "zh")
    assert recipe == recipe_of(look("tickets.csv", table()))[0]


def test_both_languages_say_everything() -> None:
    phrases = _phrases()
    assert phrases["en"].keys() == phrases["zh"].keys()
    for key, english in phrases["en"].items():
        assert set(re.findall(r"\{(\w+)", english)) == set(re.findall(r"\{(\w+)", phrases["zh"][key])), key


def test_quotes_and_chinese_columns_survive(look: Look) -> None:
    text = '问题,"say ""it"""\n' + "\n".join(f"第{i}个问题说明,{'甲乙'[i % 2]}" for i in range(60))
    recipe, written = recipe_of(look("中文.csv", text))
    template = recipe.sources["domain"].template
    assert template is not None
    assert (template.prompt, template.completion) == ("{问题}", '{say "it"}')
    assert recipe.sources["domain"].files == ["中文.csv"]
    assert "\\u" not in written


def test_a_file_may_be_named_by_a_number(look: Look) -> None:
    recipe, _ = recipe_of(look("2024.csv", table()))
    assert (recipe.name, list(recipe.sources)) == ("2024", ["2024"])


def test_an_encoding_that_the_user_names_is_written_down(look: Look, tmp_path: Path) -> None:
    (tmp_path / "gb.csv").write_bytes(table().replace("message", "消息").encode("gb18030"))
    data = look_at_data(tmp_path / "gb.csv", question=None, answer=None, encoding="gb18030", ask=never)
    assert recipe_of(data)[0].sources["gb"].encoding == "gb18030"


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8-sig", ","), ("gbk", ","), ("utf-16", "\t"), ("utf-8-sig", ";")])
def test_a_table_as_spreadsheets_export_it_is_read_without_a_question(tmp_path: Path, encoding: str, mark: str) -> None:
    rows = [f'"订单{i}：""请尽快""处理，谢谢"{mark}{("退款", "物流", "投诉")[i % 3]}{mark}' for i in range(90)]
    lines = [f"客户留言{mark}问题类型{mark}", *rows, *[mark * 2] * 5]
    (tmp_path / "客服.csv").write_bytes("\r\n".join(lines).encode(encoding))
    data = look_at_data(tmp_path / "客服.csv", question=None, answer=None, encoding="auto", ask=never)
    assert (len(data.rows), data.source.rejects) == (90, ())
    assert data.rows[0].messages[0].content == '订单0："请尽快"处理，谢谢'
    recipe, text = recipe_of(data)
    template = recipe.sources["domain"].template
    assert template is not None
    assert (template.prompt, template.completion) == ("{客户留言}", "{问题类型}")
    assert "\n    encoding:" not in text


@pytest.mark.parametrize(("empty", "allowed"), [(0, None), (1, None), (9, 5.0), (20, 10.0)])
def test_records_that_cannot_be_used_are_allowed_for_and_told(look: Look, empty: int, allowed: float | None) -> None:
    data = look("tickets.csv", table() + "a message without an answer,\n" * empty)
    recipe, text = recipe_of(data)
    assert (len(data.rows), len(data.source.rejects)) == (200, empty)
    assert recipe.sources["tickets"].max_rejected_percent == (1.0 if allowed is None else allowed)
    assert ("tickets.csv:202" in text) == (allowed is not None)
    run = load_source("tickets", recipe.sources["tickets"], kind="domain", folder=data.path.parent, field="sources")
    assert len(run.rows) == 200


def test_a_file_of_which_much_cannot_be_used_is_refused(look: Look) -> None:
    with pytest.raises(DataError, match="cannot be used"):
        look("a.jsonl", answered(["yes", "no", "", "yes", "no"] * 40))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "Some text.\n\nMore text.\n", "raw text"),
        ("a.jsonl", answered(["yes", "no"] * 3), "held out"),
        ("a.jsonl", "not json\n", "no record"),
        ("a.jsonl", '{"prompt": "x", "completion": ""}\n' * 3, "the answer is empty"),
    ],
)
def test_data_that_make_no_domain_are_refused(look: Look, name: str, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        recipe_of(look(name, text))
    assert caught.value.field.startswith("DATA")


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"keep": ("mats",)}, "none of the ready sets"),
        ({"keep": ("format_freedom",)}, "these answers share none"),
        ({"margin_points": 0.0}, "between 0 and 100"),
        ({"metric": "number"}, "has no number"),
    ],
)
def test_wishes_that_cannot_be_had_are_refused(look: Look, wishes: dict[str, Any], said: str) -> None:
    prose = [f"{'pqrstuvw'[i % 8]} sentence {'x' * (i % 7)} of its own{'.!?'[i % 3]}" for i in range(60)]
    with pytest.raises(ForgetlessError, match=said):
        recipe_of(look("a.jsonl", answered(prose)), **wishes)


def test_rows_that_the_model_cannot_read_are_refused(look: Look) -> None:
    data = look("a.jsonl", answered([f"{'word ' * 400}{i}" for i in range(60)]))
    with pytest.raises(ModelError, match="longer window"):
        recipe_of(data, dataclasses.replace(SMALL, window=256))


def test_a_few_rows_that_are_too_long_are_left_to_the_run(look: Look) -> None:
    data = look("a.jsonl", answered([f"{'word ' * (2000 * (i % 30 == 0))}{i} it is" for i in range(60)]))
    recipe, text = recipe_of(data)
    assert recipe.training.max_length_tokens == 2048
    assert "left out whole" in text


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("tickets.csv", "tickets"),
        ("my data (1).csv", "my-data-1"),
        ("数据.csv", "domain"),
        ("replay.csv", "domain"),
        ("banking/train.csv", "banking"),
    ],
)
def test_the_name_is_that_of_the_file(path: str, name: str) -> None:
    assert name_from(Path(path)) == name
