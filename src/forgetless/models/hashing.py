"""Content hashes of models in memory.

Two models with the same hash answer alike, so a score is measured once for each hash. The hash of a model read back
from the folder that it was saved to, in the same precision, is the hash it had in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from torch import nn
from transformers import PreTrainedTokenizerBase

from forgetless.rundir import content_hash

from .tensors import distinct_tensors, first_names

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CHUNK_BYTES = 1 << 26
_VOLATILE = (
    "_name_or_path",
    "architectures",
    "dtype",
    "torch_dtype",
    "quantization_config",
    "transformers_version",
    "use_cache",
)
"""Entries of a config that say how a model was stored or is run, not what it computes."""


def weights_hash(model: nn.Module) -> str:
    """A hash (32 hex digits) of the names, shapes, types and bytes of all parameters and persistent buffers.

    Tied weights count once. The tensors are hashed in parallel and never copied as a whole to the host: about
    1 GB/s for each thread.
    """
    return content_hash(_digests(distinct_tensors(model)))


def adapter_hash(base_hash: str, model: PeftModel) -> str:
    """A hash of what an adapted model answers: its base by hash, and the adapter with the scale that it is read at."""
    adapter = first_names(get_peft_model_state_dict(model, save_embedding_layers=False))
    config = model.active_peft_config
    read_as = [config.r, float(config.lora_alpha), config.use_rslora, config.use_dora]
    return content_hash("adapter", base_hash, _digests(adapter), read_as)


def model_hash(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str:
    """A hash of everything that decides what a model answers: weights, architecture, vocabulary and chat template."""
    return content_hash("model", weights_hash(model), _architecture(model), _vocabulary(tokenizer))


def _digests(tensors: Mapping[str, torch.Tensor]) -> list[list[Any]]:
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        digests = list(pool.map(_tensor_digest, tensors.values()))
    return [[name, list(t.shape), str(t.dtype), d] for (name, t), d in zip(tensors.items(), digests, strict=True)]


def _tensor_digest(tensor: torch.Tensor) -> str:
    digest = hashlib.blake2b(digest_size=16)
    flat = tensor.detach().contiguous().view(-1).view(torch.uint8) if tensor.numel() else tensor.new_empty(0)
    for start in range(0, flat.numel(), _CHUNK_BYTES):
        digest.update(flat[start : start + _CHUNK_BYTES].cpu().numpy().data)
    return digest.hexdigest()


def _architecture(model: PreTrainedModel) -> dict[str, Any]:
    known = model.config.to_dict()
    return {key: value for key, value in known.items() if key not in _VOLATILE and value is not None}


def _vocabulary(tokenizer: PreTrainedTokenizerBase) -> str:
    template = tokenizer.get_chat_template() if tokenizer.chat_template else None
    return content_hash(tokenizer.get_vocab(), template, tokenizer.eos_token_id)
