"""Measuring a model without leaving a trace.

A measurement in the middle of a training run must not change the run: not the random numbers that it will draw, not
the mode of any of its modules. Nor may the run change the measurement: torch takes other kernels for weights that are
being trained than for frozen ones, and their last bits differ.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def random_states_kept() -> Iterator[None]:
    """After the block the random states of Python, NumPy, torch and every CUDA device in use are as before it."""
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        if cuda_states:
            torch.cuda.set_rng_state_all(cuda_states)


@contextmanager
def measuring(model: nn.Module) -> Iterator[None]:
    """Within the block the model is in evaluation mode and builds no graph; after it, all is as before.

    Put back are the random states, which weights are trained, and the training flag of each module by itself (some may
    have been in evaluation mode on purpose). Gradient checkpointing and caches need no care: both hang on the training
    flag, and the model's config is never written to.
    """
    modes = [(module, module.training) for module in model.modules()]
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        for module, _ in modes:
            module.training = False
        for weight in trained:
            weight.requires_grad = False
        with random_states_kept(), torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for weight in trained:
            weight.requires_grad = True
