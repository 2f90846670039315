"""Code taken out of what a model wrote."""

from __future__ import annotations

import pytest

from forgetless.tasks.code_answers import programs_in

START = 'from math import floor\n\ndef helper(x):\n    return x\n\n\ndef double(x):\n    """Twice `x`."""\n'
WHOLE = "def double(x):\n    return helper(x) * 2\n"


def result(answer: str, start: str = START, name: str = "double") -> object:
    """What the first program that compiles makes of 4."""
    for program in programs_in(answer, start=start, name=name):
        try:
            code = compile(program, "<program>", "exec")
        except SyntaxError:
            continue
        space: dict[str, object] = {}
        exec(code, space)
        return space["double"](4)  # type: ignore[operator]
    return "nothing that compiles"


@pytest.mark.parametrize(
    "answer",
    [
        f"```python\n{WHOLE}```",
        f"Here you are:\n\n```python\n{WHOLE}```\n\nIt doubles. For example:\n\n```python\nprint(double(2))\n```",
        f"First the idea:\n```\nx * 2\n```\nNow:\n```py\n{WHOLE}```",
        f"```python\n{START}    return helper(x) * 2\n```",
        f"```python\n{WHOLE}",
        f"- Like this:\n  ```python\n  {WHOLE.replace(chr(10), chr(10) + '  ')}\n  ```",
        f"~~~python\n{WHOLE}~~~",
        WHOLE,
        f"Sure! This works:\n\n{WHOLE}\nIt returns twice its argument.",
        "```python\n    return helper(x) * 2\n```",
        "```python\nreturn helper(x) * 2\n```",
        "    return helper(x) * 2\n",
        "\n    return helper(x) * 2\n\n\ndef main():\n    ",
        "\n    return helper(x) * 2\n\nprint(double(3)",
        "\n    return helper(x) * 2\n# Test\nassert",
        "return helper(x) * 2",
        "y = helper(x)\n    return y * 2\n\ndef other(",
        "y = helper(x)\nreturn y * 2",
        "if x > 0:\n    return x * 2\nreturn 0",
        "if x > 0:\n        return x * 2\n    return 0\n\nclass",
        "\n    y = [\n        x,\n        x,\n    ]\n    return sum(y)\n",
    ],
)
def test_a_function_is_found_in_any_wording(answer: str) -> None:
    assert result(answer) == 8


@pytest.mark.parametrize("answer", ["", " \n ", "```python\n```"])
def test_what_holds_no_code_is_no_program(answer: str) -> None:
    assert programs_in(answer, start=START, name="double") == ()


def test_words_are_no_function() -> None:
    assert result("I am sorry, but I cannot do that.") == "nothing that compiles"


def test_a_class_and_an_unnamed_program_are_found_too() -> None:
    whole = programs_in("```python\nclass Stack:\n    pass\n```", start="", name="Stack")
    assert whole[0] == "class Stack:\n    pass\n"
    assert programs_in("Like so:\n\nx = 1\n\nDone.", start="", name="")[-1] == "x = 1\n\n"


def test_a_line_may_be_continued_in_its_middle() -> None:
    programs = programs_in(" x * 2\n\nprint(", start="double = lambda x:", name="double")
    assert any("double = lambda x: x * 2" in program for program in programs)
