"""Models from GGUF files: what the recipe names, and a model that can be trained and saved like any other.

transformers dequantises a GGUF file while it loads it, but still marks the model as quantised, and then refuses to
save it.
"""

from __future__ import annotations

import importlib.util
import os

from transformers import PreTrainedModel

from forgetless.errors import ModelError


def split_gguf_path(path: str, gguf_file: str | None) -> tuple[str, str | None]:
    """The folder and the name of the GGUF file; a path that ends in `.gguf` names both."""
    if gguf_file is None and path.lower().endswith(".gguf"):
        folder, name = os.path.split(path)
        return folder or ".", name
    return path, gguf_file


def require_gguf_package(gguf_file: str) -> None:
    """Raises `ModelError` when the package that reads GGUF files is not installed."""
    if importlib.util.find_spec("gguf") is None:
        raise ModelError(
            field="model.gguf_file",
            value=gguf_file,
            rule="reading a GGUF file needs the package `gguf`, which is not installed",
            way_out="pip install 'forgetless[gguf]'",
        )


def clean_after_gguf(model: PreTrainedModel) -> None:
    """Takes away the marks of quantisation, which no longer hold once the weights are dequantised."""
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    for name in ("hf_quantizer", "is_quantized", "quantization_method"):
        model.__dict__.pop(name, None)
