"""The first questions to a server: is it there, does it know the model, and how is it to be asked?

Nothing is told from a server's name: each form is tried, and the first whose reply can be read is kept. So a server
that learns a form later, or stands behind a gateway, needs no change here.
"""

from __future__ import annotations

import dataclasses
import difflib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from forgetless.errors import EndpointError
from forgetless.records import Message
from forgetless.tokens import ChatFormat

from .forms import (
    LIKELIHOOD_FORMS,
    MESSAGE_FORMS,
    TOKEN_FORMS,
    AnswerForm,
    Draw,
    LikelihoodForm,
    Reply,
    UnreadableReplyError,
    fingerprint,
    prompt_tokens,
    read_answer,
)
from .messages import as_fields
from .server import RefusalError, Request, Server

_GREETING = (Message("user", "Hello"),)
_WRONG_PATH = (301, 302, 307, 308, 404, 405)

Listed = Mapping[str, Reply] | None
"""What a server lists of its models, by name; `None` where it has no list."""


class ServedModel(NamedTuple):
    """What the server says of the model.

    `form` is how it is asked for answers, `fingerprint` the server's word for its state (empty where it has none),
    `window` the most tokens that it reads, if told, and `alone` whether the server is known to have no other model.
    """

    form: AnswerForm
    fingerprint: str
    window: int | None
    alone: bool


def shake_hands(server: Server, format: ChatFormat | None, stop_ids: frozenset[int]) -> ServedModel:
    """Asks a greeting in one form after the other.

    Args:
        server: The server.
        format: How the model writes conversations, or `None` where the server has to know.
        stop_ids: Tokens that end an answer.

    Raises:
        EndpointError: There is no server, it asks for another key, does not know the model, or understands no form.
    """
    listed = _listed(server)
    refused = []
    for form in MESSAGE_FORMS if format is None else TOKEN_FORMS:
        try:
            reply = _greet(server, form, format, stop_ids, model=server.settings.model)
            read_answer(reply)
        except RefusalError as error:
            if listed is None and error.status in _WRONG_PATH:
                raise _wrong_path(server, error.said) from None
            refused.append(f"{form.name}: {error.said}")
        except UnreadableReplyError as error:
            refused.append(f"{form.name}: {error}")
        else:
            if _unlisted(server, listed) and _answers_to_any_name(server, form, format, stop_ids):
                raise _unknown_model(server, listed)
            entry = (listed or {}).get(server.settings.model, {})
            window = entry.get("max_model_len")
            alone = listed is not None and set(listed) == {server.settings.model}
            return ServedModel(form, fingerprint(reply), window if isinstance(window, int) else None, alone)
    raise _unknown_model(server, listed, refused) if _unlisted(server, listed) else _speaks_otherwise(server, refused)


def find_likelihood_form(server: Server, served: ServedModel, format: ChatFormat) -> LikelihoodForm:
    """The first form whose reply tells how likely a greeting is.

    Raises:
        EndpointError: There is none; the message says what became of each.
    """
    refused = []
    context, answer = format.encode_answer(_GREETING, _GREETING[0].content)
    for form in LIKELIHOOD_FORMS if served.form.reads == "tokens" else ():
        if not (form.names_model or served.alone):
            refused.append(f"{form.name}: does not say which of the server's models is meant")
            continue
        try:
            form.read(server.ask(form.request(server.settings.model, context, answer)), context, answer)
        except RefusalError as error:
            refused.append(f"{form.name}: {error.said}")
        except UnreadableReplyError as error:
            refused.append(f"{form.name}: {error}")
        else:
            return form
    raise EndpointError(
        field=f"{server.field}.url",
        value=server.settings.url,
        rule="this task needs log-probabilities of a prompt, and the server tells none: "
        + ("; ".join(refused) or "it does not read token ids"),
        way_out="ask it for generated answers only, use vLLM or SGLang, or load the model itself",
    )


def heeds_thinking_switch(server: Server, served: ServedModel) -> bool:
    """Whether `enable_thinking` changes how many tokens a greeting has for a server that is asked by messages; a
    server that does not count is trusted, and one that refuses the name does not heed it.
    """
    (greeting,) = _GREETING
    draw = Draw(max_new_tokens=1)
    lengths = []
    for mode in (True, False):
        fields = as_fields([dataclasses.replace(greeting, enable_thinking=mode)], {})
        try:
            reply = server.ask(served.form.request(server.settings.model, fields, draw))
        except RefusalError:
            return False
        lengths.append(prompt_tokens(reply))
    return None in lengths or lengths[0] != lengths[1]


def _listed(server: Server) -> Listed:
    try:
        entries = server.ask(Request("/models")).get("data")
    except RefusalError:
        return None
    return {str(e["id"]): e for e in entries if "id" in e} if isinstance(entries, list) else None


def _unlisted(server: Server, listed: Listed) -> bool:
    return listed is not None and server.settings.model not in listed


def _greet(
    server: Server, form: AnswerForm, format: ChatFormat | None, stop_ids: frozenset[int], *, model: str
) -> Reply:
    prompt: Any = as_fields(_GREETING, {})
    if format is not None and form.reads == "tokens":
        prompt = format.encode_prompt(_GREETING)
    elif format is not None:
        prompt = format.render(_GREETING, add_generation_prompt=True)
    draw = Draw(max_new_tokens=1, stops=stop_ids)
    return server.ask(form.request(model, prompt, draw))


def _answers_to_any_name(server: Server, form: AnswerForm, format: ChatFormat | None, stop_ids: frozenset[int]) -> bool:
    """Whether nothing can be told from the server's having answered to the name: it may know more than it lists."""
    try:
        _greet(server, form, format, stop_ids, model=f"no-such-model-{secrets.token_hex(4)}")
    except RefusalError:
        return False
    return True


def _wrong_path(server: Server, said: str) -> EndpointError:
    return EndpointError(
        field=f"{server.field}.url",
        value=server.settings.url,
        rule=f"neither a list of models nor answers are to be had below this address: {said}",
        way_out="give the address up to `/v1`, such as `http://localhost:8000/v1`",
    )


def _unknown_model(server: Server, listed: Listed, refused: Sequence[str] = ()) -> EndpointError:
    names = list(listed or ())
    said = f", and says: {'; '.join(refused)}" if refused else ""
    near = difflib.get_close_matches(server.settings.model, names, n=1)
    return EndpointError(
        field=f"{server.field}.model",
        value=server.settings.model,
        rule=f"the server has no model of this name; it has: {', '.join(names) or '(none)'}{said}",
        way_out=f"did you mean `{near[0]}`?" if near else "use one of its names, or serve this model",
    )


def _speaks_otherwise(server: Server, refused: Sequence[str]) -> EndpointError:
    return EndpointError(
        field=f"{server.field}.url",
        value=server.settings.url,
        rule=f"the server understands none of the ways to ask it: {'; '.join(refused)}",
        way_out="give the address up to `/v1`, of vLLM, SGLang, llama.cpp's server or `transformers serve`",
    )
