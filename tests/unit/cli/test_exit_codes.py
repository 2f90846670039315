"""What a script learns: exit codes, JSON on standard output, and everything else on standard error."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from forgetless.cli.console import Narrator
from forgetless.cli.exits import exit_code
from forgetless.errors import NonFiniteLossError
from forgetless.records import Certificate, CompareResult, MixtureShare, Verdict, from_json
from forgetless.rundir import open_run

Command = Callable[..., Any]
CODES = [
    (("kept",), 0),
    (("kept", "absent"), 0),
    ((), 3),
    (("absent",), 3),
    (("kept", "undecided"), 3),
    (("undecided", "absent"), 3),
    (("dropped", "kept"), 1),
    (("undecided", "dropped"), 1),
]


def verdicts(*outcomes: str) -> tuple[Verdict, ...]:
    return tuple(Verdict(f"c{i}", o, 10, 0.05, 0.02) for i, o in enumerate(outcomes))  # type: ignore[arg-type]


def certificate(*outcomes: str, certified_a: float = 0.0) -> Certificate:
    return Certificate(
        model_hash="m",
        base_hash="b",
        certified=certified_a == 1.0,
        alpha=0.05,
        looks=1,
        chosen_step=1,
        chosen_by="best",
        domain=Verdict("domain", "gained", 10, 0.05, None),
        verdicts=verdicts(*outcomes),
        certified_a=certified_a,
    )


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Certificate], None]:
    """Let `train` end at once with a certificate."""
    from forgetless import pipeline

    def ends_with(shown: Certificate) -> None:
        shares = (MixtureShare("rows", "domain", 10, 1.0, 1.0, 100, 1.0),)
        result = pipeline.TrainResult(tmp_path, shown, 10, tmp_path / "model", tmp_path / "report.html", {}, shares)
        monkeypatch.setattr(pipeline, "train", lambda *_, **__: result)

    return ends_with


@pytest.mark.parametrize(("outcomes", "code"), CODES)
def test_the_exit_code_of_verdicts(outcomes: tuple[str, ...], code: int) -> None:
    assert exit_code(verdicts(*outcomes)) == code


@pytest.mark.parametrize(("outcomes", "code"), CODES)
def test_the_exit_code_of_a_comparison(
    command: Command, recipe: Command, monkeypatch: pytest.MonkeyPatch, outcomes: tuple[str, ...], code: int
) -> None:
    from forgetless import comparison

    result = CompareResult(verdicts(*outcomes), None)
    monkeypatch.setattr(comparison, "compare", lambda *_, **__: result)
    assert command("compare", "a", "b", "--recipe", recipe()).code == code


def test_a_comparison_writes_junit(
    command: Command, recipe: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from forgetless import comparison

    result = CompareResult(verdicts("kept", "dropped", "undecided", "absent"), None)
    monkeypatch.setattr(comparison, "compare", lambda *_, **__: result)
    path = tmp_path / "new" / "gate.xml"
    assert command("compare", "a", "b", "--recipe", recipe(), "--junit", path).code == 1
    (suite,) = ElementTree.parse(path).getroot()
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    shown = {case.get("name"): [part.tag for part in case if part.tag != "system-out"] for case in suite}
    assert shown == {"c0": [], "c1": ["failure"], "c2": ["error"], "c3": ["skipped"]}
    refused = command("compare", "a", "b", "--recipe", recipe(), "--junit", tmp_path)
    assert refused.code == 2
    assert "`--junit`" in refused.err


@pytest.mark.parametrize(
    ("ship", "outcomes", "certified_a", "code"),
    [
        ("best", ("kept",), 1.0, 0),
        ("best", ("dropped",), 0.5, 1),
        ("best", ("undecided",), 0.0, 3),
        ("best", ("absent",), 0.0, 3),
        ("certified", ("dropped",), 0.5, 0),
        ("certified", ("dropped",), 0.0, 3),
        ("fail", ("kept",), 1.0, 0),
        ("fail", ("dropped",), 0.5, 1),
        ("fail", ("undecided",), 0.5, 3),
        ("fail", ("absent",), 0.0, 3),
        ("fail", ("kept",), 0.5, 1),
    ],
)
def test_the_exit_code_of_a_run_speaks_of_what_it_ships(
    command: Command, recipe: Command, trained: Command, ship: str, outcomes: Any, certified_a: float, code: int
) -> None:
    trained(certificate(*outcomes, certified_a=certified_a))
    assert command("train", recipe(ship=ship)).code == code


def test_json_on_standard_output_is_json_alone(command: Command, recipe: Command, trained: Command) -> None:
    shown = certificate("kept", certified_a=1.0)
    trained(shown)
    result = command("train", recipe(), "--json", "-")
    data = json.loads(result.out)
    assert from_json(Certificate, data["certificate"]) == shown
    assert set(data) == {"certificate", "model", "report"}


def test_json_in_a_file_leaves_the_tables_on_standard_output(
    command: Command, recipe: Command, trained: Command, tmp_path: Path
) -> None:
    trained(certificate("kept", certified_a=1.0))
    result = command("train", recipe(), "--json", tmp_path / "out" / "result.json")
    assert json.loads((tmp_path / "out" / "result.json").read_text("utf-8"))["certificate"]["certified"] is True
    assert "c0" in result.out
    assert "report.html" in result.out


def test_unknown_numbers_are_null_in_json(command: Command, recipe: Command, trained: Command) -> None:
    shown = certificate("undecided")
    unknown = dataclasses.replace(shown, verdicts=(dataclasses.replace(shown.verdicts[0], lower=float("nan")),))
    trained(unknown)
    command("train", recipe(), "--json", "result.json")
    assert json.loads(Path("result.json").read_text("utf-8"))["certificate"]["verdicts"][0]["lower"] is None


def test_a_page_is_written_again(command: Command, tmp_path: Path) -> None:
    with open_run(tmp_path / "run") as run:
        run.append_event("stop", step=3, reason="enough")
    result = command("report", tmp_path / "run")
    assert result.code == 0
    assert "report.html" in result.out
    assert (tmp_path / "run" / "report.html").is_file()
    (tmp_path / "run" / "report.html").unlink()
    data = json.loads(command("report", tmp_path / "run", "--json", "-").out)
    assert Path(data["report"]).is_file()


def test_training_that_breaks_down_has_its_own_code(
    command: Command, recipe: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from forgetless import pipeline

    def breaks_down(*_: object, **__: object) -> None:
        raise NonFiniteLossError("the loss of step 3 is nan")

    monkeypatch.setattr(pipeline, "train", breaks_down)
    code, _, err = command("train", recipe())
    assert (code, err) == (4, "error: the loss of step 3 is nan\n")


def test_an_interrupted_run_says_how_to_go_on(
    command: Command, recipe: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from forgetless import pipeline

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "train", interrupted)
    code, _, err = command("train", recipe())
    assert code == 130
    assert "--resume" in err


def test_a_bug_shows_its_traceback(command: Command, recipe: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from forgetless import pipeline

    monkeypatch.setattr(pipeline, "train", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        command("train", recipe())


def test_words_in_brackets_are_told_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Narrator(None, prefix="[plain] ").event({"event": "stop", "step": 3, "reason": "alarm: [bold] dropped"})
    assert capsys.readouterr().err == "[plain] stopped at step 3: alarm: [bold] dropped\n"
