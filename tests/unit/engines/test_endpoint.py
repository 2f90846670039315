"""A model behind a server answers, item by item, as it does in this process; a server that cannot is told so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from served_model import KINDS, SCORING_KINDS, ServedModel, nothing_is_certain
from transformers import AutoModelForCausalLM, AutoTokenizer

from forgetless import nano
from forgetless.engines import EndpointEngine, TransformersEngine, connect_endpoint
from forgetless.engines import server as server_module
from forgetless.errors import EndpointError, ModelError
from forgetless.recipe import EndpointSettings, ProceduralTask
from forgetless.records import Message
from forgetless.sampling import Sampling
from forgetless.tasks import build_task
from forgetless.tasks.answer_probability import ProbabilityScorer
from forgetless.tasks.choice import ChoiceScorer
from forgetless.tokens import ChatFormat
from http_server import Answer, Asked, Site, serving

FORMAT = ChatFormat(AutoTokenizer.from_pretrained(nano.MODEL_PATH))
MODEL = AutoModelForCausalLM.from_pretrained(nano.MODEL_PATH).eval()
HERE = TransformersEngine(MODEL, FORMAT, model_hash="nano")
ITEMS = [item for ability in ("sorting", "english", "facts") for item in nano.ability_items(ability, n=4, seed=3)]
PROMPTS = [item.messages for item in ITEMS]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def settings(site: Site, **others: Any) -> EndpointSettings:
    return EndpointSettings.model_validate({"url": site.url, "model": "nano", **others})


@contextmanager
def served(kind: str, *, chat: ChatFormat | None = FORMAT, **others: Any) -> Iterator[tuple[EndpointEngine, Site]]:
    with serving(ServedModel(MODEL, FORMAT, kind, **others)) as site:
        yield EndpointEngine.connect(settings(site), field="endpoints.small", format=chat), site


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_the_model_in_this_process(kind: str) -> None:
    with served(kind) as (engine, site):
        found = engine.generate(PROMPTS, max_new_tokens=8)
        if kind != "transformers":
            sent = [asked.body["prompt"] for asked in site.asked if "prompt" in asked.body][-len(PROMPTS) :]
            assert sorted(sent) == sorted(prompt.ids for prompt in FORMAT.prompts(PROMPTS))
    assert found == HERE.generate(PROMPTS, max_new_tokens=8)
    assert len(set(found)) > 8, "the answers should tell prompts apart"


@pytest.mark.parametrize("kind", SCORING_KINDS)
def test_likelihoods_are_those_of_the_model_in_this_process(kind: str) -> None:
    others = [ITEMS[i - 1].target for i in range(len(ITEMS))]
    pairs = [(i.messages, text) for i, other in zip(ITEMS, others, strict=True) for text in (i.target, other, "")]
    with served(kind) as (engine, _):
        found = engine.answer_likelihoods(pairs)
    expected = HERE.answer_likelihoods(pairs)
    for one, other in zip(found, expected, strict=True):
        assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-4)
        assert (one.tokens, one.bytes, one.greedy) == (other.tokens, other.bytes, other.greedy)
    assert {one.greedy for one in found} == {True, False}
    assert nothing_is_certain([one.log_likelihood for one in found if one.tokens])


def test_tasks_give_every_item_the_score_that_it_has_in_this_process() -> None:
    sorting = build_task("s", ProceduralTask(type="procedural", generator="nano/sorting"), folder=None, seed=0)
    fresh = sorting.items("test", limit=6, seed=5)
    choices = tuple(sorted({item.target for item in ITEMS}))[:4]
    quiz = [type(i)(id=i.id, messages=i.messages, target=choices[0], choices=choices) for i in ITEMS[4:8]]
    with served("vllm") as (engine, _):
        assert sorting.score(engine, fresh) == sorting.score(HERE, fresh)
        assert ChoiceScorer().score(engine, quiz) == ChoiceScorer().score(HERE, quiz)
        found, expected = (ProbabilityScorer().score(e, ITEMS) for e in (engine, HERE))
    assert [f.score for f in found] == pytest.approx([e.score for e in expected], abs=1e-4)


@pytest.mark.parametrize("kind", ["vllm", "sglang", "llama.cpp", "transformers"])
def test_the_model_writes_whole_prompts_by_itself(kind: str) -> None:
    sampling: dict[str, Any] = {"max_new_tokens": 24, "sampling": Sampling(1.0, 0.9, 1)}
    with served(kind) as (engine, _):
        written = engine.write_prompts([""] * 6, **sampling)
        assert engine.write_prompts([""] * 6, **sampling) == written
        begun = engine.write_prompts(["Sort: 3"] * 6, **sampling)
    assert len(set(written)) > 2
    assert all(len(text) > 3 and "<|" not in text for text in written if text)
    assert len(set(begun)) > 2
    assert all(text.startswith("Sort: 3 ") for text in begun if text)


def test_a_turn_that_ends_otherwise_than_answers_is_not_guessed_at() -> None:
    template = FORMAT.template.replace("'<|' + message['role'] + '|>' + message['content'] + '<|end|>'",
                                       "'<|' + message['role'] + '|>' + message['content'] + '<|system|>'")  # fmt: skip
    chat = ChatFormat(AutoTokenizer.from_pretrained(nano.MODEL_PATH), template=template)
    assert chat.user_closing()[0] not in chat.stop_ids
    sampling: dict[str, Any] = {"max_new_tokens": 60, "sampling": Sampling(1.0, 1.0, 1)}
    with served("llama.cpp", chat=chat) as (engine, _), pytest.raises(EndpointError, match="runs on") as caught:
        engine.write_prompts([""] * 2, **sampling)
    assert caught.value.field == "replay.prompts"
    with served("vllm", chat=chat) as (engine, _):
        assert engine.write_prompts([""] * 2, **sampling) == ["", ""]


@pytest.mark.parametrize("kind", ["vllm", "transformers"])
def test_without_a_tokenizer_answers_come_by_messages(kind: str) -> None:
    with served(kind, chat=None) as (engine, site):
        assert engine.generate(PROMPTS[:6], max_new_tokens=8) == HERE.generate(PROMPTS[:6], max_new_tokens=8)
        assert "/v1/completions" not in site.paths()
        with pytest.raises(EndpointError, match="tokenizer") as caught:
            engine.answer_likelihoods([(PROMPTS[0], "a")])
    assert caught.value.field == "endpoints.small.tokenizer"


@pytest.mark.parametrize(
    ("kind", "reason"), [("llama.cpp", "Only no echo is supported"), ("transformers", "does not read token ids")]
)
def test_likelihoods_that_a_server_does_not_tell_are_refused(kind: str, reason: str) -> None:
    with served(kind) as (engine, site), pytest.raises(EndpointError, match="log-probabilities of a prompt") as caught:
        engine.answer_likelihoods([(PROMPTS[0], "a")])
    assert reason in caught.value.rule
    assert len(site.asked) < 8, "what a server does not know is not asked for again"


def test_a_form_that_names_no_model_is_not_used_where_there_are_several() -> None:
    two = ServedModel(MODEL, FORMAT, "sglang")
    two._models = lambda body: {"data": [{"id": "nano"}, {"id": "nano-tuned"}]}  # type: ignore[method-assign]
    with serving(two) as site, pytest.raises(EndpointError, match="which of the server's models"):
        EndpointEngine.connect(settings(site), field="e", format=FORMAT).answer_likelihoods([(PROMPTS[0], "a")])


def test_a_tokenizer_is_loaded_by_its_path_with_all_stop_tokens(tmp_path: Any) -> None:
    with serving(ServedModel(MODEL, FORMAT, "vllm")) as site:
        engine = connect_endpoint(settings(site, tokenizer=str(nano.MODEL_PATH)), folder=tmp_path, field="e")
        assert engine.generate(PROMPTS[:2], max_new_tokens=4) == HERE.generate(PROMPTS[:2], max_new_tokens=4)
        assert site.asked[-1].body["stop_token_ids"] == sorted(HERE.stop_ids)
        with pytest.raises(ModelError) as caught:
            connect_endpoint(settings(site, tokenizer="./nowhere"), folder=tmp_path, field="endpoints.e")
    assert caught.value.field == "endpoints.e.tokenizer"


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_the_server_does_not_have(kind: str) -> None:
    with (
        serving(ServedModel(MODEL, FORMAT, kind)) as site,
        pytest.raises(EndpointError, match="it has: nano") as caught,
    ):
        EndpointEngine.connect(settings(site, model="nanu"), field="endpoints.e", format=FORMAT)
    assert caught.value.field == "endpoints.e.model"
    assert "did you mean `nano`?" in caught.value.way_out


def test_a_name_that_is_not_listed_but_known_is_used() -> None:
    shy = ServedModel(MODEL, FORMAT, "vllm")
    shy._models = lambda body: {"data": [{"id": "another"}]}  # type: ignore[method-assign]
    with serving(shy) as site:
        assert EndpointEngine.connect(settings(site), field="e", format=FORMAT).generate(PROMPTS[:1], max_new_tokens=2)


def test_an_address_without_its_version() -> None:
    with serving(ServedModel(MODEL, FORMAT, "vllm")) as site, pytest.raises(EndpointError, match="Not Found") as caught:
        EndpointEngine.connect(settings(site, url=site.url.removesuffix("/v1")), field="e", format=FORMAT)
    assert "/v1" in caught.value.way_out


def test_a_server_of_another_kind() -> None:
    with (
        serving(lambda asked: Answer({"data": [{"id": "nano"}]} if not asked.body else {"content": "hi"})) as site,
        pytest.raises(EndpointError, match="none of the ways"),
    ):
        EndpointEngine.connect(settings(site), field="e", format=FORMAT)


def test_a_server_that_changes_under_way() -> None:
    model = ServedModel(MODEL, FORMAT, "vllm")
    with serving(model) as site:
        engine = EndpointEngine.connect(settings(site), field="e", format=FORMAT)
        model.fingerprint = "fp-2"
        with pytest.raises(EndpointError, match="`fp-1` and is `fp-2`"):
            engine.generate(PROMPTS[:1], max_new_tokens=2)


def test_a_server_that_reads_other_tokens() -> None:
    def cut_short(asked: Asked) -> Answer:
        reply = model(asked)
        if "usage" in reply.data:
            reply.data["usage"]["prompt_tokens"] -= 1
        return reply

    model = ServedModel(MODEL, FORMAT, "vllm")
    with serving(cut_short) as site:
        engine = EndpointEngine.connect(settings(site), field="e", format=FORMAT)
        with pytest.raises(EndpointError, match="cuts prompts short"):
            engine.generate(PROMPTS[:1], max_new_tokens=2)


def test_what_a_server_writes_after_the_end_is_cut_off() -> None:
    def runs_on(asked: Asked) -> Answer:
        reply = model(asked)
        for choice in reply.data.get("choices", ()):
            choice["token_ids"] = [*choice["token_ids"], *FORMAT.encode_prompt(PROMPTS[0])]
            choice["text"] += " and so on"
        return reply

    model = ServedModel(MODEL, FORMAT, "vllm")
    with serving(runs_on) as site:
        engine = EndpointEngine.connect(settings(site), field="e", format=FORMAT)
        found = engine.generate(PROMPTS[:4], max_new_tokens=30)
    assert found == HERE.generate(PROMPTS[:4], max_new_tokens=30)


def test_text_that_would_be_read_as_other_tokens_is_not_sent() -> None:
    spelt = (Message("user", "What does <|end|> mean?"),)
    with served("transformers") as (engine, _), pytest.raises(EndpointError, match="other tokens") as caught:
        engine.generate([*PROMPTS[:1], spelt], max_new_tokens=2)
    assert caught.value.value == "prompt 2 of 2"
    with served("vllm") as (engine, _):
        assert engine.generate([spelt], max_new_tokens=4) == HERE.generate([spelt], max_new_tokens=4)


def test_answers_end_where_the_window_does() -> None:
    with served("vllm", window=40) as (engine, site):
        engine.generate(PROMPTS[:4], max_new_tokens=1000)
        assert all(len(a.body["prompt"]) + a.body["max_tokens"] <= 40 for a in site.asked if "prompt" in a.body)
        with pytest.raises(ModelError, match="the server reads at most 40"):
            engine.generate([(Message("user", "seven " * 60),)], max_new_tokens=2)


def test_results_are_shared_only_where_a_revision_vouches_for_them() -> None:
    with serving(ServedModel(MODEL, FORMAT, "vllm")) as site:

        def connect(**others: Any) -> EndpointEngine:
            scope = others.pop("scope", None)
            return EndpointEngine.connect(settings(site, **others), field="e", format=FORMAT, scope=scope)

        assert connect().model_hash != connect().model_hash
        assert connect(scope="run").model_hash == connect(scope="run").model_hash
        vouched = connect(revision="v1")
        assert connect(revision="v1").model_hash == vouched.model_hash != connect(revision="v2").model_hash
        assert connect(revision="v1", concurrency=3).settings_hash == vouched.settings_hash


def test_nothing_is_asked_for_nothing() -> None:
    with served("vllm") as (engine, site):
        before = len(site.asked)
        assert engine.generate([], max_new_tokens=2) == []
        assert len(site.asked) == before


def test_a_busy_server_loses_no_answer() -> None:
    model = ServedModel(MODEL, FORMAT, "vllm")
    with serving(lambda asked: Answer("", 429) if asked.number % 3 == 2 else model(asked)) as site:
        engine = EndpointEngine.connect(settings(site, concurrency=4), field="e", format=FORMAT)
        assert engine.generate(PROMPTS, max_new_tokens=3) == HERE.generate(PROMPTS, max_new_tokens=3)
