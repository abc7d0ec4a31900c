"""WebSockets with handlers of every kind, by an independent client."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Queue
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed as ClientClosed
from websockets.exceptions import InvalidStatus
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect

from alusus_http import (
    AsyncWebSocket,
    ConnectionClosed,
    ConnectionClosedOK,
    ConnectionClosedWithError,
    Reject,
    Request,
    Server,
    WebSocket,
    http,
)
from alusus_http.errors import (
    InvalidArgumentError,
    InvalidHandleError,
    QueueFullError,
    WrongStateError,
    WrongThreadError,
)
from alusus_http.testing import Serve
from tests.conformance.peer import BINARY, TEXT, Peer, close_frame, frame
from tests.python.serving import until
from tests.support import REPLY, STOP

Client = Callable[..., ClientConnection]
KINDS = ["function", "async function", "object", "async object"]


def echo(ws: WebSocket) -> None:
    for message in ws:
        ws.send(message)


async def echo_async(ws: AsyncWebSocket) -> None:
    async for message in ws:
        await ws.send(message)


class Echo:
    def on_message(self, ws: WebSocket, message: str | bytes) -> None:
        ws.send(message)


class AsyncEcho:
    async def on_message(self, ws: AsyncWebSocket, message: str | bytes) -> None:
        await ws.send(message)


ECHOES = [echo, echo_async, Echo, AsyncEcho]


def closed(client: ClientConnection) -> Close | None:
    """Wait for the end; return the close frame that came."""
    with pytest.raises(ClientClosed) as raised:
        while True:
            client.recv(REPLY)
    return raised.value.rcvd


@pytest.mark.parametrize("handler", ECHOES, ids=KINDS)
def test_messages_come_and_go_in_order(
    handler: Callable[[WebSocket], None], run: Serve, client: Client
) -> None:
    server = Server(0)
    server.websocket("/echo")(handler)
    c = client(run(server), "/echo")
    sent: list[str | bytes] = [
        "text",
        b"bytes",
        "",
        b"",
        "ليلى",
        b"\0" * 70_000,
        "x" * 300_000,
        *map(str, range(500)),
    ]

    def send() -> None:
        for message in sent:
            c.send(message)

    threading.Thread(target=send).start()
    assert [c.recv(REPLY) for _ in sent] == sent


@pytest.mark.parametrize("kind", ["function", "async function"])
def test_a_function_that_returns_closes_with_1000(kind: str, run: Serve, client: Client) -> None:
    server = Server(0)

    def handler(ws: WebSocket) -> None:
        ws.send("bye")

    async def async_handler(ws: AsyncWebSocket) -> None:
        await ws.send("bye")

    server.websocket("/")(handler if kind == "function" else async_handler)
    c = client(run(server), "/")
    assert c.recv(REPLY) == "bye"
    assert closed(c) == Close(1000, "")


@pytest.mark.parametrize("kind", KINDS)
def test_an_exception_closes_with_1011_and_is_logged(
    kind: str, run: Serve, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(0)

    def handler(ws: WebSocket) -> None:
        ws.receive()
        raise LookupError("the secret")

    async def async_handler(ws: AsyncWebSocket) -> None:
        await ws.receive()
        raise LookupError("the secret")

    class Handler:
        def on_message(self, ws: WebSocket, message: str) -> None:
            raise LookupError("the secret")

    class AsyncHandler:
        async def on_message(self, ws: AsyncWebSocket, message: str) -> None:
            raise LookupError("the secret")

    every: dict[str, Any] = dict(
        zip(KINDS, (handler, async_handler, Handler, AsyncHandler), strict=True)
    )
    server.websocket("/")(every[kind])
    c = client(run(server), "/")
    c.send("go")
    assert closed(c) == Close(1011, "")
    assert "the secret" in caplog.text
    assert "Traceback" in caplog.text


def tells_its_end(kind: str, ends: Queue[tuple[int, str]]) -> Any:
    """A handler of some kind that puts the code and the reason with which its WebSocket ends."""

    def handler(ws: WebSocket) -> None:
        try:
            while True:
                ws.receive()
        except ConnectionClosed as over:
            ends.put((over.code, over.reason))

    async def async_handler(ws: AsyncWebSocket) -> None:
        try:
            while True:
                await ws.receive()
        except ConnectionClosed as over:
            ends.put((over.code, over.reason))

    class Handler:
        def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
            ends.put((code, reason))

    class AsyncHandler:
        async def on_ready(self, ws: AsyncWebSocket) -> None:
            pass

        async def on_close(self, ws: AsyncWebSocket, code: int, reason: str) -> None:
            ends.put((code, reason))

    return dict(zip(KINDS, (handler, async_handler, Handler, AsyncHandler), strict=True))[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_the_client_s_code_and_reason_reach_the_handler(
    kind: str, run: Serve, client: Client
) -> None:
    ends: Queue[tuple[int, str]] = Queue()
    server = Server(0)
    server.websocket("/")(tells_its_end(kind, ends))
    c = client(run(server), "/")
    c.close(4321, "ليلة سعيدة")
    assert ends.get(timeout=REPLY) == (4321, "ليلة سعيدة")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (frame(3), 1002, "the opcode is reserved"),
        (frame(TEXT, b"\xc3\x28"), 1007, "the text is not UTF-8"),
        (frame(BINARY, b"x" * 1025), 1009, "the message is too big"),
        (b"", 1001, "idle"),
        (None, 1001, "the server stops"),
    ],
    ids=["violation", "no UTF-8", "too big", "idle", "stop"],
)
def test_the_library_s_code_and_reason_reach_the_handler(
    kind: str, sent: bytes | None, code: int, reason: str, serve: Serve
) -> None:
    ends: Queue[tuple[int, str]] = Queue()
    idle_timeout = 0.1 if sent == b"" else None
    server = Server(0, max_message_size=1024, idle_timeout=idle_timeout, close_timeout=1)
    server.websocket("/")(tells_its_end(kind, ends))
    serve(server)
    with Peer.open(server.ports[0], "/") as peer:
        if sent is None:
            until(lambda: server.connections)
            threading.Thread(target=server.stop).start()
        else:
            peer.send(sent)
        end = peer.frame()
        assert (end.code, end.payload[2:].decode()) == (code, reason)
        peer.send(close_frame(code))
        assert ends.get(timeout=REPLY) == (code, reason)


def test_a_write_after_the_library_s_close_says_why(serve: Serve) -> None:
    server = Server(0)
    ends: Queue[tuple[int, str]] = Queue()

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        until(lambda: not ws.is_open)
        try:
            ws.send("too late")
        except ConnectionClosed as over:
            ends.put((over.code, over.reason))

    with Peer.open(serve(server).ports[0], "/") as peer:
        peer.send(frame(3))
        assert ends.get(timeout=REPLY) == (1002, "the opcode is reserved")


def test_a_clean_close_ends_the_loop_and_receive_raises_ok(run: Serve, client: Client) -> None:
    seen: Queue[object] = Queue()
    server = Server(0)

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        seen.put(list(ws))
        for call in (ws.receive, lambda: ws.send("late"), ws.ping, lambda: ws.join("group")):
            try:
                call()
            except ConnectionClosedOK as error:
                seen.put(error.code)
        ws.close()
        assert not ws.is_open
        assert ws.queued == 0
        seen.put("done")

    c = client(run(server), "/")
    c.send("one")
    c.send(b"two")
    c.close()
    assert seen.get(timeout=REPLY) == ["one", b"two"]
    assert [seen.get(timeout=REPLY) for _ in range(5)] == [1000, 1000, 1000, 1000, "done"]


@pytest.mark.parametrize("kind", ["function", "async function"])
def test_a_close_without_a_code_is_clean(kind: str, run: Serve) -> None:
    """As the close() of a browser's WebSocket sends it."""
    server = Server(0)
    codes: Queue[int] = Queue()

    def handler(ws: WebSocket) -> None:
        for _ in ws:
            pass
        with pytest.raises(ConnectionClosedOK) as raised:
            ws.receive(0)
        codes.put(raised.value.code)

    async def async_handler(ws: AsyncWebSocket) -> None:
        async for _ in ws:
            pass
        with pytest.raises(ConnectionClosedOK) as raised:
            await ws.receive()
        codes.put(raised.value.code)

    server.websocket("/")(handler if kind == "function" else async_handler)
    with Peer.open(run(server).ports[0], "/") as peer:
        peer.send(close_frame(None))
        assert codes.get(timeout=REPLY) == 1005


