"""How much a run will write and hold, before it does."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from transformers import PreTrainedModel

from forgetless.recipe import LoraSettings, ReplaySettings, TrainingSettings
from forgetless.training.adapter import whole_modules
from forgetless.training.freeze import frozen_weights
from forgetless.training.loss import needs_live_base
from forgetless.training.reference_cache import kept_of, stored_bytes

_FLOAT32_BYTES = 4
_ADAM_MOMENTS = 2
_ADAPTERS_TO_CERTIFY = 3


def predicted_bytes(
    base: PreTrainedModel, settings: TrainingSettings, *, evaluations: int, points_between: bool = True
) -> int:
    """Bytes on the disk at the run's fullest moment: when the last checkpoint is whole, or when the model is certified.

    There is one checkpoint for each evaluation (the adapter, or the whole model with what is frozen in it). While
    training, the optimizer's two moments of what is trained stand beside the newest two (the older is stripped once the
    newer is whole), and the file of a base that is set aside; later they stand beside the newest only, and the model
    that is shipped comes in, in the base's number format or as an adapter. With `points_between` on the path one of
    those may be shipped as well, and beside two whole models stands the file of the tuned one that makes room for them.
    """
    saved, moments = saved_bytes(base, settings), _ADAM_MOMENTS * trained_bytes(base, settings)
    aside = model_bytes(base) if sets_base_aside(settings) else 0
    if settings.output == "adapter":
        shipped = saved * (2 if points_between else 1)
    else:
        shipped = model_bytes(base) * (3 if points_between else 1)
    return saved * evaluations + max(min(evaluations, 2) * moments + aside, moments + shipped)


def reference_bytes(
    base: PreTrainedModel, settings: TrainingSettings, replay: ReplaySettings | None, *, texts: bool
) -> int:
    """Bytes in the cache folder, at most, of what the base says of replay rows; 0 where it is asked live.

    Of a conversation it may be the answer alone; `texts` that the base continues are held from their beginning.
    """
    if replay is None or settings.kl_reference == "live":
        return 0
    vocabulary = base.get_output_embeddings().weight.shape[0]
    whole = texts or settings.kl_tokens == "all"
    tokens = replay.max_new_tokens + (replay.max_prompt_tokens if whole else 0)
    return stored_bytes(replay.rows * tokens, kept_of(settings, vocabulary), vocabulary)


def sets_base_aside(settings: TrainingSettings) -> bool:
    """Whether the weights of the base are out of memory during the steps."""
    return settings.method == "full" and not needs_live_base(settings)


def least_memory_bytes(base: PreTrainedModel, settings: TrainingSettings) -> int:
    """Bytes of memory that a run needs beside the base at the very least, activations aside.

    While training, the weights of the student (of an adapter: its own), gradients and the optimizer's moments of those
    that are trained, the directions that an adapter leaves alone, less the base where that is set aside; or the models
    of the certificate.
    """
    moving = (1 + _ADAM_MOMENTS) * trained_bytes(base, settings) + _directions_bytes(base, settings)
    spared = model_bytes(base) if sets_base_aside(settings) else 0
    return max(saved_bytes(base, settings) + moving - spared, certifying_bytes(base, settings))


def certifying_bytes(base: PreTrainedModel, settings: TrainingSettings) -> int:
    """Bytes of what stands beside the base: one whole model at a time, be it the chosen one, what was read back or a
    point between; or three adapters over the weights of the base.
    """
    if settings.output == "adapter":
        return _ADAPTERS_TO_CERTIFY * saved_bytes(base, settings)
    return model_bytes(base)


def checkpoint_bytes(base: PreTrainedModel, settings: TrainingSettings) -> int:
    """Bytes of one checkpoint that can be resumed."""
    return saved_bytes(base, settings) + _ADAM_MOMENTS * trained_bytes(base, settings)


def saved_bytes(base: PreTrainedModel, settings: TrainingSettings) -> int:
    """Bytes of the weights of one checkpoint, in float32: the adapter, or the whole model."""
    weights = _size(base.parameters()) if settings.lora is None else _adapter_weights(base, settings.lora)
    return _FLOAT32_BYTES * weights


def trained_bytes(base: PreTrainedModel, settings: TrainingSettings) -> int:
    """Bytes of the weights that training moves, which it keeps in float32.

    Raises:
        RecipeError: `freeze` names a part that the model does not have.
    """
    frozen = _size(frozen_weights(base, settings.freeze))
    if settings.lora is not None and settings.lora.freeze_a:
        frozen += settings.lora.rank * sum(layer.in_features for layer in _linear(base))
    return saved_bytes(base, settings) - _FLOAT32_BYTES * frozen


def model_bytes(model: PreTrainedModel) -> int:
    """Bytes of a model's weights in its own number format."""
    return sum(p.numel() * p.element_size() for p in model.parameters())


def _size(weights: Iterable[nn.Parameter]) -> int:
    return sum(weight.numel() for weight in weights)


def _directions_bytes(model: PreTrainedModel, settings: TrainingSettings) -> int:
    """At most, as for the adapter."""
    kept = (settings.lora.keep_directions if settings.lora else None) or 0
    return _FLOAT32_BYTES * kept * sum(layer.in_features + layer.out_features for layer in _linear(model))


def _linear(model: PreTrainedModel) -> list[nn.Linear]:
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def _adapter_weights(model: PreTrainedModel, settings: LoraSettings) -> int:
    """At most: as if every linear layer were adapted."""
    linear = _linear(model)
    rows = sum(m.out_features for m in linear) if settings.dora else 0
    whole = sum(_size(m.parameters()) for m in whole_modules(model, settings.modules_to_save).values())
    return sum(settings.rank * (m.in_features + m.out_features) for m in linear) + rows + whole
