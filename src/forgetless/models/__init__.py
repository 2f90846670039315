"""Models in and out of memory.

Folders, hub ids, GGUF files and adapters go in; a model in evaluation mode with its chat format and a content hash
comes out. The room also saves models whole and walks the straight line between two models.
"""

from __future__ import annotations

from .disk import writing_weights
from .hashing import model_hash, weights_hash
from .load import LoadedFormat, LoadedModel, load_folder, load_format, load_model, stop_ids_of
from .look import ModelLook, look_at_model
from .path import LinearPath
from .save import plain_model, save_adapter, save_model
from .weights import load_weights_only, save_weights_only

__all__ = [
    "LinearPath",
    "LoadedFormat",
    "LoadedModel",
    "ModelLook",
    "load_folder",
    "load_format",
    "load_model",
    "load_weights_only",
    "look_at_model",
    "model_hash",
    "plain_model",
    "save_adapter",
    "save_model",
    "save_weights_only",
    "stop_ids_of",
    "weights_hash",
    "writing_weights",
]
