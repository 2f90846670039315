"""Every ready set: its items, what it costs, and what becomes of it as a task."""

from __future__ import annotations

import contextlib
import io
import random
import re
from pathlib import Path
from typing import Any

import pytest

from forgetless.errors import TaskError
from forgetless.recipe import READY_SETS, ReadyName, ReadyTask, ready_margin
from forgetless.records import Message, Row
from forgetless.sources import prompt_key
from forgetless.tasks import SETS, build_task, cost_of, planned_items
from forgetless.tasks.ready import code_reading, in_context, maths, ready_task
from forgetless.tasks.ready.data_files import choice_items, read_data
from forgetless.verdicts import assumed_discordance, certifiable_margin

LONGEST_PROMPT = 320
"""Characters: ready sets are to fit small windows too."""


def build(name: str, *, margin: float | None = None, rows: Any = (), **settings: Any) -> Any:
    ready = ReadyTask(type="ready", set=name, **settings)  # type: ignore[arg-type]
    return build_task(name, ready, folder=Path(), seed=0, domain_rows=rows, margin=margin)


def labelled_rows(n: int = 60) -> list[Row]:
    answers = [f'{{"intent": "intent_{i % 5}"}}' for i in range(n)]
    return [
        Row(id=str(i), source="d", messages=(Message("user", f"message {i}"), Message("assistant", a, trained=True)))
        for i, a in enumerate(answers)
    ]


def test_every_name_of_a_recipe_is_a_set() -> None:
    assert tuple(SETS) == READY_SETS


@pytest.mark.parametrize("name", READY_SETS)
def test_items_follow_from_the_seed_and_are_short_and_different(name: str) -> None:
    found = SETS[name]  # type: ignore[index]
    items = found.sample(name, n=60, seed=1)
    assert items == found.sample(name, n=60, seed=1)
    assert items != found.sample(name, n=60, seed=2)
    assert len({item.id for item in items}) == 60
    assert len({prompt_key(item.messages) for item in items}) >= 55
    assert max(len(item.messages[-1].content) for item in items) <= LONGEST_PROMPT
    assert all(item.subject for item in items)


@pytest.mark.parametrize("name", [name for name in READY_SETS if SETS[name].kind == "choice"])  # type: ignore[index]
def test_choices_are_different_and_hold_the_right_one_anywhere(name: str) -> None:
    items = SETS[name].sample(name, n=200, seed=0)  # type: ignore[index]
    places = [item.choices.index(item.target) for item in items]
    assert all(len(set(item.choices)) == len(item.choices) >= 2 and all(item.choices) for item in items)
    assert 0.1 < places.count(0) / len(places) < 0.5
    mean = sum(1 / len(item.choices) for item in items) / len(items)
    assert SETS[name].chance == pytest.approx(mean, abs=0.03)  # type: ignore[index]


@pytest.mark.parametrize("name", READY_SETS)
def test_every_set_says_what_it_costs(name: str) -> None:
    cost = cost_of(name, n=20)  # type: ignore[arg-type]
    assert 5 <= cost.read <= 400
    assert (cost.written > 0) is (SETS[name].kind != "choice")  # type: ignore[index]


def test_programs_print_what_they_are_said_to_print() -> None:
    rng = random.Random(0)
    for _ in range(400):
        drawn = code_reading.program(rng)
        assert len(drawn.choices) == len(set(drawn.choices)) == 4
        if "What does this Python code print?" in drawn.question:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(drawn.question.split("\n\n", 1)[1], {})
            assert printed.getvalue().strip() == drawn.answer


def test_missing_lines_are_python_where_they_say_so() -> None:
    snippets = [(s["code"], s["lines"]) for s in read_data("missing_lines")]
    for code, lines in snippets:
        assert len(set(lines)) == 4
        if code.startswith(("def ", "class ", "import ")):
            compile(code.replace("...", lines[0]), "missing", "exec")
    assert len(snippets) > 40


def test_sums_are_right() -> None:
    rng, checked = random.Random(0), 0
    for _ in range(600):
        drawn = maths.problem(rng)
        assert re.fullmatch(r"-?\d+", drawn.answer)
        written = re.match(r"What is ([\d+*\- ]+)\?", drawn.question)
        if written:
            checked += 1
            assert eval(written[1]) == int(drawn.answer)
    assert checked > 50


