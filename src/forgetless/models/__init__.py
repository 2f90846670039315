"""Models in and out of memory.

Folders, hub ids, GGUF files and adapters go in; a model in evaluation mode with its chat format and a content hash
comes out. The room also saves models whole and walks the straight line between two models.
"""

from __future__ import annotations

from .disk import writing_weights
from .hashing import model_hash, weights_hash
from .load import LoadedModel, load_folder, load_model
from .look import ModelLook, look_at_model
from .memory import PeakMemory, free_memory_bytes, held_bytes
from .path import LinearPath
from .save import plain_model, save_adapter, save_model
from .weights import load_weights_only, save_weights_only

__all__ = [
    "LinearPath",
    "LoadedModel",
    "ModelLook",
    "PeakMemory",
    "free_memory_bytes",
    "held_bytes",
    "load_folder",
    "load_model",
    "load_weights_only",
    "look_at_model",
    "model_hash",
    "plain_model",
    "save_adapter",
    "save_model",
    "save_weights_only",
    "weights_hash",
    "writing_weights",
]
