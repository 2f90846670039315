"""What goes to a served model and what comes back, checked on the way.

A prompt that does not fit, a server that reads it as other tokens, a reply that cannot be read, and a server that
changes under way are refused here: what passes is what the model answered to what it was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from forgetless.errors import EndpointError, ModelError
from forgetless.progress import Progress
from forgetless.rundir import content_hash
from forgetless.tokens import ChatFormat

from .forms import (
    Draw,
    Ids,
    LikelihoodForm,
    Reply,
    Scored,
    UnreadableReplyError,
    Written,
    fingerprint,
    prompt_tokens,
    read_answer,
)
from .handshake import ServedModel
from .server import Request, Server

T = TypeVar("T")


class Correspondence:
    """Sends prompts to a served model, and reads its replies.

    Args:
        server: Carries them.
        served: What was found out at the beginning.
        format: How the model writes conversations, or `None` where the server has to know.
    """

    def __init__(self, server: Server, served: ServedModel, format: ChatFormat | None) -> None:
        self._server = server
        self._served = served
        self._format = format

    def answers(self, prompts: Sequence[Any], draw: Draw, progress: Progress | None) -> list[Written]:
        """Answers to prompts of ids (with a format) or fields of messages (without), in order.

        Raises:
            EndpointError: The server gives no answer, or not in a way that can be trusted.
            ModelError: A prompt fills the model's window.
        """
        form = self._served.form
        lengths = [len(prompt) if self._format else 0 for prompt in prompts]
        self._check_window([length + 1 for length in lengths])
        requests = [
            form.request(
                self._server.settings.model,
                self._as_text(prompt, i, len(prompts)) if form.reads == "text" else prompt,
                draw._replace(
                    max_new_tokens=self._room(lengths[i], draw),
                    sampling=draw.sampling.seeded(_seed(draw.sampling.seed, i)),
                ),
            )
            for i, prompt in enumerate(prompts)
        ]
        replies = self._ask(requests, progress)
        if self._format is not None:
            for reply, length in zip(replies, lengths, strict=True):
                self._check_read(prompt_tokens(reply), length)
        return [_cut(self._read(read_answer, reply), draw.stops) for reply in replies]

    def likelihoods(
        self, form: LikelihoodForm, pairs: Sequence[tuple[Ids, Ids]], progress: Progress | None
    ) -> list[Scored]:
        """How likely each answer is after its context, in order; an empty answer is certain, and not asked about.

        Raises:
            EndpointError: As `answers`.
            ModelError: A context with its answer is longer than the model's window.
        """
        # Servers write a token more, whether it is wanted or not.
        self._check_window([len(context) + len(answer) + 1 for context, answer in pairs])
        asked = [i for i, (_, answer) in enumerate(pairs) if answer]
        replies = self._ask([form.request(self._server.settings.model, *pairs[i]) for i in asked], progress)
        scores = [Scored(0.0, True)] * len(pairs)
        for i, reply in zip(asked, replies, strict=True):
            scores[i] = self._read(form.read, reply, *pairs[i])
        return scores

    def _ask(self, requests: Sequence[Request], progress: Progress | None) -> list[dict[str, Any]]:
        replies = self._server.ask_all(requests, progress=progress) if requests else []
        for reply in replies:
            now = fingerprint(reply)
            if now not in ("", self._served.fingerprint):
                raise EndpointError(
                    field=f"{self._server.field}.url",
                    value=self._server.settings.url,
                    rule=f"the server changed under way: its fingerprint was `{self._served.fingerprint}` and is "
                    f"`{now}`, so its answers are not all of one model",
                    way_out="ask one server, and leave it as it is until the work is done",
                )
        return replies

    def _read(self, read: Callable[..., T], reply: Reply, *about: Ids) -> T:
        try:
            return read(reply, *about)
        except UnreadableReplyError as error:
            raise EndpointError(
                field=f"{self._server.field}.url",
                value=self._server.settings.url,
                rule=f"a reply cannot be read: {error}",
                way_out="look into the server's log; it answered otherwise at the beginning",
            ) from None

    def _as_text(self, ids: Ids, place: int, total: int) -> str:
        """The text that the server's tokenizer turns into these ids, special tokens added as it adds them."""
        assert self._format is not None
        tokenizer = self._format.tokenizer
        text = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        for candidate in (text, text.removeprefix(tokenizer.bos_token or "")):
            if tokenizer(candidate, verbose=False)["input_ids"] == list(ids):
                return str(candidate)
        raise EndpointError(
            field=f"{self._server.field}.url",
            value=f"prompt {place + 1} of {total}",
            rule="the server reads text only, and would read this prompt as other tokens than the model is to see",
            way_out="use a server that reads token ids (vLLM, SGLang, llama.cpp)",
        )

    def _room(self, length: int, draw: Draw) -> int:
        window = self._served.window
        return draw.max_new_tokens if window is None else min(draw.max_new_tokens, window - length)

    def _check_window(self, lengths: Sequence[int]) -> None:
        window = self._served.window
        if window is not None and lengths and max(lengths) > window:
            raise ModelError(
                field="prompt",
                value=f"number {max(range(len(lengths)), key=lengths.__getitem__) + 1} of {len(lengths)}",
                rule=f"it needs {max(lengths)} tokens, and the server reads at most {window}",
                way_out="leave out or shorten what is longer, or serve the model with a longer window",
            )

    def _check_read(self, read: int | None, length: int) -> None:
        if read not in (None, length):
            raise EndpointError(
                field=f"{self._server.field}.tokenizer",
                value=self._server.settings.tokenizer or "the base's",
                rule=f"a prompt of {length} tokens was read by the server as {read}: it cuts prompts short, or reads "
                "other tokens than this tokenizer's",
                way_out="serve the model with a longer window, or name its own tokenizer",
            )


def _cut(written: Written, stops: Collection[int]) -> Written:
    """An answer without its stop token and what a server wrote after it, where the tokens are told."""
    if written.ids is None:
        return written
    for place, token in enumerate(written.ids):
        if token in stops:
            return Written(written.text, written.ids[:place], True, token)
    return written


def _seed(seed: int, place: int) -> int:
    return int(content_hash(seed, place)[:8], 16) >> 1
