"""WebSockets served by Python callables, with the independent client of `websockets`."""

from __future__ import annotations

import base64
import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.typing import Subprotocol

from alusus_http import http
from alusus_http.errors import InvalidArgumentError, InvalidHandleError, WrongStateError
from tests.python.serving import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Server,
    respond,
    serving,
    until,
)
from tests.support import REPLY


class Recorder:
    """A handler's user data: what its callables saw."""

    def __init__(self) -> None:
        self.messages: queue.Queue[tuple[int, bytes]] = queue.Queue()
        self.connections: list[http.Connection] = []
        self.closed: list[http.Connection] = []

    def next(self) -> tuple[int, bytes]:
        return self.messages.get(timeout=REPLY)


def on_connect(connection: http.Connection, recorder: object) -> int:
    return int(http.get_header(connection, "X-Refuse") is not None)


def on_ready(connection: http.Connection, recorder: object) -> None:
    assert isinstance(recorder, Recorder)
    recorder.connections.append(connection)


def on_message(connection: http.Connection, opcode: int, data: bytes, recorder: object) -> int:
    assert isinstance(recorder, Recorder)
    recorder.messages.put((opcode, data))
    if opcode in (TEXT, BINARY):
        http.write_to_web_socket(connection, opcode, data)
    return int(data != b"stop")


def on_close(connection: http.Connection, recorder: object) -> None:
    assert isinstance(recorder, Recorder)
    recorder.closed.append(connection)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(lambda connection: respond(connection, "page")) as server:
        yield server


@pytest.fixture
def echo(server: Server) -> Recorder:
    """What happens on /echo during one test."""
    recorder = Recorder()
    http.set_web_socket_handler(
        server.context, "/echo", on_connect, on_ready, on_message, on_close, recorder
    )
    return recorder


@pytest.mark.parametrize(
    "message",
    ["hello", "سلام", "", "x" * 100_000, b"\x00\xff\x00", b"", bytes(range(256)) * 400],
    ids=["text", "arabic", "empty", "long", "binary", "no-bytes", "long-binary"],
)
def test_messages_come_back_as_they_were_sent(
    server: Server, echo: Recorder, message: str | bytes
) -> None:
    with server.web_socket("/echo") as client:
        client.send(message)
        assert client.recv(REPLY) == message
    sent = message.encode() if isinstance(message, str) else message
    assert echo.next() == (TEXT if isinstance(message, str) else BINARY, sent)


