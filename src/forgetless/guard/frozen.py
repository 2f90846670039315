"""What a certificate speaks of: the base, the tuned model as saved and reloaded, and the line between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from forgetless.engines import TransformersEngine
from forgetless.errors import RunFolderError
from forgetless.models import AdapterPath, LinearPath, LoadedModel, path_between, read_back, save_shipped, weights_hash
from forgetless.rundir import content_hash

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Frozen:
    """Base and tuned model after everything is decided.

    The models between them share one set of weights, so an engine from `between` is good until the next is asked for;
    on a GPU so is that of the tuned model. Never are there more than two models in memory.

    Attributes:
        base: At a = 0.
        tuned: At a = 1.
        folder: Of the saved tuned model; what has to leave the memory is written beside it.
        batch_tokens: For the engines.
    """

    base: LoadedModel
    tuned: LoadedModel
    folder: Path
    batch_tokens: int

    @classmethod
    def save(
        cls,
        base: LoadedModel,
        chosen: Callable[[], PreTrainedModel | PeftModel],
        folder: Path,
        *,
        batch_tokens: int,
    ) -> Frozen:
        """Save the chosen model, or adapter, to a folder, and freeze what is read back from there.

        `chosen` loads it; it is out of memory before anything is read back.
        """
        save_shipped(base, chosen(), folder)
        return cls(base, read_back(base, folder), folder, batch_tokens)

    @cached_property
    def path(self) -> LinearPath | AdapterPath:
        """The line between the two. It moves weights out of the memory, so it is drawn when it is first walked."""
        return path_between(self.base.model, self.tuned.model, self.folder.parent)

    def base_engine(self) -> TransformersEngine:
        """Answers for the base."""
        return self._engine(self.base)

    def tuned_engine(self) -> TransformersEngine:
        """Answers for the tuned model."""
        device, model = self.base.model.device, self.tuned.model
        if any(weight.device != device for weight in model.parameters()):
            model = self.path.at(1.0) if "path" in vars(self) else model.to(device)
        return self._engine(replace(self.tuned, model=model))

    def between(self, a: float) -> TransformersEngine:
        """Answers for θ(a) = base + a·(tuned − base)."""
        return TransformersEngine(
            self.path.at(a),
            self.base.format,
            model_hash=content_hash("between", self.base.hash, self.tuned.hash, a),
            batch_tokens=self.batch_tokens,
        )

    def save_between(self, a: float, folder: Path) -> TransformersEngine:
        """Save θ(a), and answer for what is read back from there. The walk ends with it.

        Raises:
            RunFolderError: What is read back is not, bit for bit, the model that the walk has judged.
        """
        point = self.path.at(a)
        judged = weights_hash(point)
        save_shipped(self.base, point, folder)
        vars(self).pop("path")
        saved = read_back(self.base, folder)
        if weights_hash(saved.model) != judged:
            raise RunFolderError(
                field="certified",
                value=folder,
                rule=f"reads back as other weights than those that were judged at a = {a:g}; nothing is shown of them",
                way_out="check the disk, remove the folder, and resume the run",
            )
        return self._engine(saved)

    def _engine(self, loaded: LoadedModel) -> TransformersEngine:
        return TransformersEngine(loaded.model, loaded.format, model_hash=loaded.hash, batch_tokens=self.batch_tokens)
