"""Bodies that do not come to their end, as raw sockets send them (RFC 9112 sections 7.1 and 8)."""

from __future__ import annotations

import logging
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path

import pytest

from alusus_http import Request, Response, Server
from alusus_http.errors import (
    ConnectionClosedError,
    HttpError,
    MalformedError,
    TimedOutError,
    TooLargeError,
)
from alusus_http.testing import running
from tests.http_client import Client
from tests.server.conftest import on_loop

Start = Callable[[Server], AbstractContextManager[Server]]

TIMEOUT = 0.4

CHUNKED = "Transfer-Encoding: chunked"
MALFORMED = [
    b"x\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabcdef\r\n0\r\n\r\n",
    b"3\r\nabc\r\nx\r\n",
    b"3\r3\r\nabc\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\r\n0\r\n\rx",
]
PATHS = ["/body", "/json", "/form", "/stream"]


def post(path: str, framing: str, body: bytes, *headers: str) -> bytes:
    kind = "Content-Type: application/x-www-form-urlencoded"
    head = "\r\n".join((f"POST {path} HTTP/1.1", "Host: x", kind, framing, *headers, "", ""))
    return head.encode() + body


@pytest.fixture(params=["sync", "async"])
def server(request: pytest.FixtureRequest) -> Server:
    """A server whose handlers read bodies in every way, and let errors pass."""
    server = Server(0, request_timeout=TIMEOUT)
    readers: dict[str, Callable[[Request], Response]] = {
        "/body": lambda r: Response(r.body),
        "/json": lambda r: Response.json(r.json()),
        "/form": lambda r: Response.json(dict(r.form())),
    }

    def add(path: str, read: Callable[[Request], Response]) -> None:
        async def read_async(request: Request) -> Response:
            return read(request)

        server.route(path, methods=["POST"])(read if request.param == "sync" else read_async)

    for path, read in readers.items():
        add(path, read)
    if request.param == "sync":

        @server.route("/stream", methods=["POST"], stream=True)
        def stream(request: Request) -> bytes:
            return b"".join(request.stream)
    else:

        @server.route("/stream", methods=["POST"], stream=True)
        async def stream_async(request: Request) -> bytes:
            return b"".join([chunk async for chunk in request.astream])

    return server


@pytest.fixture(params=[running, on_loop])
def start(request: pytest.FixtureRequest) -> Start:
    chosen: Start = request.param
    return chosen


@pytest.fixture(autouse=True)
def no_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What clients do wrong is nothing that a program is to be told of."""
    yield
    assert not [r for r in caplog.get_records("call") if r.levelno >= logging.WARNING]


def test_malformed_chunks_are_400(server: Server, start: Start) -> None:
    with start(server):
        for path in PATHS:
            for body in MALFORMED:
                with Client(server.ports[0]) as client:
                    client.send(post(path, CHUNKED, body))
                    answer = client.receive()
                    assert (answer.status, answer.header("Connection")) == (400, "close"), body
                    assert answer.body == b"the body is malformed\n"
                    assert client.rest() == b""


@pytest.mark.parametrize(("framing", "body"), [("Content-Length: 9", b"abc"), (CHUNKED, b"3\r\na")])
def test_a_body_that_does_not_come_is_408(
    server: Server, start: Start, framing: str, body: bytes
) -> None:
    with start(server):
        clients = [Client(server.ports[0]) for _ in PATHS]
        for path, client in zip(PATHS, clients, strict=True):
            client.send(post(path, framing, body))
        for client in clients:
            with client:
                answer = client.receive()
                assert (answer.status, answer.header("Connection")) == (408, "close")
                assert answer.body == b"the body has not come in time\n"


def test_a_body_that_trickles_in_is_408(certificate: Path) -> None:
    """Each byte wakes the server, and brings it nothing: the record of TLS is not whole."""
    server = Server(0, request_timeout=TIMEOUT, certificate=certificate)
    server.route("/", methods=["POST"])(lambda request: request.body)
    trust = ssl.create_default_context(cafile=str(certificate))
    received, written = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trust.wrap_bio(received, written, server_hostname="127.0.0.1")
    with running(server), closing(Client(server.ports[0]).socket) as client:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.sendall(written.read())
                received.write(client.recv(1 << 16))
        tls.write(post("/", "Content-Length: 9", b"abc"))
        client.sendall(written.read())
        tls.write(b"defghi")
        answer = b""
        for byte in written.read():
            if select.select([client], [], [], TIMEOUT / 4)[0]:
                received.write(client.recv(1 << 16))
                with suppress(ssl.SSLWantReadError):  # it was a ticket for a further session
                    answer = tls.read()
                    break
            client.send(bytes((byte,)))
        assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(("framing", "body"), [("Content-Length: 9", b"abc"), (CHUNKED, b"3\r\na")])
def test_half_a_body_is_400(server: Server, start: Start, framing: str, body: bytes) -> None:
    """The client may have closed its side only, and wait for the answer."""
    with start(server):
        for path in PATHS:
            with Client(server.ports[0]) as client:
                client.send(post(path, framing, body))
                client.socket.shutdown(socket.SHUT_WR)
                answer = client.receive()
                assert (answer.status, answer.body) == (400, b"the body is not complete\n")


def test_a_client_may_go_in_the_middle(server: Server, start: Start) -> None:
    with start(server):  # whose end waits for the handlers
        for path in PATHS:
            with Client(server.ports[0]) as client:
                client.send(post(path, "Content-Length: 9", b"", "Expect: 100-continue"))
                assert client.receive().status == 100  # it is being read
                client.send(b"abc")


@pytest.mark.parametrize(
    ("framing", "body", "kind"),
    [
        (CHUNKED, b"3\r\nabc\r\nx\r\n", MalformedError),
        (CHUNKED, b"3\r\nabc\r\n", TimedOutError),
        ("Content-Length: 9", b"abc", TimedOutError),
        ("Content-Length: 9", b"abc", ConnectionClosedError),
        (CHUNKED, b"3\r\nabc\r\n7\r\ndefghij\r\n0\r\n\r\n", TooLargeError),
    ],
)
def test_a_handler_that_reads_may_answer_otherwise(
    framing: str, body: bytes, kind: type[HttpError]
) -> None:
    server = Server(0, request_timeout=TIMEOUT)

    @server.route("/", methods=["POST"], stream=True, max_body_size=9)
    def read(request: Request) -> Response:
        got = b""
        try:
            for chunk in request.stream:
                got += chunk
        except kind:
            return Response(got, 422)
        return Response("?")

    with running(server), Client(server.ports[0]) as client:
        client.send(post("/", framing, body))
        if kind is ConnectionClosedError:
            client.socket.shutdown(socket.SHUT_WR)
        answer = client.receive()
        assert (answer.status, answer.body) == (422, b"abc")


def test_a_body_that_fails_while_it_is_answered(server: Server, start: Start) -> None:
    """The answer has begun, and breaks off."""

    @server.route("/mirror", methods=["POST"], stream=True)
    def mirror(request: Request) -> Response:
        return Response(chunk for chunk in request.stream)

    with start(server), Client(server.ports[0]) as client:
        client.send(post("/mirror", CHUNKED, b"3\r\nabc\r\nx\r\n"))
        answer = client.rest()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert not answer.endswith(b"0\r\n\r\n")
