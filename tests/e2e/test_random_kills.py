"""A run that moves its weights and shares, and is killed ten times, ends as the run that never was killed."""

from __future__ import annotations

import multiprocessing
import random
import signal
import sys
import time
from itertools import count
from pathlib import Path

import pytest
from nano_world import World, assert_the_same, build_pressed_world, run_world

from forgetless.rundir import read_events

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="the processes come from a fork server"),
]

KILLS = 10
ITEMS = 24
_POLL_SECONDS = 0.02


@pytest.mark.timeout(900)  # some twenty starts of a run
@pytest.mark.parametrize("method", ["full", "lora"])
def test_ten_kills_change_nothing(method: str, tmp_path: Path) -> None:
    started = time.monotonic()
    build_pressed_world(tmp_path / "whole", method=method, items=ITEMS)
    whole = World(tmp_path / "whole", run_world(tmp_path / "whole"))
    seconds, events = time.monotonic() - started, told(whole.folder)
    moves = [event for event in whole.story if event["event"] == "adjustment"]
    assert any(move["weight"] != move["weight_before"] for move in moves), "nothing was moved that could be lost"
    rng, kills, fell_after = random.Random(method), 0, set[str]()
    for number in count():
        folder = tmp_path / f"killed-{number}"
        build_pressed_world(folder, method=method, items=ITEMS)
        while kills < KILLS:
            child = run_for(rng.randint(0, events // 3), rng.uniform(0.0, seconds / events), folder)
            if child.exitcode == 0:
                break
            assert child.exitcode == -signal.SIGKILL, f"after {kills} kills the run could not go on"
            fell_after.add(next((e["event"] for e in reversed(list(read_events(run_of(folder))))), "nothing"))
            kills += 1
        assert_the_same(World(folder, run_world(folder, resume=run_of(folder).exists())), whole)
        if kills == KILLS:
            break
    assert len(fell_after) >= 3, f"the kills fell in too few places to say much: {fell_after}"


def run_of(folder: Path) -> Path:
    return folder / "runs" / "small"


def told(folder: Path) -> int:
    """How many events the run has told."""
    path = run_of(folder) / "events.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def run_for(events: int, seconds: float, folder: Path) -> multiprocessing.process.BaseProcess:
    """A process that begins a run, or goes on with it, and is killed some seconds after it has told so many events.

    Events are counted because a busy machine may spend any number of seconds on the way to the first of them.
    """
    until = told(folder) + events
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["forgetless.pipeline"])
    child = processes.Process(target=run_world, args=(folder,), kwargs={"resume": run_of(folder).exists()})
    child.start()
    while child.is_alive() and told(folder) < until:
        child.join(_POLL_SECONDS)
    child.join(seconds)
    child.kill()
    child.join()
    return child
