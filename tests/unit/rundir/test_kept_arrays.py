"""Arrays that are made once and mapped ever after."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from forgetless.errors import ResourceError
from forgetless.rundir import arrays
from forgetless.rundir.arrays import Arrays, Form, arrays_folder, kept_arrays

FORMS = {"ids": Form((4, 3), np.dtype(np.uint16)), "values": Form((4,), np.dtype(np.float32))}
MADE_OF = {"base": "abc", "k": 3}


def counting(found: list[str]) -> Callable[[Arrays], None]:
    def fill(made: Arrays) -> None:
        found.append("filled")
        made["ids"][:] = np.arange(12).reshape(4, 3)
        made["values"][:] = 0.5

    return fill


def test_they_are_filled_once_and_mapped_afterwards(tmp_path: Path) -> None:
    filled: list[str] = []
    first = kept_arrays(tmp_path, MADE_OF, FORMS, counting(filled), field="f")
    again = kept_arrays(tmp_path, dict(reversed(MADE_OF.items())), FORMS, counting(filled), field="f")
    assert filled == ["filled"]
    for found in (first, again):
        assert isinstance(found["ids"], np.memmap)
        assert not found["ids"].flags.writeable
        assert found["ids"].tolist() == np.arange(12).reshape(4, 3).tolist()
        assert found["values"].dtype == np.float32


def test_what_is_made_of_something_else_is_something_else(tmp_path: Path) -> None:
    filled: list[str] = []
    for made_of in (MADE_OF, MADE_OF | {"k": 4}, MADE_OF | {"base": "abd"}):
        kept_arrays(tmp_path, made_of, FORMS, counting(filled), field="f")
    assert len(filled) == 3


@pytest.mark.parametrize("spoil", ["cut", "flipped", "gone", "unsaid", "other shape", "another's"])
def test_what_is_not_whole_is_made_anew(tmp_path: Path, spoil: str) -> None:
    filled: list[str] = []
    kept_arrays(tmp_path, MADE_OF, FORMS, counting(filled), field="f")
    folder = arrays_folder(tmp_path, MADE_OF)
    values = folder / "values.npy"
    if spoil == "cut":
        values.write_bytes(values.read_bytes()[:-4])
    elif spoil == "flipped":
        values.write_bytes(values.read_bytes()[:-4] + b"\1\2\3\4")
    elif spoil == "gone":
        values.unlink()
    elif spoil == "unsaid":
        (folder / "made_of.json").unlink()
    elif spoil == "other shape":
        np.save(values, np.zeros(5, dtype=np.float32))
    else:
        seal = json.loads((folder / "made_of.json").read_text("utf-8"))
        (folder / "made_of.json").write_text(json.dumps(seal | {"made_of": {"base": "other", "k": 3}}))
    found = kept_arrays(tmp_path, MADE_OF, FORMS, counting(filled), field="f")
    assert len(filled) == 2
    assert found["values"].tolist() == [0.5] * 4


def test_an_interrupted_filling_leaves_nothing_that_counts(tmp_path: Path) -> None:
    def interrupted(made: Arrays) -> None:
        made["ids"][:] = 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_arrays(tmp_path, MADE_OF, FORMS, interrupted, field="f")
    assert not arrays_folder(tmp_path, MADE_OF).exists()
    filled: list[str] = []
    kept_arrays(tmp_path, MADE_OF, FORMS, counting(filled), field="f")
    assert filled == ["filled"]


def test_a_disk_without_room_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "free_bytes", lambda folder: 39)
    with pytest.raises(ResourceError, match="kl_top_k") as caught:
        kept_arrays(
            tmp_path, MADE_OF, FORMS, lambda made: pytest.fail("there is no room"), field="training.kl_reference"
        )
    assert caught.value.field == "training.kl_reference"
    monkeypatch.setattr(arrays, "free_bytes", lambda folder: 40)
    kept_arrays(tmp_path, MADE_OF, FORMS, counting([]), field="f")
