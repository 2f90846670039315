"""Packages that some tasks need and most users do not."""

from __future__ import annotations

import importlib.util

from forgetless.errors import TaskError


def require(module: str, *, extra: str, field: str) -> None:
    """Make sure that a package is there before anything is imported from it.

    Raises:
        TaskError: It is not installed.
    """
    if importlib.util.find_spec(module) is None:
        raise TaskError(
            field=field,
            value=module,
            rule=f"needs the package `{extra}`, which is not installed",
            way_out=f"pip install 'forgetless[{extra}]'",
        )
