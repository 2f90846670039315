"""What a run ships, saved beside its base and read back from the files.

A whole model is a folder for any transformers program. An adapter is a PEFT folder with the tokenizer and `base.json`,
which names the base by place and by hash: the same adapter over another base is another model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import AutoTokenizer, PreTrainedModel

from forgetless.errors import ModelError
from forgetless.recipe import ModelSettings
from forgetless.rundir import replace_folder
from forgetless.tokens import ChatFormat

from .disk import writing_weights
from .hashing import adapter_hash
from .kernels import attention_of
from .load import LoadedModel, load_folder, load_model
from .place import locate
from .save import save_model, write_adapter
from .silence import libraries_silenced
from .templates import named_template
from .tensors import sharing_copy

BASE = "base.json"
TEMPLATE = "chat_template.jinja"
"""Where a tokenizer keeps its chat template; a template in place of the base's own is read back from there."""
_OF_THE_BASE = ("gguf_file", "adapter", "revision", "quantization")


def save_and_reload(base: LoadedModel, model: PreTrainedModel | PeftModel, folder: Path) -> LoadedModel:
    """Saves a model that was made from `base`, and reads it back as everyone who gets the folder will.

    Args:
        base: What it was made from.
        model: A whole model, or the base with an adapter, which is then what is saved.
        folder: Where to; replaced as a whole when it exists.

    Raises:
        RunFolderError: The disk is full or the folder cannot be written.
    """
    save_shipped(base, model, folder)
    return read_back(base, folder)


def save_shipped(base: LoadedModel, model: PreTrainedModel | PeftModel, folder: Path) -> None:
    """The first half of `save_and_reload`."""
    if isinstance(model, PeftModel):
        _save_adapter(base, model, folder)
    else:
        save_model(model, base.format.tokenizer, folder)


def read_back(base: LoadedModel, folder: Path) -> LoadedModel:
    """A model that was saved beside `base`; an adapter is read over the weights of the base, which are not copied."""
    if (folder / BASE).is_file():
        return _over(base, folder, name=str(folder), arguments=base.format.arguments)
    dtype = str(base.model.dtype).removeprefix("torch.")
    return load_folder(
        folder,
        dtype=dtype,
        device=base.model.device.type,
        attention=attention_of(base.model),
        trust_remote_code=_trusted(base),
        template_arguments=base.format.arguments,
    )


def load_finished(settings: ModelSettings, *, folder: Path) -> LoadedModel:
    """A model to be asked and not trained: as `load_model`, or an adapter folder of a run over the base that it names.

    Raises:
        ModelError: As `load_model`; or the base is not the one that the adapter was trained over.
    """
    place = Path(locate(settings.path, folder=folder, field="model.path"))
    if not (place / BASE).is_file():
        return load_model(settings, folder=folder)
    for key in _OF_THE_BASE:
        if (value := getattr(settings, key)) is not None:
            raise ModelError(
                field=f"model.{key}",
                value=value,
                rule=f"this is an adapter, and `{BASE}` in its folder says how its base is loaded",
                way_out=f"leave `{key}` out",
            )
    origin, stored_hash = _named_base(place)
    update = {"device": settings.device, "attention": settings.attention,
              "trust_remote_code": settings.trust_remote_code}  # fmt: skip
    if settings.dtype != "auto":
        update["dtype"] = settings.dtype
    base = load_model(origin.model_copy(update=update), folder=place)
    if base.hash != stored_hash and settings.dtype in ("auto", origin.dtype):
        raise ModelError(
            field="model.path",
            value=origin.path,
            rule=f"this is not the base that the adapter in {place} was trained over: its hash is {base.hash}, and "
            f"{stored_hash} was trained over",
            way_out=f"put that base back, or correct `path` in {place / BASE}",
        )
    template = named_template(settings.template, folder=folder) if settings.template else None
    return _over(base, place, name=settings.path, template=template, arguments=settings.chat_template_kwargs)


def _save_adapter(base: LoadedModel, model: PeftModel, folder: Path) -> None:
    if base.origin is not None:
        model.active_peft_config.base_model_name_or_path = base.origin.path

    def fill(temporary: Path) -> None:
        write_adapter(model, temporary)
        base.format.tokenizer.save_pretrained(temporary)
        origin = {} if base.origin is None else base.origin.model_dump(
            include={"path", "gguf_file", "revision", "dtype", "quantization"}
        )  # fmt: skip
        if base.origin is not None and base.origin.template is not None:
            origin["template"] = TEMPLATE
        told = {"name": base.name, "hash": base.hash, **origin}
        (temporary / BASE).write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    with writing_weights(folder):
        replace_folder(folder, fill)


def _over(
    base: LoadedModel, folder: Path, *, name: str, template: str | None = None, arguments: Mapping[str, Any]
) -> LoadedModel:
    with libraries_silenced():
        model = PeftModel.from_pretrained(
            sharing_copy(base.model), str(folder), torch_device=str(base.model.device)
        ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=_trusted(base))
    chat = ChatFormat(tokenizer, template=template, arguments=arguments)
    return LoadedModel(model, chat, adapter_hash(base.hash, model), name)


def _trusted(base: LoadedModel) -> bool:
    return base.origin is not None and base.origin.trust_remote_code


def _named_base(folder: Path) -> tuple[ModelSettings, str]:
    try:
        told = json.loads((folder / BASE).read_text(encoding="utf-8"))
        return ModelSettings.model_validate({k: v for k, v in told.items() if k not in ("name", "hash")}), told["hash"]
    except (ValueError, KeyError, AttributeError):
        raise ModelError(
            field="model.path",
            value=folder / BASE,
            rule="does not say what the base of this adapter is",
            way_out="take the folder as the run wrote it; or name the base as `path` and this folder as `adapter`",
        ) from None
