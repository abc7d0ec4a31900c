"""The requests that follow on a connection: what one gets does not depend on being the first."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from alusus_http import asgi, http
from tests.hosting.hosting import Loop, Served, asgi_served, http_only, options, wsgi_served
from tests.http_client import Client
from tests.support import REPLY, free_port

gone = threading.Event()


@http_only
async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/wait":
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()
        return
    data, more = b"", True
    while more:
        message = await receive()
        data += message["body"]
        more = message["more_body"]
    if scope["path"] == "/together":
        await asyncio.sleep(0.2)
    name = {"method": scope["method"], "query": scope["query_string"], "body": len(data)}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-ok", b"1")]})
    await send({"type": "http.response.body", "body": str(name).encode()})


def wsgi_application(environ: Any, start_response: Any) -> list[bytes]:
    data = environ["wsgi.input"].read()
    name = {
        "method": environ["REQUEST_METHOD"],
        "query": environ["QUERY_STRING"],
        "body": len(data),
    }
    start_response("200 OK", [("X-Ok", "1")])
    return [str(name).encode()]


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    if request.param == "asgi":
        with asgi_served(asgi_application) as served:
            yield served
    else:
        with wsgi_served(wsgi_application) as served:
            yield served


FIRST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

REQUESTS = {
    "plain": [FIRST],
    "query": [b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\n\r\n"],
    "head": [b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"],
    "body": [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"],
    "empty body": [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"],
    "body in two": [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc", b"def"],
    "body apart": [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n", b"abcdef"],
    "large body": [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n" + b"x" * 99999],
    "chunks": [
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    ],
    "head in two": [b"GET / HTTP/1.1\r\nHo", b"st: x\r\n\r\n"],
    "line end in two": [b"GET / HTTP/1.1\r\nHost: x\r\n\r", b"\n"],
    "empty line before": [b"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    "long head": [b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"c" * 9000 + b"\r\n\r\n"],
    "expects": [
        b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        b"abc",
    ],
    "closes": [b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
    "HTTP/1.0": [b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"],
    "absolute": [b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n"],
    "elsewhere": [b"GET http://elsewhere.example/ HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"],
    "asterisk": [b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"],
    "no host": [b"GET / HTTP/1.1\r\n\r\n"],
    "two lengths": [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"
    ],
    "odd length": [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc"],
    "negative length": [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n"],
    "length and chunks": [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n"
    ],
    "folded": [b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"],
    "bare LF": [b"GET / HTTP/1.1\nHost: x\n\n"],
    "space before colon": [b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n"],
    "many fields": [b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 70 + b"\r\n"],
    "no method": [b"GOT / HTTP/1.1\r\nHost: x\r\n\r\n"],
    "version": [b"GET / HTTP/1.7\r\nHost: x\r\n\r\n"],
    "no request": [b"\x16\x03\x01\x02\x00"],
    "too long": [b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"],
    "upgrade": [
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 7\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ],
    "other upgrade": [
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
    ],
}


def exchange(served: Served, parts: list[bytes], used: int) -> bytes:
    """What a request gets after so many others, to the end of the connection."""
    with served.client() as client:
        for _ in range(used):
            client.send(FIRST)
            assert client.receive().status == 200
        for part in parts[:-1]:
            client.send(part)
            threading.Event().wait(0.05)  # so that it is read apart
        client.send(parts[-1])
        client.socket.shutdown(socket.SHUT_WR)
        return re.sub(rb"(?im)^date: .*\r\n", b"", client.file.read())


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_gets_what_it_would_get_first(served: Served, name: str) -> None:
    """The same bytes, then the same end. What comes after the request is the end of the stream."""
    first = exchange(served, REQUESTS[name], 0)
    assert first.startswith(b"HTTP/1.")
    assert exchange(served, REQUESTS[name], 1) == first
    assert exchange(served, REQUESTS[name], 3) == first


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("used", [0, 1])
def test_no_request_stays_in_flight(served: Served, name: str, used: int) -> None:
    context = served.server._context
    assert context is not None
    with served.client() as client:
        for _ in range(used):
            client.send(FIRST)
            assert client.receive().status == 200
        for part in REQUESTS[name]:
            client.send(part)
            threading.Event().wait(0.05)  # so that it is read apart
        assert client.socket.recv(1) != b""
        assert http.await_requests(context, int(REPLY * 1000)) == 0


def test_requests_that_come_together_are_answered_in_turn(served: Served) -> None:
    with served.client() as client:
        client.send(b"".join(b"GET /?%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(6)))
        bodies = b"".join(client.receive().body for _ in range(6))
    assert re.findall(rb"'query': b?'(\d)'", bodies) == [b"%d" % n for n in range(6)]


def test_what_is_sent_behind_the_last_request_does_not_reset_the_connection(served: Served) -> None:
    (last,) = REQUESTS["closes"]
    with served.client() as client:
        client.send(last + FIRST * 2000)  # more than the server reads at once
        assert client.receive().status == 200
        assert client.is_closed()
        threading.Event().wait(0.05)  # a reset comes right behind the end of the stream
        assert client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_many_clients_at_once(served: Served) -> None:
    """Each gets its own answers in order, those that do not wait for them, too."""
    with ExitStack() as stack:
        clients = [stack.enter_context(served.client()) for _ in range(16)]
        for turn in range(30):
            ahead = [1 + (turn + number) % 5 // 4 for number in range(len(clients))]
            for number, client in enumerate(clients):
                for one in range(ahead[number]):
                    client.send(f"GET /?{number}-{turn}-{one} HTTP/1.1\r\nHost: x\r\n\r\n")
            for number, client in enumerate(clients):
                for one in range(ahead[number]):
                    assert f"'{number}-{turn}-{one}'" in client.receive().body.decode()


def test_a_client_that_goes_during_a_later_request() -> None:
    with asgi_served(asgi_application) as served:
        gone.clear()
        with served.client() as client:
            assert client.get("/").status == 200
            client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            threading.Event().wait(0.05)
            assert not gone.is_set()
        assert gone.wait(REPLY)


def test_a_client_that_goes_with_a_later_request() -> None:
    """The end of its stream is there before the request is read."""
    with asgi_served(asgi_application) as served:
        for _ in range(20):
            gone.clear()
            with served.client() as client:
                assert client.get("/").status == 200
                client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            assert gone.wait(REPLY)


def test_a_later_request_that_comes_before_the_answer() -> None:
    with asgi_served(asgi_application) as served, served.client() as client:
        assert client.get("/").status == 200
        client.send(b"GET /together?1 HTTP/1.1\r\nHost: x\r\n\r\n")
        threading.Event().wait(0.05)
        client.send(b"GET /together?2 HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + FIRST)
        bodies = [client.receive().body for _ in range(4)]
    assert [body[body.find(b"query") :] for body in bodies] == [
        b"query': b'1', 'body': 0}",
        b"query': b'2', 'body': 0}",
        b"query': b'2', 'body': 0}",
        b"query': b'', 'body': 0}",
    ]


def test_each_request_is_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    options = {"access_log_file": str(log)}
    with asgi_served(asgi_application, **options) as served, served.client() as client:
        for number in range(3):
            assert client.get(f"/{number}").status == 200
    lines = log.read_text().splitlines()
    assert [line.split('"')[1] for line in lines] == [f"GET /{n} HTTP/1.1" for n in range(3)]


@pytest.mark.parametrize("used", [1, 3])
def test_each_request_is_counted(used: int) -> None:
    loop = Loop()
    port = free_port()
    server = asgi.Server(asgi_application, options(port, {}))
    loop.run(server.start())
    assert server._context is not None
    with Client(port) as client:
        for _ in range(used):
            client.send(FIRST)
            assert client.receive().status == 200
    end = time.monotonic() + REPLY
    while (counted := http.get_server_statistics(server._context)).requests < used:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert (counted.requests, counted.successful) == (used, used)
    assert counted.bytes_received == used * len(FIRST)
    loop.run(server.stop(), 20)
    loop.close()


@pytest.mark.parametrize("used", [1, 3])
def test_an_idle_connection_is_closed(used: int) -> None:
    options = {"keep_alive_timeout_ms": "100"}
    with wsgi_served(wsgi_application, **options) as served, served.client() as client:
        for _ in range(used):
            assert client.get("/").status == 200
        assert client.is_closed()


def test_connections_are_not_threads_of_the_application() -> None:
    """More connections than threads that poll, each with many requests, none behind another's."""
    with wsgi_served(wsgi_application, num_threads="60") as served:
        clients = [served.client() for _ in range(50)]
        opened = [client.__enter__() for client in clients]
        for _ in range(5):
            for client in opened:
                client.send(FIRST)
            for client in opened:
                assert client.receive().status == 200
        for context in clients:
            context.__exit__(None, None, None)


