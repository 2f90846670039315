"""Behind a server as in this process: tools, thoughts and their switch, and models without a chat template."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_templates import chat_format
from served_model import KINDS, THINKS, ServedModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from forgetless import nano
from forgetless.comparison import compare
from forgetless.engines import EndpointEngine, TransformersEngine, connect_endpoint
from forgetless.errors import EndpointError, ModelError
from forgetless.recipe import EndpointSettings, parse_recipe
from forgetless.records import Message, ToolCall
from forgetless.sampling import GREEDY
from forgetless.tokens import ChatFormat
from http_server import Answer, Asked, Site, serving

MODEL = AutoModelForCausalLM.from_pretrained(nano.MODEL_PATH).eval()
TOOL = json.dumps({"type": "function", "function": {"name": "sort", "description": "sorts <|end|>"}})
ASKED = [
    (Message("user", "Sort 3 1 2.", enable_thinking=True),),
    (Message("user", "Sort 3 1 2.", enable_thinking=False),),
    (Message("user", "Sort 3 1 2."),),
    (
        Message("user", "Sort 3 1 2.", tools=(TOOL.replace("<|end|>", "them"),)),
        Message("assistant", "", reasoning="A tool.", tool_calls=(ToolCall("sort", '{"list": "3 1 2"}', "call1"),)),
        Message("tool", "1 2 3", tool_call_id="call1", name="sort"),
    ),
]
"""The switch on, off and left alone; a tool with its definition, a thought, a call and a result."""


def bare() -> ChatFormat:
    tokenizer = AutoTokenizer.from_pretrained(nano.MODEL_PATH)
    tokenizer.chat_template = None
    return ChatFormat(tokenizer)


def thinking(**arguments: Any) -> ChatFormat:
    return ChatFormat(AutoTokenizer.from_pretrained(nano.MODEL_PATH), template=THINKS, arguments=arguments)


def here(chat: ChatFormat) -> TransformersEngine:
    return TransformersEngine(MODEL, chat, model_hash="nano")


def settings(site: Site, **others: Any) -> EndpointSettings:
    return EndpointSettings.model_validate({"url": site.url, "model": "nano", **others})


def connected(site: Site, chat: ChatFormat | None, **others: Any) -> EndpointEngine:
    return EndpointEngine.connect(settings(site), field="endpoints.small", format=chat, **others)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(("kind", "by_messages"), [("vllm", False), ("transformers", False), ("vllm", True)])
def test_tools_and_thoughts_are_asked_as_in_this_process(kind: str, by_messages: bool) -> None:
    chat = thinking()
    server = ServedModel(MODEL, chat, kind)
    with serving(server) as site:
        engine = connected(site, None if by_messages else chat)
        found = engine.generate(ASKED, max_new_tokens=6)
    prompts = [prompt.ids for prompt in chat.prompts(ASKED)]
    assert len({tuple(ids) for ids in prompts}) == 3, "on is what the template does by itself"
    assert sorted(server.read[-len(ASKED) :]) == sorted(prompts)
    assert found == here(chat).generate(ASKED, max_new_tokens=6)


@pytest.mark.parametrize("by_messages", [False, True])
def test_a_brief_answer_is_asked_for_without_thoughts_where_there_is_a_switch(by_messages: bool) -> None:
    chat, plain = thinking(), ChatFormat(AutoTokenizer.from_pretrained(nano.MODEL_PATH))
    brief = [(Message("user", "Sort 3 1 2.", brief=True),)]
    without = [prompt.ids for prompt in chat.prompts(ASKED[1:2])]
    assert [prompt.ids for prompt in chat.prompts(brief)] == without
    assert [p.ids for p in plain.prompts(brief)] == [p.ids for p in plain.prompts(ASKED[2:3])]
    said_so = [(Message("user", "Sort 3 1 2.", brief=True, enable_thinking=True),)]
    assert chat.prompts(said_so) == chat.prompts(ASKED[:1])
    for known, expected in ((chat, without), (plain, [prompt.ids for prompt in plain.prompts(ASKED[2:3])])):
        server = ServedModel(MODEL, known, "vllm")
        with serving(server) as site:
            assert connected(site, None if by_messages else known).generate(brief, max_new_tokens=2)
        assert server.read[-1:] == expected


def test_raw_text_is_asked_without_the_template_and_never_by_messages() -> None:
    chat = thinking()
    asked = [(Message("user", "The capital of Noru is", raw_text=True),)]
    server = ServedModel(MODEL, chat, "vllm")
    with serving(server) as site:
        assert connected(site, chat).generate(asked, max_new_tokens=6) == here(chat).generate(asked, max_new_tokens=6)
        with pytest.raises(EndpointError, match="tokenizer"):
            connected(site, None).generate(asked, max_new_tokens=6)


def test_what_the_template_does_not_know_is_refused_as_in_this_process() -> None:
    chat = ChatFormat(AutoTokenizer.from_pretrained(nano.MODEL_PATH))
    with serving(ServedModel(MODEL, chat, "vllm")) as site:
        for prompt in (ASKED[0], ASKED[3]):
            with pytest.raises(ModelError, match="chat template"):
                connected(site, chat).generate([prompt], max_new_tokens=2)
        engine = connected(site, None)
        with pytest.raises(EndpointError, match="knows no such switch") as caught:
            engine.generate(ASKED[:2], max_new_tokens=2)
        assert engine.generate(ASKED[2:3], max_new_tokens=2)
    assert caught.value.field == "enable_thinking"


def test_names_that_the_template_reads_go_along() -> None:
    quiet = thinking(enable_thinking=False)
    with serving(ServedModel(MODEL, thinking(), "vllm")) as site:
        engine = connect_endpoint(settings(site), folder=Path(), field="e", arguments=quiet.arguments)
        assert engine.generate(ASKED[2:3], max_new_tokens=6) == here(quiet).generate(ASKED[2:3], max_new_tokens=6)
        assert site.asked[-1].body["chat_template_kwargs"] == {"enable_thinking": False}
        scoped = [connected(site, None, scope="", arguments=names) for names in ({}, {"enable_thinking": False})]
        assert scoped[0].settings_hash != scoped[1].settings_hash


def test_a_template_of_the_recipe_needs_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "thinks.jinja").write_text(THINKS)
    with serving(ServedModel(MODEL, thinking(), "vllm")) as site:
        own: dict[str, Any] = {"folder": tmp_path, "field": "endpoints.e", "template": "thinks.jinja"}
        with pytest.raises(EndpointError, match=r"model\.template") as caught:
            connect_endpoint(settings(site), **own)
        engine = connect_endpoint(settings(site, tokenizer=str(nano.MODEL_PATH)), **own)
        assert engine.generate(ASKED, max_new_tokens=3) == here(thinking()).generate(ASKED, max_new_tokens=3)
        with pytest.raises(ModelError, match="does not read this name") as unread:
            connect_endpoint(settings(site, tokenizer=str(nano.MODEL_PATH)), **own, arguments={"effort": "low"})
    assert caught.value.field == "endpoints.e.tokenizer"
    assert unread.value.field == "model.chat_template_kwargs.effort"


def test_compare_asks_a_served_model_as_the_recipe_asks_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "thinks.jinja").write_text(THINKS)
    sorting = {"task": {"type": "procedural", "generator": "nano/sorting", "items": 2, "max_new_tokens": 4}}
    model = {
        "path": str(nano.MODEL_PATH),
        "template": "thinks.jinja",
        "chat_template_kwargs": {"enable_thinking": False},
    }
    server = ServedModel(MODEL, thinking(), "vllm")
    with serving(server) as site:
        endpoint = {"url": site.url, "model": "nano", "tokenizer": str(nano.MODEL_PATH)}
        recipe = parse_recipe(
            {
                "name": "small",
                "model": model,
                "endpoints": {"fast": endpoint},
                "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 1.0}},
                "domain": sorting,
                "keep": {"sorting": {"margin_points": 50, **sorting}},
            }
        )
        (verdict,) = compare(nano.MODEL_PATH, "endpoint:fast", recipe, folder=tmp_path).verdicts
    assert (verdict.losses, verdict.gains) == (0, 0)
    assert all(chat.endswith("<think></think>") for chat in map(thinking().tokenizer.decode, server.read[-2:]))


# Answers


def says(**choice: Any) -> Callable[[Asked], Answer]:
    """A server that answers everything in one way."""
    whole = {"finish_reason": "stop", **choice}
    return lambda asked: Answer({"choices": [whole]} if asked.body else {"data": [{"id": "nano"}]})


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"message": {"content": "yes"}}, "yes"),
        ({"message": {"content": "yes", "reasoning_content": "hm"}}, "<think>hm</think>yes"),
        ({"message": {"content": "yes", "reasoning": "hm"}}, "<think>hm</think>yes"),
        ({"message": {"content": None, "reasoning_content": "hm"}, "finish_reason": "length"}, "<think>hm"),
        ({"message": {"content": None, "reasoning_content": "hm"}}, "<think>hm</think>"),
        ({"message": {"content": "<think>hm</think>yes"}}, "<think>hm</think>yes"),
        ({"message": {"content": "hm</think>yes"}}, "<think>hm</think>yes"),
    ],
)
def test_thoughts_in_messages_are_marked(choice: dict[str, Any], expected: str) -> None:
    with serving(says(**choice)) as site:
        assert connected(site, None).generate([ASKED[2]], max_new_tokens=8) == [expected]


def test_a_call_that_the_server_takes_out_of_the_text_is_no_answer() -> None:
    with (
        serving(says(message={"content": None, "tool_calls": [{"id": "1"}]})) as site,
        pytest.raises(EndpointError, match="calls of tools were taken out"),
    ):
        connected(site, None).generate([ASKED[3]], max_new_tokens=8)


def test_thoughts_are_marked_in_text_too_where_text_tells_them() -> None:
    opened = chat_format("qwen3_5_think")
    with serving(says(text="hm\n</think>\n\nyes")) as site:
        assert connected(site, opened).generate([ASKED[2]], max_new_tokens=8) == ["<think>hm\n</think>\n\nyes"]


def test_thoughts_between_special_tokens_need_the_tokens() -> None:
    chat = chat_format("gptoss")
    written = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>yes"
    ids = chat.tokenizer(written, add_special_tokens=False)["input_ids"]
    with serving(says(text="analysishmassistantfinalyes", token_ids=ids)) as site:
        assert connected(site, chat).generate([ASKED[2]], max_new_tokens=8) == ["<think>hm</think>yes"]
    with (
        serving(says(text="analysishmassistantfinalyes")) as site,
        pytest.raises(EndpointError, match="special tokens") as caught,
    ):
        connected(site, chat).generate([ASKED[2]], max_new_tokens=8)
    assert "vLLM" in caught.value.way_out


# Without a chat template


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_continued_as_in_this_process(kind: str) -> None:
    chat, texts = bare(), ["The first word is", "Sort: 3 1", ""]
    greedy: dict[str, Any] = {"max_new_tokens": 8, "sampling": GREEDY}
    with serving(ServedModel(MODEL, chat, kind)) as site:
        engine = connected(site, chat)
        found = engine.continue_texts(texts, **greedy)
        asked = [(Message("user", text),) for text in texts[:2]]
        assert engine.generate(asked, max_new_tokens=4) == here(chat).generate(asked, max_new_tokens=4)
    assert found == here(chat).continue_texts(texts, **greedy)
    assert len(set(found)) == 3


def test_texts_are_not_continued_by_messages() -> None:
    with (
        serving(ServedModel(MODEL, thinking(), "vllm")) as site,
        pytest.raises(EndpointError, match="tokenizer") as caught,
    ):
        connected(site, None).continue_texts(["a"], max_new_tokens=2, sampling=GREEDY)
    assert caught.value.field == "endpoints.small.tokenizer"


def test_a_lost_space_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = bare()
    decode_many = chat.decode_many
    monkeypatch.setattr(chat, "decode_many", lambda texts: [text.removeprefix(" ") for text in decode_many(texts)])
    with (
        serving(ServedModel(MODEL, chat, "transformers")) as site,
        pytest.raises(EndpointError, match="drops the space"),
    ):
        connected(site, chat).continue_texts(["a"], max_new_tokens=2, sampling=GREEDY)
