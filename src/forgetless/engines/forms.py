"""What is sent to which kind of server, and how its replies are read: answers, and the likelihoods of given answers.

"OpenAI-compatible" fixes the fields that all servers share and little else. How token ids are sent, how the model's
shipped sampling settings are switched off, and where the log-probabilities of a prompt are found differs from server
to server. Each way is a form here; the engine tries them at the beginning and stays with the first that is understood.

Sources: the request models of vLLM (`entrypoints/openai`), SGLang (`srt/entrypoints`) and `transformers serve`
(`cli/serving`), and the README of llama.cpp's server.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from forgetless.sampling import GREEDY, Sampling
from forgetless.thoughts import CLOSE, OPEN

from .server import Request

Reply = Mapping[str, Any]
Ids = Sequence[int]


class Draw(NamedTuple):
    """How one answer is drawn. `stops` are the tokens that end it."""

    max_new_tokens: int
    sampling: Sampling = GREEDY
    stops: Collection[int] = ()


class Written(NamedTuple):
    """What a server wrote.

    `ids` are all tokens that it wrote, with or without the stop token, where it tells them; `ended` says that it came
    to a stop and not to the limit, and `stop` at which token, where the server tells that.
    """

    text: str
    ids: list[int] | None
    ended: bool
    stop: int | None


class Scored(NamedTuple):
    """Sum of an answer's log-probabilities in nats, and whether each of its tokens was the likeliest."""

    log_likelihood: float
    greedy: bool


class UnreadableReplyError(Exception):
    """A reply without what was asked for; the message says what is missing."""


# Answers


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """One way to ask for an answer.

    Attributes:
        name: What people call it.
        reads: What a prompt is: token ids, text that the server turns into these very ids, or messages to which the
            server applies a chat template of its own, with what goes with them (see `messages.as_fields`).
        path: Where it is asked.
        body: The request's fields besides `model` and the prompt.
    """

    name: str
    reads: Literal["tokens", "text", "messages"]
    path: str
    body: Callable[[Draw], dict[str, Any]]

    def request(self, model: str, prompt: Any, draw: Draw) -> Request:
        """The request for one answer; `prompt` is of the kind that `reads` says."""
        asked = prompt if self.reads == "messages" else {"prompt": prompt}
        return Request(self.path, {"model": model, **asked, **self.body(draw)})


def _standard(draw: Draw) -> dict[str, Any]:
    return {
        "max_tokens": draw.max_new_tokens,
        "temperature": draw.sampling.temperature,
        "top_p": draw.sampling.top_p,
        "seed": draw.sampling.seed,
    }


def _extended(draw: Draw) -> dict[str, Any]:
    # A server that is not told otherwise applies the `generation_config.json` of the model, or settings of its own.
    neutral = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
    told = {"stop_token_ids": sorted(draw.stops), "skip_special_tokens": True, "return_token_ids": True}
    return {**_standard(draw), **neutral, **told}


def _generation_config(draw: Draw) -> dict[str, Any]:
    temperature, top_p, seed = dataclasses.astuple(draw.sampling)
    sampled = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
    settings = {
        "max_new_tokens": draw.max_new_tokens,
        "repetition_penalty": 1.0,
        "eos_token_id": sorted(draw.stops),
        **(sampled if temperature > 0.0 else {"do_sample": False}),
    }
    return {"seed": seed, "generation_config": json.dumps(settings)}


TOKEN_FORMS: Final = (
    AnswerForm("token ids", "tokens", "/completions", _extended),
    AnswerForm("text", "text", "/completions", _generation_config),
)
"""For a model whose tokenizer is known: vLLM, SGLang and llama.cpp; then `transformers serve`."""

MESSAGE_FORMS: Final = (
    AnswerForm("messages", "messages", "/chat/completions", _extended),
    AnswerForm("messages, standard fields", "messages", "/chat/completions", _standard),
)
"""For a model whose tokenizer is not known; the second for servers that refuse fields beyond the standard."""


def read_answer(reply: Reply) -> Written:
    """The first choice of a reply; thoughts in a message are marked as `forgetless.thoughts` says.

    Raises:
        UnreadableReplyError: It holds no text, or not all of it.
    """
    with _reading():
        choice = reply["choices"][0]
        text = _said(choice) if "message" in choice else choice["text"]
        if not isinstance(text, str):
            raise UnreadableReplyError("its answer is no text")
        ids = choice.get("token_ids")
        stop = choice.get("stop_reason", choice.get("matched_stop"))
        return Written(
            text=text,
            ids=None if ids is None else list(ids),
            ended=choice["finish_reason"] == "stop",
            stop=stop if isinstance(stop, int) else None,
        )


def _said(choice: Reply) -> str:
    """What a model said in a message, after its thoughts, whether the server took them out of the text or not."""
    message = choice["message"]
    if message.get("tool_calls"):
        raise UnreadableReplyError("calls of tools were taken out of the text; name the `tokenizer` to see all of it")
    content = message.get("content") or ""
    thoughts = message.get("reasoning_content") or message.get("reasoning") or ""
    if thoughts:
        unfinished = not content and choice["finish_reason"] == "length"
        return OPEN + thoughts if unfinished else f"{OPEN}{thoughts}{CLOSE}{content}"
    before, closed, _ = content.partition(CLOSE)
    # A prompt that opens the thought leaves only its end to the answer.
    return OPEN + content if closed and OPEN not in before else content


