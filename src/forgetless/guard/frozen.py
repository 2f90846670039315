"""What a certificate speaks of: the base, the tuned model as saved and reloaded, and the line between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from forgetless.engines import TransformersEngine
from forgetless.models import AdapterPath, LinearPath, LoadedModel, path_between, save_and_reload
from forgetless.rundir import content_hash

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Frozen:
    """Base and tuned model after everything is decided.

    The models between them share one set of weights, so an engine from `between` is good until the next is asked for.
    """

    base: LoadedModel
    tuned: LoadedModel
    batch_tokens: int

    @classmethod
    def save(cls, base: LoadedModel, chosen: PreTrainedModel | PeftModel, folder: Path, *, batch_tokens: int) -> Frozen:
        """Save the chosen model, or adapter, to a folder, and freeze what is read back from there."""
        return cls(base, save_and_reload(base, chosen, folder), batch_tokens)

    @cached_property
    def path(self) -> LinearPath | AdapterPath:
        """The line between the two; it may hold a third model, so it is drawn when it is first walked."""
        return path_between(self.base.model, self.tuned.model)

    def base_engine(self) -> TransformersEngine:
        """Answers for the base."""
        return self._engine(self.base)

    def tuned_engine(self) -> TransformersEngine:
        """Answers for the tuned model."""
        return self._engine(self.tuned)

    def between(self, a: float) -> TransformersEngine:
        """Answers for θ(a) = base + a·(tuned − base)."""
        return TransformersEngine(
            self.path.at(a),
            self.base.format,
            model_hash=content_hash("between", self.base.hash, self.tuned.hash, a),
            batch_tokens=self.batch_tokens,
        )

    def save_between(self, a: float, folder: Path) -> TransformersEngine:
        """Save θ(a), and answer for what is read back from there."""
        return self._engine(save_and_reload(self.base, self.path.at(a), folder))

    def _engine(self, loaded: LoadedModel) -> TransformersEngine:
        return TransformersEngine(loaded.model, loaded.format, model_hash=loaded.hash, batch_tokens=self.batch_tokens)
