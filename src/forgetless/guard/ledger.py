"""How often a test part has been looked at, over all runs of one user (rule 17).

A test part loses its worth when many models of one lineage are judged on it and the luckiest is shown. The ledger is
one append-only file; a look is written down before it is taken, so a killed run cannot look for free.
"""

from __future__ import annotations

import json
from pathlib import Path

from filelock import FileLock

from forgetless.rundir import cache_folder


def record_look(*, base_hash: str, test_hash: str, run: str) -> int:
    """Write down one look and return its number, 1 for the first at this test part from this base.

    `test_hash` is that of the fixed items alone: fresh ones are drawn for one look and never seen again.
    """
    path = cache_folder() / "ledger.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        earlier = sum(1 for look in _looks(path) if look["base"] == base_hash and look["test"] == test_hash)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"base": base_hash, "test": test_hash, "run": run}) + "\n")
    return earlier + 1


def _looks(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.endswith("}")]