def test_a_lost_connection_is_1006(run: Serve, client: Client) -> None:
    ends: Queue[ConnectionClosed] = Queue()
    server = Server(0)

    @server.websocket("/")
    async def handler(ws: AsyncWebSocket) -> None:
        try:
            await ws.receive()
        except ConnectionClosed as error:
            ends.put(error)

    c = client(run(server), "/")
    c.socket.shutdown(2)
    end = ends.get(timeout=REPLY)
    assert isinstance(end, ConnectionClosedWithError)
    assert end.code == 1006


def test_the_server_closes_with_a_code_and_reason(run: Serve, client: Client) -> None:
    server = Server(0)
    told: Queue[tuple[int, str]] = Queue()

    @server.websocket("/")
    class Handler:
        def on_message(self, ws: WebSocket, message: str | bytes) -> None:
            ws.close(4000, str(message))

        def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
            told.put((code, reason))

    c = client(run(server), "/")
    c.send("enough")
    assert closed(c) == Close(4000, "enough")
    assert told.get(timeout=REPLY) == (4000, "enough")


def test_the_reason_of_a_close_is_kept_when_the_client_does_not_repeat_it(run: Serve) -> None:
    server = Server(0)
    told: Queue[tuple[int, str]] = Queue()

    @server.websocket("/")
    async def handler(ws: AsyncWebSocket) -> None:
        await ws.close(4000, "enough")
        with pytest.raises(ConnectionClosedWithError) as raised:
            await ws.receive()
        told.put((raised.value.code, raised.value.reason))

    with Peer.open(run(server).ports[0], "/") as peer:
        assert peer.frame().code == 4000
        peer.send(close_frame(4000))
        assert told.get(timeout=REPLY) == (4000, "enough")


