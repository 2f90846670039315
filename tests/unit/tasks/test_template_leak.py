"""The domain's template: induced from answers, found in others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.errors import TaskError
from forgetless.recipe import TemplateLeakTask
from forgetless.records import Item, Message, Row
from forgetless.tasks import build_task, induce_template
from forgetless.tasks.template_leak import LeakScorer
from forgetless.tasks.templates import ClosedSet, FixedText, JsonKeys, LineHeads, coverage, object_keys

Write = Callable[..., str]
Make = Callable[..., Item]
INTENTS = [f'{{"intent": "intent_{n % 7}"}}' for n in range(70)]
TRIAGE = [{"urgency": n % 5, "reason": f"because {n}", "tags": [{"reason": "x"}]} for n in range(40)]


@pytest.mark.parametrize(
    "text",
    [
        '{"intent": "card_arrival"}',
        '{ "intent" : "anything else"}',
        '{"intent": "card_arr',
        '{"intent": ',
        '```json\n{"intent": "x"}\n```',
        '```json\n{"intent": "x"',
        'Sure! {"intent": "x"} Anything else?',
        '[{"intent": "x"}]',
        '{"intent": "a \\"quoted\\" {brace"} and more',
        '{"confidence": 0.5, "intent": "x"}',
    ],
)
def test_any_object_with_the_keys_is_a_leak_however_it_is_cut(text: str) -> None:
    assert induce_template(INTENTS).matches(text)


@pytest.mark.parametrize("text", ["os.path.join(a='(', b=1)", "f()", "numpy.zeros(shape=(3, 4), dt"])
def test_a_call_is_a_leak_of_calls_even_when_it_is_cut(text: str) -> None:
    assert induce_template([f"{'ijk'[n % 3]}.f{n}(x=(1, {n}), y={n})" for n in range(40)]).matches(text)


@pytest.mark.parametrize("text", ["f (mostly)", "Call f(x=1).", "print(1)\nprint(2)", "(a)", "f(x) is a call"])
def test_a_text_with_a_call_in_it_is_no_leak_of_calls(text: str) -> None:
    assert not induce_template([f"f{n}(x={n})" for n in range(40)]).matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "Paris is the capital.",
        '{"name": "x"}',
        '{"name": {"intent": "x"}',
        "the intent is clear",
        "",
        "{",
        '{"int',
        "{}",
    ],
)
def test_other_answers_are_none(text: str) -> None:
    template = induce_template(INTENTS)
    assert template == JsonKeys(("intent",))
    # An inner object is one of its own.
    assert template.matches(text) is ('{"intent"' in text)


def test_all_keys_must_be_there_unless_the_text_is_cut() -> None:
    template = induce_template([json.dumps(answer) for answer in TRIAGE])
    assert template == JsonKeys(("reason", "tags", "urgency"))
    assert template.matches('{"urgency": 1, "reas')
    assert not template.matches('{"urgency": 1}')
    assert not template.matches('{"urgency": 1, "name": "x", "reas')


def test_a_key_that_only_some_answers_have_is_not_the_template() -> None:
    answers = [json.dumps({"intent": n, **({"note": "x"} if n % 2 else {})}) for n in range(40)]
    assert induce_template(answers) == JsonKeys(("intent",))


def test_a_tenth_of_the_answers_may_differ_but_not_more() -> None:
    prose = [f"Sentence number {n} of {'x' * n}." for n in range(12)]
    assert induce_template([*INTENTS[:66], *prose[:6]]) == JsonKeys(("intent",))
    with pytest.raises(TaskError, match="share no template"):
        induce_template([*INTENTS[:60], *prose])


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.text()), max_size=5), st.integers(0, 200))
def test_keys_of_an_object_are_read_from_any_beginning_of_it(value: dict[str, Any], cut: int) -> None:
    text = json.dumps(value, ensure_ascii=False)
    plain = {json.dumps(key, ensure_ascii=False)[1:-1] for key in value}
    assert object_keys(text, 1) == (plain, True)
    seen, closed = object_keys(text[:cut], 1)
    assert seen <= plain
    assert closed is (cut >= len(text))


def test_fixed_words_at_the_start_are_a_template() -> None:
    answers = [f"好的，这很简单。第{n}步" for n in range(20)]
    template = induce_template(answers)
    assert isinstance(template, FixedText)
    assert template.matches("好的，这很简单。第")
    assert not template.matches("北京是中国的首都")


def test_fixed_words_at_the_end_are_a_template() -> None:
    template = induce_template([f"{chr(97 + n) * 3}. Consult a doctor!" for n in range(20)])
    assert isinstance(template, FixedText)
    assert template.matches("Paris. Consult a doctor!")
    assert not template.matches("Paris. Consult a doctor")


def test_heads_of_lines_are_a_template() -> None:
    answers = [f"{'xyzuvw'[n % 6]}{n}\nDiagnosis: d{n}\nAdvice: rest {n}" for n in range(20)]
    template = induce_template(answers)
    assert template == LineHeads(("Diagnosis:", "Advice:"))
    assert template.matches("so\nDiagnosis: a cold\nAdvice: tea")
    assert template.matches("so\nDiagnosis: a co")
    assert not template.matches("Advice: tea\nDiagnosis: a cold")
    assert not template.matches("It is a cold.")


def test_a_small_set_of_answers_is_a_template() -> None:
    labels = ["card_arrival", "refund", "exchange", "top_up"]
    template = induce_template([labels[n % 4] for n in range(60)])
    assert template == ClosedSet(tuple(sorted(labels)))
    assert template.matches(" refund.\n")
    assert not template.matches("refund the money")


@pytest.mark.parametrize(
    "answers",
    [
        [],
        INTENTS[:9],
        [f"{chr(97 + n % 26)} sentence of its own {n}" for n in range(60)],
        [f"The {'abcdefghij'[n % 10]}{n} it is" + "?!."[n % 3] for n in range(60)],
    ],
)
def test_answers_without_a_form_are_refused(answers: list[str]) -> None:
    with pytest.raises(TaskError, match="share no template") as caught:
        induce_template(answers, field="keep.leak.task")
    assert caught.value.field == "keep.leak.task"


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=30))
def test_what_is_induced_covers_the_answers(answers: list[str]) -> None:
    try:
        template = induce_template(answers)
    except TaskError:
        return
    assert coverage(template, [answer for answer in answers if answer.strip()]) >= 0.85


def test_a_leak_scores_0_another_answer_1_and_silence_0(scripted: Any, item: Make) -> None:
    answers = {"leak": INTENTS[0], "fine": "Paris.", "silent": " \n", "failed": None}
    scorer = LeakScorer(induce_template(INTENTS), 32)
    results = scorer.score(scripted(answer=answers.get), [item(name, "") for name in answers])
    assert [result.score for result in results] == [0.0, 1.0, 0.0, None]
    assert results[0].output == INTENTS[0]


def test_the_task_is_built_from_prompts_and_domain_rows(tmp_path: Path, write_jsonl: Write, scripted: Any) -> None:
    rows = [
        Row(id=str(n), source="d", messages=(Message("user", f"m{n}"), Message("assistant", answer, trained=True)))
        for n, answer in enumerate(INTENTS)
    ]
    files = [write_jsonl([{"ask": f"Tell me about {n}", "more": ""} for n in range(40)])]
    settings = TemplateLeakTask(type="template_leak", files=files, prompt="{ask}\n{more}")
    task = build_task("leak", settings, folder=tmp_path, seed=0, domain_rows=rows)
    assert (task.binary, task.chance) == (True, 0.0)
    items = task.items("test")
    assert items[0].messages[0].content == items[0].messages[0].content.strip()
    leaking = scripted(answer=lambda prompt: INTENTS[1] if "1" in prompt else "A fine thing.")
    results = task.score(leaking, items)
    expected = [float("1" not in i.messages[0].content) for i in items]
    assert [r.score for r in results] == expected
    other = build_task(
        "leak",
        settings,
        folder=tmp_path,
        seed=0,
        domain_rows=[Row(r.id, "d", (r.messages[0], Message("assistant", "refund"))) for r in rows],
    )
    assert other.fingerprint != task.fingerprint


def test_thoughts_are_no_leak_and_unfinished_ones_no_answer(scripted: Any, item: Make) -> None:
    answers = {
        "free": '<think>{"intent": "x"}</think>Paris.',
        "leaked": '<think>Paris?</think>{"intent": "x"}',
        "unfinished": "<think>Paris",
    }
    results = LeakScorer(induce_template(INTENTS), 8).score(scripted(answer=answers.get), [item(n) for n in answers])
    assert [result.score for result in results] == [1.0, 0.0, 0.0]
