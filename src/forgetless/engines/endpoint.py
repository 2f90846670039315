"""The engine over a server: vLLM, SGLang, llama.cpp, `transformers serve`, or another OpenAI-compatible one.

Where the model's tokenizer is known, conversations become token ids here, by the same chat format as in process, and
the server sees ids only: what it is asked, and therefore what is scored, is what a model in this process would be
asked; tools, thoughts and switches are written into the prompt by that format. Without a tokenizer they go over the
wire as fields, the server's own chat template is trusted, and only answers can be had.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from forgetless.errors import EndpointError
from forgetless.models import load_format
from forgetless.progress import Progress
from forgetless.recipe import EndpointSettings
from forgetless.records import Message
from forgetless.rundir import content_hash
from forgetless.sampling import GREEDY, Sampling
from forgetless.tokens import ChatFormat, Prompt
from forgetless.tokens.rendering import thinking_mode

from .correspondence import Correspondence
from .engine import AnswerLikelihood
from .forms import Draw, LikelihoodForm, Written
from .handshake import ServedModel, find_likelihood_form, heeds_thinking_switch, shake_hands
from .messages import as_fields
from .server import Server
from .stops import cut_at

_REVISION = 1
"""Raised whenever the way servers are asked changes, so that no stored score of the old way is taken for a new one."""


class EndpointEngine:
    """Asks a model behind a server; made by `connect`.

    Args:
        server: Asks.
        served: What was found out at the beginning.
        format: How the model writes conversations, or `None` where the server has to know.
        stop_ids: Tokens that end its answers.
        scope: Keeps results apart that must not be taken for each other; empty where they may be shared.
        arguments: Names that the server's own chat template reads, and their values; `format` has its own.
    """

    def __init__(
        self,
        server: Server,
        served: ServedModel,
        *,
        format: ChatFormat | None,
        stop_ids: Collection[int],
        scope: str,
        arguments: Mapping[str, Any],
    ) -> None:
        self._server = server
        self._served = served
        self._format = format
        self._line = Correspondence(server, served, format)
        self._stops = frozenset(stop_ids)
        self._scope = scope
        self._arguments = format.arguments if format else dict(arguments)

    @classmethod
    def connect(
        cls,
        settings: EndpointSettings,
        *,
        field: str,
        format: ChatFormat | None = None,
        stop_ids: Collection[int] = (),
        scope: str | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> EndpointEngine:
        """Find out whether the server is there, knows the model, and how it is to be asked.

        Args:
            settings: The server and its model.
            field: Where they stand in the recipe, for errors.
            format: How the model writes conversations; without it the server's chat template is used.
            stop_ids: Tokens that end an answer, beside those of `format`.
            scope: Results with the same scope may be taken for each other. By default nothing is, unless
                `settings.revision` says what is served.
            arguments: Names that the server's own chat template reads, and their values; `format` has its own.

        Raises:
            EndpointError: There is no server, it asks for another key, does not know the model, or understands none
                of the ways in which it could be asked.
        """
        server = Server(settings, field=field)
        stops = frozenset(stop_ids) | frozenset(format.stop_ids if format else ())
        served = shake_hands(server, format, stops)
        own = "" if settings.revision else secrets.token_hex(8)
        return cls(
            server,
            served,
            format=format,
            stop_ids=stops,
            scope=own if scope is None else scope,
            arguments=arguments or {},
        )

    @property
    def settings(self) -> EndpointSettings:
        """The server and its model, as the recipe has them."""
        return self._server.settings

    @property
    def served(self) -> ServedModel:
        """What was found out at the beginning."""
        return self._served

    @property
    def scope(self) -> str:
        """What keeps these results apart from others; empty where they may be shared."""
        return self._scope

    @property
    def model_hash(self) -> str:
        """Hash of address, name, fingerprint, revision and scope: weights cannot be seen from here."""
        settings = self.settings
        return content_hash(
            "endpoint", settings.url, settings.model, self._served.fingerprint, settings.revision, self._scope
        )

    @property
    def settings_hash(self) -> str:
        """Hash of everything but the model that may move a result."""
        form, window = self._served.form.name, self._served.window
        reading = self._format.reading if self._format else None
        template = (self._format.template if self._format else None, reading.marks if reading else None)
        asked = (form, window, sorted(self._stops), template, self._arguments)
        return content_hash(type(self).__name__, _REVISION, *asked)

    def generate(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        sampling: Sampling = GREEDY,
        stop_texts: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> list[str]:
        """The model's answer to each conversation, without the stop token; thoughts are marked alike for all models.

        Sampled answers are drawn from seeds of their own; whether a server draws the same again is up to the server.

        Args:
            prompts: Conversations that await the assistant.
            max_new_tokens: An answer is cut there, or where the model's window ends.
            sampling: How its tokens are chosen; every answer gets a seed of its own from it.
            stop_texts: An answer is cut before the first of them.
            progress: Told of answers done.

        Raises:
            EndpointError: The server gives no answer, or not in a way that can be trusted, or it does not tell what
                was thought and what was said.
            ModelError: A prompt fills the model's window, or the chat template refuses it.
        """
        draw = Draw(max_new_tokens, sampling, self._stops)
        if any(message.raw_text for messages in prompts for message in messages):
            self._known_format("raw_text", "prompts outside the chat template")
        if self._format is None:
            if any(thinking_mode(messages) is not None for messages in prompts):
                self._require_thinking_switch()
            brief = any(message.brief for messages in prompts for message in messages)
            switches = brief and self._heeds_thinking_switch
            fields = [as_fields(messages, self._arguments, switches=switches) for messages in prompts]
            return [cut_at(w.text, stop_texts) for w in self._line.answers(fields, draw, progress)]
        asked = self._format.prompts(prompts)
        answers = self._marked(asked, self._line.answers([prompt.ids for prompt in asked], draw, progress))
        return [cut_at(answer, stop_texts) for answer in answers]

    def continue_texts(
        self,
        texts: Sequence[str],
        *,
        max_new_tokens: int,
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[str]:
        """What the model writes after each raw text; after an empty one, a text of its own.

        Raises:
            EndpointError: As `generate`, or the tokenizer is not known, or the server's text loses the space at its
                beginning.
            ModelError: A text fills the model's window, or is empty and the tokenizer has no token to begin with.
        """
        format = self._known_format("replay.prompts", "texts to continue")
        starts = [format.text_start(text) for text in texts]
        written = self._line.answers(starts, Draw(max_new_tokens, sampling, self._stops), progress)
        return self._continuations(starts, written, spaced=True)

    def write_prompts(
        self,
        beginnings: Sequence[str],
        *,
        max_new_tokens: int,
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[str]:
        """User messages that the model writes by itself; see `TransformersEngine.write_prompts`.

        Raises:
            EndpointError: The server does not let it be seen whether a message came to the end of the user's turn, or
                the server's text loses the space at its beginning.
            ModelError: A beginning fills the model's window.
        """
        format = self._known_format("replay.prompts", "self")
        begun, closing = format.begun_turns(beginnings), format.user_closing()[0]
        written = self._line.answers(begun, Draw(max_new_tokens, sampling, self._stops | {closing}), progress)
        rest = self._continuations(begun, written, spaced=any(beginnings))
        return [
            (start + text).strip() if self._ended_at(closing, w) else ""
            for start, text, w in zip(beginnings, rest, written, strict=True)
        ]

    def answer_likelihoods(
        self, pairs: Sequence[tuple[Sequence[Message], str]], *, progress: Progress | None = None
    ) -> list[AnswerLikelihood]:
        """How likely each given answer is after its conversation.

        Args:
            pairs: A conversation that awaits the assistant, and an answer; an empty answer is certain.
            progress: Told of answers done.

        Raises:
            EndpointError: The server gives no log-probabilities of a prompt, or the tokenizer is not known.
            ModelError: A conversation with its answer is longer than the model's window.
        """
        format = self._known_format("task", "likelihoods of given answers")
        encoded = format.encode_answers(pairs) if pairs else []
        scores = self._line.likelihoods(self._likelihood_form, encoded, progress)
        return [
            AnswerLikelihood(score.log_likelihood, len(ids), len(answer.encode("utf-8")), score.greedy)
            for score, (_, ids), (_, answer) in zip(scores, encoded, pairs, strict=True)
        ]

    def _continuations(self, starts: Sequence[list[int]], written: Sequence[Written], *, spaced: bool) -> list[str]:
        """What was written after its starts, as the model's own tokenizer has it where the server tells the tokens.

        `spaced` says that a space at the beginning of a text matters.
        """
        assert self._format is not None
        if spaced and any(w.ids is None for w in written) and self._served.form.reads == "text":
            self._require_leading_spaces(self._format)
        told = [(start, w.ids) for start, w in zip(starts, written, strict=True) if w.ids is not None]
        decoded = iter(self._format.decode_continuations([start for start, _ in told], [ids for _, ids in told]))
        return [w.text if w.ids is None else next(decoded) for w in written]

    def _marked(self, asked: Sequence[Prompt], written: Sequence[Written]) -> list[str]:
        """Answers with their thoughts marked, from the tokens where the server tells them."""
        assert self._format is not None
        told = [(prompt, w.ids) for prompt, w in zip(asked, written, strict=True) if w.ids is not None]
        if len(told) < len(written) and self._format.thoughts_need_ids:
            raise EndpointError(
                field=f"{self._server.field}.url",
                value=self.settings.url,
                rule="the server does not tell the tokens that it writes, and this model marks its thoughts with "
                "special tokens, so nobody can tell what it thought from what it said",
                way_out="use a server that tells its tokens (vLLM), or load the model itself",
            )
        decoded = iter(self._format.decode_answers([prompt for prompt, _ in told], [ids for _, ids in told]))
        return [
            self._format.read_answer(prompt, w.text) if w.ids is None else next(decoded)
            for prompt, w in zip(asked, written, strict=True)
        ]

    def _ended_at(self, closing: int, written: Written) -> bool:
        if written.stop is None and written.ended and self._served.form.reads == "tokens":
            # Neither the tokens nor the one that ended them are told; llama.cpp stops at end tokens only.
            if closing not in self._stops:
                raise EndpointError(
                    field="replay.prompts",
                    value="self",
                    rule="the server does not tell the tokens that it writes, and this model ends a user's turn "
                    "otherwise than its own, so nobody can tell a whole prompt from one that runs on",
                    way_out="give prompt files under `replay.prompts`, or leave `replay.endpoint` out",
                )
            return True
        return written.ended if written.stop is None else written.stop == closing

    # What the server can and cannot do

    @cached_property
    def _likelihood_form(self) -> LikelihoodForm:
        assert self._format is not None
        return find_likelihood_form(self._server, self._served, self._format)

    def _require_thinking_switch(self) -> None:
        if not self._heeds_thinking_switch:
            raise EndpointError(
                field="enable_thinking",
                value=self.settings.url,
                rule="a question has as many tokens for this server with it on as off: its chat template knows no such "
                "switch, or the server does not hand it on",
                way_out=f"name the model's tokenizer under `{self._server.field}.tokenizer`, or remove the switch from "
                "the task",
            )

    @cached_property
    def _heeds_thinking_switch(self) -> bool:
        return heeds_thinking_switch(self._server, self._served)

    def _require_leading_spaces(self, format: ChatFormat) -> None:
        if not format.decode(format.encode_plain("a a").ids[len(format.encode_plain("a").ids) :]).startswith(" "):
            raise EndpointError(
                field=f"{self._server.field}.url",
                value=self.settings.url,
                rule="the server tells only the text that it writes, and this tokenizer drops the space at its "
                "beginning, so texts would be continued without it",
                way_out="use a server that reads token ids (vLLM, SGLang, llama.cpp)",
            )

    def _known_format(self, field: str, value: str) -> ChatFormat:
        if self._format is None:
            raise EndpointError(
                field=f"{self._server.field}.tokenizer",
                value="(not given)",
                rule=f"without it only generated answers can be asked for, and `{field}` asks for more: {value}",
                way_out="name the folder or hub id of the served model's tokenizer",
            )
        return self._format


def connect_endpoint(
    settings: EndpointSettings,
    *,
    folder: Path,
    field: str,
    template: str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> EndpointEngine:
    """An engine over a server by its recipe, with the tokenizer that the recipe names.

    Args:
        settings: What the recipe says.
        folder: What a relative path to the tokenizer is relative to.
        field: Where it says so, for errors.
        template: A chat template in place of the tokenizer's, as under `model.template`.
        arguments: Names that the chat template reads, and their values.

    Raises:
        EndpointError: As `EndpointEngine.connect`, or there is a template and no tokenizer to apply it with.
        ModelError: The tokenizer cannot be loaded.
    """
    if settings.tokenizer is None:
        if template is not None:
            raise EndpointError(
                field=f"{field}.tokenizer",
                value="(not given)",
                rule="without it the server applies its own chat template, not the recipe's `model.template`",
                way_out="name the folder or hub id of the served model's tokenizer",
            )
        return EndpointEngine.connect(settings, field=field, arguments=arguments)
    loaded = load_format(
        settings.tokenizer, folder=folder, field=f"{field}.tokenizer", template=template, arguments=arguments
    )
    return EndpointEngine.connect(settings, field=field, format=loaded.format, stop_ids=loaded.stop_ids)
