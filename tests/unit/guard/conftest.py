"""A run folder with a cache of its own, and a guard over scripted models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_models import ListTask, ScriptedModel, exam_of

from forgetless.guard import Certifier, Exam, Guard
from forgetless.recipe import EvaluationSettings
from forgetless.rundir import RunFolder, ScoreStore, cache_folder, open_run


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    with open_run(tmp_path / "run") as folder:
        yield folder


@pytest.fixture
def exam() -> Exam:
    return exam_of(ListTask("maths"), ListTask("sorting", fresh=True))


@pytest.fixture
def make_guard(run: RunFolder, exam: Exam) -> Callable[..., Guard]:
    def make(*, base: ScriptedModel | None = None, planned: int = 4, seed: int = 0, **settings: Any) -> Guard:
        return Guard(
            exam,
            base=base or ScriptedModel("base", {"domain": 0.5}),  # type: ignore[arg-type]
            settings=EvaluationSettings(dev_items=60, **settings),
            run=run,
            base_scores=ScoreStore(cache_folder() / "scores"),
            planned_evaluations=planned,
            seed=seed,
        )

    return make


@pytest.fixture
def make_certifier(run: RunFolder, exam: Exam) -> Callable[..., Certifier]:
    def make(
        asked: Exam | None = None,
        *,
        folder: RunFolder | None = None,
        discordance: dict[str, float] | None = None,
        seed: int = 0,
        recipe_hash: str = "recipe",
        **settings: Any,
    ) -> Certifier:
        return Certifier(
            asked or exam,
            settings=EvaluationSettings(**{"path": [0.5, 0.8, 1.0], **settings}),
            run=folder or run,
            base_scores=ScoreStore(cache_folder() / "scores"),
            discordance=discordance or {},
            seed=seed,
            recipe_hash=recipe_hash,
        )

    return make
