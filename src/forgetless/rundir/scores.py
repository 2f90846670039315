"""Score sheets on disk, addressed by content, so that nothing is measured twice."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

from forgetless.records import ScoreSheet, from_json, to_json
from forgetless.rundir.files import atomic_write

_HELD_RESULTS = 100_000


class ScoreStore:
    """Score sheets on disk, one JSON file for each key; those read last are held in memory as well."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: OrderedDict[str, ScoreSheet] = OrderedDict()

    def get(self, key: str) -> ScoreSheet | None:
        """The sheet with this key, or `None` if it was never measured, or by a version that wrote it otherwise."""
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        try:
            sheet = from_json(ScoreSheet, json.loads(self._path(key).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return None
        self._hold(key, sheet)
        return sheet

    def put(self, sheet: ScoreSheet) -> None:
        """Keep a sheet under its own key."""
        self._held.pop(sheet.key, None)
        atomic_write(self._path(sheet.key), json.dumps(to_json(sheet), ensure_ascii=False))

    def _hold(self, key: str, sheet: ScoreSheet) -> None:
        self._held[key] = sheet
        while len(self._held) > 1 and sum(len(held.results) for held in self._held.values()) > _HELD_RESULTS:
            self._held.popitem(last=False)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"
