"""The base against itself in other batches, before anything is trained (rule 6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from scripted_models import ListTask, ScriptedModel

from forgetless.errors import TaskError
from forgetless.guard import Capability, measure_noises
from forgetless.records import Item
from forgetless.rundir import ScoreStore, cache_folder


@dataclass
class Wavering(ScriptedModel):
    """Answers every n-th item otherwise when its batches are smaller."""

    every: int = 0
    smaller: Any = field(default=None)

    def in_smaller_batches(self) -> Any:
        if self.smaller is None:
            self.smaller = Smaller(self.model_hash, settings_hash="smaller", every=self.every)
        return self.smaller


@dataclass
class Smaller(ScriptedModel):
    every: int = 0

    def score(self, task: str, item: Item) -> float:
        right = super().score(task, item)
        return 1.0 - right if self.every and int(item.id.rpartition("-")[2]) % self.every == 1 else right


def noises(base: Wavering, *tasks: ListTask, margin: float = 0.2, dev_items: int | None = 40) -> dict[str, float]:
    capabilities = [Capability(task.name, task, margin) for task in tasks]
    store = ScoreStore(cache_folder() / "scores")
    return measure_noises(base, capabilities, dev_items=dev_items, seed=0, store=store)  # type: ignore[arg-type]


def test_a_base_that_answers_the_same_has_no_noise_and_is_asked_no_further() -> None:
    base = Wavering("base")
    assert noises(base, ListTask("maths"), ListTask("sorting", fresh=True)) == {"maths": 0.0, "sorting": 0.0}
    assert len(base.asked) == len(base.smaller.asked) == 2 * 40
    assert all("-dev-" in item for item in base.asked)


def test_where_answers_move_all_dev_items_say_how_much() -> None:
    base = Wavering("base", every=20)
    found = noises(base, ListTask("maths", dev=200))
    assert len(set(base.smaller.asked)) == 200
    assert 0.05 < found["maths"] < 0.1


def test_a_fresh_task_draws_on_until_there_is_half_a_test_part() -> None:
    base = Wavering("base", every=20)
    found = noises(base, ListTask("sorting", fresh=True, dev=40, test=400))
    assert len(set(base.smaller.asked)) == 200
    assert 0.05 < found["sorting"] < 0.1


def test_a_margin_within_the_noise_is_refused() -> None:
    with pytest.raises(TaskError, match="batch shape") as caught:
        noises(Wavering("base", every=20), ListTask("maths", dev=200), margin=0.05)
    assert caught.value.field == "maths.margin"


def test_what_was_measured_is_not_measured_again() -> None:
    noises(Wavering("base", every=20), ListTask("maths"))
    again = Wavering("base", every=20)
    assert noises(again, ListTask("maths"))["maths"] > 0
    assert again.asked == again.smaller.asked == []
