"""Every bench can be started: what it imports is there, and its options are well-formed."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
STARTED = sorted(path.stem for path in BENCH.glob("*.py") if "__main__" in path.read_text("utf-8"))


@pytest.mark.parametrize("name", STARTED)
def test_bench_explains_itself(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(name).main()
    assert ended.value.code == 0
    assert "--" in capsys.readouterr().out
