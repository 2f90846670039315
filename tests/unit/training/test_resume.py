"""A run that was killed and goes on is the run that was never killed, bit for bit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from child import KILLED, free_port, run, run_rank, start

from forgetless.training import latest_resumable
from training_kit import weights

STEPS = 12


def finish(output: Path) -> dict[str, torch.Tensor]:
    last = latest_resumable(output)
    assert last is not None
    assert last.step == STEPS
    assert last.extra == {"looks": [4, 8, 12]}
    return weights(last.folder)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    @cache
    def reached(method: str) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
        output = tmp_path_factory.mktemp(method)
        child = start(run, method, output)
        child.join()
        assert child.exitcode == 0
        last = latest_resumable(output)
        assert last is not None
        return finish(output), last.mixture

    return reached


STEP_3, STEP_7, SAVING_8 = ({"die_after_steps": 3}, None), ({"die_after_steps": 7}, 4), ({"die_saving": 8}, 4)


@pytest.mark.parametrize(
    ("method", "kill", "reached"),
    [(method, *kill) for method in ("full", "lora") for kill in (STEP_3, STEP_7, SAVING_8)]
    + [(method, *STEP_7) for method in ("cached", "confined")],
)
def test_killed_and_resumed(
    method: str, kill: dict[str, int], reached: int | None, tmp_path: Path, uninterrupted
) -> None:  # type: ignore[no-untyped-def]
    child = start(run, method, tmp_path, **kill)
    child.join()
    assert child.exitcode == KILLED
    checkpoint = latest_resumable(tmp_path)
    assert (checkpoint.step if checkpoint else None) == reached
    child = start(run, method, tmp_path)
    child.join()
    assert child.exitcode == 0
    found = finish(tmp_path)
    expected, mixture = uninterrupted(method)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    last = latest_resumable(tmp_path)
    assert last is not None
    assert last.mixture == mixture


def test_two_processes_train_the_model_that_one_does(tmp_path: Path, uninterrupted) -> None:  # type: ignore[no-untyped-def]
    port = free_port()
    ranks = [start(run_rank, rank, 2, port, tmp_path) for rank in range(2)]
    for rank in ranks:
        rank.join()
    assert [rank.exitcode for rank in ranks] == [0, 0]
    last = latest_resumable(tmp_path)
    assert last is not None
    found = weights(last.folder)
    expected, _ = uninterrupted("full")
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-4)
