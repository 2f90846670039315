"""What prompts leave uncovered, how prompts of that kind begin, and what the base makes of it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forgetless.recipe import FileSettings, ReplaySettings
from forgetless.records import Message
from forgetless.sampling import Sampling
from forgetless.sources import prompt_key
from forgetless.synthesis import Hole, ReplayRows, ReplayState, replay_state, self_replay
from forgetless.synthesis.holes import MOST_WORDS, beginnings_of, find_holes, prompts_for_each

NAMES = ["ada", "bo", "cleo", "dan", "eve", "finn"]
PAIRS = list(itertools.product(NAMES, NAMES))


def sums(n: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [f"How much is {rng.randint(0, 99)} plus {rng.randint(0, 99)}?" for _ in range(n)]


def letters(n: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [f"Write a letter to {rng.choice(NAMES)} about {rng.choice(NAMES)}." for _ in range(n)]


KINDS = {"sums": sums(120, 0), "letters": letters(120, 0)}


def test_an_item_begins_with_what_it_shares_with_another_and_never_with_half_of_it() -> None:
    items = ["Sort these: 3 1 2 9", "Sort these: 3 8 4 7", "Who are you?", "Hello", ""]
    assert beginnings_of(items) == ["Sort these: 3", "Sort these: 3", "Who"]
    assert beginnings_of(["今天天气怎么样", "昨天下雨了吗"]) == ["今天", "昨天"]
    same = ["one two three four five six"] * 2
    assert beginnings_of(same) == ["one two three"] * 2
    long = [" ".join(f"w{i}" for i in range(60)) + f" {end}" for end in "ab"]
    assert [len(begun.split()) for begun in beginnings_of(long)] == [MOST_WORDS] * 2
    assert beginnings_of(["What is\n\n  code?\nprint(1)"]) == ["What is"]


def test_a_hole_is_known_to_be_uncovered_and_can_be_begun() -> None:
    nothing_alike = ["abcdefgh", "ijklmnop", "qrstuvwx", "yz012345"]
    silent = ["quiet"] * 8
    found = find_holes(KINDS | {"odd": nothing_alike, "silent": silent}, sums(50, 1))
    assert list(found) == ["letters"]
    assert 0.0 <= found["letters"] < 0.75


@pytest.mark.parametrize(
    ("holes", "rows", "missing", "each"),
    [
        (1, 1000, 1000, 50),
        (3, 1000, 1000, 50),
        (20, 1000, 1000, 25),
        (1, 100, 100, 16),
        (2, 1000, 10, 2),
        (0, 10, 9, 4),
    ],
)
def test_a_hole_takes_a_bounded_share(holes: int, rows: int, missing: int, each: int) -> None:
    assert prompts_for_each(holes, rows=rows, replaced=missing) == each


Replay = Callable[..., ReplayRows]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forgetless.synthesis.replay.block_rows", lambda tokens, at_once: 64)
    monkeypatch.setattr("forgetless.synthesis.self_written.block_rows", lambda tokens, at_once: 32)


@pytest.fixture
def arguments(tmp_path: Path, words: Any) -> Callable[..., dict[str, Any]]:
    def made(**settings: Any) -> dict[str, Any]:
        chosen = {"share": 0.2, "prompts": "self", "coverage": "balanced", "rows": 200, "max_prompt_tokens": 20}
        return {
            "settings": ReplaySettings(**(chosen | settings)),
            "format": words,
            "folder": tmp_path,
            "seed": 0,
            "exclude": (),
            "cache": tmp_path / "cache",
            "kinds": KINDS,
        }

    return made


@pytest.fixture
def replay(arguments: Any) -> Replay:
    def run(engine: Any, *, changed: dict[str, Any] | None = None, **settings: Any) -> ReplayRows:
        return self_replay(engine, **(arguments(**settings) | (changed or {})))

    return run


@pytest.fixture
def state(arguments: Any) -> Callable[..., ReplayState]:
    def run(engine: Any, **settings: Any) -> ReplayState:
        return replay_state(engine, **arguments(**settings))

    return run


def writes_sums(i: int, seed: int) -> str:
    """What the base writes by itself, and how it goes on when it has begun a letter."""
    rng = random.Random(f"{seed}:{i}")
    return f"How much is {rng.randint(0, 999)} plus {rng.randint(0, 999)}?"


def goes_on(engine: type) -> Any:
    """A base that finishes a letter where it has begun one, and writes sums otherwise."""

    class Writer(engine):  # type: ignore[misc]
        def write_prompts(self, beginnings: Any, *, max_new_tokens: int, sampling: Sampling) -> list[str]:
            texts = super().write_prompts(beginnings, max_new_tokens=max_new_tokens, sampling=sampling)
            about = random.Random(sampling.seed).sample(PAIRS, len(beginnings)) if beginnings[0] else []
            return [f"Write a letter to {one} about {other}." for one, other in about] or texts

    return Writer(writes=writes_sums)


def about_letters(rows: Any) -> int:
    return sum(row.messages[0].content.startswith("Write a letter") for row in rows)


def test_the_base_fills_what_its_own_prompts_leave_uncovered(scripted: Any, replay: Replay) -> None:
    engine = goes_on(scripted)
    found = replay(engine)
    assert len(found.rows) == 200
    (hole,) = found.holes
    assert (hole.capability, hole.prompts) == ("letters", 16)
    assert hole.likeness < 0.75
    assert about_letters(found.rows) == 16
    assert find_holes(KINDS, [row.messages[0].content for row in found.rows]) == {}
    assert {begun for begun in engine.begun if begun.startswith("Write a letter")} == set(engine.begun)
    assert all(len(begun.split()) < 6 for begun in engine.begun)
    assert (found.self_written, found.forms) == (416, 1)


def test_holes_are_left_where_a_recipe_says_so(scripted: Any, replay: Replay) -> None:
    engine = goes_on(scripted)
    found = replay(engine, coverage="as_written")
    assert (found.holes, engine.begun, len(found.rows), found.forms) == ((), [], 200, 0)
    assert engine.written == 224


def test_holes_are_filled_without_balance_by_default(scripted: Any, replay: Replay) -> None:
    found = replay(goes_on(scripted), coverage=None)
    assert [(hole.capability, hole.prompts) for hole in found.holes] == [("letters", 16)]
    assert (len(found.rows), about_letters(found.rows), found.forms, found.self_written) == (200, 16, 0, 216)


def test_prompts_of_files_cover_too(scripted: Any, replay: Replay, tmp_path: Path) -> None:
    (tmp_path / "given.txt").write_text("\n\n".join(letters(150, 5)))
    prompts = [FileSettings(files=["given.txt"]), "self"]
    assert replay(goes_on(scripted), prompts=prompts).holes == ()


def test_given_prompts_make_room_for_what_they_leave_uncovered(scripted: Any, replay: Replay, tmp_path: Path) -> None:
    (tmp_path / "given.txt").write_text("\n\n".join(f"How much is {n} plus {n % 7}?" for n in range(220)))
    given = [FileSettings(files=["given.txt"])]
    engine = goes_on(scripted)
    found = replay(engine, prompts=given, coverage="filled")
    assert [(hole.capability, hole.prompts) for hole in found.holes] == [("letters", 16)]
    assert (len(found.rows), about_letters(found.rows), found.self_written) == (200, 16, 16)
    assert engine.written == len(engine.begun)  # nothing but what was begun for it
    assert replay(goes_on(scripted), prompts=given, coverage=None).holes == ()


def test_what_is_to_be_written_beside_given_prompts_is_known_before(
    scripted: Any, arguments: Any, tmp_path: Path
) -> None:
    (tmp_path / "given.txt").write_text("\n\n".join(f"How much is {n} plus {n % 7}?" for n in range(220)))
    asked = arguments(prompts=[FileSettings(files=["given.txt"])], coverage="filled")
    for engine in (None, goes_on(scripted)):
        state = replay_state(engine, **asked)
        assert (state.whole, state.unwritten, len(state.prompts)) == (False, 16, 184)
    self_replay(goes_on(scripted), **asked)
    assert replay_state(goes_on(scripted), **asked).complete


def test_what_a_test_item_asks_is_no_prompt_for_a_hole(scripted: Any, replay: Replay) -> None:
    asked = {row.messages[0].content for row in replay(goes_on(scripted)).rows}
    one, other = sorted(text for text in asked if text.startswith("Write a letter"))[:2]
    changed = {"exclude": {prompt_key([Message("user", one)])}, "quotes": lambda text: text == other}
    without = replay(goes_on(scripted), changed=changed)
    assert not {one, other} & {row.messages[0].content for row in without.rows}
    assert without.excluded >= 2
    assert about_letters(without.rows) == 16


def test_a_base_that_cannot_write_the_kind_is_asked_four_times_over_and_no_more(scripted: Any, replay: Replay) -> None:
    engine = scripted(writes=writes_sums)
    engine_write = engine.write_prompts
    engine.write_prompts = lambda beginnings, **asked: [  # type: ignore[method-assign]
        "" if begun else text for begun, text in zip(beginnings, engine_write(beginnings, **asked), strict=True)
    ]
    found = replay(engine)
    assert [(hole.capability, hole.prompts) for hole in found.holes] == [("letters", 0)]
    assert len(engine.begun) == 4 * 16
    assert len(found.rows) == 200


def test_beginnings_that_leave_no_room_are_not_gone_on_from(scripted: Any, replay: Replay) -> None:
    engine = goes_on(scripted)
    found = replay(engine, max_prompt_tokens=7, changed={"kinds": {"letters": [f"{w} " * 40 for w in NAMES * 4]}})
    assert [(hole.capability, hole.prompts) for hole in found.holes] == [("letters", 0)]
    assert engine.begun == []


def test_a_kill_at_any_block_changes_nothing(scripted: Any, replay: Replay, killed: Any, tmp_path: Path) -> None:
    whole = replay(goes_on(scripted))
    for path in (tmp_path / "cache").rglob("*.json"):
        path.unlink()
    for blocks in (0, 3, 10):
        engine = goes_on(scripted)
        write, calls = engine.write_prompts, [blocks]

        def dies(*args: Any, write: Any = write, calls: list[int] = calls, **asked: Any) -> list[str]:
            calls[0] -= 1
            if calls[0] < 0:
                raise killed
            return write(*args, **asked)

        engine.write_prompts = dies
        with pytest.raises(killed):
            replay(engine)
    resumed = goes_on(scripted)
    assert replay(resumed).rows == whole.rows
    assert resumed.written == 16, "all but the prompts for the hole were kept"


def test_a_plan_knows_how_many_prompts_are_to_be_written(
    scripted: Any, replay: Replay, state: Any, killed: Any
) -> None:
    nobody = state(None)
    assert (nobody.prompts, nobody.unwritten, nobody.whole) == ((), 400, False)
    engine = goes_on(scripted)
    write = engine.write_prompts

    def dies_at_the_hole(beginnings: Any, **asked: Any) -> list[str]:
        if beginnings[0]:
            raise killed
        return write(beginnings, **asked)

    engine.write_prompts = dies_at_the_hole
    with pytest.raises(killed):
        replay(engine)
    # The pool is kept; what is missing is known to be the prompts of the one hole.
    known = state(goes_on(scripted))
    assert (known.unwritten, known.whole, known.complete) == (16, False, False)
    assert known.holes == (Hole("letters", known.holes[0].likeness, 0),)
    assert len(known.prompts) == 184
    rows = replay(goes_on(scripted)).rows
    assert {prompt[0].content for prompt in known.prompts} <= {row.messages[0].content for row in rows}
    found = state(goes_on(scripted))
    assert (found.unwritten, found.complete) == (0, True)
    assert [row.messages[:1] for row in rows] == list(found.prompts)
    assert found.holes[0].prompts == 16
