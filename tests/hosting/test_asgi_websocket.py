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

from alusus_http import _hosting
from tests.hosting.hosting import Client, Served, asgi_served, http_only, logged
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


HANDSHAKE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def begins(**given: Any) -> Message:
    return {"type": "websocket.http.response.start", "status": 401, "headers": [], **given}


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "websocket.http.response.body", "body": body, "more_body": more}


@pytest.mark.parametrize(
    ("answer", "body", "parts"),
    [
        ([begins(), part(b"why not")], b"why not", []),
        ([begins(headers=[(b"content-length", b"3")]), part(b"why")], b"why", []),
        (
            [begins(headers=[(b"content-length", b"3")]), part(b"why", True), part(b"")],
            b"why",
            [],
        ),
        (
            [begins(), part(b"why", True), part(b"", True), part(b" not")],
            b"why not",
            [b"why", b" not"],
        ),
        ([begins(), {"type": "websocket.http.response.body"}], b"", []),
    ],
)
def test_refusing_with_an_answer(
    served: Served, answer: list[Message], body: bytes, parts: list[bytes]
) -> None:
    answer[0] = {**answer[0], "headers": [*answer[0]["headers"], (b"X-Why", b"\xe9")]}
    results: queue.Queue[Any] = queue.Queue()

    @page
    async def answers(scope: Any, receive: Any, send: Any) -> None:
        for message in answer:
            await send(message)
        results.put(await receive())
        with pytest.raises(RuntimeError, match="after the WebSocket had been refused"):
            await send(part(b"more"))
        results.put("done")

    with served.client() as connection:
        response = connection.get("/answers", *HANDSHAKE)
        assert (response.status, response.reason) == (401, "Unauthorized")
        assert (response.body, response.parts) == (body, parts)
        assert response.header("x-why") == "\xe9"
        assert response.header("connection") == "close"
        assert connection.is_closed()
    end = {"type": "websocket.disconnect", "code": 1006, "reason": ""}
    assert [results.get(timeout=REPLY) for _ in range(2)] == [end, "done"]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [begins(status=103)],
        [begins(), begins()],
        [begins(headers=[(b"content-length", b"3")])],
        [begins(headers=[(b"content-length", b"3")]), part(b"too long")],
        [begins(), {"type": "websocket.accept"}],
    ],
)
def test_a_failing_application_refuses_with_500(answer: list[Message]) -> None:
    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        for message in answer:
            await send(message)
        raise KeyError("fails")

    with asgi_served(application) as served, served.client() as connection:
        response = connection.get("/", *HANDSHAKE)
        assert (response.status, response.body) == (500, b"Internal Server Error")
        assert connection.is_closed()


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"30")]])
def test_an_answer_that_stays_unfinished_breaks_off(headers: Any) -> None:
    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(begins(headers=headers))
        await send(part(b"begun", more=True))

    with (
        asgi_served(application) as served,
        served.client() as connection,
        pytest.raises(AssertionError, match="breaks off"),
    ):
        connection.get("/", *HANDSHAKE)


def test_one_who_listens_after_refusing_is_told_to_end(served: Served) -> None:
    ends: queue.Queue[Message] = queue.Queue()

    @page
    async def refuses_and_listens(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})
        ends.put(await receive())
        ends.put(await receive())

    with pytest.raises(InvalidStatus), client(served, "/refuses_and_listens"):
        pass
    end = {"type": "websocket.disconnect", "code": 1006, "reason": ""}
    assert [ends.get(timeout=REPLY) for _ in range(2)] == [end, end]


def test_stopping_refuses_whoever_waits_for_a_decision() -> None:
    begun = threading.Event()
    ends: queue.Queue[Any] = queue.Queue()
    statuses: queue.Queue[int] = queue.Queue()

    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        begun.set()
        ends.put(await receive())
        try:
            await send({"type": "websocket.accept"})
        except OSError as error:
            ends.put(error)

    def ask(port: int) -> None:
        with Client(port) as connection:
            statuses.put(connection.get("/", *HANDSHAKE).status)

    with asgi_served(application) as served:
        asking = threading.Thread(target=ask, args=(served.port,))
        asking.start()
        assert begun.wait(REPLY)
        begin = time.monotonic()
    assert time.monotonic() - begin < _hosting.GRACE
    asking.join(REPLY)
    assert statuses.get_nowait() == 503
    assert ends.get_nowait() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
    assert isinstance(ends.get_nowait(), OSError)


