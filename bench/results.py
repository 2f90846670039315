"""Where benches leave their figures: JSON with machine, versions, seed and date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forgetless.records import to_json
from forgetless.rundir import atomic_write, manifest

FOLDER = Path(__file__).parent / "results"


def write_result(name: str, figures: dict[str, Any], *, seed: int) -> Path:
    """Write bench/results/NAME.json."""
    path = FOLDER / f"{name}.json"
    data = manifest(seed=seed, bench=name) | {"figures": to_json(figures)}
    atomic_write(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    return path
