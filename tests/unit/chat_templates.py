"""The chat templates that TRL ships, each with a tiny tokenizer that has the tokens of its model, and conversations.

The templates are read from the installed package. The tokenizers share one small byte-level BPE; what differs are the
added tokens, which are those of the models: `special` ones, and others that a model reads as one token all the same.
"""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple

from tiny_models import tiny_tokenizer
from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

from forgetless.models.templates import shipped_templates
from forgetless.records import Message, Row, ToolCall
from forgetless.tokens import ChatFormat


class Vocabulary(NamedTuple):
    """The added tokens of a family of models."""

    special: str
    plain: str = ""
    bos: str | None = None
    eos: str | None = None


_TAGS = "<tool_call> </tool_call> <tool_response> </tool_response> <think> </think>"
_CHATML = Vocabulary(
    "<|endoftext|> <|im_start|> <|im_end|> <|vision_start|> <|vision_end|> <|image_pad|> <|video_pad|>",
    _TAGS,
    eos="<|im_end|>",
)
_COHERE = "<BOS_TOKEN> <|START_OF_TURN_TOKEN|> <|END_OF_TURN_TOKEN|> <|SYSTEM_TOKEN|> <|USER_TOKEN|> <|CHATBOT_TOKEN|>"
_GEMMA4 = (
    "<bos> <eos> <|turn> <turn|> <|channel> <channel|> <|tool_call> <tool_call|> <|tool_response> <tool_response|> "
    '<|tool> <tool|> <|think|> <|"|> <|image|> <|audio|> <|video|>'
)
_DEEPSEEK = (
    "<｜tool▁calls▁begin｜> <｜tool▁calls▁end｜> <｜tool▁call▁begin｜> <｜tool▁call▁end｜> <｜tool▁sep｜> "
    "<｜tool▁outputs▁begin｜> <｜tool▁outputs▁end｜> <｜tool▁output▁begin｜> <｜tool▁output▁end｜>"
)
_LLAMA = "<|begin_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|> <|eom_id|> <|python_tag|>"
_LFM = (
    "<|startoftext|> <|endoftext|> <|im_start|> <|im_end|> <|tool_list_start|> <|tool_list_end|> <|tool_call_start|> "
    "<|tool_call_end|> <|tool_response_start|> <|tool_response_end|>"
)

VOCABULARIES = {
    "cohere": Vocabulary(_COHERE, bos="<BOS_TOKEN>", eos="<|END_OF_TURN_TOKEN|>"),
    "cohere2": Vocabulary(
        f"{_COHERE} <|START_RESPONSE|> <|END_RESPONSE|>", bos="<BOS_TOKEN>", eos="<|END_OF_TURN_TOKEN|>"
    ),
    "deepseek": Vocabulary(
        "<｜begin▁of▁sentence｜> <｜end▁of▁sentence｜>",
        f"<｜User｜> <｜Assistant｜> {_DEEPSEEK} <think> </think>",
        bos="<｜begin▁of▁sentence｜>",
        eos="<｜end▁of▁sentence｜>",
    ),
    "diffusion_gemma": Vocabulary(_GEMMA4, bos="<bos>", eos="<eos>"),
    "gemma": Vocabulary("<bos> <eos> <start_of_turn> <end_of_turn> <start_of_image>", bos="<bos>", eos="<eos>"),
    "gemma4": Vocabulary(_GEMMA4, bos="<bos>", eos="<eos>"),
    "glm4moe": Vocabulary(
        "[gMASK] <sop> <|endoftext|> <|system|> <|user|> <|assistant|> <|observation|>",
        f"{_TAGS} <arg_key> </arg_key> <arg_value> </arg_value>",
        eos="<|endoftext|>",
    ),
    "gptoss": Vocabulary(
        "<|startoftext|> <|endoftext|> <|return|> <|start|> <|end|> <|message|> <|channel|> <|call|> <|constrain|>",
        eos="<|return|>",
    ),
    "idefics3": Vocabulary("<|begin_of_text|> <|end_of_text|> <end_of_utterance> <image>", eos="<|end_of_text|>"),
    "lfm2": Vocabulary(_LFM, "<think> </think>", bos="<|startoftext|>", eos="<|im_end|>"),
    "llama3": Vocabulary(_LLAMA, bos="<|begin_of_text|>", eos="<|eot_id|>"),
    "llava_next": Vocabulary("<s> </s> <image>", bos="<s>", eos="</s>"),
    "muse_glimmer": Vocabulary(
        "<|begin_of_text|> <|start|> <|message|> <|eom|> <|eot|> <|patch|> <|video|>",
        bos="<|begin_of_text|>",
        eos="<|eot|>",
    ),
    "nemotron": _CHATML,
    "phi3": Vocabulary("<|endoftext|> <|system|> <|user|> <|assistant|> <|end|>", eos="<|endoftext|>"),
    "qwen": _CHATML,
    "smolvlm": Vocabulary("<|im_start|> <end_of_utterance> <image>", eos="<end_of_utterance>"),
}
"""By the beginning of a template's name; the longest that fits counts."""