def test_an_invalid_code_is_an_error_for_the_caller(run: Serve, client: Client) -> None:
    raised: Queue[Exception] = Queue()
    server = Server(0)

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        for code, reason in ((1006, ""), (1000, "x" * 124)):
            try:
                ws.close(code, reason)
            except InvalidArgumentError as error:
                raised.put(error)

    client(run(server), "/")
    assert "no close code" in str(raised.get(timeout=REPLY))
    assert "124 bytes" in str(raised.get(timeout=REPLY))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda ws, server: ws.send(5), "message: expected a str or bytes, got int"),
        (lambda ws, server: ws.ping("x"), "data: expected bytes, got str"),
        (lambda ws, server: ws.close("1000"), "code: expected an int, such as 1000, got str"),
        (lambda ws, server: ws.close(1000, 5), "reason: expected a str, got int"),
        (lambda ws, server: ws.receive("5"), "timeout: expected a number of seconds, got '5'"),
        (lambda ws, server: ws.receive(-5), "timeout: -5 is no number of seconds from 0 on"),
        (lambda ws, server: ws.receive(-1), "timeout: -1 is no number of seconds from 0 on"),
        (lambda ws, server: ws.join(5), "group: expected a str, got int"),
        (lambda ws, server: ws.leave(5), "group: expected a str, got int"),
        (lambda ws, server: server.broadcast(5, "x"), "group: expected a str, got int"),
        (lambda ws, server: server.broadcast("a", 5), "message: expected a str or bytes, got int"),
        (
            lambda ws, server: server.broadcast("a", "x", exclude="me"),
            "exclude: expected a WebSocket, got str",
        ),
    ],
)
def test_arguments_of_a_wrong_type_are_named(
    call: Callable[[Any, Server], object], error: str, serve: Serve, client: Client
) -> None:
    server = Server(0)

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        try:
            call(ws, server)
        except (TypeError, InvalidArgumentError) as raised:
            ws.send(str(raised))

    assert client(serve(server), "/").recv(REPLY) == error


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_is_like_bytes_is_sent_as_binary(kind: Any, serve: Serve, client: Client) -> None:
    server = Server(0)

    @server.websocket("/", groups=["all"])
    def handler(ws: WebSocket) -> None:
        ws.send(kind(b"sent"))
        ws.ping(kind(b"ping"))
        server.broadcast("all", kind(b"broadcast"))

    @server.websocket("/async")
    async def handler_async(ws: AsyncWebSocket) -> None:
        await ws.send(kind(b"sent"))

    c = client(serve(server), "/")
    assert [c.recv(REPLY), c.recv(REPLY)] == [b"sent", b"broadcast"]
    assert client(server, "/async").recv(REPLY) == b"sent"


def test_receive_can_be_limited_in_time(serve: Serve, client: Client) -> None:
    server = Server(0)

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        try:
            ws.receive(timeout=0.01)
        except TimeoutError as error:
            ws.send(str(error))

    assert client(serve(server), "/").recv(REPLY) == "no message came within 0.01 s"


def test_receive_can_wait_for_years(serve: Serve, client: Client) -> None:
    server = Server(0)

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        ws.send(ws.receive(timeout=2 * 365 * 24 * 3600))

    c = client(serve(server), "/")
    c.send("at last")
    assert c.recv(REPLY) == "at last"


def test_threads_that_receive_share_the_messages(serve: Serve, client: Client) -> None:
    server = Server(0)
    messages = {str(number) for number in range(200)}

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        def serve_some() -> None:
            for message in ws:
                ws.send(message)

        second = threading.Thread(target=serve_some)
        second.start()
        serve_some()
        second.join()

    c = client(serve(server), "/")
    for message in messages:
        c.send(message)
    assert {c.recv(REPLY) for _ in messages} == messages


def test_a_function_that_blocks_holds_up_nobody(serve: Serve, client: Client) -> None:
    server = Server(0)
    go = threading.Event()

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        for message in ws:
            if message == "wait":
                go.wait()
            ws.send(message)

    serve(server)
    waiting, others = client(server, "/"), [client(server, "/") for _ in range(4)]
    try:
        for c in (waiting, *others):  # all have been quick so far
            for _ in range(20):
                c.send("x")
                assert c.recv(REPLY) == "x"
        waiting.send("wait")
        for c in others:
            c.send("y")
            assert c.recv(REPLY) == "y"
        late = client(server, "/")
        late.send("z")
        assert late.recv(REPLY) == "z"
    finally:
        go.set()
    assert waiting.recv(REPLY) == "wait"


def test_what_a_function_sends_arrives_while_it_blocks(serve: Serve, client: Client) -> None:
    server = Server(0)
    go = threading.Event()

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        for message in ws:
            if message == "by another thread":
                threading.Thread(target=ws.send, args=(message,)).start()
            else:
                ws.send(message)
            if message != "x":
                go.wait()

    serve(server)
    clients = [client(server, "/") for _ in range(6)]
    try:
        for _ in range(20):  # all have been quick so far
            for c in clients:
                c.send("x")
            for c in clients:
                assert c.recv(REPLY) == "x"
        messages = ["last words", "x", "by another thread"] * 2
        for c, message in zip(clients, messages, strict=True):
            c.send(message)
        for c, message in zip(clients, messages, strict=True):
            assert c.recv(REPLY) == message
    finally:
        go.set()


def test_messages_of_every_length_come_with_pings_between(serve: Serve, client: Client) -> None:
    # What the library copies and what it keeps, taken at once, and what is no message between.
    server = Server(0)
    go = threading.Event()

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        go.wait(REPLY)
        for message in ws:
            ws.send(message)

    c = client(serve(server), "/", compression=None)
    sent: list[str | bytes] = []
    for size in (0, 1, 4095, 4096, 4097, 9000):
        sent += ["ل" * size, b"b" * size]
        c.send(sent[-2])
        c.ping()
        c.send(sent[-1])
    until(lambda: server.stats.messages_received == len(sent))
    go.set()
    assert [c.recv(REPLY) for _ in sent] == sent


