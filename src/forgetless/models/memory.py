"""How much memory there is, how much this process holds, and how much it held at its fullest.

In: the device that a model is on. Out: bytes: of the device for a GPU, else of the machine, where what counts is the
resident set of the process.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import psutil
import torch

_CONTAINER = Path("/sys/fs/cgroup")


def held_bytes(device: torch.device) -> int:
    """What this process holds now."""
    if device.type == "cuda":
        return int(torch.cuda.memory_reserved(device))
    return int(psutil.Process().memory_info().rss)


def free_memory_bytes(device: torch.device) -> int:
    """What this process may still take: free on the GPU, or available on the machine and within its container."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return min(int(psutil.virtual_memory().available), _container_room(_CONTAINER))


class PeakMemory:
    """Measures the most that this process holds between two moments.

    Where the system does not let the mark be set back, the peak is that of the whole life of the process.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        elif sys.platform == "linux":
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")

    @property
    def bytes(self) -> int:
        """The most that was held since this object was made."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_reserved(self._device))
        return max(_resident_peak(), held_bytes(self._device))


def _resident_peak() -> int:
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _container_room(groups: Path) -> int:
    """What is left below the memory limit of this container; without one, more than any machine has."""
    try:
        limit = (groups / "memory.max").read_text().strip()
        if limit == "max":
            return sys.maxsize
        held = int((groups / "memory.current").read_text())
        counts = dict(line.split() for line in (groups / "memory.stat").read_text().splitlines())
        # Cached files are given up before anything is refused.
        return max(0, int(limit) - held + int(counts.get("inactive_file", 0)))
    except (OSError, ValueError):
        return sys.maxsize
