"""A LoRA adapter over a base, trained in float32, that starts as nothing.

In: the base and the recipe's `lora:`. Out: a second tree of modules over the weights of the base, with the adapter on
it. What it answers before the first step is what the base answers, whatever the base is stored in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils.integrations import dequantize_module_weight
from peft.utils.other import ModulesToSaveWrapper
from torch import Tensor, nn
from transformers import PreTrainedModel, set_seed

from forgetless.errors import RecipeError
from forgetless.models import libraries_silenced, sharing_copy
from forgetless.recipe import LoraSettings

_TIED_BY_PEFT = ("embed_tokens", "lm_head")


class AdaptedWeight(NamedTuple):
    """A weight of the base with an adapter on it, which changes it by scale · b · a.

    Attributes:
        name: Of its layer in the base.
        layer: PEFT's layer over it.
        a: `[rank, in]`, reads.
        b: `[out, rank]`, writes; 0 before the first step.
    """

    name: str
    layer: LoraLayer
    a: nn.Parameter
    b: nn.Parameter

    def of_base(self) -> Tensor:
        """The weight itself, `[out, in]`, in float32, whatever it is stored in."""
        weight = dequantize_module_weight(self.layer.get_base_layer()).detach().float()
        return weight.T if getattr(self.layer, "fan_in_fan_out", False) else weight


def with_adapter(base: PreTrainedModel, settings: LoraSettings, *, seed: int) -> PeftModel:
    """The base with a new adapter on it; the base itself is not changed, and its weights are not copied.

    Args:
        base: On its device, in its number format, quantised or not.
        settings: What the recipe says under `training.lora:`.
        seed: Seeds the adapter.

    Raises:
        RecipeError: The modules to adapt or to train whole do not fit this model.
    """
    whole = _modules_to_save(base, settings)
    _check_targets(base, settings.target_modules)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.target_modules,
        modules_to_save=list(whole) or None,
        ensure_weight_tying=_tied(base) and any(_named(name, _TIED_BY_PEFT) for name in whole),
        use_rslora=settings.rslora,
        use_dora=settings.dora,
        init_lora_weights="gaussian" if settings.init == "gaussian" else True,
    )
    set_seed(seed)
    try:
        with libraries_silenced():
            model = get_peft_model(sharing_copy(base), config)
    except ValueError as error:
        raise _unknown(
            base, "target_modules", settings.target_modules, "can take an adapter under that name"
        ) from error
    _check_tie(base, model, settings)
    _train_in_float32(model, base.dtype)
    if settings.dora:
        _measure_rows_in_float32(model)
    if settings.freeze_a:
        for name, weight in model.named_parameters():
            if ".lora_A." in name or ".lora_embedding_A." in name:
                weight.requires_grad_(False)
    return model


def adapted_weights(model: PeftModel, *, field: str, value: object) -> list[AdaptedWeight]:
    """Every weight that carries an adapter, where all of them belong to linear layers.

    Args:
        model: As `with_adapter` makes it.
        field: What asks for it in the recipe, under `training.lora`.
        value: What the recipe says there.

    Raises:
        RecipeError: An adapter lies on another kind of layer, such as embeddings.
    """
    found = []
    for name, layer in model.get_base_model().named_modules():
        if isinstance(layer, LoraLayer):
            factors = [side[key].weight for side in (layer.lora_A, layer.lora_B) for key in side]
            if [factor.ndim for factor in factors] != [2, 2]:
                raise _refused(field, value, f"speaks of linear layers, and `{name}` is another kind of layer",
                               "leave it out of `target_modules`")  # fmt: skip
            found.append(AdaptedWeight(name, layer, *factors))
    return found


def whole_modules(base: PreTrainedModel, names: Sequence[str]) -> dict[str, nn.Module]:
    """The modules that go by these names, by their full ones."""
    return {name: module for name, module in base.named_modules() if _named(name, names)}


def _modules_to_save(base: PreTrainedModel, settings: LoraSettings) -> dict[str, nn.Module]:
    field = "modules_to_save"
    for name in settings.modules_to_save:
        if not whole_modules(base, [name]):
            raise _unknown(base, field, name, "goes by that name")
    found = whole_modules(base, settings.modules_to_save)
    head = base.get_output_embeddings()
    for name, module in found.items():
        if any(True for _ in module.children()):
            raise _refused(
                field, name, "is made of several modules", "name the ones in it that are to be trained whole"
            )
        if any(not weight.is_floating_point() for weight in module.parameters()):
            raise _refused(field, name, "is held in 4 bits, and cannot be trained whole", "leave it out")
        if settings.target_modules == "all-linear" and isinstance(module, nn.Linear) and module is not head:
            raise _refused(field, name, "is a linear layer, and `target_modules: all-linear` puts an adapter on it",
                           "leave it out of `modules_to_save`, or list `target_modules` without it")  # fmt: skip
    return found


def _check_targets(base: PreTrainedModel, targets: str | Sequence[str]) -> None:
    """Neither the output head can carry an adapter nor embeddings that are also the head, where it would be read in one
    of the two places only.
    """
    for name, module in base.named_modules():
        try:
            targeted = re.fullmatch(targets, name) if isinstance(targets, str) else _named(name, targets)
        except re.error as error:
            raise _refused("target_modules", targets,
                           f"a text is read as a regular expression, and this is none: {error}",
                           "use `all-linear`, or a list of names") from None  # fmt: skip
        if targeted and module is base.get_output_embeddings():
            raise _refused("target_modules", name,
                           "the output head cannot carry an adapter: losses are taken through its weight directly",
                           "leave the head out, or use `all-linear`, which does")  # fmt: skip
        if targeted and module is base.get_input_embeddings() and _tied(base):
            raise _refused("target_modules", name,
                           "is the output head of this model too, which cannot carry an adapter",
                           "leave it out, or train it whole: `modules_to_save: [embed_tokens]`")  # fmt: skip


def _check_tie(base: PreTrainedModel, model: PeftModel, settings: LoraSettings) -> None:
    if _tied(base) and not _tied(model.get_base_model()):
        raise _refused("modules_to_save", settings.modules_to_save,
                       "embeddings and output head are one weight in this model, and would become two",
                       "leave both out, or train with `method: full`")  # fmt: skip


@torch.no_grad()
def _train_in_float32(model: PeftModel, dtype: torch.dtype) -> None:
    """Modules trained whole get float32 weights; what goes in and out of them stays in the number format of the base.

    PEFT does so for adapters.
    """
    for wrapper in model.modules():
        if isinstance(wrapper, ModulesToSaveWrapper) and dtype != torch.float32:
            wrapper.modules_to_save[wrapper.active_adapters[0]].float()
            # Of this module, and no lambdas: a model with hooks is sent to other processes.
            wrapper.register_forward_pre_hook(_given_in_float32)
            wrapper.register_forward_hook(partial(_found_in, dtype))


def _given_in_float32(module: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_cast(value, torch.float32) for value in given)


def _found_in(dtype: torch.dtype, module: torch.nn.Module, given: tuple[Any, ...], found: Any) -> Any:
    return _cast(found, dtype)


def _cast(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


@torch.no_grad()
def _measure_rows_in_float32(model: PeftModel) -> None:
    """DoRA's row lengths start at those of the base, to the last bit of float32.

    PEFT measures them in the number format of the base and compares them in float32, so over a base in bfloat16 its
    adapter starts as another model.
    """
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            weight = dequantize_module_weight(layer.get_base_layer()).float()
            for rows in layer.lora_magnitude_vector.values():
                rows.weight.data = rows.get_weight_norm(weight, weight.new_zeros(()), 1.0)


def _named(name: str, wanted: Sequence[str]) -> bool:
    return any(name == ending or name.endswith(f".{ending}") for ending in wanted)


def _tied(model: PreTrainedModel) -> bool:
    head = model.get_output_embeddings()
    return head is not None and head.weight is model.get_input_embeddings().weight


def _unknown(base: PreTrainedModel, field: str, value: object, what: str) -> RecipeError:
    layers = sorted({name.rpartition(".")[2] for name, module in base.named_modules() if hasattr(module, "weight")})
    return _refused(field, value, f"no layer of this model {what}; its layers are {', '.join(layers)}",
                    "use names from that list, or `all-linear` for `target_modules`")  # fmt: skip


def _refused(field: str, value: object, rule: str, way_out: str) -> RecipeError:
    return RecipeError(field=f"training.lora.{field}", value=value, rule=rule, way_out=way_out)