@pytest.mark.parametrize("path", ["/first", "/second"])
def test_who_has_not_decided_learns_that_the_client_has_gone(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    ends: queue.Queue[Any] = queue.Queue()

    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})
            return
        await receive()
        if scope["path"] == "/stays":
            await asyncio.sleep(0.8)
        else:
            ends.put(await receive())
        try:
            await send({"type": "websocket.accept"})
        except OSError as error:
            ends.put(error)

    # With one worker, the next client is served when that is free again.
    with asgi_served(application, num_threads="1", enable_keep_alive="yes") as served:
        with served.client() as connection:
            if path == "/second":  # of the connection's
                assert connection.get("/").status == 200
            lines = (f"GET {path} HTTP/1.1", "Host: localhost", *HANDSHAKE, "", "")
            connection.send("\r\n".join(lines))
        end = {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        assert ends.get(timeout=REPLY) == end
        assert isinstance(ends.get(timeout=REPLY), OSError)
        with client(served, "/stays") as waiting, pytest.raises(ConnectionClosed) as raised:
            waiting.recv(REPLY)
        assert raised.value.rcvd is not None
        assert raised.value.rcvd.code == 1000
    assert not caplog.records


def test_a_sender_waits_for_a_slow_client(served: Served) -> None:
    count, size = 400, 100_000  # more than the queue and the system's buffers hold
    sent: list[int] = []

    @page
    async def streams(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        for i in range(count):
            await send({"type": "websocket.send", "bytes": b"%06d" % i + bytes(size)})
            sent.append(i)

    with client(served, "/streams", compression=None, max_queue=1) as connection:
        before = -1
        while len(sent) != before:
            before = len(sent)
            time.sleep(0.2)
        assert before < count
        received = [int(connection.recv(REPLY)[:6]) for _ in range(count)]
        assert received == list(range(count))


def test_those_who_send_to_a_slow_client_take_turns(served: Served) -> None:
    count, size = 40, 100_000

    @page
    async def streams_twice(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

        async def stream(name: bytes, size: int) -> None:
            for i in range(count):
                await send({"type": "websocket.send", "bytes": name + b"%06d" % i + bytes(size)})

        await asyncio.gather(stream(b"a", size), stream(b"b", size), stream(b"c", 10 * size))

    with client(served, "/streams_twice", compression=None, max_size=None) as connection:
        received = [connection.recv(REPLY)[:7] for _ in range(3 * count)]
    for name in (b"a", b"b", b"c"):
        own = [int(each[1:]) for each in received if each[:1] == name]
        assert own == list(range(count))


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (b"\x81\xfe\x04\x01" + bytes(4 + 1025), 1009, "the message is too big"),
        (b"\x81\x82\0\0\0\0\xc3\x28", 1007, "the text is not UTF-8"),
        (b"\x83\x80\0\0\0\0", 1002, "the opcode is reserved"),
        (b"\x88\x80\0\0\0\0", 1005, ""),  # a close frame without a code
    ],
)
def test_the_end_has_the_code_of_the_first_close(sent: bytes, code: int, reason: str) -> None:
    ends: queue.Queue[Message] = queue.Queue()

    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        ends.put(await receive())

    given = {"websocket_max_message_size": "1024"}
    with asgi_served(application, **given) as served, served.client() as connection:
        assert connection.get("/", *HANDSHAKE).status == 101
        connection.send(sent)
        assert ends.get(timeout=REPLY) == {
            "type": "websocket.disconnect",
            "code": code,
            "reason": reason,
        }


def test_the_end_has_the_code_of_a_close_that_nobody_answers(served: Served) -> None:
    ends: queue.Queue[Message] = queue.Queue()

    @page
    async def closes_alone(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
        ends.put(await receive())

    with served.client() as connection:
        assert connection.get("/closes_alone", *HANDSHAKE).status == 101
    end = ends.get(timeout=REPLY)
    assert (end["code"], end["reason"]) == (4001, "enough")


def test_a_client_whose_messages_wait_for_the_application_is_not_idle() -> None:
    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(0.9)
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})

    given = {"websocket_idle_timeout_ms": "500", "websocket_ping_interval_ms": "0"}
    with asgi_served(application, **given) as served, client(served, "/") as connection:
        for number in range(10):
            connection.send(str(number))
        assert [connection.recv(REPLY) for _ in range(10)] == [str(n) for n in range(10)]
        with pytest.raises(ConnectionClosed) as raised:
            connection.recv(REPLY)
        assert raised.value.rcvd is not None
        assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (1001, "idle")


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
    assert ends.get(timeout=REPLY)["code"] == 1001


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
    monkeypatch.setattr(_hosting, "GRACE", 0.5)
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
