"""`compare` with a side behind a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from served_model import ServedModel

from forgetless import nano
from forgetless.comparison import compare
from forgetless.engines import server as server_module
from forgetless.models import LoadedModel, load_folder
from forgetless.recipe import ComparisonRecipe, EndpointSettings
from http_server import Site, serving

Command = Callable[..., Any]
Refused = Callable[..., str]

SORTING = {"type": "procedural", "generator": "nano/sorting", "items": 12, "max_new_tokens": 6}


@pytest.fixture(scope="module")
def base() -> LoadedModel:
    return load_folder(nano.MODEL_PATH)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def asked_of(site: Site, **endpoint: Any) -> dict[str, Any]:
    """What to ask, with the site as the endpoint `fast`."""
    settings = {"url": site.url, "model": "nano", "tokenizer": str(nano.MODEL_PATH), **endpoint}
    return {"endpoints": {"fast": settings}, "keep": {"sorting": {"margin_points": 50, "task": SORTING}}}


def prompts(site: Site) -> int:
    return sum("prompt" in asked.body for asked in site.asked)


def test_a_model_and_itself_behind_a_server_differ_in_nothing(
    command: Command, recipe: Callable[..., Path], base: LoadedModel
) -> None:
    with serving(ServedModel(base.model, base.format, "vllm")) as site:
        path = recipe(asked_of(site, revision="one"))
        first = command("compare", nano.MODEL_PATH, "endpoint:fast", "--recipe", path, "--json", "-")
        asked = prompts(site)
        second = command(
            "compare", nano.MODEL_PATH, "endpoint:fast", "--recipe", path, "--json", "-", "--html", "c.html"
        )
        assert asked == 14
        assert prompts(site) - asked == 2, "a greeting and a rehearsal: the scores were kept under the revision"
    (verdict,) = json.loads(first.out)["verdicts"]
    assert (verdict["n"], verdict["missing"], verdict["losses"], verdict["gains"]) == (12, 0, 0, 0)
    assert verdict["base_score"] == verdict["tuned_score"] > 0.5
    assert json.loads(second.out) == json.loads(first.out)
    told = "tuned is asked at an endpoint and the other model in this process"
    assert told in first.err
    page = Path("c.html").read_text("utf-8")
    assert told in page
    assert page.count('class="sample"') == 3


def test_two_endpoints_without_a_tokenizer_are_asked_by_messages(
    command: Command, recipe: Callable[..., Path], base: LoadedModel, tmp_path: Path
) -> None:
    with serving(ServedModel(base.model, base.format, "vllm")) as site:
        path = recipe(asked_of(site, tokenizer=None))
        result = command("compare", "endpoint:fast", "endpoint:fast", "--recipe", path, "--json", "-")
        assert prompts(site) == 0
    assert json.loads(result.out)["verdicts"][0]["n"] == 12
    assert result.err.count("is asked by messages") == 2
    assert not list((tmp_path / "cache").rglob("*.json")), "nothing says what was served, so nothing is kept"


def test_an_endpoint_by_its_settings_alone(tmp_path: Path, base: LoadedModel) -> None:
    task = {**SORTING, "items": 3}
    asked = ComparisonRecipe.model_validate({"keep": {"sorting": {"margin_points": 50, "task": task}}})
    with serving(ServedModel(base.model, base.format, "llama.cpp")) as site:
        served = EndpointSettings(url=site.url, model="nano", tokenizer="model")
        (tmp_path / "model").symlink_to(nano.MODEL_PATH)
        (verdict,) = compare(served, nano.MODEL_PATH, asked, folder=tmp_path).verdicts
    assert (verdict.n, verdict.losses, verdict.gains) == (3, 0, 0)


def test_what_a_server_cannot_do_comes_out_before_the_work(
    refused: Refused, recipe: Callable[..., Path], base: LoadedModel, tmp_path: Path
) -> None:
    (tmp_path / "quiz.jsonl").write_text(
        "".join(json.dumps({"q": f"Sort: {n}", "a": f"answer {n}"}) + "\n" for n in range(12))
    )
    quiz = {"type": "answer_probability", "files": ["quiz.jsonl"], "prompt": "{q}", "answer": "{a}"}
    with serving(ServedModel(base.model, base.format, "llama.cpp")) as site:
        asked = asked_of(site)
        asked["keep"]["writing"] = {"task": quiz}
        message = refused("compare", "endpoint:fast", "endpoint:fast", "--recipe", recipe(asked))
        assert prompts(site) < 10
    assert "`endpoints.fast.url`" in message
    assert "needs log-probabilities of a prompt" in message


def test_an_endpoint_that_the_recipe_does_not_have(refused: Refused, recipe: Callable[..., Path]) -> None:
    path = recipe(asked_of(Site("http://127.0.0.1:9/v1")))
    assert "has `endpoint:fast`" in refused("compare", "endpoint:fats", "endpoint:fast", "--recipe", path)
    message = refused("compare", "http://me:secret@127.0.0.1:9/v1", "endpoint:fast", "--recipe", path)
    assert "`endpoint:NAME`" in message
    assert "secret" not in message


def test_a_server_that_is_not_there(refused: Refused, recipe: Callable[..., Path]) -> None:
    path = recipe(asked_of(Site("http://127.0.0.1:9/v1")))
    assert "no server can be reached" in refused("compare", "endpoint:fast", nano.MODEL_PATH, "--recipe", path)
