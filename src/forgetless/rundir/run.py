"""One run's folder: a lock, a story told in events, and files that are always whole."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from forgetless.errors import RunFolderError
from forgetless.records import to_json
from forgetless.rundir.files import atomic_write, content_hash, disk_errors
from forgetless.rundir.scores import ScoreStore

_BEGUN = ("evaluation", "trial")
"""Events after which there is something to go on from: a run's first look, a sweep's first trial."""


class RunFolder:
    """One run's folder, held under a lock from `open_run` to `close`.

    `append_event` keeps the story of the run in `events.jsonl`; every event has `event`, `time` (seconds since
    1970) and its own fields, among them `step` where it belongs to one.
    """

    def __init__(self, path: Path, lock: FileLock | None) -> None:
        self.path = path
        self.on_event: Callable[[dict[str, Any]], None] | None = None
        self._lock = lock
        self._told = {_gist(event) for event in read_events(path)}

    @property
    def scores(self) -> ScoreStore:
        """The score sheets of this run."""
        return ScoreStore(self.path / "scores")

    def write_json(self, name: str, data: object) -> None:
        """Write a JSON file of the run, whole."""
        atomic_write(self.path / name, json.dumps(to_json(data), ensure_ascii=False, indent=2) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the run, whole."""
        atomic_write(self.path / name, text)

    def read_json(self, name: str) -> Any:
        """A JSON file of the run, or `None` if it is not there."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def append_event(self, event: str, **fields: object) -> None:
        """Add one line to the story, unless a resumed run is telling again what already stands there."""
        record = {"event": event, "time": round(time.time(), 3), **{k: to_json(v) for k, v in fields.items()}}
        if _gist(record) in self._told:
            return
        with disk_errors(self.path), (self.path / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
        if self.on_event is not None:
            self.on_event(record)

    def events(self) -> list[dict[str, Any]]:
        """The story so far. A last line cut short by a kill is left out."""
        return list(read_events(self.path))

    def rewind_events(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the events that a resumed run will live through again."""
        lines = [json.dumps(e, ensure_ascii=False) + "\n" for e in self.events() if keep(e)]
        atomic_write(self.path / "events.jsonl", "".join(lines))
        self._told = {_gist(event) for event in self.events()}

    def close(self) -> None:
        """Let the next process in."""
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_run(path: Path, *, resume: bool = False) -> RunFolder:
    """Take hold of a run folder.

    Args:
        path: The folder; created when it is missing.
        resume: Whether to go on with what stands there. Without it a folder that holds a run is refused, and one
            whose run fell before its first evaluation is begun anew: there is nothing in it to go on from.

    Raises:
        RunFolderError: Another process holds it, it holds another run, or it cannot be written.
    """
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunFolderError(
                field="output",
                value=path,
                rule="is in use by another process",
                way_out="wait for it, or give `name:` another value",
            ) from None
    if not resume and any(event["event"] in _BEGUN for event in read_events(path)):
        lock.release()
        raise RunFolderError(
            field="output",
            value=path,
            rule="already holds a run",
            way_out="go on with it by `--resume`, or give `name:` another value",
        )
    run = RunFolder(path, lock)
    # Also because a kill may have cut the last line short: a line added to it would be lost with it.
    run.rewind_events(lambda event: resume)
    return run


def read_events(folder: Path) -> Iterator[dict[str, Any]]:
    """The events of a run folder, which may be in use by a run."""
    try:
        text = (folder / "events.jsonl").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.split("\n")[:-1]:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def _gist(event: dict[str, Any]) -> str:
    """An event without the clock and the cache's help: what makes it the same event when it is told again."""
    return content_hash({k: v for k, v in event.items() if k not in ("time", "seconds", "from_cache")})
