"""Fresh items from a generator: questions that no list could run out of and no training set could have seen.

The name of a generator goes in, and a task that draws new items from every seed comes out. `GENERATORS` holds the
known ones under their names; anything that draws items from a number and a seed can be added to it.
"""

from __future__ import annotations

import difflib
from functools import partial

from forgetless import nano
from forgetless.errors import TaskError
from forgetless.recipe import ProceduralTask
from forgetless.tasks.generation import GenerationScorer
from forgetless.tasks.task import DrawItems, FreshTask

GENERATORS: dict[str, DrawItems] = {
    **{f"nano/{ability}": partial(nano.ability_items, ability) for ability in nano.ABILITIES},
    "nano/domain": nano.domain_items,
}
"""Generators of items by name."""


def procedural_task(name: str, settings: ProceduralTask, *, field: str) -> FreshTask:
    """Build a task over one of the `GENERATORS`, answered greedily and matched exactly.

    Raises:
        TaskError: There is no generator of that name.
    """
    draw = GENERATORS.get(settings.generator)
    if draw is None:
        near = difflib.get_close_matches(settings.generator, list(GENERATORS), n=1)
        raise TaskError(
            field=f"{field}.generator",
            value=settings.generator,
            rule=f"is none of the generators: {', '.join(sorted(GENERATORS))}",
            way_out=f"did you mean `{near[0]}`?" if near else "choose one of these",
        )
    return FreshTask(
        name=name,
        generator=settings.generator,
        draw=draw,
        scorer=GenerationScorer("exact", settings.max_new_tokens),
        dev_items=settings.dev_items or settings.items,
        test_items=settings.items,
    )
