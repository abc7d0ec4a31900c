"""Servers inside the test's own process, and what the tests do to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from websockets.sync.client import ClientConnection, connect

from alusus_http import http
from alusus_http.errors import InvalidHandleError
from tests.support import REPLY

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@dataclass
class Server:
    """A running server."""

    context: http.Context
    port: int

    def web_socket(self, path: str, **options: Any) -> ClientConnection:
        client: ClientConnection = connect(
            f"ws://127.0.0.1:{self.port}{path}",
            open_timeout=REPLY,
            close_timeout=REPLY,
            max_size=None,
            compression=None,
            **options,
        )
        return client

    def fetch(self, path: str = "/", method: str = "GET", **options: Any) -> Answer:
        """Send a request, and wait until the server has done with it."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=REPLY)) as client:
            client.connect()
            with client.sock.dup() as connection:
                client.request(method, path, **options)
                response = client.getresponse()
                answer = Answer(response.status, response.read(), dict(response.headers))
                while connection.recv(4096):
                    pass  # the server closes when the callback has returned
            return answer


@dataclass
class Answer:
    """What came back for a request."""

    status: int
    body: bytes
    headers: dict[str, str]


def start(
    given: http.RequestCallback | http.Callbacks | None = None,
    user_data: object = None,
    **options: str,
) -> Server:
    """Start a server on a port of the system's choice, unless the options name one."""
    options = {"listening_ports": "127.0.0.1:0", **options}
    if callable(given):
        context = http.start_server(given, user_data, options)
    else:
        context = http.start_server(given, user_data, options)
    return Server(context, http.get_server_port(context))


@contextmanager
def serving(
    given: http.RequestCallback | http.Callbacks | None = None,
    user_data: object = None,
    **options: str,
) -> Iterator[Server]:
    """Run a server until the block ends, unless the block has stopped it itself."""
    server = start(given, user_data, **options)
    try:
        yield server
    finally:
        with suppress(InvalidHandleError):
            http.stop_server(server.context)


def respond(connection: http.Connection, body: str | bytes, status: str = "200 OK") -> int:
    """Write a whole response."""
    data = body.encode() if isinstance(body, str) else body
    http.print(connection, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n", status, len(data))
    http.write(connection, data)
    return int(status.split()[0])


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another thread brings about."""
    end = time.monotonic() + REPLY
    while not condition():
        assert time.monotonic() < end, "what the test waits for did not happen"
        time.sleep(0.01)