def test_fragments_arrive_as_one_message(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo") as client:
        client.send(iter(["one ", "two ", "three"]))
        assert client.recv(REPLY) == "one two three"
    assert echo.next() == (TEXT, b"one two three")


def test_pings_are_answered_and_reported(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo") as client:
        assert client.ping(b"are you there").wait(REPLY)
        assert echo.next() == (PING, b"are you there")
        client.pong(b"unasked")
        assert echo.next() == (PONG, b"unasked")


def test_a_server_pings(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo") as client:
        until(lambda: echo.connections)
        http.write_to_web_socket(echo.connections[0], PING, "still there?")
        client.send("x")  # so that the client reads
        assert {echo.next()[0], echo.next()[0]} == {PONG, TEXT}


def test_a_close_of_the_client_is_echoed_and_reported(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo") as client:
        client.close(4001, "enough")
        assert client.close_code == 4001
    assert echo.next() == (CLOSE, (4001).to_bytes(2, "big") + b"enough")
    until(lambda: echo.closed)
    assert echo.closed == echo.connections


def test_the_server_closes(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo") as client:
        until(lambda: echo.connections)
        http.close_web_socket(echo.connections[0])
        with pytest.raises(ConnectionClosed):
            client.recv(REPLY)
        assert client.close_code == 1000
    until(lambda: echo.closed)


def test_the_server_closes_with_a_code_and_a_reason(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo") as client:
        until(lambda: echo.connections)
        payload = (4002).to_bytes(2, "big") + "وداعا".encode()
        http.write_to_web_socket(echo.connections[0], CLOSE, payload)
        with pytest.raises(ConnectionClosed):
            client.recv(REPLY)
        assert (client.close_code, client.close_reason) == (4002, "وداعا")


def test_the_close_callback_can_ask_for_the_code_and_the_reason(server: Server) -> None:
    told: queue.Queue[tuple[int, str | None]] = queue.Queue()

    def tell(connection: http.Connection, data: object) -> None:
        told.put((http.get_close_code(connection), http.get_close_reason(connection)))

    http.set_web_socket_handler(server.context, "/told", None, tell, on_message, tell, Recorder())
    ends: list[tuple[Callable[[ClientConnection], object], int, str | None]] = [
        (lambda client: client.close(4001, "وداعا"), 4001, "وداعا"),
        (lambda client: client.close(), 1000, None),
        (lambda client: client.send("x" * 2_000_000), 1009, "the message is too big"),
        (lambda client: client.socket.shutdown(socket.SHUT_RDWR), 1006, None),
    ]
    for end, code, reason in ends:
        with server.web_socket("/told") as client:
            assert told.get(timeout=REPLY) == (0, None)
            end(client)
            assert told.get(timeout=REPLY) == (code, reason)


def test_a_message_callback_that_returns_0_closes(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo") as client:
        client.send("stop")
        assert client.recv(REPLY) == "stop"
        with pytest.raises(ConnectionClosed):
            client.recv(REPLY)
        assert client.close_code == 1000


def test_a_client_that_vanishes_is_reported_as_closed(server: Server, echo: Recorder) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=REPLY) as client:
        client.sendall(
            f"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
    until(lambda: echo.closed)


def test_a_refused_client_gets_403(server: Server, echo: Recorder) -> None:
    with (
        pytest.raises(InvalidStatus) as caught,
        server.web_socket("/echo", additional_headers={"X-Refuse": "yes"}),
    ):
        pass
    assert caught.value.response.status_code == 403
    assert not echo.connections


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["b", "a"], "a"), (["b"], None), (["c", "a"], "a")]
)
def test_subprotocols(server: Server, offered: list[str], chosen: str | None) -> None:
    http.set_web_socket_handler_with_subprotocols(
        server.context, "/sub", ["a", "c"], data_handler=lambda *arguments: 1
    )
    protocols = [Subprotocol(name) for name in offered]
    with server.web_socket("/sub", subprotocols=protocols) as client:
        assert client.subprotocol == chosen


def test_an_upgrade_goes_to_its_handler_and_a_page_to_the_request_callback(
    server: Server, echo: Recorder
) -> None:
    with server.web_socket("/echo") as client:
        client.send("x")
        assert client.recv(REPLY) == "x"
    assert server.fetch("/echo").body == b"page"


def test_clients_at_the_same_time_get_their_own_messages(server: Server, echo: Recorder) -> None:
    def talk(number: int) -> None:
        with server.web_socket("/echo") as client:
            for i in range(50):
                client.send(f"{number}:{i}")
                assert client.recv(REPLY) == f"{number}:{i}"

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(talk, range(16)))
    until(lambda: len(echo.closed) == 16)
    assert set(echo.closed) == set(echo.connections)


def test_messages_are_sent_from_any_thread(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo") as client:
        until(lambda: echo.connections)
        threads = [
            threading.Thread(target=http.write_text_to_web_socket, args=(echo.connections[0], name))
            for name in ("a", "b", "c", "d")
        ]
        for thread in threads:
            thread.start()
        assert {client.recv(REPLY) for _ in threads} == {"a", "b", "c", "d"}
        for thread in threads:
            thread.join()


def test_a_connection_is_the_same_in_every_callback(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo"), server.web_socket("/echo"):
        until(lambda: len(echo.connections) == 2)
    until(lambda: len(echo.closed) == 2)
    assert len({*echo.connections, *echo.closed}) == 2
    assert echo.connections[0] != echo.connections[1]


def test_a_connection_that_has_ended_reaches_nobody(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo"):
        until(lambda: echo.connections)
    until(lambda: echo.closed)
    ended = echo.connections[0]
    with server.web_socket("/echo") as other:
        until(lambda: len(echo.connections) == 2)
        for call in (
            lambda: http.write_text_to_web_socket(ended, "for the first client only"),
            lambda: http.write_binary_to_web_socket(ended, b"x"),
            lambda: http.write(ended, "x"),
            lambda: http.close_web_socket(ended),
            lambda: http.get_header(ended, "Host"),
            lambda: http.get_request_info(ended),
        ):
            with pytest.raises(InvalidHandleError):
                call()
        with pytest.raises(TimeoutError):
            other.recv(0.3)
        other.send("for me")
        assert other.recv(REPLY) == "for me"


def test_the_request_can_be_read_while_the_web_socket_lives(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo?room=1", additional_headers={"X-Name": "Samir"}):
        until(lambda: echo.connections)
        info = http.get_request_info(echo.connections[0])
        assert (info.local_uri, info.query_string) == ("/echo", "room=1")
        assert http.get_header(echo.connections[0], "x-name") == "Samir"


def test_names_of_the_first_generation(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo") as client:
        until(lambda: echo.connections)
        connection = echo.connections[0]
        assert http.write_web_socket_text(connection, "نص") > 0
        assert http.write_web_socket_binary(connection, b"\x00") > 0
        assert http.write_web_socket(connection, TEXT, "raw") > 0
        assert [client.recv(REPLY) for _ in range(3)] == ["نص", b"\x00", "raw"]


def test_what_cannot_be_sent_is_refused(server: Server, echo: Recorder) -> None:
    with server.web_socket("/echo") as client:
        until(lambda: echo.connections)
        connection = echo.connections[0]
        with pytest.raises(InvalidArgumentError, match="opcode"):
            http.write_to_web_socket(connection, 3, b"x")
        with pytest.raises(InvalidArgumentError, match="125"):
            http.write_to_web_socket(connection, PING, b"x" * 126)
        with pytest.raises(TypeError, match="data: expected a str or bytes, got NoneType"):
            http.write_text_to_web_socket(connection, None)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="connection: expected a Connection, got Context"):
            http.write_text_to_web_socket(server.context, "x")  # type: ignore[arg-type]
        client.send("still open")
        assert client.recv(REPLY) == "still open"


def test_a_web_socket_message_needs_a_web_socket() -> None:
    found: queue.Queue[Exception] = queue.Queue()

    def on_request(connection: http.Connection) -> int:
        try:
            http.write_text_to_web_socket(connection, "too early")
        except WrongStateError as error:
            found.put(error)
        return respond(connection, "page")

    with serving(on_request) as server:
        assert server.fetch().body == b"page"
    assert "WebSocket" in str(found.get_nowait())


def test_handlers_are_replaced_and_removed(server: Server, echo: Recorder) -> None:
    def greet(connection: http.Connection, user_data: object) -> None:
        http.write_text_to_web_socket(connection, "second")

    http.set_web_socket_handler(server.context, "/echo", ready_handler=greet)
    with server.web_socket("/echo") as client:
        assert client.recv(REPLY) == "second"
    http.set_web_socket_handler(server.context, "/echo")
    with pytest.raises(InvalidStatus), server.web_socket("/echo"):
        pass


@pytest.mark.parametrize(
    ("uri", "path", "serves"),
    [
        ("/chat", "/chat", True),
        ("/chat", "/chat/room", True),
        ("/chat", "/chats", False),
        ("/chat", "/cha", False),
        ("/chat/", "/chat/room", True),
        ("/", "/anything", True),
        ("/a*/end", "/abc/end", True),
        ("/a*/end", "/abc/end/more", False),
        ("/a/**", "/a/b/c", True),
    ],
)
def test_which_paths_a_handler_serves(uri: str, path: str, serves: bool) -> None:
    with serving() as server:
        http.set_web_socket_handler(server.context, uri, data_handler=lambda *arguments: 1)
        if serves:
            with server.web_socket(path):
                pass
        else:
            with pytest.raises(InvalidStatus) as refused:
                server.web_socket(path).__enter__()
            assert refused.value.response.status_code == 404
