"""How much a run will write, before it writes anything."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from transformers import PreTrainedModel

from forgetless.recipe import LoraSettings, TrainingSettings
from forgetless.training.adapter import whole_modules
from forgetless.training.freeze import frozen_weights

_FLOAT32_BYTES = 4
_ADAM_MOMENTS = 2


def predicted_bytes(base: PreTrainedModel, settings: TrainingSettings, *, evaluations: int) -> int:
    """Bytes on the disk at the run's fullest moment.

    One checkpoint for each evaluation (the adapter, or the whole model with what is frozen in it), the optimizer's two
    moments of what is trained beside the newest two (the older is stripped once the newer is whole), and the two
    models that may be shipped: in the base's number format, or as adapters.
    """
    if settings.lora is None:
        saved = _size(base.parameters())
        trained = saved - _size(frozen_weights(base, settings.freeze))
    else:
        saved = trained = _adapter_weights(base, settings.lora)
    whole = sum(p.numel() * p.element_size() for p in base.parameters())
    shipped = _FLOAT32_BYTES * saved if settings.output == "adapter" else whole
    return _FLOAT32_BYTES * (saved * (evaluations + 1) + 2 * _ADAM_MOMENTS * trained) + 2 * shipped


def _size(weights: Iterable[nn.Parameter]) -> int:
    return sum(weight.numel() for weight in weights)


def _adapter_weights(model: PreTrainedModel, settings: LoraSettings) -> int:
    """At most: as if every linear layer were adapted."""
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    rows = sum(m.out_features for m in linear) if settings.dora else 0
    whole = sum(_size(m.parameters()) for m in whole_modules(model, settings.modules_to_save).values())
    return sum(settings.rank * (m.in_features + m.out_features) for m in linear) + rows + whole
