"""What no run can do, though each part of its recipe may say it: refused before anything is loaded.

In: the parts of a recipe that are valid by themselves. Out: nothing, or the first combination that cannot work, with
the setting to change. What depends on the model or the machine is found out later, when they are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from forgetless.errors import RecipeError

if TYPE_CHECKING:
    from forgetless.recipe.data import ReplaySettings
    from forgetless.recipe.schema import EvaluationSettings
    from forgetless.recipe.training import ModelSettings, TrainingSettings


def refuse_combinations(
    model: ModelSettings, training: TrainingSettings, evaluation: EvaluationSettings, replay: ReplaySettings | None
) -> None:
    """Raises `RecipeError` for the first combination that cannot work."""
    for refusal in (
        *_quantised(model, training),
        *_flash(model, training),
        *_adapter(model, training, evaluation),
        *_update(training, replay),
        *_held(training, replay),
    ):
        raise refusal


def _quantised(model: ModelSettings, training: TrainingSettings) -> Iterator[RecipeError]:
    if model.quantization is None:
        return

    def refused(rule: str, way_out: str) -> RecipeError:
        return RecipeError(field="model.quantization", value=model.quantization, rule=rule, way_out=way_out)

    if training.method == "full":
        yield refused(
            "weights of 4 bits cannot be trained, only an adapter over them",
            "set `training.method: lora`, or leave `quantization` out",
        )
    if training.output == "merged":
        yield refused(
            "merging the adapter would round the merged weights anew, to another model than the one that was trained",
            "set `training.output: adapter`; whoever merges it afterwards can measure the result by `compare`",
        )
    if model.gguf_file is not None or model.path.lower().endswith(".gguf"):
        yield refused(
            "a GGUF file is quantised already, and dequantised when it is loaded",
            "leave `quantization` out, or name the folder of the model that it was made from",
        )
    if model.adapter is not None:
        yield refused(
            "`model.adapter` is merged into the base, and weights of 4 bits cannot take it up",
            "merge it first and name the merged folder as `model.path`",
        )
    if model.device == "cpu":
        yield refused("weights of 4 bits are computed with on CUDA devices only", "set `model.device: cuda`, or `auto`")


def _flash(model: ModelSettings, training: TrainingSettings) -> Iterator[RecipeError]:
    if model.attention != "flash_attention_2":
        return

    def refused(rule: str, way_out: str) -> RecipeError:
        return RecipeError(field="model.attention", value=model.attention, rule=rule, way_out=way_out)

    if model.device == "cpu":
        yield refused("flash attention runs on CUDA devices only", "set `attention: sdpa`, or `model.device: cuda`")
    if model.dtype == "float32":
        yield refused(
            "flash attention computes in half precision only",
            "set `model.dtype: bfloat16`, or `attention: sdpa`",
        )
    if training.method == "full":
        yield refused(
            "flash attention computes in half precision only, and full fine-tuning keeps and measures float32 weights",
            "set `attention: sdpa`, or train with `method: lora`",
        )


def _adapter(model: ModelSettings, training: TrainingSettings, evaluation: EvaluationSettings) -> Iterator[RecipeError]:
    if training.output != "adapter" or training.lora is None:
        return
    if model.adapter is not None:
        yield RecipeError(
            field="training.output",
            value="adapter",
            rule="`model.adapter` is merged into the base first, so the new adapter would fit no model that has a name",
            way_out="set `training.output: merged`, or merge the first adapter and name the folder as `model.path`",
        )
    if training.lora.dora and evaluation.path != [1.0]:
        yield RecipeError(
            field="evaluation.path",
            value=evaluation.path,
            rule="there is no line from the base to a DoRA adapter: scaled down it leads to another model, for its row "
            "lengths stay",
            way_out="set `evaluation.path: [1.0]`, or `training.output: merged`, which walks between the whole models",
        )


def _update(training: TrainingSettings, replay: ReplaySettings | None) -> Iterator[RecipeError]:
    """Where the update may go is read off the base and its inputs, and has to stay where it was put."""
    lora = training.lora
    if lora is None:
        return
    if lora.keep_directions is not None and lora.dora:
        yield RecipeError(
            field="training.lora.keep_directions",
            value=lora.keep_directions,
            rule="`dora` gives every row of a weight a length of its own, which changes the directions that are kept",
            way_out="leave one of the two out",
        )
    if lora.init == "null_space" and replay is None:
        yield RecipeError(
            field="training.lora.init",
            value=lora.init,
            rule="the directions are found on the rows that the base is to keep, and the recipe has no `replay` rows",
            way_out="give `replay:`, or set `init: default`",
        )


def _held(training: TrainingSettings, replay: ReplaySettings | None) -> Iterator[RecipeError]:
    """What speaks of a KL term needs one, and what was written down of the base is enough for one term alone."""
    if training.kl_reference == "cached":
        yield from _cached(training, replay)
    if replay is None and training.domain_kl_weight == 0.0 and training.kl_direction != "forward":
        yield RecipeError(
            field="training.kl_direction",
            value=training.kl_direction,
            rule="there is no KL term: the recipe has no `replay` rows, and holds no domain rows",
            way_out="give `replay:`, or a `training.domain_kl_weight` above 0, or leave this out",
        )


def _cached(training: TrainingSettings, replay: ReplaySettings | None) -> Iterator[RecipeError]:
    def refused(rule: str, way_out: str) -> RecipeError:
        return RecipeError(field="training.kl_reference", value=training.kl_reference, rule=rule, way_out=way_out)

    if replay is None:
        yield refused(
            "it is written for replay rows, and the recipe has none", "give `replay:`, or leave `kl_reference` out"
        )
    if training.kl_direction == "reverse":
        yield refused(
            "KL(model ‖ base) needs the base's probability of whatever the model may come to say, and only that of its "
            "likeliest tokens is written down",
            "set `kl_reference: live`, or `kl_direction: forward`",
        )
    if training.domain_kl_weight > 0.0:
        yield refused(
            "it is written for replay rows, and `domain_kl_weight` (which `domain_weights: asft` brings) holds domain "
            "rows as well",
            "set `kl_reference: live`, or leave them out",
        )
