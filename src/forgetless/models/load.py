"""A model by its recipe, or from a folder that forgetless wrote."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

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


class LoadedFormat(NamedTuple):
    """How a model writes conversations, without the model; `stop_ids` are all tokens that end its answers."""

    format: ChatFormat
    stop_ids: frozenset[int]


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


def load_format(
    path: str,
    *,
    folder: Path,
    field: str,
    template: str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> LoadedFormat:
    """Loads the tokenizer and chat template of a model that runs elsewhere.

    Args:
        path: A folder, a GGUF file or a hub id.
        folder: What a relative path is relative to.
        field: The recipe's name for it, for errors.
        template: A chat template in place of its own: a Jinja file, or the name of a shipped one.
        arguments: Names that the chat template reads, and their values.

    Raises:
        ModelError: There is no tokenizer, it or the template cannot be used, or the template does not read an argument.
    """
    named, gguf_file = split_gguf_path(path, None)
    place = locate(named, folder=folder, field=field)
    if gguf_file:
        require_gguf_package(gguf_file)
    origin = {"gguf_file": gguf_file} if gguf_file else {}
    source = named_template(template, folder=folder) if template else None
    try:
        chat = ChatFormat(AutoTokenizer.from_pretrained(place, **origin), template=source, arguments=arguments)
    except ModelError as error:
        if error.field.startswith(("model.template", "model.chat_template_kwargs")):
            raise
        raise ModelError(field=field, value=path, rule=error.rule, way_out=error.way_out) from None
    except _READING_ERRORS as error:
        raise _unreadable(place, error, field=field) from None
    return LoadedFormat(chat, frozenset(chat.stop_ids) | _shipped_stop_ids(place, origin))


def stop_ids_of(config: Any) -> frozenset[int]:
    """The end-of-sequence tokens that a config names; none for `None`."""
    ids = getattr(config, "eos_token_id", None)
    if ids is None:
        return frozenset()
    return frozenset([ids] if isinstance(ids, int) else ids)


def _shipped_stop_ids(place: str, origin: dict[str, str]) -> frozenset[int]:
    """As a loaded model has them: from its generation config, else from its config."""
    for kind in (AutoConfig,) if origin else (GenerationConfig, AutoConfig):
        try:
            return stop_ids_of(kind.from_pretrained(place, **origin))
        except _READING_ERRORS:
            continue
    return frozenset()


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
    _let_stop(model, chat)
    if adapter:
        model = _merged(model, adapter)
    model = model.eval() if quantised else model.to(device).eval()
    return LoadedModel(model, chat, model_hash(model, tokenizer), name)


def _let_stop(model: PreTrainedModel, chat: ChatFormat) -> None:
    """Notes what ends a turn in what is saved with the model, where servers look for it.

    The files of many base models name only the end of a document, and a model tuned on turns would talk on.
    """
    config = model.generation_config
    known = stop_ids_of(config)
    if config is not None and not known.issuperset(chat.stop_ids):
        config.eos_token_id = sorted(known.union(chat.stop_ids))


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
