"""Parts of a model that full fine-tuning leaves as they are.

In: a model all of whose weights are trained, and names of parts. Out: the same model with the weights of those parts
frozen, so that the optimiser does not hold them and they are saved as they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from torch import nn
from transformers import PreTrainedModel

from forgetless.errors import RecipeError


def freeze(model: PreTrainedModel, parts: Sequence[str]) -> None:
    """Freeze parts of a model in place.

    Where the embeddings are also the output head, they are one weight, and each name freezes both.

    Args:
        model: All of its weights are trained.
        parts: `embeddings` (of the tokens), `head`, `layers 3`, `layers 0-5`; layers count from 0.

    Raises:
        RecipeError: The model has no such part, or nothing is left to train.
    """
    for weight in frozen_weights(model, parts):
        weight.requires_grad_(False)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise RecipeError(
            field="training.freeze",
            value=", ".join(parts),
            rule="these are all the weights of this model, and nothing is left to train",
            way_out="freeze less",
        )


def frozen_weights(model: PreTrainedModel, parts: Sequence[str]) -> list[nn.Parameter]:
    """The weights of the named parts, each once.

    Raises:
        RecipeError: The model has no such part.
    """
    found = {id(weight): weight for part in parts for module in _modules(model, part) for weight in module.parameters()}
    return list(found.values())


def _modules(model: PreTrainedModel, part: str) -> Iterator[nn.Module]:
    if part in ("embeddings", "head"):
        module = model.get_input_embeddings() if part == "embeddings" else model.get_output_embeddings()
        if module is None:
            raise _no_such_part(part, f"a {type(model).__name__} has none")
        yield module
        return
    layers = _layers(model)
    numbers = [int(number) for number in re.findall(r"\d+", part)]
    if numbers[-1] >= len(layers):
        raise _no_such_part(part, f"this model has {len(layers)} layers, counted from 0")
    yield from layers[numbers[0] : numbers[-1] + 1]


def _layers(model: PreTrainedModel) -> nn.ModuleList:
    """The stack of decoder layers: the outermost list of modules that is as long as the configuration says."""
    count = model.config.get_text_config().num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise _no_such_part("layers", f"the layers of a {type(model).__name__} cannot be told apart")


def _no_such_part(part: str, rule: str) -> RecipeError:
    return RecipeError(field="training.freeze", value=part, rule=rule, way_out="name parts that the model has")
