"""How much a run will write and hold, before it does."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from forgetless.recipe import TrainingSettings

_FLOAT32_BYTES = 4
_ADAM_MOMENTS = 2
_MODELS_TO_CERTIFY = 3


def predicted_bytes(base: PreTrainedModel, settings: TrainingSettings, *, evaluations: int) -> int:
    """Bytes on the disk at the run's fullest moment.

    One checkpoint of the trained weights for each evaluation, the optimizer's two moments beside the newest two (the
    older is stripped once the newer is whole), and the two models that may be shipped, in the base's number format.
    """
    trained = trained_bytes(base, settings)
    return trained * (evaluations + 1) + 2 * _ADAM_MOMENTS * trained + 2 * model_bytes(base)


def least_memory_bytes(base: PreTrainedModel, settings: TrainingSettings) -> int:
    """Bytes of memory that a run needs beside the base at the very least, activations aside.

    While training, the trained weights, their gradients and the optimizer's moments; or the models of the certificate.
    """
    return max((2 + _ADAM_MOMENTS) * trained_bytes(base, settings), certifying_bytes(base))


def certifying_bytes(base: PreTrainedModel) -> int:
    """Bytes of the models that stand beside the base at once: the chosen one, what was read back, the point between."""
    return _MODELS_TO_CERTIFY * model_bytes(base)


def checkpoint_bytes(base: PreTrainedModel, settings: TrainingSettings) -> int:
    """Bytes of one checkpoint that can be resumed."""
    return (1 + _ADAM_MOMENTS) * trained_bytes(base, settings)


def trained_bytes(base: PreTrainedModel, settings: TrainingSettings) -> int:
    """Bytes of the weights that training moves, which it keeps in float32."""
    weights = _size(base) if settings.lora is None else _adapter_weights(base, settings.lora.rank)
    return _FLOAT32_BYTES * weights


def model_bytes(model: PreTrainedModel) -> int:
    """Bytes of a model's weights in its own number format."""
    return sum(p.numel() * p.element_size() for p in model.parameters())


def _size(model: PreTrainedModel) -> int:
    return sum(p.numel() for p in model.parameters())


def _adapter_weights(model: PreTrainedModel, rank: int) -> int:
    linear = (m for m in model.modules() if isinstance(m, nn.Linear))
    return sum(rank * (m.in_features + m.out_features) for m in linear)
