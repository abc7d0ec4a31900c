"""Answers that clients have not taken when their server is stopped: they get the rest of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alusus_http import Response, Server, asgi, wsgi
from tests.hosting.hosting import Client, Loop, http_only
from tests.support import REPLY

SIZE = 8 << 20  # more than the system takes for a client that does not read
BODY = b"x" * SIZE

Start = Callable[[dict[str, str], Path], tuple[int, Callable[[], None]]]


@http_only
async def in_one_piece(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"%d" % SIZE)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


@http_only
async def in_two_pieces(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": BODY[:1000], "more_body": True})
    await send({"type": "http.response.body", "body": BODY[1000:]})


def blocking(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", str(SIZE))])
    return [BODY]


def start_asgi(application: Any) -> Start:
    def start(options: dict[str, str], folder: Path) -> tuple[int, Callable[[], None]]:
        loop = Loop()
        server = asgi.Server(application, options)
        loop.run(server.start())

        def stop() -> None:
            loop.run(server.stop(), 20)
            loop.close()

        return server.ports[0], stop

    return start


def start_wsgi(options: dict[str, str], folder: Path) -> tuple[int, Callable[[], None]]:
    server = wsgi.Server(blocking, options)
    server.start()
    return server.ports[0], server.stop


def start_route(options: dict[str, str], folder: Path) -> tuple[int, Callable[[], None]]:
    server = Server(options=options)
    server.route("/")(lambda request: Response(BODY))
    server.start()
    return server.ports[0], server.stop


def start_async_route(options: dict[str, str], folder: Path) -> tuple[int, Callable[[], None]]:
    server = Server(options=options)

    @server.route("/")
    async def answer(request: object) -> bytes:
        return BODY

    server.start()
    return server.ports[0], server.stop


def start_files(options: dict[str, str], folder: Path) -> tuple[int, Callable[[], None]]:
    (folder / "index.html").write_bytes(BODY)
    server = Server(document_root=folder, options=options)
    server.start()
    return server.ports[0], server.stop


STARTS = [
    pytest.param(start_asgi(in_one_piece), id="asgi"),
    pytest.param(start_asgi(in_two_pieces), id="asgi in two pieces"),
    pytest.param(start_wsgi, id="wsgi"),
    pytest.param(start_route, id="route"),
    pytest.param(start_async_route, id="async route"),
    pytest.param(start_files, id="file"),
]


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Stop in the block, and see that it ends."""
    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        thread.join(REPLY)
        assert not thread.is_alive()


@pytest.mark.parametrize("start", STARTS)
def test_a_client_that_has_its_answer_may_keep_its_body(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port, stop = start({"listening_ports": "127.0.0.1:0"}, tmp_path)
    with Client(port) as client:
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nthe beginning")
        client.receive()
        with stopping(stop):
            pass
    assert "still being answered" not in caplog.text


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("start", STARTS)
def test_a_client_that_is_slow_gets_all_of_its_answer(
    start: Start, secure: bool, certificate: Path, tmp_path: Path
) -> None:
    options = {"listening_ports": "127.0.0.1:0"}
    if secure:
        options = {"listening_ports": "127.0.0.1:0s", "ssl_certificate": str(certificate)}
    port, stop = start(options, tmp_path)
    with Client(port, certificate if secure else None) as client:
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = client.file.readline()
        with stopping(stop):
            threading.Event().wait(0.7)  # workers look for a stop twice a second
            answer = client.file.read()
    assert head == b"HTTP/1.1 200 OK\r\n"
    assert answer.count(b"x") >= SIZE