def test_what_is_unread_when_a_function_is_given_up_is_dropped(client: Client) -> None:
    server = Server(0, grace=0.1)
    stopped = threading.Event()
    received: Queue[object] = Queue()

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        received.put(ws.receive())
        stopped.wait(REPLY)
        try:
            while True:
                received.put(ws.receive())
        except ConnectionClosed as over:
            received.put(over)

    server.start()
    c = client(server, "/", compression=None)
    for _ in range(3):
        c.send(b"long" * 5000)
    assert received.get(timeout=REPLY) == b"long" * 5000
    server.stop()
    stopped.set()
    while (last := received.get(timeout=REPLY)) == b"long" * 5000:
        pass
    assert isinstance(last, ConnectionClosed)


@pytest.mark.parametrize("receives", [True, False], ids=["after a message", "at once"])
def test_a_function_may_stop_its_server_by_the_library(receives: bool, client: Client) -> None:
    server = Server(0)
    told: Queue[object] = Queue()

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        if receives:
            told.put(ws.receive())
        http.stop_server(http.get_context(ws._connection))  # which returns
        with pytest.raises(ConnectionClosed) as raised:
            ws.receive()
        told.put((raised.value.code, raised.value.reason))

    server.start()
    c = client(server, "/")
    if receives:
        c.send("stop")
        assert told.get(timeout=REPLY) == "stop"
    assert closed(c) == Close(1001, "the server stops")
    assert told.get(timeout=REPLY) == (1001, "the server stops")
    with pytest.raises(ConnectionRefusedError):
        while True:
            with suppress(ConnectionResetError):  # it was waiting when the socket was closed
                socket.create_connection(("127.0.0.1", server.ports[0])).close()
    with pytest.raises(InvalidHandleError):
        server.stop()  # it is stopped already


def test_a_thread_that_receives_for_a_function_cannot_stop_its_server(
    serve: Serve, client: Client
) -> None:
    server = Server(0)

    def stop(ws: WebSocket) -> None:
        ws.receive()
        try:
            http.stop_server(http.get_context(ws._connection))
        except WrongThreadError as error:
            ws.send(str(error))

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        for _ in range(2):
            other = threading.Thread(target=stop, args=(ws,))
            other.start()
            other.join()

    c = client(serve(server), "/")
    for _ in range(2):  # it goes on
        c.send("stop")
        assert "stop on another thread" in c.recv(REPLY)


def test_a_thread_that_receives_for_a_function_begins_the_stop(client: Client) -> None:
    server = Server(0)
    returned = threading.Event()

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        def stop() -> None:
            ws.receive()
            server.stop()
            returned.set()

        other = threading.Thread(target=stop)
        other.start()
        other.join()

    server.start()
    client(server, "/").send("stop")
    assert returned.wait(REPLY)
    server.wait()
    assert server.ports == []


@pytest.mark.parametrize("size", [1, 100_000], ids=["some", "as much as is kept"])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_client_that_goes_while_its_messages_wait_is_noticed(
    size: int, is_async: bool, serve: Serve
) -> None:
    """Nothing is read of it, not even its end, but it is pinged."""
    noticed = threading.Event()

    def handler(ws: WebSocket) -> None:
        until(lambda: not ws.is_open)
        noticed.set()

    async def handler_async(ws: AsyncWebSocket) -> None:
        while ws.is_open:
            await asyncio.sleep(0.01)
        noticed.set()

    server = Server(0, ping_interval=0.1)
    server.websocket("/")(handler_async if is_async else handler)
    with Peer.open(serve(server).ports[0], "/") as peer:
        for _ in range(20):
            peer.send(frame(BINARY, b"x" * size))
    assert noticed.wait(REPLY)


def waits_before_it_receives(ws: WebSocket) -> None:
    time.sleep(0.9)
    for message in ws:
        ws.send(str(len(message)))


async def waits_before_it_receives_async(ws: AsyncWebSocket) -> None:
    await asyncio.sleep(0.9)
    async for message in ws:
        await ws.send(str(len(message)))


class WaitsOnce:
    def on_message(self, ws: WebSocket, message: str | bytes) -> None:
        if not hasattr(ws.state, "has_waited"):
            time.sleep(0.9)
            ws.state.has_waited = True
        ws.send(str(len(message)))


class WaitsOnceAsync:
    async def on_message(self, ws: AsyncWebSocket, message: str | bytes) -> None:
        if not hasattr(ws.state, "has_waited"):
            await asyncio.sleep(0.9)
            ws.state.has_waited = True
        await ws.send(str(len(message)))


