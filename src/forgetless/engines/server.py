"""A server over HTTP: JSON in, JSON out, many requests at once, patience with a busy server, words for a wrong one."""

from __future__ import annotations

import functools
import os
import random
import ssl
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, NamedTuple

import httpx2

from forgetless.errors import EndpointError
from forgetless.progress import Progress
from forgetless.recipe import EndpointSettings

_BUSY = frozenset({408, 429, 502, 503, 504})
_FAILED = 500
"""Waited out in the middle of the work; at the beginning some servers say so to a request that they do not know."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 60.0
_LONGEST_ASKED_PAUSE_SECONDS = 600.0
_CONNECT_SECONDS = 10.0
_MOST_SHOWN = 300
_CHANCE = random.Random()
"""Its own generator: waiting for a server must not move the draws of anybody else."""

Json = Mapping[str, Any]


class Request(NamedTuple):
    """One question: a path below the server's address, and the body of a POST, or `None` for a GET."""

    path: str
    body: Json | None = None
    above_version: bool = False
    """Whether the path stands beside the `/v1` of the address and not below it."""


class RefusalError(EndpointError):
    """The server answered that it will not do what was asked; `status` is its HTTP status, `said` its reason."""

    def __init__(self, *, field: str, url: str, status: int, said: str) -> None:
        self.status = status
        self.said = said
        super().__init__(
            field=field,
            value=url,
            rule=f"the server refuses what it is asked ({status}): {said}",
            way_out="mend what it names; the server's own log may say more",
        )


class _BusyError(Exception):
    """What may pass: the error to end with when it does not, and the pause that the server asks for."""

    def __init__(self, error: EndpointError, pause_seconds: float | None = None) -> None:
        self.error = error
        self.pause_seconds = pause_seconds


