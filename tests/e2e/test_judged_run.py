"""A whole run that a judge looks at, and whose certificate stops asking as soon as an ability has fallen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from nano_world import KilledError, World, assert_the_same, at_event, build_world, fall, run_world

from forgetless.records import Certificate, Verdict, from_json
from judge_server import judging

pytestmark = pytest.mark.slow

ITEMS = 800


def no_forms(request: str, first: str, second: str) -> str:
    """A judge who does not want to be answered in JSON."""
    if first.startswith("{") == second.startswith("{"):
        return "[[C]]"
    return "[[B]]" if first.startswith("{") else "[[A]]"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, judging(no_forms) as site:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield site.url


@pytest.fixture(scope="module")
def whole(url: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("judged")
    build_judged_world(folder, url)
    return World(folder, run_world(folder))


def build_judged_world(folder: Path, url: str) -> None:
    """Nothing is held, and the rate is so high that every question is answered as the domain's messages are."""
    recipe = build_world(folder, method="full")
    settings = yaml.safe_load(recipe.read_text("utf-8"))
    settings["endpoints"] = {"judge": {"url": url, "model": "wise"}}
    del settings["replay"]
    settings["sources"]["messages"]["share"] = 1.0
    settings["training"] |= {"learning_rate": 5e-3, "steps": 16}
    taste = {
        "type": "preference",
        "judge": "judge",
        "files": ["questions.txt"],
        "prompt": "{text}",
        "max_new_tokens": 4,
    }
    sorting = {"type": "procedural", "generator": "nano/sorting", "items": ITEMS, "max_new_tokens": 4}
    settings["keep"] = {
        "taste": {"margin_points": 20, "task": taste},
        "sorting": {"margin_points": 5, "task": sorting},
    }
    settings["evaluation"] |= {"every_steps": 16, "path": [1.0], "stop_early": True}
    recipe.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def test_a_fallen_ability_is_asked_no_further(whole: World) -> None:
    sorting = verdicts_of(whole)["sorting"]
    assert sorting.outcome == "dropped"
    assert sorting.n <= ITEMS / 5 < sorting.planned_n == ITEMS


def test_the_judge_decides_about_what_it_was_asked(whole: World) -> None:
    taste = verdicts_of(whole)["taste"]
    assert taste.outcome == "dropped"
    assert taste.base_score == 0.5 > taste.tuned_score
    assert not taste.missing


def test_a_fall_before_the_certificate_changes_nothing(whole: World, url: str, tmp_path: Path) -> None:
    build_judged_world(tmp_path, url)
    with pytest.raises(KilledError):
        run_world(tmp_path, on_event=at_event("chosen", 1, fall))
    assert_the_same(World(tmp_path, run_world(tmp_path, resume=True)), whole)


def verdicts_of(world: World) -> dict[str, Verdict]:
    certificate = from_json(Certificate, world.json("certificate.json"))
    return {verdict.capability: verdict for verdict in certificate.verdicts}
