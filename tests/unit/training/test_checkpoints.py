"""Complete or not there, and one state to go on from."""

from __future__ import annotations

from pathlib import Path

import pytest

from forgetless.errors import RunFolderError
from forgetless.training.checkpoints import (
    checkpoint_folder,
    complete,
    complete_checkpoints,
    latest_resumable,
    refuse_leftovers,
    staging_folder,
)

STATE = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "rng_state_1.pth", "trainer_state.json", "training_args.bin")


def staged(folder: Path, step: int) -> Path:
    place = staging_folder(folder) / f"checkpoint-{step}"
    place.mkdir(parents=True)
    for name in ("model.safetensors", "config.json", *STATE):
        (place / name).write_text(name)
    return place


def save(folder: Path, step: int, stopped: str | None = None) -> None:
    complete(
        staged(folder, step),
        folder,
        step=step,
        tokens=10 * step,
        stopped=stopped,
        mixture={"at": step},
        extra={"g": step},
    )


def test_a_saved_checkpoint_is_found_with_all_it_holds(tmp_path: Path) -> None:
    save(tmp_path, 4, stopped="an alarm")
    found = latest_resumable(tmp_path)
    assert found is not None
    assert (found.step, found.tokens, found.stopped) == (4, 40, "an alarm")
    assert (found.mixture, found.extra) == ({"at": 4}, {"g": 4})
    assert found.folder == checkpoint_folder(tmp_path, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["step-4"]


def test_older_checkpoints_keep_their_weights_only(tmp_path: Path) -> None:
    for step in (4, 8, 12):
        save(tmp_path, step)
    assert [(c.step, c.resumable) for c in complete_checkpoints(tmp_path)] == [(4, False), (8, False), (12, True)]
    left = {p.name for p in checkpoint_folder(tmp_path, 8).iterdir()}
    assert left == {"model.safetensors", "config.json", "complete.json"}
    assert set(STATE) <= {p.name for p in checkpoint_folder(tmp_path, 12).iterdir()}


def test_what_a_kill_left_incomplete_is_removed(tmp_path: Path) -> None:
    save(tmp_path, 4)
    staged(tmp_path, 8)
    checkpoint_folder(tmp_path, 9).mkdir()
    (checkpoint_folder(tmp_path, 9) / "model.safetensors").write_text("half")
    found = latest_resumable(tmp_path)
    assert found is not None
    assert found.step == 4
    assert not staging_folder(tmp_path).exists()
    assert not checkpoint_folder(tmp_path, 9).exists()


def test_a_kill_between_saving_and_stripping_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 4)

    def killed(checkpoint: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("forgetless.training.checkpoints._strip", killed)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, 8)
    found = latest_resumable(tmp_path)
    assert found is not None
    assert found.step == 8
    save(tmp_path, 12)
    assert [c.resumable for c in complete_checkpoints(tmp_path)] == [False, False, True]
    assert not (checkpoint_folder(tmp_path, 4) / "optimizer.pt").exists()


def test_an_empty_or_missing_folder_has_nothing(tmp_path: Path) -> None:
    assert latest_resumable(tmp_path / "none") is None
    refuse_leftovers(tmp_path / "none")


def test_a_new_run_does_not_mix_with_an_old_one(tmp_path: Path) -> None:
    save(tmp_path, 4)
    with pytest.raises(RunFolderError, match="--resume"):
        refuse_leftovers(tmp_path)
