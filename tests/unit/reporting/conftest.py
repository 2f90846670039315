"""Runs to report on, each rendered once."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_run import GENTLE, ROUGH, write_run

from forgetless.reporting import View, build_view, render_report


@pytest.fixture(scope="session")
def gentle_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "gentle", GENTLE)


@pytest.fixture(scope="session")
def rough_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "rough", ROUGH, alarms=True)


@pytest.fixture(scope="session")
def gentle(gentle_run: Path) -> View:
    return build_view(gentle_run)


@pytest.fixture(scope="session")
def rough(rough_run: Path) -> View:
    return build_view(rough_run)


@pytest.fixture(scope="session")
def gentle_page(gentle: View) -> str:
    return render_report(gentle)


@pytest.fixture(scope="session")
def rough_page(rough: View) -> str:
    return render_report(rough, language="zh")
