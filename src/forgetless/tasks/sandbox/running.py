"""Programs and their tests in, endings out: each runs in a sandbox of its own, several at once.

What contains a program is `cell`, which is started as a fresh process for each. It needs Linux on x86_64 or aarch64
with kernel 5.12 or newer, and either root's right to make namespaces or user namespaces; where one of them is missing,
nothing is run at all.

A program has passed when a random secret comes back, which the cell reads only after the last test has run. So neither
leaving early, nor an exit code, nor anything printed, nor a replaced built-in function passes for a success. Program
and tests share one process, though: code that was written to look for the cell's own pipes, or whose answers claim to
equal everything, can still deceive the tests. That is a limit of the verdict, not of the containment.
"""

from __future__ import annotations

import functools
import json
import math
import os
import platform
import secrets
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from forgetless.errors import TaskError
from forgetless.progress import Progress

_CELL: Final = Path(__file__).with_name("cell.py")
_UNCONTAINED: Final = 3
_SECRET_BYTES: Final = 32
_MACHINES: Final = ("x86_64", "aarch64")
_WALL_PER_CPU: Final = 3.0
_NEARLY: Final = 0.9
_START_SECONDS: Final = 30.0
"""What starting and ending a cell may take on a busy machine, beside the program."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use.

    Attributes:
        cpu_seconds: Computing time; the clock may show three times as much.
        memory_bytes: Address space of its one process.
        scratch_bytes: All files in its scratch folder together, which lie in memory.
        scratch_files: How many of them.
        open_files: How many may be open at once.
    """

    cpu_seconds: float = 10.0
    memory_bytes: int = 1 << 30
    scratch_bytes: int = 1 << 24
    scratch_files: int = 1024
    open_files: int = 64

    @property
    def wall_seconds(self) -> float:
        """The longest that it may last by the clock."""
        return _WALL_PER_CPU * self.cpu_seconds


class Ending(NamedTuple):
    """Whether all tests were passed, and in words how the program ended."""

    passed: bool
    words: str


class Program(NamedTuple):
    """Alternatives of which the first that compiles is run, and the tests that follow it in the same names."""

    alternatives: tuple[str, ...]
    tests: str


def run_all(
    programs: Sequence[Program], limits: Limits, *, field: str, progress: Progress | None = None
) -> list[Ending]:
    """How each program ended, in order; as many run at once as there are processors.

    Args:
        programs: What to run.
        limits: What each may use.
        field: Where the task stands in the recipe, for errors.
        progress: Told of programs done.

    Raises:
        TaskError: A sandbox cannot be had.
    """
    endings: list[Ending] = [Ending(False, "")] * len(programs)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        places = {pool.submit(run_program, p, limits, field=field): i for i, p in enumerate(programs)}
        try:
            for done, future in enumerate(as_completed(places), start=1):
                endings[places[future]] = future.result()
                if progress is not None:
                    progress(done, len(programs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return endings


def run_program(program: Program, limits: Limits, *, field: str) -> Ending:
    """Run one program in a sandbox of its own.

    Raises:
        TaskError: The sandbox cannot be had.
    """
    secret = secrets.token_hex(_SECRET_BYTES // 2)
    code, told, problem = _in_cell(_job(program, limits) + secret.encode(), limits.wall_seconds + _START_SECONDS)
    if told is None:
        if code == _UNCONTAINED:
            raise _no_sandbox(field, problem)
        if code == 1:
            raise _no_sandbox(field, f"Python cannot be started for it: {problem[-300:]}")
        return Ending(False, "stopped with its sandbox")
    said = str(told["said"]).removeprefix("ready")
    if told["code"] == 0 and secrets.compare_digest(said.encode(), secret.encode()):
        return Ending(True, "passed")
    return Ending(False, _words(told["code"], said, spent=told["cpu_seconds"] >= _NEARLY * limits.cpu_seconds))


def require_sandbox(field: str) -> None:
    """Make sure that programs can be contained on this machine.

    Args:
        field: Where the task stands in the recipe, for errors.

    Raises:
        TaskError: They cannot, and why.
    """
    problem = _problem()
    if problem is not None:
        raise _no_sandbox(field, problem)


@functools.cache
def _problem() -> str | None:
    if sys.platform != "linux":
        return f"it is built from what Linux offers, and this is {platform.system() or sys.platform}"
    if platform.machine() not in _MACHINES or sys.maxsize < 2**32:
        return f"it knows the system calls of {' and '.join(_MACHINES)}, and this is {platform.machine()}"
    try:
        ending = run_program(Program(("",), "import decimal, hashlib, json, re"), Limits(), field="")
    except TaskError as error:
        return error.rule.partition(": ")[2]
    return None if ending.passed else f"a program that does nothing ended there with {ending.words!r}"


def _no_sandbox(field: str, problem: str) -> TaskError:
    return TaskError(
        field=f"{field}.allow_code_execution",
        value="true",
        rule=f"this machine cannot contain code that a model wrote, so none is run: {problem}",
        way_out="on Linux allow user namespaces (`sysctl user.max_user_namespaces`, and on Ubuntu "
        "`kernel.apparmor_restrict_unprivileged_userns=0`; a container needs them too), or measure code by a `choice` "
        "task, which runs nothing",
    )


def _job(program: Program, limits: Limits) -> bytes:
    job = json.dumps(
        {
            "programs": program.alternatives,
            "tests": program.tests,
            "cpu_seconds": math.ceil(limits.cpu_seconds),
            "wall_seconds": limits.wall_seconds,
            "memory_bytes": limits.memory_bytes,
            "scratch_bytes": limits.scratch_bytes,
            "scratch_files": limits.scratch_files,
            "open_files": limits.open_files,
            "secret_bytes": _SECRET_BYTES,
        }
    ).encode()
    return struct.pack(">Q", len(job)) + job


def _in_cell(sent: bytes, seconds: float) -> tuple[int | None, dict[str, Any] | None, str]:
    """The cell's exit code (`None` if it had to be killed), what it tells of the program, and its complaint."""
    process = subprocess.Popen(
        [sys.executable, "-s", "-S", "-P", str(_CELL)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        umask=0o022,
        start_new_session=True,
        # The same order of sets at every run; nothing else is handed in.
        env={"PYTHONHASHSEED": "0"},
    )
    with process:
        try:
            out, problem = process.communicate(sent, timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return None, None, ""
    told = json.loads(out) if process.returncode == 0 and out else None
    return process.returncode, told, problem.decode("utf-8", "replace").strip()


def _words(code: int | None, said: str, *, spent: bool) -> str:
    if code is None:
        return "out of time"
    if code < 0:
        return "out of computing time" if spent else f"killed by {signal.Signals(-code).name}"
    return said if code == 1 and said else f"left with code {code} before the last test"
