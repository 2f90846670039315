"""How a model computes: its attention, and weights of 4 bits.

In: what the recipe says. Out: arguments for transformers, or what is missing on this machine, before a weight is read.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from transformers import BitsAndBytesConfig, PreTrainedModel
from transformers.utils import is_flash_attn_2_available

from forgetless.errors import ModelError

FLASH = "flash_attention_2"


def attention_arguments(name: str, device: torch.device) -> dict[str, Any]:
    """Arguments that load a model with the named attention; `auto` leaves the choice to transformers.

    Raises:
        ModelError: Flash attention without a CUDA device or without its package.
    """
    if name == "auto":
        return {}
    if name == FLASH:
        if device.type != "cuda":
            raise _missing("model.attention", name, f"flash attention runs on CUDA devices only, not on `{device}`",
                           "set `attention: sdpa`")  # fmt: skip
        if not is_flash_attn_2_available():
            raise _missing("model.attention", name, "it needs the package `flash-attn`, which is not installed",
                           "pip install flash-attn --no-build-isolation, or set `attention: sdpa`")  # fmt: skip
    return {"attn_implementation": name}


def attention_of(model: PreTrainedModel) -> str:
    """The attention that a model computes with."""
    return str(model.config._attn_implementation)


def check_flash_precision(model: PreTrainedModel) -> None:
    """Raises `ModelError` for a model that flash attention cannot compute: one that is not in half precision."""
    if attention_of(model) == FLASH and model.dtype not in (torch.bfloat16, torch.float16):
        dtype = str(model.dtype).removeprefix("torch.")
        raise _missing("model.dtype", dtype, "flash attention computes in half precision only",
                       "set `model.dtype: bfloat16`, or `model.attention: sdpa`")  # fmt: skip


def quantization_arguments(quantization: str | None, device: torch.device, dtype: torch.dtype | str) -> dict[str, Any]:
    """Arguments that hold the linear layers of a model in 4 bits (NF4, arXiv 2305.14314), straight on its device.

    Args:
        quantization: `nf4`, or none.
        device: A CUDA device.
        dtype: What the layers compute in; bfloat16 where the checkpoint decides.

    Raises:
        ModelError: There is no CUDA device, or the package that does it is not installed.
    """
    if quantization is None:
        return {}
    if device.type != "cuda":
        raise _missing("model.quantization", quantization, f"it needs a CUDA device, and this run is on `{device}`",
                       "leave `quantization` out, or run on a machine with a CUDA device")  # fmt: skip
    if importlib.util.find_spec("bitsandbytes") is None:
        raise _missing("model.quantization", quantization, "it needs `bitsandbytes`, which is not installed",
                       "pip install 'forgetless[nf4]'")  # fmt: skip
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantization,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype if isinstance(dtype, torch.dtype) else torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": device.index or 0}}


def _missing(field: str, value: object, rule: str, way_out: str) -> ModelError:
    return ModelError(field=field, value=value, rule=rule, way_out=way_out)
