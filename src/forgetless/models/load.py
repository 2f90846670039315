"""A model by its recipe, or from a folder that forgetless wrote."""

from __future__ import annotations

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
from .place import check_adapter, check_folder, choose_device, choose_dtype, hub_is_off, locate
from .templates import named_template

_READING_ERRORS = (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError)
"""What transformers and PEFT raise for files that are missing, broken, of another kind or of another shape."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in evaluation mode, its way to write conversations, and what it is.

    `hash` covers weights, architecture, vocabulary and chat template (see `model_hash`); `name` is what people call it.
    `trust_remote_code` says whether its own code may run when it is read back from a folder.
    """

    model: PreTrainedModel
    format: ChatFormat
    hash: str
    name: str
    trust_remote_code: bool = False


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
    template = named_template(settings.template, folder=folder) if settings.template else None
    origin: dict[str, Any] = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    if gguf_file:
        origin["gguf_file"] = gguf_file
    else:
        origin["use_safetensors"] = True
    return _load(
        place, dtype=choose_dtype(settings.dtype, device), device=device, origin=origin, adapter=adapter,
        name=settings.path, template=template, template_arguments=settings.chat_template_kwargs,
    )  # fmt: skip


def load_folder(
    path: Path,
    *,
    dtype: str = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
    template_arguments: Mapping[str, Any] | None = None,
) -> LoadedModel:
    """Loads what `save_model` wrote.

    Args:
        path: The folder.
        dtype: `auto`, `float32`, `bfloat16` or `float16`.
        device: `auto`, `cpu` or `cuda`.
        trust_remote_code: Whether code in the folder may run.
        template_arguments: Names that the chat template reads, and their values; no file of a model holds them.

    Raises:
        ModelError: The folder is missing or incomplete.
    """
    settings = {"path": str(path), "dtype": dtype, "device": device, "trust_remote_code": trust_remote_code,
                "chat_template_kwargs": template_arguments or {}}  # fmt: skip
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
    origin: dict[str, Any],
    adapter: str | None,
    name: str,
    template: str | None,
    template_arguments: Mapping[str, Any],
) -> LoadedModel:
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            place, **{key: value for key, value in origin.items() if key != "use_safetensors"}
        )
        chat = ChatFormat(tokenizer, template=template, arguments=template_arguments)
        model, found = AutoModelForCausalLM.from_pretrained(place, dtype=dtype, output_loading_info=True, **origin)
    except _READING_ERRORS as error:
        raise _unreadable(place, error, field="model.path") from None
    _check_complete(found["missing_keys"], place)
    clean_after_gguf(model)
    _check_vocabulary(model, tokenizer, place)
    if adapter:
        model = _merged(model, adapter)
    model = model.to(device).eval()
    return LoadedModel(model, chat, model_hash(model, tokenizer), name, bool(origin["trust_remote_code"]))


def _merged(model: PreTrainedModel, adapter: str) -> PreTrainedModel:
    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except _READING_ERRORS as error:
        raise _unreadable(adapter, error, field="model.adapter") from None


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
