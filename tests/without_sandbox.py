"""What a test of the sandbox does where there is none."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def without_sandbox(problem: str) -> NoReturn:
    """Skip; or fail where `FORGETLESS_TEST_SANDBOX=required` says that the sandbox is to work here."""
    if os.environ.get("FORGETLESS_TEST_SANDBOX") == "required":
        pytest.fail(f"the sandbox is required here: {problem}")
    pytest.skip(f"no sandbox here: {problem}")
