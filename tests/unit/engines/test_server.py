"""What goes over the wire: patience with a busy server, words for a wrong one, and a key that nobody sees."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from forgetless.engines import server as server_module
from forgetless.engines.server import RefusalError, Request, Server
from forgetless.errors import EndpointError
from forgetless.recipe import EndpointSettings
from http_server import Answer, Asked, serving

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def server(url: str, **settings: Any) -> Server:
    return Server(EndpointSettings(url=url, model="m", **settings), field="endpoints.big")


def failing(times: int, how: Answer) -> Callable[[Asked], Answer]:
    """Answers with its own number, after so many failures in all."""
    return lambda asked: how if asked.number < times else Answer({"number": asked.body["n"]})


def questions(n: int) -> list[Request]:
    return [Request("/completions", {"n": i}) for i in range(n)]


def test_replies_come_in_order_and_many_questions_are_under_way_at_once() -> None:
    together = threading.Barrier(4)

    def answer(asked: Asked) -> Answer:
        together.wait(timeout=10)
        time.sleep(0.002 * (asked.number % 3))
        return Answer({"number": asked.body["n"]})

    told: list[tuple[int, int]] = []
    with serving(answer) as site:
        replies = server(site.url, concurrency=4).ask_all(questions(20), progress=lambda *done: told.append(done))
        assert site.most_at_once == 4
    assert [reply["number"] for reply in replies] == list(range(20))
    assert told == [(i, 20) for i in range(1, 21)]


@pytest.mark.parametrize(
    "how",
    [Answer({"error": {"message": "slow down"}}, 429), Answer("oops", 500), Answer("", 503), Answer(None)],
    ids=["rate limit", "failure", "overload", "connection dropped"],
)
def test_what_passes_is_waited_out(how: Answer) -> None:
    with serving(failing(3, how)) as site:
        replies = server(site.url, retries=3).ask_all(questions(2))
    assert [reply["number"] for reply in replies] == [0, 1]


def test_a_server_that_stays_busy_is_given_up_with_its_own_words() -> None:
    with serving(failing(10**6, Answer({"error": {"message": "slow down"}}, 429))) as site:
        with pytest.raises(EndpointError, match=r"answers 429 after as many retries: slow down") as caught:
            server(site.url, retries=2, concurrency=1).ask_all(questions(1))
        assert len(site.asked) == 3
    assert caught.value.field == "endpoints.big.retries"
    assert "concurrency" in caught.value.way_out


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks() -> None:
    times: list[float] = []

    def answer(asked: Asked) -> Answer:
        times.append(time.monotonic())
        return Answer({}) if asked.number else Answer("", 429, {"Retry-After": "0.2"})

    with serving(answer) as site:
        server(site.url).ask_all(questions(1))
    assert times[1] - times[0] >= 0.2


def test_a_question_that_takes_too_long() -> None:
    gate = threading.Event()

    def answer(_: Asked) -> Answer:
        gate.wait(timeout=5)
        return Answer({})

    with serving(answer) as site:
        with pytest.raises(EndpointError, match="no reply within this time, 2 times") as caught:
            server(site.url, timeout_seconds=0.05, retries=1).ask_all(questions(1))
        gate.set()
    assert caught.value.field == "endpoints.big.timeout_seconds"


def test_one_question_without_a_reply_gives_up_the_others() -> None:
    with serving(lambda asked: Answer({"detail": "no"}, 400)) as site:
        with pytest.raises(RefusalError, match=r"\(400\): no"):
            server(site.url, concurrency=1).ask_all(questions(500))
        assert len(site.asked) < 10


def test_nobody_is_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    started = time.monotonic()
    with pytest.raises(EndpointError, match="no server can be reached there") as caught:
        server(url, retries=20).ask(Request("/models"))
    assert time.monotonic() - started < 2, "at the beginning nobody is waited for"
    assert caught.value.field == "endpoints.big.url"
    assert "start the server" in caught.value.way_out


def test_an_unknown_request_at_the_beginning_is_not_asked_twice() -> None:
    with serving(lambda asked: Answer("not for me", 500)) as site:
        with pytest.raises(RefusalError, match="not for me"):
            server(site.url).ask(questions(1)[0])
        assert len(site.asked) == 1


@pytest.mark.parametrize("data", ["<html>Welcome</html>", [1, 2]])
def test_something_else_answers_there(data: Any) -> None:
    with serving(lambda asked: Answer(data)) as site, pytest.raises(EndpointError, match="does not speak JSON"):
        server(site.url).ask(Request("/models"))


def test_a_redirection_is_told_and_not_followed() -> None:
    with (
        serving(lambda asked: Answer("", 307, {"Location": "https://elsewhere/v1"})) as site,
        pytest.raises(RefusalError, match="redirects to https://elsewhere"),
    ):
        server(site.url).ask(Request("/models"))


def test_the_key_goes_to_the_server_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(asked: Asked) -> Answer:
        given = asked.headers.get("Authorization", "")
        return Answer({"error": {"message": f"Incorrect API key provided: {given}"}}, 401 if asked.number else 200)

    monkeypatch.setenv("BIG_KEY", KEY)
    with caplog.at_level("DEBUG"), serving(answer) as site:
        keyed = server(site.url, api_key_env="BIG_KEY")
        keyed.ask(Request("/models"))
        with pytest.raises(EndpointError, match=r"refuses the key in it \(401\)") as caught:
            keyed.ask(Request("/models"))
        assert {asked.headers["Authorization"] for asked in site.asked} == {f"Bearer {KEY}"}
    assert caught.value.field == "endpoints.big.api_key_env"
    assert caught.value.value == "BIG_KEY"
    assert KEY not in str(caught.value) + caplog.text


@pytest.mark.parametrize("held", [None, "", "  ", "schlüssel"])
def test_a_variable_that_holds_no_key(monkeypatch: pytest.MonkeyPatch, held: str | None) -> None:
    monkeypatch.delenv("BIG_KEY", raising=False)
    if held is not None:
        monkeypatch.setenv("BIG_KEY", held)
    with pytest.raises(EndpointError, match="no such environment variable") as caught:
        server("http://127.0.0.1:1/v1", api_key_env="BIG_KEY")
    assert "export BIG_KEY" in caught.value.way_out


def test_a_server_that_asks_for_a_key() -> None:
    with serving(lambda asked: Answer({"error": "Unauthorized"}, 401)) as site:
        with pytest.raises(EndpointError, match=r"asks for a key \(401\): Unauthorized") as caught:
            server(site.url).ask(Request("/models"))
        assert "Authorization" not in site.asked[0].headers
    assert caught.value.value == "(not given)"


def test_waiting_moves_nobodys_random_numbers() -> None:
    import random

    random.seed(1)
    expected = random.random()
    random.seed(1)
    with serving(failing(2, Answer("", 503))) as site:
        server(site.url).ask_all(questions(1))
    assert random.random() == expected
