"""One run's folder: who may hold it, and the story that it tells."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forgetless.errors import RunFolderError
from forgetless.records import CapabilityScore, ItemResult, ScoreSheet, to_json
from forgetless.rundir import RunFolder, ScoreStore, manifest, open_run, read_events

HOLD = (
    "import sys; from pathlib import Path; from forgetless.rundir import open_run\n"
    "with open_run(Path(sys.argv[1])) as run:\n"
    "    print('held', flush=True); sys.stdin.readline()\n"
)
SHEET = ScoreSheet("key", "maths", "model", (ItemResult("a", 1.0, "言う\u2028"), ItemResult("b", None, group="g")))


def names(folder: Path) -> list[Any]:
    return [event["event"] for event in read_events(folder)]


def test_a_folder_in_use_by_another_process_is_refused(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        for resume in (False, True):
            with pytest.raises(RunFolderError, match="in use by another process"):
                open_run(tmp_path / "run", resume=resume)
        holder.stdin.write("done\n")
        holder.stdin.flush()
        assert holder.wait(10) == 0
    open_run(tmp_path / "run").close()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        holder.wait(10)
    open_run(tmp_path / "run").close()


def test_a_folder_in_use_by_this_process_is_refused(tmp_path: Path) -> None:
    with open_run(tmp_path), pytest.raises(RunFolderError, match="in use"):
        open_run(tmp_path)
    open_run(tmp_path).close()


def test_a_folder_with_a_run_is_refused_unless_it_is_resumed(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        run.append_event("evaluation", step=4)
    with pytest.raises(RunFolderError) as caught:
        open_run(tmp_path)
    assert "--resume" in caught.value.way_out
    with open_run(tmp_path, resume=True) as run:
        assert [event["event"] for event in run.events()] == ["evaluation"]


def test_a_run_that_fell_before_its_first_evaluation_is_begun_anew(tmp_path: Path) -> None:
    # It has nothing to go on from, and the mistake that it fell over was in the recipe as like as not.
    with open_run(tmp_path) as run:
        run.append_event("source", name="wrong rows")
    with open_run(tmp_path) as run:
        assert run.events() == []
        run.append_event("source", name="rows")
    assert [event["name"] for event in read_events(tmp_path)] == ["rows"]


@pytest.mark.parametrize("place", ["file", "file/run"])
def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="cannot be written"):
        open_run(tmp_path / place)


def test_a_full_disk_while_an_event_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_run(tmp_path) as run:
        run.append_event("source", name="rows")

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(RunFolderError, match="the disk is full"):
            run.append_event("source", name="more rows")
    monkeypatch.undo()
    assert names(tmp_path) == ["source"]


def test_events_are_told_with_their_time_and_heard_at_once(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    with open_run(tmp_path) as run:
        run.on_event = heard.append
        run.append_event("evaluation", **to_json(CapabilityScore("maths", float("nan"), 0.5, 3, None, None, None, 0.1)))
        run.append_event("log", step=3, loss=float("inf"))
    told = list(read_events(tmp_path))
    assert told == heard
    assert [event["event"] for event in told] == ["evaluation", "log"]
    assert told[0]["score"] is None
    assert told[1]["loss"] is None
    assert abs(told[0]["time"] - (tmp_path / "events.jsonl").stat().st_mtime) < 60


@pytest.mark.parametrize("text", ["line\u2028separator", "next\x85line", "form\x0cfeed", "\x1c", "two\nlines", "言う"])
def test_any_text_may_stand_in_an_event(tmp_path: Path, text: str) -> None:
    with open_run(tmp_path) as run:
        run.append_event("samples", output=text)
        run.append_event("shipped", folder="model")
    assert [event.get("output", event.get("folder")) for event in read_events(tmp_path)] == [text, "model"]


def cut_last_line(folder: Path) -> None:
    path = folder / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-9])


def test_a_last_line_that_is_cut_short_is_left_out(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        run.append_event("log", step=1)
        run.append_event("log", step=2)
    cut_last_line(tmp_path)
    assert [event["step"] for event in read_events(tmp_path)] == [1]


def test_the_story_goes_on_after_a_line_that_was_cut_short(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        for step in (1, 2):
            run.append_event("log", step=step)
    cut_last_line(tmp_path)
    with open_run(tmp_path, resume=True) as run:
        for step in (1, 2, 3):
            run.append_event("log", step=step)
        assert [event["step"] for event in run.events()] == [1, 2, 3]


def test_a_character_that_is_cut_short_spoils_nothing_before_it(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b'{"event": "log", "step": 1}\n{"event": "log", "text": "\xe8\xa8')
    assert [event["step"] for event in read_events(tmp_path)] == [1]


def test_a_resumed_run_does_not_tell_again(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        run.append_event("source", name="rows", rows=10, seconds=0.1)
    heard: list[dict[str, Any]] = []
    with open_run(tmp_path, resume=True) as run:
        run.on_event = heard.append
        run.append_event("source", name="rows", rows=10, seconds=0.7)
        run.append_event("source", name="rows", rows=11)
    assert [event["rows"] for event in heard] == [11]
    assert [event["rows"] for event in read_events(tmp_path)] == [10, 11]


def test_one_process_may_tell_the_same_twice(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        run.append_event("stop", step=1)
        run.append_event("stop", step=1)
    assert names(tmp_path) == ["stop", "stop"]


def test_events_to_be_lived_through_again_are_dropped_and_may_be_told_again(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        run.append_event("source", name="rows")
        for step in (2, 4, 6):
            run.append_event("log", step=step)
    heard: list[dict[str, Any]] = []
    with open_run(tmp_path, resume=True) as run:
        run.on_event = heard.append
        run.rewind_events(lambda event: event["event"] != "log" or event["step"] <= 4)
        for step in (4, 6, 8):
            run.append_event("log", step=step)
    assert [event["step"] for event in heard] == [6, 8]
    assert names(tmp_path) == ["source", "log", "log", "log", "log"]


def test_rewinding_keeps_what_was_told_as_it_was(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        run.append_event("source", name="言う\u2028", share=0.1)
        before = (tmp_path / "events.jsonl").read_bytes()
        run.rewind_events(lambda event: True)
    assert (tmp_path / "events.jsonl").read_bytes() == before


def test_files_of_a_run(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        assert run.read_json("certificate.json") is None
        run.write_json("certificate.json", {"lower": float("nan"), "name": "言"})
        run.write_text("recipe.yaml", "name: 言\n")
        assert run.read_json("certificate.json") == {"lower": None, "name": "言"}
        assert (tmp_path / "recipe.yaml").read_text("utf-8") == "name: 言\n"
        assert (tmp_path / "certificate.json").read_text("utf-8").endswith("}\n")


def test_reading_needs_no_hold_and_no_folder(tmp_path: Path) -> None:
    assert list(read_events(tmp_path / "nothing")) == []
    with open_run(tmp_path) as run:
        run.append_event("log", step=1)
        assert RunFolder(tmp_path, None).events() == run.events()


def test_a_score_sheet_is_kept_under_its_key(tmp_path: Path) -> None:
    store = ScoreStore(tmp_path / "scores")
    assert store.get("key") is None
    store.put(SHEET)
    assert store.get("key") == SHEET
    assert ScoreStore(tmp_path / "scores").get("key") == SHEET
    assert store.get("other") is None
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["key.json"]


def test_sheets_read_last_are_held_and_one_written_anew_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forgetless.rundir.scores._HELD_RESULTS", 2 * len(SHEET.results))
    store = ScoreStore(tmp_path)
    for key in ("a", "b", "c"):
        store.put(dataclasses.replace(SHEET, key=key))
        store.get(key)
    for key in ("a", "b", "c"):
        (tmp_path / f"{key}.json").unlink()
    assert [store.get(key) is not None for key in ("a", "b", "c")] == [False, True, True]
    store.put(changed := dataclasses.replace(SHEET, key="c", results=SHEET.results[:1]))
    assert store.get("c") == changed


def test_a_missing_score_stays_missing_on_disk(tmp_path: Path) -> None:
    store = ScoreStore(tmp_path)
    store.put(ScoreSheet("key", "maths", "model", (ItemResult("a", float("nan")),)))
    found = store.get("key")
    assert found is not None
    assert found.results[0].score is None
    assert found.mean is None


def test_scores_of_a_run_stand_in_its_folder(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        run.scores.put(SHEET)
    assert (tmp_path / "scores" / "key.json").is_file()


def test_the_manifest_names_versions_and_machine() -> None:
    data = manifest(seed=3, base_hash="hash")
    assert (data["seed"], data["base_hash"]) == (3, "hash")
    assert {"python", "torch", "transformers", "trl", "peft"} <= set(data["versions"])
    assert json.loads(json.dumps(data)) == data
