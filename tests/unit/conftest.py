"""Puts this folder on the import path, so that every room's tests build the same tiny models; keeps them offline, and
out of the user's cache."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # read by Hugging Face's libraries when they are imported


def pytest_configure(config: pytest.Config) -> None:
    """PEFT still asks transformers for a property by its old name."""
    config.addinivalue_line("filterwarnings", "ignore:.*is_gradient_checkpointing.*:FutureWarning")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORGETLESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
