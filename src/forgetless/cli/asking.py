"""Questions to a person: a few, each with a default and an option that answers it; none where nobody is there."""

from __future__ import annotations

import sys
from typing import Final

import typer

from forgetless.errors import RecipeError

MOST_QUESTIONS: Final = 4


class Asker:
    """Asks on a terminal, as long as questions are left; otherwise takes the default.

    Args:
        silent: Never ask.
    """

    def __init__(self, *, silent: bool) -> None:
        self._left = 0 if silent or not sys.stdin.isatty() else MOST_QUESTIONS

    def ask(self, question: str, *, option: str, default: str | None = None) -> str:
        """The answer to a question, or its default.

        Args:
            question: What to ask.
            option: The argument or option that answers it.
            default: What is taken without an answer; `None` where there must be one.

        Raises:
            RecipeError: There must be an answer, and nobody to ask.
        """
        if self._left:
            self._left -= 1
            return str(typer.prompt(question, default=default, err=True)).strip()
        if default is None:
            raise RecipeError(
                field=option,
                value="(not given)",
                rule=f"{question}: nobody is here to be asked",
                way_out=f"give {option}",
            )
        return default
