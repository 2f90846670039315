"""Puts this folder on the import path, so that every room's tests build the same tiny models; keeps them offline."""

from __future__ import annotations

import os

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # read by Hugging Face's libraries when they are imported


def pytest_configure(config: pytest.Config) -> None:
    """PEFT still asks transformers for a property by its old name."""
    config.addinivalue_line("filterwarnings", "ignore:.*is_gradient_checkpointing.*:FutureWarning")