def fingerprint(reply: Reply) -> str:
    """What a reply says about the state of its server; empty where it says nothing."""
    return str(reply.get("system_fingerprint") or "")


def prompt_tokens(reply: Reply) -> int | None:
    """How many tokens the server read as the prompt, where it tells."""
    usage = reply.get("usage")
    count = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return count if isinstance(count, int) else None


# Likelihoods


@dataclass(frozen=True, slots=True)
class LikelihoodForm:
    """One way to ask how likely an answer is.

    Attributes:
        name: What people call it.
        names_model: Whether the request says which of a server's models is meant.
        request: The request for a model's name, a context and an answer.
        score: The reply's token log-probabilities for a context and an answer: of each token of the answer its
            log-probability in nats, and whether it was the likeliest.
    """

    name: str
    names_model: bool
    request: Callable[[str, Ids, Ids], Request]
    score: Callable[[Reply, Ids, Ids], list[tuple[float, bool]]]

    def read(self, reply: Reply, context: Ids, answer: Ids) -> Scored:
        """The likelihood of the answer.

        Raises:
            UnreadableReplyError: The reply does not tell it.
        """
        with _reading():
            tokens = self.score(reply, context, answer)
            return Scored(math.fsum(value for value, _ in tokens), all(greedy for _, greedy in tokens))


def _ask_prompt_logprobs(model: str, context: Ids, answer: Ids) -> Request:
    return Request("/completions", {**_scoring(model, context, answer), "prompt_logprobs": 1})


def _prompt_logprobs(reply: Reply, context: Ids, answer: Ids) -> list[tuple[float, bool]]:
    """vLLM: for each token of the prompt a mapping of token id to log-probability and rank; `null` for the first."""
    table = reply["choices"][0]["prompt_logprobs"]
    _check_length(table, len(context) + len(answer))
    entries = [place[str(token)] for place, token in zip(table[len(context) :], answer, strict=True)]
    return [(entry["logprob"], entry["rank"] == 1) for entry in entries]


def _ask_native(model: str, context: Ids, answer: Ids) -> Request:
    body = {
        "input_ids": [*context, *answer],
        "sampling_params": {"max_new_tokens": 1, "temperature": 0.0},
        "return_logprob": True,
        "logprob_start_len": max(len(context) - 1, 0),
        "top_logprobs_num": 1,
    }
    return Request("/generate", body, above_version=True)


def _native(reply: Reply, context: Ids, answer: Ids) -> list[tuple[float, bool]]:
    """SGLang: `[log-probability, token id, text]` from some place of the prompt to its end, and the likeliest there."""
    meta = reply["meta_info"]
    tokens, best = (meta[name][-len(answer) :] for name in ("input_token_logprobs", "input_top_logprobs"))
    if [token[1] for token in tokens] != list(answer):
        raise UnreadableReplyError("it does not end with the tokens of the answer")
    return [(token[0], top[0][1] == token[1]) for token, top in zip(tokens, best, strict=True)]


def _ask_echo(model: str, context: Ids, answer: Ids) -> Request:
    return Request("/completions", {**_scoring(model, context, answer), "echo": True, "logprobs": 1})


def _echo(reply: Reply, context: Ids, answer: Ids) -> list[tuple[float, bool]]:
    """OpenAI's own: the log-probabilities of the prompt before that of the one token that was written."""
    found = reply["choices"][0]["logprobs"]
    start, end = len(context), len(context) + len(answer)
    values, best = found["token_logprobs"], found["top_logprobs"]
    _check_length(values, end, end + 1)
    return [(v, v >= max(top.values())) for v, top in zip(values[start:end], best[start:end], strict=True)]


LIKELIHOOD_FORMS: Final = (
    LikelihoodForm("prompt_logprobs", True, _ask_prompt_logprobs, _prompt_logprobs),
    LikelihoodForm("/generate with return_logprob", False, _ask_native, _native),
    LikelihoodForm("echo with logprobs", True, _ask_echo, _echo),
)
"""vLLM; SGLang; servers that know OpenAI's older way. llama.cpp and `transformers serve` know none of them."""


def _scoring(model: str, context: Ids, answer: Ids) -> dict[str, Any]:
    return {"model": model, "prompt": [*context, *answer], "max_tokens": 1, "temperature": 0.0}


def _check_length(values: Sequence[Any], *allowed: int) -> None:
    if len(values) not in allowed:
        raise UnreadableReplyError(f"{len(values)} values for {allowed[0]} tokens")


@contextmanager
def _reading() -> Iterator[None]:
    """Within the block, a reply of another shape than expected is one that cannot be read."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise UnreadableReplyError(f"it has another shape: {type(error).__name__} {error}") from None
