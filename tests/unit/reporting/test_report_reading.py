from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic_run import BASE, GENTLE, events, write_events, write_run

from forgetless.errors import RunFolderError
from forgetless.reporting import build_view, write_report


def test_everything_of_a_finished_run_is_read(gentle):
    assert gentle.name == "gentle"
    assert gentle.state == "certified"
    assert gentle.capabilities == tuple(BASE)
    assert gentle.chosen_step == 250
    assert gentle.look.step == 250
    assert len(gentle.evaluations) == 6
    assert len(gentle.logs) == 60
    assert gentle.positions[-1] == 1.0
    assert gentle.covered("lookup") is True
    assert gentle.covered("brackets") is False
    assert gentle.covered("no such ability") is None
    assert ("versions.torch", "2.13.0") in gentle.manifest
    assert gentle.rejects[0].origin == "banking.jsonl:812"
    assert gentle.mixture.shares[0].tokens == 737_400
    assert gentle.shipped.folder == "model"


def test_a_folder_without_a_run_is_refused(tmp_path: Path):
    with pytest.raises(RunFolderError, match=r"neither `events\.jsonl`"):
        build_view(tmp_path)


def test_a_run_killed_while_writing_its_story_is_read_up_to_there(tmp_path: Path):
    write_events(tmp_path, events(GENTLE, alarms=False)[:20])
    with (tmp_path / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"event": "log", "step": 9')
    view = build_view(tmp_path)
    assert view.state == "unfinished"
    assert view.certificate is None
    assert view.verdicts == {}


def test_a_step_lived_through_twice_counts_once_and_later(tmp_path: Path):
    told = [{"event": "log", "step": s, "loss": loss} for s, loss in ((5, 1.0), (10, 0.9), (10, 0.8), (15, 0.7))]
    write_events(tmp_path, told)
    assert [(p.step, p.loss) for p in build_view(tmp_path).logs] == [(5, 1.0), (10, 0.8), (15, 0.7)]


def test_unknown_stays_unknown(tmp_path: Path):
    write_events(tmp_path, [{"event": "log", "step": 5, "loss": None}, {"event": "source", "name": "a"}])
    view = build_view(tmp_path)
    assert view.logs[0].loss is None
    assert view.sources[0].rows is None


def test_the_last_mixture_counts(tmp_path: Path):
    share = {"source": "a", "kind": "domain", "rows": 5, "asked": 1.0, "tokens": 10, "passes": 1.0}
    told = [{"event": "mixture", "shares": [{**share, "realised": r}], "steps": 3} for r in (None, 0.99)]
    write_events(tmp_path, told)
    assert build_view(tmp_path).mixture.shares[0].realised == 0.99


def test_covered_may_be_a_list_of_names(tmp_path: Path):
    write_events(tmp_path, [{"event": "replay", "rows": 10, "covered": ["a"]}])
    view = build_view(tmp_path)
    assert view.covered("a") is True
    assert view.covered("b") is None


def test_holes_are_told_as_filled_or_open(tmp_path: Path):
    holes = {name: {"likeness": 0.1, "prompts": 9, "filled": name == "a"} for name in "ab"}
    write_events(tmp_path, [{"event": "replay", "rows": 10, "covered": {"a": True, "b": False}, "holes": holes}])
    replay = build_view(tmp_path).replay
    assert replay is not None
    assert (replay.filled, replay.open) == (("a",), ("b",))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "filled up for: a." in page
    assert "Still uncovered, although prompts were written for them: b." in page


def test_the_path_is_read_from_events_until_there_is_a_certificate(tmp_path: Path):
    told = [{"event": "path", "a": a, "passed": True, "verdicts": []} for a in (0.5, 0.25)]
    write_events(tmp_path, told)
    assert [step.a for step in build_view(tmp_path).path] == [0.25, 0.5]


def test_a_certificate_of_another_version_is_refused_with_a_way_out(tmp_path: Path):
    write_run(tmp_path / "run")
    path = tmp_path / "run" / "certificate.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps(known | {"new_field": 1}), encoding="utf-8")
    assert build_view(tmp_path / "run").certificate
    path.write_text(json.dumps({k: v for k, v in known.items() if k != "domain"}), encoding="utf-8")
    with pytest.raises(RunFolderError, match="hint: read the run with the version that wrote it"):
        build_view(tmp_path / "run")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(RunFolderError, match="is not JSON"):
        build_view(tmp_path / "run")


def test_events_of_another_version_are_read_as_far_as_they_are_known(tmp_path: Path):
    told = [e for e in events(GENTLE, alarms=False) if e["event"] in ("evaluation", "mixture")]
    looks = [e for e in told if e["event"] == "evaluation"]
    looks[0]["capabilities"][0]["new_field"] = {"deep": 1}
    del looks[1]["capabilities"]
    told[-1]["new_field"] = 1
    write_events(tmp_path, [*told, {"event": "mixture", "shares": [{"name": "renamed"}], "steps": 3},
                            {"event": "path", "a": 0.5}])  # fmt: skip
    view = build_view(tmp_path)
    assert len(view.evaluations) == len(looks) - 1
    assert view.mixture.shares == ()
    assert view.path == ()


def test_a_recipe_that_is_no_yaml_is_shown_as_text(tmp_path: Path):
    write_events(tmp_path, [])
    (tmp_path / "recipe.yaml").write_text("name: [", encoding="utf-8")
    view = build_view(tmp_path)
    assert view.recipe == "name: ["
    assert view.capabilities == ()


def test_what_moved_the_multipliers_is_read(tmp_path: Path):
    (own, general) = build_view(write_run(tmp_path / "run")).adjustments
    assert (own.capability, own.step, own.weight_before, own.weight, own.own) == ("facts", 50, 3.0, 4.5, True)
    assert (general.capability, general.own) == ("chinese", False)
