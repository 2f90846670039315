"""A model whose weights are out of the way while another one is trained.

In: a model that nobody asks for a while. Out: the memory that its weights took. On a GPU they move to the host, and
come back for the time of a question. On the CPU they are mapped from a file that disappears with them: the model can
still be asked, and the system reads of it what is asked for and drops it when memory is short.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import PreTrainedModel

from .mapped import mapped_copies


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
            for weight, mapped in zip(self._weights, mapped_copies(self._weights, self._folder), strict=True):
                weight.data = mapped
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
