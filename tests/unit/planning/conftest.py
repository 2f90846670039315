"""The small recipe's plan, made once for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from planned_world import World, small_recipe, write_data

from forgetless.planning import plan
from forgetless.stages import lay_ground


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("planned")
    write_data(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORGETLESS_CACHE", str(folder / "cache"))
        recipe = small_recipe()
        yield World(folder, recipe, lay_ground(recipe, folder), plan(recipe, folder=folder))
