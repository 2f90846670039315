"""Where the samples of a model's answers lie: a path in, one file for each task out.

lm-evaluation-harness writes `samples_TASK_TIME.jsonl` beside `results_TIME.json`, into a folder named after the model
inside the one that it was told. Either folder will do here, and a single file of one task.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from forgetless.errors import DataError

_NAME: Final = re.compile(r"samples_(?P<task>.+?)(?:_(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?))?\.jsonl")
_MODEL_FILES: Final = ("config.json", "adapter_config.json", "base.json", "*.gguf", "*.safetensors")


class SampleFiles(NamedTuple):
    """Files of samples by task; `older` ones of a task that was run again are left aside."""

    by_task: Mapping[str, Path]
    older: int


def holds_samples(side: str) -> bool:
    """Whether a side of a comparison names samples, told from what lies there; anything else may be a model.

    Raises:
        DataError: It is a folder that holds a model as well, or results without samples.
    """
    path = Path(side)
    if path.is_file():
        return path.suffix == ".jsonl"
    if not path.is_dir():
        return False
    samples, model = _inside(path, "samples_*.jsonl"), any(file for name in _MODEL_FILES for file in path.glob(name))
    if samples and model:
        raise DataError(
            field="model to compare",
            value=side,
            rule=f"holds a model and lm-eval samples ({samples[0].relative_to(path)}), so either may be meant",
            way_out="name the folder of the samples alone, or move them out of the model's folder",
        )
    if not samples and not model and _inside(path, "results_*.json"):
        raise DataError(
            field="model to compare",
            value=side,
            rule="holds results of lm-eval, but no samples: averages cannot be paired",
            way_out="run lm-eval again with `--log_samples`",
        )
    return bool(samples)


def sample_files(side: Path) -> SampleFiles:
    """The files of one model's samples, by task; of a task that was run several times, the newest.

    Raises:
        DataError: There are none, or they are of several models.
    """
    if side.is_file():
        return SampleFiles({task_of(side) or side.stem: side}, older=0)
    files = _inside(side, "samples_*.jsonl")
    folders = sorted({file.parent for file in files})
    if len(folders) != 1:
        raise DataError(
            field="samples",
            value=side,
            rule=f"holds samples of several models: {', '.join(str(folder) for folder in folders)}"
            if folders
            else "holds no lm-eval samples (`samples_TASK_TIME.jsonl`)",
            way_out="name the folder of one of them" if folders else "run lm-eval with `--log_samples --output_path`",
        )
    # Times are written so that later ones sort behind earlier ones.
    newest = {task_of(file) or file.stem: file for file in sorted(files, key=_time_of)}
    return SampleFiles(newest, older=len(files) - len(newest))


def task_of(file: Path) -> str | None:
    """The task that a file's name tells; `None` where it was given another name."""
    found = _NAME.fullmatch(file.name)
    return found["task"] if found else None


def lower_is_better(file: Path, task: str) -> frozenset[str]:
    """Metrics of which less is better, by the results that lie beside the samples, where there are some."""
    known = _directions(file.with_name(f"results_{_time_of(file)}.json")).get(task)
    return frozenset(name for name, higher in known.items() if higher is False) if known else frozenset()


@functools.lru_cache(maxsize=4)
def _directions(results: Path) -> Mapping[str, Mapping[str, bool | None]]:
    try:
        told = json.loads(results.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    known = told.get("higher_is_better") if isinstance(told, dict) else None
    return {t: m for t, m in known.items() if isinstance(m, dict)} if isinstance(known, dict) else {}


def _inside(folder: Path, pattern: str) -> list[Path]:
    return sorted([*folder.glob(pattern), *folder.glob(f"*/{pattern}")])


def _time_of(file: Path) -> str:
    found = _NAME.fullmatch(file.name)
    return (found["time"] if found else None) or ""
