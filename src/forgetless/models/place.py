"""Where a model is, and where it is to go: folders and hub ids, devices and number formats.

Everything here is checked before a weight is read, so that a misspelt path costs a second and a sentence.
"""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub.constants
import torch

from forgetless.errors import ModelError

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "tekken.json",
)


def locate(path: str, *, folder: Path, field: str) -> str:
    """The local folder that `path` names, or `path` itself when it can only be a hub id.

    Args:
        path: What the recipe says.
        folder: What a relative path is relative to.
        field: The recipe's name for it, for the error.

    Raises:
        ModelError: There is no such folder, and it is no hub id either.
    """
    local = folder / Path(path).expanduser()
    if local.exists():
        return str(local)
    if not _HUB_ID.fullmatch(path) or path.startswith(".") or path.count("/") > 1:
        raise ModelError(
            field=field,
            value=path,
            rule=f"there is no such folder: {local}",
            way_out="check the spelling; a relative path is read from the folder of the recipe",
        )
    return path


def check_folder(path: Path, *, gguf_file: str | None) -> None:
    """Checks that a local folder holds a model.

    Raises:
        ModelError: It has no config, no tokenizer, or not the GGUF file.
    """
    if not path.is_dir():
        raise ModelError(
            field="model.path",
            value=path,
            rule="this is a file, and a model is a folder",
            way_out="name the folder that holds `config.json`; of files, only `.gguf` can be named",
        )
    if gguf_file is not None:
        if not (path / gguf_file).is_file():
            raise _missing("model.gguf_file", path / gguf_file, "there is no such file", _gguf_hint(path))
        return
    if not (path / "config.json").is_file():
        raise _missing("model.path", path, "the folder has no `config.json`", _config_hint(path))
    if not any(path.glob("*.safetensors")):
        pickled = any(path.glob("*.bin"))
        raise _missing(
            "model.path",
            path,
            "its weights are pickles, which may run code when they are read"
            if pickled
            else "the folder has no weights",
            "save the model once more by transformers (`save_pretrained` writes safetensors)"
            if pickled
            else "download or copy the model again; weights are `.safetensors` files",
        )
    if not any((path / name).is_file() for name in _TOKENIZER_FILES):
        raise _missing(
            "model.path",
            path,
            "the folder has no tokenizer",
            "copy `tokenizer.json` and `tokenizer_config.json` of the base model into it",
        )


def check_adapter(path: Path) -> None:
    """Checks that a local folder holds a PEFT adapter, and raises `ModelError` otherwise."""
    if (path / "adapter_config.json").is_file() and not (path / "adapter_model.safetensors").is_file():
        raise _missing(
            "model.adapter",
            path,
            "the folder has no `adapter_model.safetensors`",
            "save the adapter once more by PEFT; pickles (`adapter_model.bin`) are not read, for they may run code",
        )
    if not (path / "adapter_config.json").is_file():
        whole = (path / "config.json").is_file()
        raise _missing(
            "model.adapter",
            path,
            "the folder has no `adapter_config.json`, so it is no PEFT adapter",
            "this is a whole model: set `model.path` to it" if whole else "name the folder that PEFT saved",
        )


def choose_device(name: str) -> torch.device:
    """The device by its name; `auto` is the GPU where there is one.

    Raises:
        ModelError: There is no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise _missing("model.device", name, "this is no device", "use `auto`, `cpu` or `cuda`") from None
    if device.type not in ("cpu", "cuda"):
        raise _missing("model.device", name, "is not supported: models run on `cpu` or `cuda`", "use `auto` or `cpu`")
    if device.index:
        raise _missing(
            "model.device",
            name,
            "training always takes the first GPU that it sees",
            f"set `CUDA_VISIBLE_DEVICES={device.index}` in the environment, and `device: cuda` here",
        )
    if device.type == "cuda" and not torch.cuda.is_available():
        rule = "this machine has no CUDA device that torch can use"
        raise _missing("model.device", name, rule, "use `auto` or `cpu`")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype | str:
    """The number format by its name; `auto` is float32 on the CPU and the checkpoint's own elsewhere."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def hub_is_off() -> bool:
    """Whether the environment forbids asking the hub (`HF_HUB_OFFLINE`, as it was when Hugging Face was imported)."""
    return bool(huggingface_hub.constants.HF_HUB_OFFLINE)


def _missing(field: str, value: object, rule: str, way_out: str) -> ModelError:
    return ModelError(field=field, value=value, rule=rule, way_out=way_out)


def _config_hint(path: Path) -> str:
    if (path / "adapter_config.json").is_file():
        return "this is an adapter: set `model.path` to its base model and `model.adapter` to this folder"
    return _gguf_hint(path) if any(path.glob("*.gguf")) else "name a folder that `save_pretrained` wrote"


def _gguf_hint(path: Path) -> str:
    found = sorted(file.name for file in path.glob("*.gguf"))
    return f"set `model.gguf_file` to one of: {', '.join(found)}" if found else "check the spelling"
