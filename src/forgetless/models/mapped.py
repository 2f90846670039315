"""Tensors on the disk that are read as if they were in memory, in files that disappear with them.

The system reads of them what is asked for and drops it when memory is short.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from forgetless.rundir import disk_errors

_ALIGNMENT = 64


def mapped_copies(tensors: Sequence[torch.Tensor], folder: Path) -> list[torch.Tensor]:
    """Copies of contiguous tensors, bit for bit, on the host but outside its memory.

    Args:
        tensors: On any device; none empty.
        folder: On the disk that takes the file, as large as the tensors together.

    Raises:
        RunFolderError: The disk is full, or the folder cannot be written.
    """
    if not tensors:
        return []
    starts: list[int] = []
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            for tensor in tensors:
                file.seek(-file.tell() % _ALIGNMENT, 1)
                starts.append(file.tell())
                file.write(tensor.detach().reshape(-1).view(torch.uint8).cpu().numpy().data)
            file.flush()
            # Copy on write: nobody writes, and torch asks for memory that could be written.
            mapped = torch.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), dtype=torch.uint8)
    return [
        mapped[start : start + tensor.numel() * tensor.element_size()].view(tensor.dtype).view(tensor.shape)
        for tensor, start in zip(tensors, starts, strict=True)
    ]
