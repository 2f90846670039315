"""What can be told about a model without loading it: its size, its window, and how it writes conversations.

A folder, a GGUF file or a hub id goes in. Sizes come from the headers of the weight files; nothing is downloaded but
what a tokenizer needs, and where even that is out of reach, what is not known is `None`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import AutoTokenizer

from forgetless.errors import ModelError
from forgetless.tokens import ChatFormat

from .gguf import require_gguf_package, split_gguf_path
from .place import check_folder, locate

_SIZE_IN_NAME = re.compile(r"(?<![A-Za-z\d.])(\d+(?:\.\d+)?)([MB])(?![A-Za-z\d])", re.IGNORECASE)
_WINDOW_KEYS = ("max_position_embeddings", "n_positions")


@dataclass(frozen=True, slots=True)
class ModelLook:
    """A model as seen from outside.

    Attributes:
        parameters: How many weights it has; `None` where neither its files nor its name say so.
        window: Tokens that it reads at most; `None` where not known.
        format: Its chat format; `None` for a hub id whose tokenizer cannot be had now.
    """

    parameters: int | None
    window: int | None
    format: ChatFormat | None


def look_at_model(path: str, *, folder: Path, field: str) -> ModelLook:
    """Look at the model that a recipe's `model.path` would name.

    Args:
        path: A folder, a GGUF file, or a hub id.
        folder: What relative paths are relative to.
        field: The option that named it, for errors.

    Raises:
        ModelError: There is no such model, its files cannot be read, or it has no chat template.
    """
    named, gguf_file = split_gguf_path(path, None)
    place = locate(named, folder=folder, field=field)
    local = Path(place)
    if not local.exists():
        return ModelLook(_parameters_in_name(path), None, _format(place, gguf_file, may_be_missing=True))
    check_folder(local, gguf_file=gguf_file)
    if gguf_file:
        require_gguf_package(gguf_file)
        parameters, window = _of_gguf(local / gguf_file)
    else:
        parameters, window = _stored_weights(local), _window(local)
    return ModelLook(
        parameters if parameters is not None else _parameters_in_name(path),
        window,
        _format(place, gguf_file, may_be_missing=False),
    )


def _format(place: str, gguf_file: str | None, *, may_be_missing: bool) -> ChatFormat | None:
    origin: dict[str, Any] = {"gguf_file": gguf_file} if gguf_file else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **origin)
    except (OSError, ValueError, KeyError, ImportError) as error:
        if may_be_missing:
            return None
        raise ModelError(
            field="model.path",
            value=place,
            rule=f"its tokenizer cannot be read: {str(error).strip().splitlines()[0][:300]}",
            way_out="check that the folder is complete and that this version of transformers knows the model",
        ) from None
    chat = ChatFormat(tokenizer)
    chat.require_template()
    return chat


def _stored_weights(folder: Path) -> int | None:
    files = sorted(folder.glob("*.safetensors"))
    try:
        return sum(size for file in files for size in _tensor_sizes(file)) if files else None
    except (SafetensorError, OSError) as error:
        raise ModelError(
            field="model.path",
            value=folder,
            rule=f"its weights cannot be read: {error}",
            way_out="download or copy the model again",
        ) from None


def _tensor_sizes(file: Path) -> Iterator[int]:
    with safe_open(file, framework="np") as tensors:
        for name in tensors.keys():  # noqa: SIM118, for this is no mapping
            yield math.prod(tensors.get_slice(name).get_shape())


def _window(folder: Path) -> int | None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return _first_number(config.get("text_config") or config)


def _first_number(config: dict[str, Any]) -> int | None:
    return next((config[key] for key in _WINDOW_KEYS if isinstance(config.get(key), int)), None)


def _of_gguf(file: Path) -> tuple[int | None, int | None]:
    from gguf import GGUFReader

    try:
        reader = GGUFReader(file)
    except (ValueError, OSError, IndexError) as error:
        raise ModelError(
            field="model.path",
            value=file,
            rule=f"this is no readable GGUF file: {error}",
            way_out="download or copy the file again",
        ) from None
    window = next((f.contents() for key, f in reader.fields.items() if key.endswith(".context_length")), None)
    return sum(int(tensor.n_elements) for tensor in reader.tensors), int(window) if window is not None else None


def _parameters_in_name(path: str) -> int | None:
    """The size that a name gives away, such as `Qwen2.5-0.5B-Instruct`."""
    found = _SIZE_IN_NAME.findall(Path(path).name)
    if not found:
        return None
    number, unit = found[-1]
    return round(float(number) * {"m": 1e6, "b": 1e9}[unit.lower()])