@pytest.mark.parametrize(("count", "size"), [(10, 1), (100, 100_000)])
@pytest.mark.parametrize(
    "handler",
    [waits_before_it_receives, waits_before_it_receives_async, WaitsOnce, WaitsOnceAsync],
    ids=KINDS,
)
def test_a_client_whose_messages_wait_for_the_handler_is_not_idle(
    handler: Callable[[WebSocket], None], count: int, size: int, serve: Serve, client: Client
) -> None:
    server = Server(0, idle_timeout=0.5, ping_interval=None)
    server.websocket("/")(handler)
    c = client(serve(server), "/", compression=None, ping_interval=None)

    def send() -> None:
        for _ in range(count):
            c.send(b"x" * size)

    threading.Thread(target=send).start()
    assert [c.recv(REPLY) for _ in range(count)] == [str(size)] * count
    assert closed(c) == Close(1001, "idle")  # now it is


def test_a_function_answers_what_came_before_a_close(serve: Serve, client: Client) -> None:
    server = Server(0)

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        for message in ws:
            time.sleep(0.01)
            ws.send(message)

    c = client(serve(server), "/")
    for number in range(5):
        c.send(str(number))
    c.close()
    assert [c.recv(REPLY) for _ in range(5)] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("handler", ECHOES)
def test_what_came_before_bytes_that_break_the_rules_is_answered(run: Serve, handler: Any) -> None:
    # A test case of the public conformance suite: all of it leaves the client at once.
    server = Server(0)
    server.websocket("/")(handler)
    with Peer.open(run(server).ports[0], "/") as peer:
        peer.send(frame(TEXT, "one") + frame(TEXT, "two") + frame(0x3, "reserved"))
        peer.expect((TEXT, "one"), (TEXT, "two"))
        peer.expect_close(1002)


def test_the_request_is_at_hand(run: Serve, client: Client) -> None:
    server = Server(0)

    @server.websocket("/room/**", subprotocols=["v2", "v1"])
    def handler(ws: WebSocket) -> None:
        request = ws.request
        ws.send(f"{request.path} {request.query['a']} {request.headers['x-name']}")
        ws.send(f"{request.peer[0]} {ws.subprotocol} {request.cookies['id']}")

    options = {"X-Name": "Huda", "Cookie": "id=7; other=8"}
    c = client(
        run(server), "/room/1?a=b%20c", additional_headers=options, subprotocols=["v1", "v3"]
    )
    assert c.recv(REPLY) == "/room/1 b c Huda"
    assert c.recv(REPLY) == "127.0.0.1 v1 7"


def test_paths_are_exact_unless_they_say_otherwise(run: Serve, client: Client) -> None:
    server = Server(0)
    server.websocket("/one")(echo)
    server.websocket("/tree/**")(echo)
    run(server)
    client(server, "/one")
    client(server, "/tree/a/b")
    for path in ("/one/more", "/other", "/"):
        with pytest.raises(InvalidStatus) as raised:
            client(server, path)
        assert raised.value.response.status_code == 404


