"""A model whose weights are out of the way while another one is trained.

In: a model that nobody asks for a while. Out: the memory that its weights took. On a GPU they move to the host, and
come back for the time of a question. On the CPU they are mapped from a file that disappears with them: the model can
still be asked, and the system reads of it what is asked for and drops it when memory is short.
"""

from __future__ import annotations

import contextlib
import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from forgetless.rundir import disk_errors

_ALIGNMENT = 64


class Aside:
    """A context in which the weights of `model` take no memory of the device.

    Args:
        model: Its weights have their bits back when the context ends.
        folder: On the disk that takes the file, as large as the weights; not used on a GPU.

    Raises:
        RunFolderError: The disk is full, or the folder cannot be written.
    """

    def __init__(self, model: PreTrainedModel, folder: Path) -> None:
        self._model = model
        self._folder = folder
        self._device = model.device
        # A weight that does not lie in memory row by row would be read in another order afterwards.
        self._weights = [w for w in model.parameters() if w.numel() and w.is_contiguous()]

    def __enter__(self) -> Aside:
        if self._device.type == "cpu":
            _map(self._weights, self._folder)
        else:
            self._leave()
        return self

    def __exit__(self, *_: object) -> None:
        if self._device.type == "cpu":
            for weight in self._weights:
                weight.data = weight.data.clone()
        else:
            self._model.to(self._device)

    @contextlib.contextmanager
    def back(self) -> Iterator[None]:
        """For a while the model can be asked at its usual speed."""
        if self._device.type == "cpu":
            yield
            return
        self._model.to(self._device)
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        self._model.to("cpu")
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _map(weights: list[nn.Parameter], folder: Path) -> None:
    starts: list[int] = []
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            for weight in weights:
                file.seek(-file.tell() % _ALIGNMENT, 1)
                starts.append(file.tell())
                file.write(weight.detach().reshape(-1).view(torch.uint8).numpy().data)
            file.flush()
            # Copy on write: nobody writes, and torch asks for memory that could be written.
            mapped = torch.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), dtype=torch.uint8)
    for weight, start in zip(weights, starts, strict=True):
        size = weight.numel() * weight.element_size()
        weight.data = mapped[start : start + size].view(weight.dtype).view(weight.shape)
