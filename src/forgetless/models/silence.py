"""Quiet libraries.

In: a block of code. Out: the same block without progress bars for reading and writing weights, which would run
through the program's own display, and without a warning that PEFT triggers in transformers and no user can act on.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

from transformers.utils import logging


@contextlib.contextmanager
def libraries_silenced() -> Iterator[None]:
    """Within the block, transformers draws no bars; after it, they are as before."""
    had_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning
            )
            yield
    finally:
        if had_bars:
            logging.enable_progress_bar()
