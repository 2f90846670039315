"""What `import forgetless` gives, and what it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import forgetless

HEAVY = {"torch", "transformers", "trl", "peft", "datasets", "numpy"}


def modules_after(code: str) -> set[str]:
    told = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = modules_after("import forgetless")
    assert not loaded & HEAVY
    assert not {name for name in loaded if name.startswith("forgetless.")}


def test_reading_a_recipe_by_the_public_names_loads_nothing_heavy() -> None:
    assert not modules_after("import forgetless as fl; fl.load_recipe, fl.parse_recipe, fl.UserError") & HEAVY


def test_exports_are_sorted_and_documented() -> None:
    assert forgetless.__all__ == sorted(forgetless.__all__)
    assert len(set(forgetless.__all__)) == len(forgetless.__all__)
    assert dir(forgetless) == forgetless.__all__
    assert forgetless.__doc__


@pytest.mark.parametrize("name", forgetless.__all__)
def test_every_export_is_there(name: str) -> None:
    value = getattr(forgetless, name)
    assert value.__name__ == name
    assert value.__doc__


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="trian"):
        forgetless.trian  # noqa: B018
