"""Score sheets on disk, addressed by content, so that nothing is measured twice."""

from __future__ import annotations

import json
from pathlib import Path

from forgetless.records import ScoreSheet, from_json, to_json
from forgetless.rundir.files import atomic_write


class ScoreStore:
    """Score sheets on disk, one JSON file for each key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> ScoreSheet | None:
        """The sheet with this key, or `None` if it was never measured, or by a version that wrote it otherwise."""
        try:
            return from_json(ScoreSheet, json.loads(self._path(key).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return None

    def put(self, sheet: ScoreSheet) -> None:
        """Keep a sheet under its own key."""
        atomic_write(self._path(sheet.key), json.dumps(to_json(sheet), ensure_ascii=False))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"
