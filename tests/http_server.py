"""A web server on this machine for tests: it answers by a function and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """One request; `number` counts them from 0."""

    path: str
    body: dict[str, Any]
    headers: Mapping[str, str]
    number: int


class Answer(NamedTuple):
    """A reply; text goes out as it is, all else as JSON, and `None` breaks the connection off."""

    data: Any
    status: int = 200
    headers: Mapping[str, str] = {}


@dataclass
class Site:
    """Where the server is, and what it was asked so far."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


@contextmanager
def serving(answer: Callable[[Asked], Answer]) -> Iterator[Site]:
    """A server that runs within the block."""
    lock = threading.Lock()
    at_once = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply({})

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, body: dict[str, Any]) -> None:
            nonlocal at_once
            with lock:
                asked = Asked(self.path, body, dict(self.headers), len(site.asked))
                site.asked.append(asked)
                at_once += 1
                site.most_at_once = max(site.most_at_once, at_once)
            try:
                data, status, headers = answer(asked)
            finally:
                with lock:
                    at_once -= 1
            if data is None:
                self.close_connection = True
                return
            # Who gave up waiting has hung up.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._send(data, status, headers)

        def _send(self, data: Any, status: int, headers: Mapping[str, str]) -> None:
            payload = (data if isinstance(data, str) else json.dumps(data)).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Site(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
