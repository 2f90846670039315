"""Replay that an endpoint answers for the base: checked first, told aloud, and never asked for twice."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from served_model import THINKS, ServedModel
from transformers import AutoTokenizer

from forgetless import nano
from forgetless.cli.narration import event_line
from forgetless.engines import server as server_module
from forgetless.errors import EndpointError
from forgetless.guard import set_exam
from forgetless.models import LoadedModel, load_folder
from forgetless.recipe import parse_recipe
from forgetless.records import Row
from forgetless.replaying import replay_rows
from forgetless.rundir import RunFolder, open_run
from forgetless.stages import Ground, engine_of
from forgetless.tokens import ChatFormat
from http_server import Answer, Asked, Site, serving

KEY = "sk-very-secret-0123456789"
ROWS = 20
PROMPTS = [{"files": ["prompts.jsonl"], "shape": "prompt_completion"}]


@pytest.fixture(scope="module")
def base() -> LoadedModel:
    return load_folder(nano.MODEL_PATH)


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SERVER_KEY", KEY)
    monkeypatch.setattr(server_module, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("forgetless.replaying._PROMPTS_COMPARED", 6)
    monkeypatch.setattr("forgetless.synthesis.replay.block_rows", lambda tokens, at_once: 8)
    lines = [json.dumps({"prompt": f"Say {i}.", "completion": ""}) for i in range(ROWS)]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))


@pytest.fixture
def replay(base: LoadedModel, tmp_path: Path) -> Callable[..., tuple[Row, ...]]:
    def run(
        site: Site,
        run_folder: RunFolder,
        *,
        temperature: float = 0.0,
        base: LoadedModel = base,
        prompts: Any = PROMPTS,
        **endpoint: Any,
    ) -> tuple[Row, ...]:
        ability = {"type": "procedural", "generator": "nano/sorting", "dev_items": 8}
        recipe = parse_recipe(
            {
                "name": "small",
                "model": {"path": str(nano.MODEL_PATH)},
                "endpoints": {"fast": {"url": site.url, "model": "nano", "api_key_env": "SERVER_KEY", **endpoint}},
                "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 0.5}},
                "replay": {
                    "share": 0.5,
                    "endpoint": "fast",
                    "rows": ROWS,
                    "temperature": temperature,
                    "max_new_tokens": 4,
                    "prompts": prompts,
                },
                "domain": {"task": {**ability, "generator": "nano/domain"}},
                "keep": {"sorting": {"task": ability}, "english": {"task": {**ability, "generator": "nano/english"}}},
            }
        )
        exam = set_exam(recipe, folder=tmp_path, domain_rows=())
        ground = Ground(tmp_path, (), exam, {}, {}, base, engine_of(base, recipe))
        return replay_rows(recipe, ground, run_folder, lambda description: None)

    return run


@pytest.fixture
def run_folder(tmp_path: Path) -> Iterator[RunFolder]:
    with open_run(tmp_path / "run") as opened:
        yield opened


def answers(site: Site) -> int:
    """How many replay prompts the server was asked."""
    return sum(asked.body.get("max_tokens") == 4 for asked in site.asked)


def event(run: RunFolder, kind: str) -> dict[str, Any]:
    return next(e for e in run.events() if e["event"] == kind)


def test_an_endpoint_that_serves_the_base_answers_in_its_place(
    replay: Any, run_folder: RunFolder, base: LoadedModel, tmp_path: Path
) -> None:
    with serving(ServedModel(base.model, base.format, "vllm")) as site:
        rows = replay(site, run_folder)
        assert answers(site) == ROWS
        assert {asked.headers["Authorization"] for asked in site.asked} == {f"Bearer {KEY}"}
    assert len(rows) > ROWS // 2
    told = event(run_folder, "endpoint")
    assert (told["asked"], told["agreed"], told["fingerprint"]) == (6, 6, "fp-1")
    assert event_line(told).endswith(f"by nano (the base here is {base.name}): 6 of 6 greedy answers are the base's")

    # The server may go once its work is done: a resumed run needs it no more.
    assert replay(site, run_folder) == rows
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 4
    assert not [path for path in written if KEY.encode() in path.read_bytes()]

    for block in (tmp_path / "cache").rglob("*.json"):
        block.unlink()
    with pytest.raises(EndpointError, match="no longer in the cache"):
        replay(site, run_folder)


def test_a_run_that_was_killed_asks_only_for_what_is_missing(
    replay: Any, run_folder: RunFolder, base: LoadedModel
) -> None:
    model = ServedModel(base.model, base.format, "vllm")
    healthy = False

    def dies(asked: Asked) -> Answer:
        return model(asked) if healthy or answers(site) <= 12 else Answer(None)

    with serving(dies) as site:
        with pytest.raises(EndpointError, match="connection broke off"):
            replay(site, run_folder, retries=0, concurrency=1)
        before, healthy = answers(site), True
        rows = replay(site, run_folder, concurrency=1)
        assert answers(site) - before == ROWS - 8, "the first block was kept"
    assert len(rows) > ROWS // 2


def test_an_endpoint_that_serves_another_model_is_refused(
    replay: Any, run_folder: RunFolder, base: LoadedModel
) -> None:
    tuned = load_folder(nano.MODEL_PATH)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for weight in tuned.model.parameters():
            weight.add_(torch.randn_like(weight) * weight.std() * 0.6)
    with (
        serving(ServedModel(tuned.model, tuned.format, "vllm")) as site,
        pytest.raises(EndpointError, match="does not serve the base") as caught,
    ):
        replay(site, run_folder)
    assert answers(site) == 0
    assert caught.value.field == "replay.endpoint"


def test_an_endpoint_that_does_not_sample_is_refused(replay: Any, run_folder: RunFolder, base: LoadedModel) -> None:
    with serving(ServedModel(base.model, base.format, "vllm", samples=False)) as site:
        with pytest.raises(EndpointError, match="does not sample"):
            replay(site, run_folder, temperature=3.0)
        assert answers(site) == 0


def with_template(base: LoadedModel, template: str | None) -> LoadedModel:
    tokenizer = AutoTokenizer.from_pretrained(nano.MODEL_PATH)
    tokenizer.chat_template = template
    return dataclasses.replace(base, format=ChatFormat(tokenizer))


def test_an_endpoint_answers_with_and_without_thoughts(replay: Any, run_folder: RunFolder, base: LoadedModel) -> None:
    thinker = with_template(base, THINKS)
    server = ServedModel(thinker.model, thinker.format, "vllm")
    with serving(server) as site:
        replay(site, run_folder, base=thinker)
        assert answers(site) == ROWS
    quiet = [ids for ids in server.read[-ROWS:] if thinker.format.tokenizer.decode(ids).endswith("<think></think>")]
    assert len(quiet) == ROWS // 2
    assert event(run_folder, "replay")["modes"]["off"] > 0


def test_an_endpoint_continues_texts_of_a_base_without_a_template(
    replay: Any, run_folder: RunFolder, base: LoadedModel, tmp_path: Path
) -> None:
    bare = with_template(base, None)
    (tmp_path / "texts.txt").write_text("\n\n".join(f"Sort {i}: the words of this text, all {i}." for i in range(ROWS)))
    with serving(ServedModel(bare.model, bare.format, "vllm")) as site:
        rows = replay(site, run_folder, base=bare, prompts=[{"files": ["texts.txt"], "shape": "text"}])
        assert answers(site) == ROWS
        assert rows
        assert all(row.text and row.text.startswith("Sort") for row in rows)
        assert replay(site, run_folder, base=bare, prompts=[{"files": ["texts.txt"], "shape": "text"}]) == rows
        assert answers(site) == ROWS
