"""Keeps whole runs off the network."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read by Hugging Face's libraries when they are imported