class Held:
    """Requests for "/held" that begin, and end when they are let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()

    @property
    def asgi(self) -> asgi.Application:
        @http_only
        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/held":
                self.begun.release()
                await asyncio.to_thread(self.let_go.wait, REPLY)
            await asgi_application(scope, receive, send)

        return application

    def wsgi(self, environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/held":
            self.begun.release()
            self.let_go.wait(REPLY)
        return wsgi_application(environ, start_response)


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_a_stop_loses_no_request(interface: str) -> None:
    """Who is there gets an answer, the last one of the connection; nobody new comes."""
    held = Held()
    with ExitStack() as stack:
        with ExitStack() as running:
            host = asgi_served(held.asgi) if interface == "asgi" else wsgi_served(held.wsgi)
            served = running.enter_context(host)
            one, two, three = (stack.enter_context(served.client()) for _ in range(3))
            assert [client.get("/").status for client in (one, two, three)] == [200] * 3
            one.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
            assert held.begun.acquire(timeout=REPLY)
            stopping = threading.Thread(target=running.pop_all().close)
            stopping.start()
            while served.listens():
                time.sleep(0.01)
            answer = two.get("/")
            assert (answer.status, answer.header("Connection")) == (200, "close")
            assert two.is_closed()
            # What begins meanwhile is waited for, too.
            three.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
            assert held.begun.acquire(timeout=REPLY)
            held.let_go.set()
            stopping.join()
        for client in (one, three):
            answer = client.receive()
            assert (answer.status, answer.header("Connection")) == (200, "close")
