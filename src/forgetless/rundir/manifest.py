"""What a run was made with: versions, hardware, seeds and hashes, as JSON data."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PACKAGES = (
    *("forgetless", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "numpy", "scipy"),
    *("bitsandbytes", "flash-attn"),
)


def manifest(**fields: Any) -> dict[str, Any]:
    """Versions, machine and date, with `fields` (seed, hashes, device) beside them."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | dict(_versions(_PACKAGES)),
        "machine": {"system": platform.system(), "processor": _processor(), "cores": os.cpu_count()},
        **fields,
    }


def _versions(packages: Iterable[str]) -> Iterable[tuple[str, str]]:
    for package in packages:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
