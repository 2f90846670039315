"""A model behind a web server that speaks as vLLM, SGLang, llama.cpp, `transformers serve` or an older server does.

The model is the one of the in-process engine, asked token by token, so what comes over the wire is known to be right.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

from forgetless.engines import measuring
from forgetless.engines.decoding import TokenChooser, continue_batch
from forgetless.sampling import Sampling
from forgetless.tokens import ChatFormat
from http_server import Answer, Asked

KINDS = ("vllm", "sglang", "llama.cpp", "transformers", "older")
SCORING_KINDS = ("vllm", "sglang", "older")
THINKS = (
    "{% if tools %}{{ '<|system|>' + (tools | tojson) + '<|end|>' }}{% endif %}"
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' }}"
    "{% if m['reasoning_content'] %}{{ '<think>' + m['reasoning_content'] + '</think>' }}{% endif %}{{ m['content'] }}"
    "{% for c in m['tool_calls'] or [] %}{{ '<call>' + (c['function'] | tojson) + '</call>' }}{% endfor %}"
    "{{ '<|end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}"
    "{% if enable_thinking is false %}{{ '<think></think>' }}{% endif %}{% endif %}"
)
"""A chat template that knows tools, thoughts and the switch."""
_TRANSFORMERS_FIELDS = {
    "tools",
    "chat_template_kwargs",
    "model",
    "prompt",
    "messages",
    "max_tokens",
    "temperature",
    "top_p",
    "seed",
    "generation_config",
}


class RefusedError(Exception):
    def __init__(self, status: int, said: str) -> None:
        self.answer = Answer({"error": {"message": said, "code": status}}, status)


class ServedModel:
    """Call it with a request; see `http_server.serving`.

    Args:
        model: The model.
        chat: How it writes conversations; the server's own template for `/chat/completions`.
        kind: Which server it speaks like.
        name: What it is listed as.
        fingerprint: What it says of its state; only vLLM and llama.cpp do.
        samples: Whether it heeds the temperature.

    Attributes:
        read: The prompts that it has answered, as token ids.
    """

    def __init__(
        self, model: PreTrainedModel, chat: ChatFormat, kind: str, *, name: str = "nano", fingerprint: str = "fp-1",
        samples: bool = True, window: int | None = 256,
    ) -> None:  # fmt: skip
        self.model, self.chat, self.kind, self.name = model, chat, kind, name
        self.fingerprint, self.samples, self.window = fingerprint, samples, window
        self.busy = threading.Lock()
        self.read: list[list[int]] = []

    def __call__(self, asked: Asked) -> Answer:
        try:
            return Answer(self._routes().get(asked.path, self._nothing)(asked.body))
        except RefusedError as refusal:
            return refusal.answer

    def _routes(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        routes = {
            "/v1/models": self._models,
            "/v1/completions": self._completions,
            "/v1/chat/completions": self._messages,
        }
        return routes | ({"/generate": self._generate} if self.kind == "sglang" else {})

    def _nothing(self, body: dict[str, Any]) -> Any:
        raise RefusedError(404, "Not Found")

    def _models(self, body: dict[str, Any]) -> Any:
        entry: dict[str, Any] = {"id": self.name, "object": "model"}
        if self.kind in ("vllm", "sglang") and self.window is not None:
            entry["max_model_len"] = self.window
        return {"object": "list", "data": [entry]}

    def _completions(self, body: dict[str, Any]) -> Any:
        self._check(body)
        prompt = body["prompt"]
        if self.kind == "transformers":
            if not isinstance(prompt, str):
                raise RefusedError(400, "prompt must be a string.")
            prompt = self.chat.tokenizer(prompt)["input_ids"]
        return self._answer(prompt, body)

    def _messages(self, body: dict[str, Any]) -> Any:
        self._check(body)
        for call in [call for message in body["messages"] for call in message.get("tool_calls", ())]:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
        text = self.chat.tokenizer.apply_chat_template(
            body["messages"], tokenize=False, add_generation_prompt=True, tools=body.get("tools"),
            **body.get("chat_template_kwargs", {}),
        )  # fmt: skip
        reply = self._answer(self.chat.tokenizer(text, add_special_tokens=False)["input_ids"], body)
        choice = reply["choices"][0]
        choice["message"] = {"role": "assistant", "content": choice.pop("text")}
        return reply

    def _check(self, body: dict[str, Any]) -> None:
        if self.kind in ("vllm", "transformers", "older") and body["model"] != self.name:
            raise RefusedError(404, f"The model `{body['model']}` does not exist.")
        unknown = sorted(body.keys() - _TRANSFORMERS_FIELDS)
        if self.kind == "transformers" and unknown:
            raise RefusedError(422, f"Unexpected fields in the request: {unknown}")
        if self.kind == "llama.cpp" and body.get("echo"):
            raise RefusedError(500, "Only no echo is supported")

    def _answer(self, ids: list[int], body: dict[str, Any]) -> Any:
        settings = json.loads(body["generation_config"]) if "generation_config" in body else body
        limit = settings.get("max_tokens", settings.get("max_new_tokens"))
        if self.window is not None and len(ids) + limit > self.window:
            raise RefusedError(400, f"This model's maximum context length is {self.window} tokens.")
        told = {"vllm": "stop_token_ids", "sglang": "stop_token_ids", "transformers": "eos_token_id"}.get(self.kind)
        stops = {self.chat.tokenizer.eos_token_id, *(settings.get(told) or () if told else ())}
        sampled = settings.get("do_sample", settings["temperature"] > 0.0 if "temperature" in settings else False)
        temperature = settings.get("temperature", 1.0) if sampled and self.samples else 0.0
        self.read.append(list(ids))
        with self.busy, measuring(self.model):
            sampling = Sampling(temperature, settings.get("top_p", 1.0), body.get("seed") or 0)
            choose = TokenChooser(sampling, self.model.device)
            (found,) = continue_batch(
                self.model, [ids], room=[limit], stops=stops, pad_id=self.chat.pad_id, choose=choose
            )
        choice: dict[str, Any] = {
            "index": 0,
            "text": self.chat.decode(found.ids),
            "finish_reason": "length" if found.stop is None else "stop",
            "logprobs": None,
        }
        reply: dict[str, Any] = {"choices": [choice], "model": body["model"], "usage": {"prompt_tokens": len(ids)}}
        if self.kind in ("vllm", "llama.cpp"):
            reply["system_fingerprint"] = self.fingerprint
        if self.kind == "vllm":
            choice["stop_reason"] = None if found.stop == self.chat.tokenizer.eos_token_id else found.stop
            if body.get("return_token_ids"):
                choice["token_ids"] = found.ids + ([] if found.stop is None else [found.stop])
            if "prompt_logprobs" in body:
                choice["prompt_logprobs"] = self._prompt_logprobs(ids)
        if self.kind == "sglang":
            choice["matched_stop"] = found.stop
        if self.kind == "older" and body.get("echo"):
            written = found.ids + ([] if found.stop is None else [found.stop])
            choice["logprobs"] = self._echoed(ids + written[:1])
        return reply

    def _logprobs(self, ids: list[int]) -> torch.Tensor:
        with self.busy, measuring(self.model):
            return torch.log_softmax(self.model(torch.tensor([ids])).logits[0].float(), dim=-1)

    def _prompt_logprobs(self, ids: list[int]) -> list[Any]:
        rows = self._logprobs(ids)
        table: list[Any] = [None]
        for place, token in enumerate(ids[1:]):
            best = int(rows[place].argmax())
            rank = int((rows[place] > rows[place, token]).sum()) + 1
            entries = {best: 1, token: rank}
            table.append({str(t): {"logprob": rows[place, t].item(), "rank": r} for t, r in entries.items()})
        return table

    def _echoed(self, ids: list[int]) -> Any:
        rows = self._logprobs(ids)
        own = [rows[place, token].item() for place, token in enumerate(ids[1:])]
        best = [{"best": row.max().item()} for row in rows[:-1]]
        return {"token_logprobs": [None, *own], "top_logprobs": [None, *best], "tokens": ["?"] * len(ids)}

    def _generate(self, body: dict[str, Any]) -> Any:
        ids, start = body["input_ids"], body["logprob_start_len"]
        rows = self._logprobs(ids)
        own: list[Any] = [[None, ids[start], None]]
        best: list[Any] = [None]
        for place in range(start, len(ids) - 1):
            top = int(rows[place].argmax())
            own.append([rows[place, ids[place + 1]].item(), ids[place + 1], None])
            best.append([[rows[place, top].item(), top, None]])
        return {"text": "", "meta_info": {"input_token_logprobs": own, "input_top_logprobs": best}}


def nothing_is_certain(values: list[float]) -> bool:
    """Whether log-probabilities are finite and below 0, so that agreement on them says something."""
    return all(math.isfinite(value) and value < 0.0 for value in values)
