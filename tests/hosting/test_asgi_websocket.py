"""ASGI 3 over real sockets: WebSockets, with an independent client."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from alusus_http import asgi
from tests.hosting.hosting import Served, asgi_served, http_only, logged
from tests.support import REPLY

Message = dict[str, Any]

PAGES: dict[str, Any] = {}


def page(function: Any) -> Any:
    PAGES["/" + function.__name__] = function
    return function


@http_only
async def dispatch(scope: Any, receive: Any, send: Any) -> None:
    assert await receive() == {"type": "websocket.connect"}
    await PAGES[scope["path"]](scope, receive, send)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with asgi_served(dispatch, root_path="") as served:
        yield served


@contextmanager
def client(served: Served, path: str, **given: Any) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{served.port}{path}"
    with connect(url, open_timeout=REPLY, close_timeout=REPLY, **given) as connection:
        yield connection


@page
async def echo(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        assert ("text" in message) != ("bytes" in message)
        await send({**message, "type": "websocket.send"})


def test_text_and_binary(served: Served) -> None:
    with client(served, "/echo") as connection:
        for message in ("سلام", "", b"\0\xff", b"", "x" * 100_000):
            connection.send(message)
            assert connection.recv(REPLY) == message


def test_scope() -> None:
    seen: list[Any] = []

    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    with asgi_served(application, root_path="/base") as served:
        path = "/l%C3%B6ok?q=%201"
        with client(served, path, subprotocols=["a", "b"], compression=None) as connection:
            address = connection.socket.getsockname()
    scope = seen[0]
    headers = dict(scope.pop("headers"))
    assert headers[b"upgrade"] == b"websocket"
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/base/l\u00f6ok",
        "raw_path": b"/base/l%C3%B6ok",
        "query_string": b"q=%201",
        "root_path": "/base",
        "client": address,
        "server": ("127.0.0.1", served.port),
        "subprotocols": ["a", "b"],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


def test_accepting_with_a_subprotocol_and_headers(served: Served) -> None:
    @page
    async def accepts(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=\xe9")]
        await send({"type": "websocket.accept", "subprotocol": "b", "headers": headers})

    with client(served, "/accepts", subprotocols=["a", "b"]) as connection:
        assert connection.subprotocol == "b"
        assert connection.response is not None
        assert connection.response.headers.get_all("Set-Cookie") == ["a=1", "b=\xe9"]


@pytest.mark.parametrize(
    "accept",
    [
        {"subprotocol": "never offered"},
        {"headers": [(b"sec-websocket-accept", b"x")]},
        {"headers": [(b"x", b"a\r\n\r\nb")]},
    ],
)
def test_what_cannot_be_accepted_is_an_error_of_the_application(
    served: Served, accept: Message, caplog: pytest.LogCaptureFixture
) -> None:
    @page
    async def wrong(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", **accept})

    with pytest.raises(InvalidStatus), client(served, "/wrong"):
        pass
    assert "InvalidArgumentError" in logged(caplog)


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ("x", "send takes a dict whose 'type'"),
        ({"type": "websocket.send", "text": 5}, "a str as 'text' or bytes as 'bytes', and not 5"),
        ({"type": "websocket.send", "text": b"x"}, "and not b'x'"),
        ({"type": "websocket.send", "bytes": "x"}, "and not 'x'"),
        ({"type": "websocket.send"}, "and not None"),
        (
            {"type": "websocket.close", "code": "1000"},
            "code: expected an int, such as 1000, got str",
        ),
        ({"type": "websocket.close", "reason": 5}, "reason: expected a str, got int"),
    ],
)
def test_what_cannot_be_sent_is_an_error_that_says_what_can(
    served: Served, sent: Any, error: str
) -> None:
    raised: queue.Queue[str] = queue.Queue()

    @page
    async def sends(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        try:
            await send(sent)
        except TypeError as wrong:
            raised.put(str(wrong))
            await send({"type": "websocket.close"})

    with client(served, "/sends") as connection, pytest.raises(ConnectionClosed) as closed:
        connection.recv(REPLY)
    assert error in raised.get(timeout=REPLY)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000


@pytest.mark.parametrize("headers", [[("a", "b")], {"a": "b"}, None])
def test_headers_that_are_none_are_an_error_that_says_what_are(
    served: Served, headers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @page
    async def accepts_wrongly(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "headers": headers})

    with pytest.raises(InvalidStatus), client(served, "/accepts_wrongly"):
        pass
    assert "headers are given as pairs of bytes" in logged(caplog)


def test_refusing(served: Served) -> None:
    @page
    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    with pytest.raises(InvalidStatus) as raised, client(served, "/refuses"):
        pass
    assert raised.value.response.status_code == 403


def received_end(served: Served, path: str, result: queue.Queue[Message]) -> Message:
    return result.get(timeout=REPLY)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (4000, "enough"), (1001, "leaving")])
def test_the_client_closes(served: Served, code: int, reason: str) -> None:
    ends: queue.Queue[Message] = queue.Queue()

    @page
    async def listens(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        ends.put(await receive())
        ends.put(await receive())

    with client(served, "/listens") as connection:
        connection.close(code, reason)
    end = {"type": "websocket.disconnect", "code": code, "reason": reason}
    assert [ends.get(timeout=REPLY) for _ in range(2)] == [end, end]


def test_the_client_is_lost(served: Served) -> None:
    ends: queue.Queue[Message] = queue.Queue()
    errors: queue.Queue[BaseException] = queue.Queue()

    @page
    async def lost(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        ends.put(await receive())
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except OSError as error:
            errors.put(error)

    with client(served, "/lost") as connection:
        connection.socket.close()
        assert ends.get(timeout=REPLY)["code"] == 1006
        errors.get(timeout=REPLY)


@pytest.mark.parametrize(
    ("close", "code", "reason"),
    [({}, 1000, ""), ({"code": 4001, "reason": "enough"}, 4001, "enough")],
)
def test_the_application_closes(served: Served, close: Message, code: int, reason: str) -> None:
    ends: queue.Queue[Message] = queue.Queue()

    @page
    async def closes(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", **close})
        ends.put(await receive())
        with pytest.raises(RuntimeError, match="had been closed"):
            await send({"type": "websocket.send", "text": "x"})

    with client(served, "/closes") as connection:
        with pytest.raises(ConnectionClosed) as raised:
            connection.recv(REPLY)
        assert raised.value.rcvd is not None
        assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (code, reason)
    assert ends.get(timeout=REPLY)["code"] == code


@pytest.mark.parametrize(("fails", "code"), [(False, 1000), (True, 1011)])
def test_an_application_that_ends_closes(
    served: Served, fails: bool, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    @page
    async def ends(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        if fails:
            raise KeyError("fails")

    with client(served, "/ends") as connection, pytest.raises(ConnectionClosed) as raised:
        connection.recv(REPLY)
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == code
    assert ("KeyError" in logged(caplog)) == fails


def test_a_fast_client_waits(served: Served) -> None:
    go = threading.Event()
    heard: queue.Queue[int] = queue.Queue()

    @page
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        import asyncio

        await send({"type": "websocket.accept"})
        await asyncio.to_thread(go.wait, REPLY)
        count = 0
        while (await receive())["type"] == "websocket.receive":
            count += 1
        heard.put(count)

    sent = 0
    with client(served, "/slow", compression=None) as connection:
        connection.socket.settimeout(0.5)
        try:
            for _ in range(1000):
                connection.send(bytes(100_000))
                sent += 1
        except (TimeoutError, ConnectionClosed):
            pass
        assert sent < 500
        go.set()
    heard.get(timeout=REPLY)


def test_stopping_closes_with_1001() -> None:
    ends: queue.Queue[Message] = queue.Queue()

    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        ends.put(await receive())

    with asgi_served(application) as served:
        context = client(served, "/")
        connection = context.__enter__()
        listening = threading.Thread(target=lambda: list(connection))
        listening.start()
    listening.join(REPLY)
    assert connection.close_code == 1001
    assert ends.get(timeout=REPLY)["type"] == "websocket.disconnect"


def test_messages_keep_their_order_however_slowly_they_are_read() -> None:
    count = 500
    received: queue.Queue[list[str]] = queue.Queue()

    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        texts = []
        while (message := await receive())["type"] == "websocket.receive":
            texts.append(message["text"])
            if len(texts) % 50 == 0:
                await asyncio.sleep(0.01)
        received.put(texts)

    with asgi_served(application) as served, client(served, "/") as connection:
        for i in range(count):
            connection.send(str(i))
        connection.close()
        assert received.get(timeout=REPLY) == [str(i) for i in range(count)]


@pytest.mark.parametrize("ends", [False, True])
def test_stopping_with_messages_that_nobody_reads(ends: bool) -> None:
    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await asyncio.sleep(0.2)
        while not ends and (await receive())["type"] != "websocket.disconnect":
            await asyncio.sleep(0.005)

    with asgi_served(application) as served:
        context = client(served, "/")
        connection = context.__enter__()
        with suppress(ConnectionClosed):
            for _ in range(200):
                connection.send("unread")
        begin = time.monotonic()
    assert time.monotonic() - begin < 9


def test_stopping_with_applications_that_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "GRACE", 0.5)
    began: queue.Queue[str] = queue.Queue()

    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/open":
            await send({"type": "websocket.accept"})
        began.put(scope["path"])
        await asyncio.sleep(60)

    def undecided(port: int) -> None:
        with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{port}/undecided"):
            pass

    with asgi_served(application) as served:
        connecting = threading.Thread(target=undecided, args=(served.port,))
        connecting.start()
        context = client(served, "/open")
        connection = context.__enter__()
        for _ in range(200):
            connection.send("unread")
        assert {began.get(timeout=REPLY), began.get(timeout=REPLY)} == {"/open", "/undecided"}
    connecting.join(REPLY)
    assert not connecting.is_alive()