class Server:
    """Asks one server.

    Args:
        settings: Where it is, and how to treat it.
        field: Where the settings stand in the recipe, for errors.

    Raises:
        EndpointError: The environment variable that is to hold the key does not exist.
    """

    def __init__(self, settings: EndpointSettings, *, field: str) -> None:
        self.settings = settings
        self.field = field
        self._key = _key_of(settings, field)

    def ask(self, request: Request) -> dict[str, Any]:
        """The reply to one question at the beginning, where nothing is waited for that will not pass.

        Raises:
            RefusalError: The server says no.
            EndpointError: There is no server, it does not know the key, or it stays busy.
        """
        return self._ask_all([request], None, patient=False)[0]

    def ask_all(self, requests: Sequence[Request], *, progress: Progress | None = None) -> list[dict[str, Any]]:
        """The replies to many questions, in order; at most `settings.concurrency` are under way at once.

        A busy server (429, 5xx), one that does not answer in time and one that drops the connection are asked again,
        `settings.retries` times each, after pauses that double, or as long as the server asks for.

        Raises:
            EndpointError: One question has no reply; the others are given up.
        """
        return self._ask_all(requests, progress, patient=True)

    def _ask_all(
        self, requests: Sequence[Request], progress: Progress | None, *, patient: bool
    ) -> list[dict[str, Any]]:
        at_once = min(self.settings.concurrency, max(len(requests), 1))
        replies: list[dict[str, Any]] = [{}] * len(requests)
        given_up = threading.Event()
        with self._client(at_once) as client, ThreadPoolExecutor(at_once) as pool:
            places = {pool.submit(self._ask, client, r, given_up, patient): i for i, r in enumerate(requests)}
            try:
                for done, future in enumerate(as_completed(places), start=1):
                    replies[places[future]] = future.result()
                    if progress is not None:
                        progress(done, len(requests))
            except BaseException:
                given_up.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return replies

    def _client(self, at_once: int) -> httpx2.Client:
        return httpx2.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            verify=_certificates(),
            timeout=httpx2.Timeout(self.settings.timeout_seconds, connect=_CONNECT_SECONDS, pool=None),
            limits=httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once),
        )

    def _ask(self, client: httpx2.Client, request: Request, given_up: threading.Event, patient: bool) -> dict[str, Any]:
        for attempt in range(self.settings.retries + 1):
            try:
                return self._once(client, request, patient)
            except _BusyError as busy:
                pause = busy.pause_seconds if busy.pause_seconds is not None else _pause_seconds(attempt)
                if attempt == self.settings.retries or given_up.wait(pause):
                    raise busy.error from None
        raise AssertionError("the last attempt returns or raises")

    def _once(self, client: httpx2.Client, request: Request, patient: bool) -> dict[str, Any]:
        url = self._url(request)
        try:
            response = client.request("GET" if request.body is None else "POST", url, json=request.body)
        except httpx2.TimeoutException:
            raise _BusyError(self._too_slow()) from None
        except (httpx2.ConnectError, httpx2.InvalidURL) as error:
            nobody = self._nobody(error)
            if patient:
                raise _BusyError(nobody) from None
            raise nobody from None
        except httpx2.RequestError as error:
            raise _BusyError(self._broken_off(error)) from None
        if response.is_success:
            return self._json(response, url)
        said = self._said(response)
        if response.status_code in _BUSY or (patient and response.status_code >= _FAILED):
            raise _BusyError(self._stays_busy(response.status_code, said), _asked_pause(response))
        if response.status_code in (401, 403):
            raise self._key_refused(response.status_code, said)
        raise RefusalError(field=self.field, url=url, status=response.status_code, said=said)

    def _url(self, request: Request) -> str:
        address = self.settings.url
        return (address.removesuffix("/v1") if request.above_version else address) + request.path

    def _json(self, response: httpx2.Response, url: str) -> dict[str, Any]:
        try:
            data = response.json()
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise EndpointError(
                field=f"{self.field}.url",
                value=url,
                rule=f"what answers there does not speak JSON: {self._open(response.text)}",
                way_out="give the address of the model server itself; it usually ends in `/v1`",
            )
        return data

    def _said(self, response: httpx2.Response) -> str:
        """The reason in a refusal: OpenAI's `error.message`, or what other servers have in its place."""
        if response.is_redirect:
            return f"it redirects to {self._open(response.headers.get('Location', ''))}"
        try:
            data: Any = response.json()
        except ValueError:
            return self._open(response.text)
        for key in ("error", "message", "detail"):
            if isinstance(data, dict) and data.get(key):
                data = data[key]
        return self._open(str(data))

    def _open(self, text: str) -> str:
        """The server's words on one line, short, and without the key if it repeats it."""
        hidden = text.replace(self._key, "(the key)") if self._key else text
        return " ".join(hidden.split())[:_MOST_SHOWN] or "(nothing)"

    def _nobody(self, error: Exception) -> EndpointError:
        return EndpointError(
            field=f"{self.field}.url",
            value=self.settings.url,
            rule=f"no server can be reached there: {self._open(str(error))}",
            way_out="start the server and wait until it is ready, or mend host and port",
        )

    def _too_slow(self) -> EndpointError:
        return EndpointError(
            field=f"{self.field}.timeout_seconds",
            value=f"{self.settings.timeout_seconds:g}",
            rule=f"a question had no reply within this time, {self.settings.retries + 1} times",
            way_out="raise it, or lower `concurrency` so that the server has fewer questions at once",
        )

    def _broken_off(self, error: Exception) -> EndpointError:
        return EndpointError(
            field=f"{self.field}.url",
            value=self.settings.url,
            rule=f"the connection broke off, {self.settings.retries + 1} times: {self._open(str(error))}",
            way_out="look into the server's log: it may have run out of memory",
        )

    def _stays_busy(self, status: int, said: str) -> EndpointError:
        return EndpointError(
            field=f"{self.field}.retries",
            value=self.settings.retries,
            rule=f"the server still answers {status} after as many retries: {said}",
            way_out="lower `concurrency`, raise `retries`, or look into the server's log",
        )

    def _key_refused(self, status: int, said: str) -> EndpointError:
        named = self.settings.api_key_env
        return EndpointError(
            field=f"{self.field}.api_key_env",
            value=named or "(not given)",
            rule=f"the server refuses the key in it ({status}): {said}"
            if named
            else f"the server asks for a key ({status}): {said}",
            way_out="put the key into an environment variable, and name the variable here",
        )


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The system's certificates, which take longer to read than a small model takes to answer."""
    return httpx2.create_ssl_context()


def _key_of(settings: EndpointSettings, field: str) -> str | None:
    if settings.api_key_env is None:
        return None
    key = os.environ.get(settings.api_key_env, "").strip()
    if not (key.isascii() and key.isprintable() and key):
        raise EndpointError(
            field=f"{field}.api_key_env",
            value=settings.api_key_env,
            rule="there is no such environment variable, or what it holds is no key",
            way_out=f"set it before you start: `export {settings.api_key_env}=...`",
        )
    return key


def _pause_seconds(attempt: int) -> float:
    """Half a second, doubled with every attempt, and spread, so that requests that failed together do not return so."""
    return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt) * _CHANCE.uniform(0.5, 1.0)


def _asked_pause(response: httpx2.Response) -> float | None:
    """The `Retry-After` of a busy server, where it is a number of seconds."""
    try:
        return min(max(float(response.headers["Retry-After"]), 0.0), _LONGEST_ASKED_PAUSE_SECONDS)
    except (KeyError, ValueError):
        return None
