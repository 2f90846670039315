"""Models in and out of memory.

Folders, hub ids, GGUF files and adapters go in; a model in evaluation mode with its chat format and a content hash
comes out. The room also saves models, whole or as an adapter, and walks the straight line between two models.
"""

from __future__ import annotations

from .adapter_path import AdapterPath, path_between
from .aside import Aside
from .disk import writing_weights
from .hashing import adapter_hash, model_hash, weights_hash
from .kernels import FLASH, attention_of
from .load import LoadedFormat, LoadedModel, load_folder, load_format, load_model, stop_ids_of
from .look import ModelLook, look_at_model
from .memory import PeakMemory, free_memory_bytes, held_bytes
from .path import LinearPath
from .save import plain_model, save_model, write_adapter
from .shipped import load_finished, read_back, save_and_reload, save_shipped
from .silence import libraries_silenced
from .tensors import sharing_copy

__all__ = [
    "FLASH",
    "AdapterPath",
    "Aside",
    "LinearPath",
    "LoadedFormat",
    "LoadedModel",
    "ModelLook",
    "PeakMemory",
    "adapter_hash",
    "attention_of",
    "free_memory_bytes",
    "held_bytes",
    "libraries_silenced",
    "load_finished",
    "load_folder",
    "load_format",
    "load_model",
    "look_at_model",
    "model_hash",
    "path_between",
    "plain_model",
    "read_back",
    "save_and_reload",
    "save_model",
    "save_shipped",
    "sharing_copy",
    "stop_ids_of",
    "weights_hash",
    "write_adapter",
    "writing_weights",
]