@pytest.mark.parametrize("kind", ["authorize", "async authorize", "object", "async object"])
@pytest.mark.parametrize("answer", [False, True])
def test_a_check_that_returns_something_lets_nobody_in(
    kind: str, answer: bool, run: Serve, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def check(request: Request) -> Any:
        return answer

    async def check_async(request: Request) -> Any:
        return answer

    class Handler:
        on_connect = staticmethod(check)

        def on_ready(self, ws: WebSocket) -> None: ...

    class AsyncHandler:
        on_connect = staticmethod(check_async)

        async def on_ready(self, ws: AsyncWebSocket) -> None: ...

    server = Server(0)
    if "object" in kind:
        server.websocket("/")(Handler if kind == "object" else AsyncHandler)
    else:
        server.websocket("/", authorize=check if kind == "authorize" else check_async)(echo)
    run(server)
    with pytest.raises(InvalidStatus) as raised:
        client(server, "/")
    assert raised.value.response.status_code == 500
    assert "raise Reject(401)" in caplog.text


def test_every_check_of_a_client_is_asked(run: Serve, client: Client) -> None:
    asked = []

    async def authorize(request: Request) -> None:
        asked.append("authorize")

    class Handler:
        def on_connect(self, request: Request) -> None:
            asked.append("on_connect")
            raise Reject(403)

        def on_message(self, ws: WebSocket, message: str | bytes) -> None: ...

    server = Server(0)
    server.websocket("/", authorize=authorize)(Handler)
    run(server)
    with pytest.raises(InvalidStatus) as raised:
        client(server, "/")
    assert raised.value.response.status_code == 403
    assert asked == ["authorize", "on_connect"]


@pytest.mark.parametrize("kind", ["authorize", "async authorize", "object", "async object"])
def test_a_client_can_be_rejected_before_it_is_open(kind: str, run: Serve, client: Client) -> None:
    def check(request: Request) -> None:
        if "token" not in request.query:
            raise Reject(401, {"WWW-Authenticate": "Bearer"}, "who are you?")
        if request.query["token"] == "broken":
            raise LookupError("the secret")
        request.state.user = request.query["token"]

    async def check_async(request: Request) -> None:
        await asyncio.sleep(0)
        check(request)

    class Handler:
        def on_connect(self, request: Request) -> None:
            check(request)

        def on_ready(self, ws: WebSocket) -> None:
            ws.send(ws.state.user)

    class AsyncHandler:
        async def on_connect(self, request: Request) -> None:
            await check_async(request)

        async def on_ready(self, ws: AsyncWebSocket) -> None:
            await ws.send(ws.state.user)

    def welcome(ws: WebSocket) -> None:
        ws.send(ws.state.user)

    server = Server(0)
    if kind == "object":
        server.websocket("/")(Handler)
    elif kind == "async object":
        server.websocket("/")(AsyncHandler())
    else:
        server.websocket("/", authorize=check if kind == "authorize" else check_async)(welcome)
    run(server)
    assert client(server, "/?token=huda").recv(REPLY) == "huda"
    with pytest.raises(InvalidStatus) as raised:
        client(server, "/")
    assert raised.value.response.status_code == 401
    assert raised.value.response.headers["WWW-Authenticate"] == "Bearer"
    assert raised.value.response.body == b"who are you?"
    with pytest.raises(InvalidStatus) as raised:
        client(server, "/?token=broken")
    assert raised.value.response.status_code == 500
    assert b"secret" not in (raised.value.response.body or b"")


def test_origins_can_be_limited_for_the_server_and_for_a_path(run: Serve, client: Client) -> None:
    server = Server(0, origins=["https://a.example", "https://b.example"])
    server.websocket("/any")(echo)
    server.websocket("/a", origins=["https://a.example"])(echo)
    run(server)
    for path, origin, allowed in (
        ("/any", "https://a.example", True),
        ("/any", "https://b.example", True),
        ("/any", "https://c.example", False),
        ("/a", "https://a.example", True),
        ("/a", "https://b.example", False),
        ("/a", None, True),
    ):
        if allowed:
            client(server, path, origin=origin)
        else:
            with pytest.raises(InvalidStatus) as raised:
                client(server, path, origin=origin)
            assert raised.value.response.status_code == 403


def test_messages_can_be_limited_for_the_server_and_for_a_path(run: Serve, client: Client) -> None:
    server = Server(0, max_message_size=1000)
    server.websocket("/")(Echo)
    server.websocket("/small", max_message_size=10)(Echo)
    run(server)
    for path, limit in (("/", 1000), ("/small", 10)):
        c = client(server, path)
        c.send("x" * limit)
        assert c.recv(REPLY) == "x" * limit
        c.send("x" * (limit + 1))
        end = closed(c)
        assert end is not None
        assert end.code == 1009


def test_a_group_gets_what_is_broadcast(run: Serve, client: Client) -> None:
    server = Server(0)

    @server.websocket("/chat", groups=["all"])
    class Chat:
        def on_message(self, ws: WebSocket, message: str | bytes) -> None:
            if message == "leave":
                ws.leave("all")
                ws.send("left")
            else:
                server.broadcast("all", message, exclude=ws)

    run(server)
    a, b, c = (client(server, "/chat") for _ in range(3))
    until(lambda: len(server.connections) == 3)  # they are ready, and in the group
    a.send("hello")
    assert b.recv(REPLY) == c.recv(REPLY) == "hello"
    b.send("leave")
    assert b.recv(REPLY) == "left"
    assert server.broadcast("all", b"bytes") == 2
    assert a.recv(REPLY) == c.recv(REPLY) == b"bytes"
    assert server.broadcast("nobody", "x") == 0
    assert len(server.connections) == 3


def test_whom_another_server_serves_is_no_member(run: Serve, client: Client) -> None:
    """Nor do those of that server get what is not sent to them."""
    servers = [Server(0), Server(0)]
    for server in servers:

        @server.websocket("/", groups=["all"])
        def handler(ws: WebSocket) -> None:
            for message in ws:
                ws.send(message)

        run(server)
    [a], [b, c] = ([client(s, "/") for _ in range(n)] for n, s in zip((1, 2), servers, strict=True))
    until(lambda: [len(server.connections) for server in servers] == [1, 2])
    assert servers[0].broadcast("all", "hello", exclude=servers[1].connections[0]) == 1
    assert a.recv(REPLY) == "hello"
    for each in (b, c):
        each.send("echo")
        assert each.recv(REPLY) == "echo"


def test_any_thread_can_send(run: Serve, client: Client) -> None:
    server = Server(0)
    open_one: Queue[WebSocket] = Queue()

    @server.websocket("/")
    class Handler:
        def on_ready(self, ws: WebSocket) -> None:
            open_one.put(ws)

    c = client(run(server), "/")
    ws = open_one.get(timeout=REPLY)

    def send(number: int) -> None:
        for i in range(100):
            ws.send(f"{number}:{i}")

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    received = [str(c.recv(REPLY)).split(":") for _ in range(400)]
    for n in range(4):
        assert [int(i) for m, i in received if m == str(n)] == list(range(100))


def test_send_waits_for_a_slow_client(run: Serve, client: Client) -> None:
    """The queue stays within its bound, and nothing is lost."""
    server = Server(0, max_queue_size=1 << 20)
    most: dict[str, int] = {"sync": 0, "async": 0}
    part, count = b"x" * (256 << 10), 64

    @server.websocket("/sync")
    def sync_handler(ws: WebSocket) -> None:
        for _ in range(count):
            ws.send(part)
            most["sync"] = max(most["sync"], ws.queued)

    @server.websocket("/async")
    async def async_handler(ws: AsyncWebSocket) -> None:
        for _ in range(count):
            await ws.send(part)
            most["async"] = max(most["async"], ws.queued)

    run(server)
    for kind in most:
        c = client(server, f"/{kind}", compression=None, max_size=None)
        time.sleep(0.2)
        assert sum(len(c.recv(REPLY)) for _ in range(count)) == len(part) * count
        assert 0 < most[kind] <= (1 << 20) + 64


def test_tasks_that_wait_to_send_take_turns(serve: Serve) -> None:
    """Small messages, which would always find room first, do not overtake a large one."""
    server = Server(0, max_queue_size=1 << 16)
    small, large, tasks = b"s" * 1000, b"L" * 60_000, 5
    sent = 0
    ahead: Queue[int] = Queue()

    @server.websocket("/")
    async def handler(ws: AsyncWebSocket) -> None:
        async def send_small() -> None:
            nonlocal sent
            while True:
                await ws.send(small)
                sent += 1

        senders = [asyncio.create_task(send_small()) for _ in range(tasks)]
        await asyncio.sleep(0.1)  # which comes back when all of them wait
        ahead.put(sent)
        cancelled = asyncio.create_task(ws.send(large))
        await asyncio.sleep(0)
        cancelled.cancel()
        await ws.send(large)
        for sender in senders:
            sender.cancel()

    with Peer.open(serve(server).ports[0], "/") as peer:
        # Each may have sent once more, and come back, before the large one came.
        most = ahead.get(timeout=REPLY) + 2 * tasks
        received = 0
        while (payload := peer.frame().payload) == small:
            received += 1
        assert payload == large
        assert received <= most


def test_an_object_s_send_never_waits(run: Serve, client: Client) -> None:
    server = Server(
        0, max_queue_size=1 << 16, close_timeout=0.1, options={"websocket_queue_policy": "drop"}
    )
    full: Queue[str] = Queue()

    @server.websocket("/")
    class Handler:
        def on_ready(self, ws: WebSocket) -> None:
            try:
                while True:
                    ws.send(b"x" * 60_000)
            except QueueFullError as error:
                full.put(str(error))

    c = client(run(server), "/", compression=None)
    assert "too slow" in full.get(timeout=REPLY)
    c.socket.shutdown(socket.SHUT_RDWR)  # it would wait to have read all


@pytest.mark.parametrize("kind", ["function", "async function", "async object"])
def test_a_fast_client_waits_for_a_slow_handler(kind: str, run: Serve, client: Client) -> None:
    """What it sends is not gathered in memory, and all of it comes in the end."""
    server = Server(0)
    # More than 16 messages and what systems keep for both ends of a connection (Linux: tcp_rmem and
    # tcp_wmem, 32 MiB and 4 MiB at most).
    go, parts = threading.Event(), 64
    sizes: Queue[int] = Queue()

    def handler(ws: WebSocket) -> None:
        go.wait(REPLY)
        for message in ws:
            sizes.put(len(message))

    async def async_handler(ws: AsyncWebSocket) -> None:
        while not go.is_set():
            await asyncio.sleep(0.01)
        async for message in ws:
            sizes.put(len(message))

    class Handler:
        async def on_message(self, ws: AsyncWebSocket, message: bytes) -> None:
            while not go.is_set():
                await asyncio.sleep(0.01)
            sizes.put(len(message))

    every: dict[str, Any] = {
        "function": handler,
        "async function": async_handler,
        "async object": Handler,
    }
    server.websocket("/")(every[kind])
    c = client(run(server), "/", compression=None)
    sent: list[int] = []

    def send() -> None:
        for _ in range(parts):
            c.send(b"x" * (1 << 20))
            sent.append(1)

    sender = threading.Thread(target=send)
    sender.start()
    sender.join(1)
    assert len(sent) < parts, "the server has taken everything"
    go.set()
    for _ in range(parts):
        assert sizes.get(timeout=REPLY) == 1 << 20
    sender.join()


def test_more_clients_than_workers_are_sent_away(serve: Serve, client: Client) -> None:
    server = Server(0, workers=2)
    server.websocket("/")(echo)
    serve(server)
    first, second = client(server, "/"), client(server, "/")
    for c in (first, second):
        c.send("x")
        assert c.recv(REPLY) == "x"
    end = closed(client(server, "/"))
    assert end is not None
    assert end.code == 1013
    first.close()
    deadline = time.monotonic() + REPLY
    while True:  # the thread of the first one ends soon
        c = client(server, "/")
        c.send("x")
        try:
            assert c.recv(REPLY) == "x"
            break
        except ClientClosed:
            assert time.monotonic() < deadline


def test_state_is_the_connection_s_own(run: Serve, client: Client) -> None:
    server = Server(0)

    @server.websocket("/")
    class Counter:
        def on_ready(self, ws: WebSocket) -> None:
            ws.state.count = 0

        def on_message(self, ws: WebSocket, message: str | bytes) -> None:
            ws.state.count += 1
            ws.send(str(ws.state.count))

    run(server)
    a, b = client(server, "/"), client(server, "/")
    for each, number in ((a, "1"), (a, "2"), (b, "1")):
        each.send("x")
        assert each.recv(REPLY) == number


def test_handlers_can_be_set_while_it_runs(run: Serve, client: Client) -> None:
    server = run(Server(0))
    server.websocket("/late")(echo)
    c = client(server, "/late")
    c.send("x")
    assert c.recv(REPLY) == "x"


def test_an_async_handler_that_comes_too_late_is_an_error(serve: Serve) -> None:
    server = serve(Server(0))
    with pytest.raises(WrongStateError, match="started without a loop"):
        server.websocket("/late")(echo_async)


def test_what_is_no_handler_is_refused() -> None:
    server = Server(0)

    class Nothing:
        pass

    nothings: list[Any] = [Nothing, 7]
    for handler in nothings:
        with pytest.raises(TypeError, match="is no handler"):
            server.websocket("/")(handler)
    with pytest.raises(TypeError, match="the path, such as '/chat', is missing"):
        server.websocket(echo)  # type: ignore[call-overload]
    wrong_arguments: list[tuple[type[Exception], dict[str, Any]]] = [
        (InvalidArgumentError, {"subprotocols": "chat.v1"}),
        (InvalidArgumentError, {"subprotocols": ["chat v1"]}),
        (InvalidArgumentError, {"subprotocols": [""]}),
        (InvalidArgumentError, {"groups": "chat"}),
        (InvalidArgumentError, {"origins": "https://example.org"}),
        (InvalidArgumentError, {"origins": ["example.org"]}),
        (InvalidArgumentError, {"max_message_size": 0}),
        (TypeError, {"max_message_size": "4k"}),
        (TypeError, {"authorize": "huda"}),
        (TypeError, {"authorize": lambda: None}),
        (TypeError, {"authorize": yields}),
        (TypeError, {"native": "libecho.so"}),
    ]
    for error, given in wrong_arguments:
        with pytest.raises(error, match=next(iter(given))):
            server.websocket("/", **given)
    for path in ("chat", "/a*", "/a/**/b", "/a?b", "/a/{b}", "/a/<b>", ""):
        with pytest.raises(InvalidArgumentError, match="is no path"):
            server.websocket(path)


def of(**members: Any) -> type:
    return type("Handler", (), members)


def two(ws: WebSocket, message: str) -> None: ...


async def yields_async(ws: AsyncWebSocket) -> Any:
    yield "x"


def yields(ws: WebSocket) -> Any:
    yield "x"


class Yields:
    async def __call__(self, ws: AsyncWebSocket) -> Any:
        yield "x"


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (
            of(on_mesage=two, on_ready=yields),
            "on_mesage, which nothing calls: is it to be on_message",
        ),
        (of(on_disconnect=two), "on_disconnect, which nothing calls: is it to be on_connect"),
        (of(on_message=5), "give a function of .ws, message."),
        (of(on_message=two), "called with .self, ws, message.: too many"),
        (of(on_message=two)(), "called with .ws, message.: too many"),
        (of(on_close=staticmethod(two)), "called with .ws, code, reason.: too many"),
        (of(on_ready=lambda self, ws, more: None), "called with .self, ws.: missing .* 'more'"),
        (two, "called with .ws.: missing .* 'message'"),
        (lambda: None, "called with .ws.: too many"),
        (yields_async, "is a generator"),
        (yields, "is a generator"),
        (Yields(), "is a generator"),
        (of(on_message=yields), "is a generator"),
    ],
)
def test_a_handler_that_could_not_be_called_is_refused(handler: Any, error: str) -> None:
    with pytest.raises(TypeError, match=error):
        Server(0).websocket("/")(handler)


