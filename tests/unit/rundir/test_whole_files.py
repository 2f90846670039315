"""Files that are whole or not there, whatever the disk does in the middle of writing one."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from forgetless.errors import RunFolderError
from forgetless.rundir import atomic_write, cache_folder, free_bytes, replace_folder


def refuse(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a" / "b.json", "héllo\n")
    atomic_write(tmp_path / "a" / "c.bin", b"\x00\xff")
    assert (tmp_path / "a" / "b.json").read_bytes() == "héllo\n".encode()
    assert (tmp_path / "a" / "c.bin").read_bytes() == b"\x00\xff"
    assert names(tmp_path / "a") == ["b.json", "c.bin"]


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_write_that_fails_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file.json"
    atomic_write(path, "old")
    monkeypatch.setattr(os, call, refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.json"]


def test_a_write_that_is_interrupted_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    atomic_write(path, "old")

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_full_disk_has_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str) -> None:
    path = tmp_path / "file.json"
    atomic_write(path, "old")
    monkeypatch.setattr(os, call, refuse(number))
    with pytest.raises(RunFolderError) as caught:
        atomic_write(path, "new")
    assert str(path) in str(caught.value)
    assert "--resume" in caught.value.way_out
    assert path.read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a matter of Unix")
def test_a_file_that_grows_past_what_is_allowed_has_a_way_out(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from forgetless.rundir import atomic_write\n"
        "from forgetless.errors import RunFolderError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "path = Path(sys.argv[1])\n"
        "atomic_write(path, 'small')\n"
        "try: atomic_write(path, 'x' * 1000)\n"
        "except RunFolderError as error: print(error.way_out)\n"
    )
    path = tmp_path / "file"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    assert path.read_text() == "small"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_that_may_not_be_written_has_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "replace", refuse(number))
    with pytest.raises(RunFolderError, match="cannot be written"):
        atomic_write(tmp_path / "file.json", "new")


def test_a_folder_below_a_file_has_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "a.json", tmp_path / "file" / "deeper" / "a.json"):
        with pytest.raises(RunFolderError, match="cannot be written"):
            atomic_write(path, "new")
    with pytest.raises(RunFolderError, match="cannot be written"):
        replace_folder(tmp_path / "file" / "model", lambda folder: None)


@pytest.mark.skipif(os.name == "nt", reason="permissions are a matter of Unix")
def test_others_may_read_what_a_run_leaves(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        atomic_write(tmp_path / "report.html", "page")
        replace_folder(tmp_path / "model", lambda folder: (folder / "config.json").touch())
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o755


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "model"

    def fill_with(name: str) -> Callable[[Path], None]:
        return lambda temporary: (temporary / name).write_text(name) and None

    replace_folder(folder, fill_with("old"))
    replace_folder(folder, fill_with("new"))
    assert names(folder) == ["new"]
    assert names(folder.parent) == ["model"]


def test_a_folder_that_cannot_be_filled_leaves_the_old_one_alone(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    replace_folder(folder, lambda temporary: (temporary / "weights").write_text("old") and None)

    def fill(temporary: Path) -> None:
        (temporary / "weights").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunFolderError, match="the disk is full"):
        replace_folder(folder, fill)
    assert (folder / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rename = tmp_path / "model", os.replace
    replace_folder(folder, lambda temporary: (temporary / "weights").write_text("old") and None)

    def refuse_the_new_one(source: Path, target: Path) -> None:
        if (Path(source) / "weights").read_text() == "new":
            raise OSError(errno.EACCES, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "replace", refuse_the_new_one)
    with pytest.raises(RunFolderError, match="cannot be written"):
        replace_folder(folder, lambda temporary: (temporary / "weights").write_text("new") and None)
    assert (folder / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_a_bug_while_a_folder_is_filled_stays_a_bug(tmp_path: Path) -> None:
    def fill(temporary: Path) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace_folder(tmp_path / "model", fill)
    assert names(tmp_path) == []


def test_a_folder_is_in_place_at_every_instant_but_the_rename(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    replace_folder(folder, lambda temporary: (temporary / "weights").write_text("old") and None)
    seen: list[str] = []

    def fill(temporary: Path) -> None:
        seen.append((folder / "weights").read_text())
        (temporary / "weights").write_text("new")

    replace_folder(folder, fill)
    assert seen == ["old"]


def test_the_cache_is_where_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("FORGETLESS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "forgetless"


def test_free_space_is_that_of_a_folder_to_be(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") == pytest.approx(free_bytes(tmp_path), abs=1 << 30)
