"""Bytes held, free, and held at most."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from forgetless.models import PeakMemory, free_memory_bytes, held_bytes
from forgetless.models.memory import _container_room

CPU = torch.device("cpu")
MEGABYTE = 1 << 20


def test_memory_that_is_held_and_given_back_leaves_its_mark() -> None:
    peak = PeakMemory(CPU)
    before = held_bytes(CPU)
    held = torch.ones(64 * MEGABYTE // 4)
    assert held_bytes(CPU) >= before + 60 * MEGABYTE
    del held
    assert peak.bytes >= before + 60 * MEGABYTE


@pytest.mark.skipif(sys.platform != "linux", reason="only there can the mark be set back")
def test_an_earlier_peak_does_not_count() -> None:
    held = torch.ones(128 * MEGABYTE // 4)
    del held
    peak = PeakMemory(CPU)
    assert peak.bytes < held_bytes(CPU) + 64 * MEGABYTE


def test_there_is_memory_left() -> None:
    assert 0 < free_memory_bytes(CPU) < 1 << 50


@pytest.mark.parametrize(
    ("files", "room"),
    [
        ({"memory.max": "max\n"}, sys.maxsize),
        ({"memory.max": "1000\n", "memory.current": "900\n", "memory.stat": "anon 500\ninactive_file 300\n"}, 400),
        ({"memory.max": "1000\n", "memory.current": "1200\n", "memory.stat": "anon 1200\n"}, 0),
        ({"memory.max": "1000\n"}, sys.maxsize),
        ({}, sys.maxsize),
    ],
    ids=["no limit", "files can go", "over the limit", "half a group", "no group"],
)
def test_a_container_has_its_own_limit(tmp_path: Path, files: dict[str, str], room: int) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert _container_room(tmp_path) == room
