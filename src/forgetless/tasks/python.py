"""Does the code that a model writes pass its tests? Functional correctness of one greedy answer (pass@1).

Records with a prompt, the beginning of a program and tests go in, in the shape of HumanEval (Chen et al., arXiv
2107.03374). The code is taken out of the answer and run with the tests in a `sandbox`: 1 if all of them pass,
else 0. Only the standard library is there. What loops, crashes or asks for more than its limits is wrong, not missing.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forgetless.errors import DataError
from forgetless.progress import Progress
from forgetless.recipe import PythonTask
from forgetless.records import Item, ItemResult
from forgetless.rundir import content_hash
from forgetless.tasks.code_answers import programs_in
from forgetless.tasks.generation import generate
from forgetless.tasks.items import Question, answer_text, column_text, filled, make_item, read_questions
from forgetless.tasks.pool import make_pool
from forgetless.tasks.sandbox import Ending, Limits, Program, require_sandbox, run_all
from forgetless.tasks.task import FixedTask, as_result, halves
from forgetless.thoughts import answer_of

if TYPE_CHECKING:
    from forgetless.engines import Engine

_REVISION = 1
"""Raised whenever an answer may be judged otherwise than before: scores of the base are kept between versions."""

_NO_CODE = Ending(False, "no code")


@dataclass(frozen=True, slots=True)
class PythonScorer:
    """1 if the code in the greedy answer passes the tests of the item's target, else 0.

    A target is a JSON object of `start`, `name` and `tests`. `field` is where the task stands in the recipe.
    """

    limits: Limits
    max_new_tokens: int
    field: str

    @property
    def binary(self) -> bool:
        """Always: the tests pass or they do not."""
        return True

    @property
    def fingerprint(self) -> str:
        """A hash of the limits, the length allowed and the version of the language."""
        version = ".".join(platform.python_version_tuple()[:2])
        return content_hash("python after thoughts", _REVISION, self.limits, self.max_new_tokens, version)

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item, with the answer as the model wrote it and a note on how it ended.

        Raises:
            TaskError: The sandbox cannot be had any more.
        """
        writing, running = halves(progress)
        outputs = generate(engine, items, max_new_tokens=self.max_new_tokens, progress=writing)
        programs = {
            item.id: program
            for item, output in zip(items, outputs, strict=True)
            if output is not None and (program := _program(output, json.loads(item.target))) is not None
        }
        found = run_all(list(programs.values()), self.limits, field=self.field, progress=running)
        endings = dict(zip(programs, found, strict=True))
        return [_result(item, output, endings) for item, output in zip(items, outputs, strict=True)]


def _program(output: str, target: dict[str, str]) -> Program | None:
    alternatives = programs_in(answer_of(output), start=target["start"], name=target["name"])
    return Program(alternatives, target["tests"]) if alternatives else None


def _result(item: Item, output: str | None, endings: dict[str, Ending]) -> ItemResult:
    if output is None:
        return as_result(item, None)
    ending = endings.get(item.id, _NO_CODE)
    return as_result(item, float(ending.passed), output, note=f"tests: {ending.words}")


def python_task(name: str, settings: PythonTask, *, folder: Path, field: str, seed: int) -> FixedTask:
    """Read a task of programs to write.

    Raises:
        DataError: A file or column cannot be read, or tests do not define the `check` that is to be called.
        TaskError: This machine cannot contain what a model writes.
    """
    assert settings.allow_code_execution, "the recipe is refused without it"
    require_sandbox(field)
    items = [_item(question, settings, field) for question in read_questions(settings, folder=folder, field=field)]
    pool = make_pool(items, field=field, seed=seed, max_items=settings.max_items)
    limits = Limits(cpu_seconds=settings.timeout_seconds, memory_bytes=settings.memory_mib << 20)
    return FixedTask(name, pool, PythonScorer(limits, settings.max_new_tokens, field))


def _item(question: Question, settings: PythonTask, field: str) -> Item:
    origin = question.origin
    start = filled(settings.start, question.fields, origin=origin, field=f"{field}.start") if settings.start else ""
    tests, name = _tests(question, settings.tests, field=f"{field}.tests"), ""
    if settings.entry_point is not None:
        name = column_text(question.fields, settings.entry_point, origin=origin, field=f"{field}.entry_point")
        if "def check(" not in tests:
            raise DataError(
                field=f"{field}.tests",
                value=settings.tests,
                rule=f"with `entry_point`, tests define `check(candidate)`; those of the record at {origin} do not",
                way_out="leave `entry_point` out where tests call the code themselves",
            )
        tests = f"{tests}\n\ncheck({name})\n"
    return make_item(question, target=json.dumps({"start": start, "name": name, "tests": tests}, ensure_ascii=False))


def _tests(question: Question, tests: str, *, field: str) -> str:
    """The text of a column or template; a column that holds a list is one statement a line."""
    value: Any = question.fields.get(tests)
    if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return answer_text(question, tests, field=field)
