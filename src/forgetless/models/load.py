"""A model by its recipe, or from a folder that forgetless wrote."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from forgetless.errors import ModelError
from forgetless.recipe import ModelSettings
from forgetless.tokens import ChatFormat

from .gguf import clean_after_gguf, require_gguf_package, split_gguf_path
from .hashing import model_hash
from .kernels import attention_arguments, check_flash_precision, quantization_arguments
from .place import check_adapter, check_folder, choose_device, choose_dtype, hub_is_off, locate
from .silence import libraries_silenced
from .templates import named_template

_READING_ERRORS = (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError)
"""What transformers and PEFT raise for files that are missing, broken, of another kind or of another shape."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in evaluation mode, its way to write conversations, and what it is.

    `model` carries an adapter where a run shipped one. `hash` covers weights, architecture, vocabulary and chat
    template (see `model_hash`); `name` is what people call it; `origin` loads it again from any working folder, in
    the same number format (none for a model that was made in memory).
    """

    model: PreTrainedModel | PeftModel
    format: ChatFormat
    hash: str
    name: str
    origin: ModelSettings | None = None


def load_model(settings: ModelSettings, *, folder: Path) -> LoadedModel:
    """Loads the model that a recipe starts from, an adapter merged into it where one is named.

    Args:
        settings: What the recipe says under `model:`.
        folder: What relative paths are relative to.

    Raises:
        ModelError: The model cannot be found, read, or used for conversations; the message says what to change.
    """
    named, gguf_file = split_gguf_path(settings.path, settings.gguf_file)
    place = locate(named, folder=folder, field="model.path")
    adapter = locate(settings.adapter, folder=folder, field="model.adapter") if settings.adapter else None
    if Path(place).exists():
        check_folder(Path(place), gguf_file=gguf_file)
    if adapter and Path(adapter).exists():
        check_adapter(Path(adapter))
    if gguf_file:
        require_gguf_package(gguf_file)
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    kernels = attention_arguments(settings.attention, device)
    kernels |= quantization_arguments(settings.quantization, device, dtype)
    template = named_template(settings.template, folder=folder) if settings.template else None
    source: dict[str, Any] = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    if gguf_file:
        source["gguf_file"] = gguf_file
    else:
        kernels["use_safetensors"] = True
    loaded = _load(
        place, dtype=dtype, device=device, source=source, kernels=kernels, adapter=adapter, name=settings.path,
        template=template, template_arguments=settings.chat_template_kwargs,
    )  # fmt: skip
    again = {"path": _from_anywhere(place), "gguf_file": gguf_file}
    if adapter:
        again["adapter"] = _from_anywhere(adapter)
    if settings.template and (folder / Path(settings.template).expanduser()).is_file():
        again["template"] = _from_anywhere(settings.template, folder)
    if settings.quantization is None:
        again["dtype"] = str(loaded.model.dtype).removeprefix("torch.")
    return dataclasses.replace(loaded, origin=settings.model_copy(update=again))


def load_folder(
    path: Path,
    *,
    dtype: str = "auto",
    device: str = "auto",
    attention: str = "auto",
    trust_remote_code: bool = False,
    template_arguments: Mapping[str, Any] | None = None,
) -> LoadedModel:
    """Loads what `save_model` wrote.

    Args:
        path: The folder.
        dtype: `auto`, `float32`, `bfloat16` or `float16`.
        device: `auto`, `cpu` or `cuda`.
        attention: `auto`, `sdpa`, `eager` or `flash_attention_2`.
        trust_remote_code: Whether code in the folder may run.
        template_arguments: Names that the chat template reads, and their values; no file of a model holds them.

    Raises:
        ModelError: The folder is missing or incomplete.
    """
    settings = {"path": str(path), "dtype": dtype, "device": device, "attention": attention,
                "trust_remote_code": trust_remote_code, "chat_template_kwargs": template_arguments or {}}  # fmt: skip
    return load_model(ModelSettings.model_validate(settings), folder=Path())


def _load(
    place: str,
    *,
    dtype: torch.dtype | str,
    device: torch.device,
    source: dict[str, Any],
    kernels: dict[str, Any],
    adapter: str | None,
    name: str,
    template: str | None,
    template_arguments: Mapping[str, Any],
) -> LoadedModel:
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **source)
        chat = ChatFormat(tokenizer, template=template, arguments=template_arguments)
        model, found = AutoModelForCausalLM.from_pretrained(
            place, dtype=dtype, output_loading_info=True, **source, **kernels
        )
    except _READING_ERRORS as error:
        raise _unreadable(place, error, field="model.path") from None
    _check_complete(found["missing_keys"], place)
    if "gguf_file" in source:
        clean_after_gguf(model)
    quantised = "quantization_config" in kernels
    _check_quantization(model, place, asked=quantised)
    check_flash_precision(model)
    _check_vocabulary(model, tokenizer, place)
    if adapter:
        model = _merged(model, adapter)
    model = model.eval() if quantised else model.to(device).eval()
    return LoadedModel(model, chat, model_hash(model, tokenizer), name)


def _merged(model: PreTrainedModel, adapter: str) -> PreTrainedModel:
    try:
        with libraries_silenced():
            return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except _READING_ERRORS as error:
        raise _unreadable(adapter, error, field="model.adapter") from None


def _from_anywhere(place: str, folder: Path = Path()) -> str:
    """A path as it is told from any working folder; what is no path here stays as it is."""
    local = folder / Path(place).expanduser()
    return str(local.absolute()) if local.exists() else place


def _check_complete(missing: Iterable[str], place: str) -> None:
    # transformers fills what is missing with random numbers and goes on.
    names = sorted(missing)
    if names:
        raise ModelError(
            field="model.path",
            value=place,
            rule=f"{len(names)} weights are missing from its files, such as `{names[0]}`",
            way_out="download or copy the model again; a classifier or an encoder is no causal language model",
        )


def _check_quantization(model: PreTrainedModel, place: str, *, asked: bool) -> None:
    if getattr(model, "is_quantized", False) and not asked:
        raise ModelError(
            field="model.path",
            value=place,
            rule="its weights are stored quantised, and cannot be trained, compared or saved as they are",
            way_out="name the model that it was made from; `model.quantization: nf4` quantises that when it is loaded",
        )


def _check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, place: str) -> None:
    known = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > known:
        raise ModelError(
            field="model.path",
            value=place,
            rule=f"the tokenizer has {len(tokenizer)} tokens, and the model knows only {known}",
            way_out="use the tokenizer that the model was trained with",
        )


def _unreadable(place: str, error: Exception, *, field: str) -> ModelError:
    if Path(place).exists():
        rule = _first_sentence(error)
        way_out = "check that the folder is complete and that this version of transformers knows the model"
    elif hub_is_off():
        rule = "it is neither a folder here nor in the local cache of the hub, and the hub is switched off"
        way_out = "name a local folder, or unset `HF_HUB_OFFLINE` to download it"
    else:
        rule = f"it is no folder here, and the hub gave nothing usable: {_first_sentence(error)}"
        way_out = "check the id and the network; a gated model needs `hf auth login`"
    return ModelError(field=field, value=place, rule=rule, way_out=way_out)


def _first_sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