class AnyArguments:
    def __call__(self, *arguments: object) -> None: ...

    on_air = True  # no method, and none of the server's business


@pytest.mark.parametrize(
    "handler",
    [
        print,
        AnyArguments(),
        of(on_message=AnyArguments(), on_ready=None, on_air=True),
        of(on_message=staticmethod(two)),
        of(on_message=staticmethod(two))(),
        of(on_ready=classmethod(lambda cls, ws: None)),
        of(on_ready=functools.partialmethod(lambda self, ws, more: None, more=1)),
        functools.partial(two, message="x"),
    ],
)
def test_handlers_of_every_make_are_taken(handler: Any) -> None:
    assert Server(0).websocket("/")(handler) is handler


def test_clients_that_leave_are_no_errors(
    run: Serve, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ended = threading.Event()
    server = Server(0)

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        try:
            while True:
                ws.send("x" * 1000)
                time.sleep(0.001)
        finally:
            ended.set()

    client(run(server), "/").close()
    assert ended.wait(REPLY)
    assert "failed" not in caplog.text


def test_a_broadcast_from_a_close_handler_while_the_server_stops() -> None:
    server = Server(0)
    said: list[int] = []

    @server.websocket("/")
    class Room:
        def on_ready(self, ws: WebSocket) -> None:
            ws.join("room")
            ws.send("joined")

        def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
            said.append(server.broadcast("room", "one has left"))

    with server, connect(f"ws://127.0.0.1:{server.ports[0]}/") as client:
        assert client.recv() == "joined"
        server.stop()
    assert said == [0]


SMALL_STACKS = f"""
import threading
threading.stack_size(128 << 10)
from websockets.sync.client import connect
from alusus_http import Server

server = Server(0)

@server.websocket("/function")
def echo(ws):
    for message in ws:
        ws.send(message)

@server.websocket("/object")
class Echo:
    def on_message(self, ws, message):
        ws.send(message)

with server:
    for path in ("/function", "/object"):
        with connect(server.ws_url + path, open_timeout={REPLY}) as client:
            for _ in range(20):
                client.send(bytes(100_000))
                assert client.recv({REPLY}) == bytes(100_000)
"""


def test_programs_may_have_many_threads_of_little_memory() -> None:
    command = [sys.executable, "-c", SMALL_STACKS]
    assert subprocess.run(command, timeout=STOP, check=False).returncode == 0