@pytest.mark.parametrize("kind", ["look_up", "zh_look_up", "two_steps", "labels", "definition"])
def test_questions_in_context_hold_their_answer(kind: str) -> None:
    rng = random.Random(0)
    drawn = [q for q in (in_context.question(rng) for _ in range(400)) if q.template == kind]
    assert drawn
    for q in drawn:
        told = re.findall(r"[a-z]+|[\u4e00-\u9fff]", q.question.casefold())
        assert all(set(re.findall(r"[a-z]+|[\u4e00-\u9fff]", c.casefold())) <= {*told, "to"} for c in q.choices)


def test_invented_words_are_different() -> None:
    assert len(set(in_context.invented_words(random.Random(0), 200))) == 200


def test_written_tables_are_clean() -> None:
    """One answer for a question, and no wrong choice that is the right one."""
    for prefix, files, language in (
        ("knowledge", ("knowledge",), "en"),
        ("common_sense", ("common_sense",), "en"),
        ("chinese", ("chinese", "knowledge", "common_sense"), "zh"),
    ):
        items = choice_items(prefix, files, language)  # type: ignore[arg-type]
        questions = [prompt_key(item.messages) for item in items]
        assert len(set(questions)) == len(questions)
        assert all(len(set(item.choices)) == len(item.choices) for item in items)
        assert all("{" not in item.messages[0].content for item in items)
        has_han = [re.search(r"[\u4e00-\u9fff]", item.messages[0].content) is not None for item in items]
        assert all(has_han) if language == "zh" else not any(has_han)


def test_requests_to_refuse_and_to_answer_are_equally_many() -> None:
    kinds = {kind: len(set(requests)) for kind, requests in read_data("refusal").items()}
    assert kinds["harmful_en"] == kinds["harmless_en"]
    assert kinds["harmful_zh"] == kinds["harmless_zh"]


def test_without_items_the_margin_says_how_many() -> None:
    sizes = [len(build("maths", margin=points / 100).items("test")) for points in (5, 2)]
    assert sizes[0] == 300
    assert sizes[1] > 1000
    assert len(build("maths", margin=0.02, items=40).items("test")) == 40
    assert planned_items("maths") == 300


@pytest.mark.parametrize("name", READY_SETS)
def test_the_own_margin_of_a_set_can_be_certified_by_its_items(name: str) -> None:
    exact = SETS[name].kind != "samples"  # type: ignore[index]
    discordance = assumed_discordance(binary=exact)
    least = certifiable_margin(planned_items(name), discordance, 0.05, exact=exact)  # type: ignore[arg-type]
    assert 100 * least <= ready_margin(name)


def test_written_sets_are_split_and_may_be_cut() -> None:
    task = build("knowledge")
    dev, test = ({item.id for item in task.items(part)} for part in ("dev", "test"))
    assert not task.fresh
    assert not dev & test
    assert len(test) == planned_items("knowledge") > 200
    assert 50 <= len(build("knowledge", items=60).items("test")) <= 70


def test_generated_sets_are_fresh() -> None:
    task = build("code")
    assert task.fresh
    assert task.chance == 0.25
    assert task.items("test", limit=50, seed=1) != task.items("test", limit=50, seed=2)
    assert task.items("dev", limit=50, seed=1) != task.items("test", limit=50, seed=1)
    assert task.fingerprint != build("in_context_learning").fingerprint


def test_format_freedom_takes_its_template_from_the_domain(scripted: Any) -> None:
    task = build("format_freedom", rows=labelled_rows())
    items = task.items("dev", limit=20)
    leaking = scripted(answer=lambda prompt: '{"intent": "x"}' if "a" in prompt else "A fine thing.")
    expected = [float("a" not in item.messages[0].content) for item in items]
    assert [r.score for r in task.score(leaking, items)] == expected
    with pytest.raises(TaskError, match="no domain here"):
        build("format_freedom")
    with pytest.raises(TaskError, match="share no template"):
        build("format_freedom", rows=labelled_rows(5))


@pytest.mark.parametrize("name", SETS)
def test_sets_without_room_for_thoughts_ask_for_brief_answers(name: ReadyName) -> None:
    found = SETS[name]
    assert {item.messages[-1].brief for item in found.sample(name, n=5, seed=0)} == {found.max_new_tokens > 0}
    if name == "format_freedom":
        return
    task = ready_task(
        name, ReadyTask(type="ready", set=name, items=6), field="keep", seed=0, domain_rows=(), margin=None
    )
    for part in ("dev", "test"):
        assert {item.messages[-1].brief for item in task.items(part, seed=1)} == {found.max_new_tokens > 0}