TEMPLATES = tuple(shipped_templates())


def vocabulary_of(name: str) -> Vocabulary:
    """The added tokens of the model that a template belongs to."""
    return VOCABULARIES[max((family for family in VOCABULARIES if name.startswith(family)), key=len)]


@functools.cache
def _plain_bpe() -> str:
    return str(tiny_tokenizer(None).backend_tokenizer.to_str())


def source_of(name: str) -> str:
    """The source of a shipped template."""
    return shipped_templates()[name].read_text(encoding="utf-8")


def tokenizer_for(name: str) -> PreTrainedTokenizerFast:
    """A new tokenizer with the added tokens of a template's model, and the template."""
    vocabulary = vocabulary_of(name)
    tokenizer = Tokenizer.from_str(_plain_bpe())
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in vocabulary.special.split()])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in vocabulary.plain.split()])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=vocabulary.bos,
        eos_token=vocabulary.eos,
        pad_token="<|pad|>",
        chat_template=source_of(name),
        clean_up_tokenization_spaces=False,
    )


def chat_format(name: str, **arguments: Any) -> ChatFormat:
    """The chat format of one template."""
    return ChatFormat(tokenizer_for(name), arguments=arguments)


# Conversations

_WEATHER = json.dumps(
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "Where."}},
                "required": ["city"],
            },
        },
    }
)
_CALL = ToolCall("weather", '{"city": "Rome"}', "call00001")


def _says(content: str, **others: Any) -> Message:
    return Message("assistant", content, trained=True, **others)


CONVERSATIONS: dict[str, tuple[Message, ...]] = {
    "single": (Message("user", "Hi, you."), _says("Hello there.")),
    "system": (
        Message("system", "Be brief."),
        Message("user", "One?"),
        _says("1."),
        Message("user", "Two?"),
        _says("2."),
    ),
    "tools": (
        Message("user", "Weather in Rome?", tools=(_WEATHER,)),
        _says("", tool_calls=(_CALL,)),
        Message("tool", "sunny", tool_call_id="call00001", name="weather"),
        _says("It is sunny."),
    ),
    "calls": (
        Message("user", "Weather in Rome?"),
        _says("", tool_calls=(_CALL,)),
        Message("tool", "sunny", tool_call_id="call00001", name="weather"),
        _says("It is sunny."),
    ),
    "thoughts": (
        Message("user", "2 + 2?"),
        _says("Four.", reasoning="Two and two."),
        Message("user", "3 + 3?"),
        _says("Six.", reasoning="Three and three."),
    ),
    "thinking on": (Message("user", "2 + 2?", enable_thinking=True), _says("Four.", reasoning="Two and two.")),
    "thinking off": (Message("user", "2 + 2?", enable_thinking=False), _says("Four.")),
}
"""A question; a system turn and two questions; a tool that is called, with its definition and without; thoughts before
each of two answers; the template's switch on and off.
"""


def row_of(kind: str) -> Row:
    """One of the conversations as a row, every answer trained."""
    return Row(kind, "source", CONVERSATIONS[kind], origin="f:1")
