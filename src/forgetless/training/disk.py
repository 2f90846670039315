"""How much a run will write, before it writes anything."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from forgetless.recipe import TrainingSettings

_FLOAT32_BYTES = 4
_ADAM_MOMENTS = 2


def predicted_bytes(base: PreTrainedModel, settings: TrainingSettings, *, evaluations: int) -> int:
    """Bytes on the disk at the run's fullest moment.

    One checkpoint of the trained weights for each evaluation, the optimizer's two moments beside the newest two (the
    older is stripped once the newer is whole), and the two models that may be shipped, in the base's number format.
    """
    whole = sum(p.numel() * p.element_size() for p in base.parameters())
    adapter = settings.lora
    trained = _FLOAT32_BYTES * (_size(base) if adapter is None else _adapter_weights(base, adapter.rank))
    return trained * (evaluations + 1) + 2 * _ADAM_MOMENTS * trained + 2 * whole


def _size(model: PreTrainedModel) -> int:
    return sum(p.numel() for p in model.parameters())


def _adapter_weights(model: PreTrainedModel, rank: int) -> int:
    linear = (m for m in model.modules() if isinstance(m, nn.Linear))
    return sum(rank * (m.in_features + m.out_features) for m in linear)
