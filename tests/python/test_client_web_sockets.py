"""WebSockets that a client opens at independent servers, well-behaved ones and others."""

from __future__ import annotations

import gc
import re
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection
from websockets.typing import Subprotocol

from alusus_http import http
from alusus_http.errors import (
    ConnectFailedError,
    ConnectionClosedError,
    HttpError,
    InvalidArgumentError,
    InvalidHandleError,
    MissingFileError,
    TimedOutError,
    UnknownOptionError,
    WrongStateError,
)
from tests.python.others import (
    Events,
    accept_of,
    client,
    close_frame,
    echo,
    frame,
    raw_server,
    read_frame,
    read_head,
    secure_echo_server,
    switching,
    web_socket_server,
)
from tests.python.serving import BINARY, CLOSE, PING, PONG, TEXT, serving, until
from tests.support import REPLY, free_port

MESSAGES: list[str | bytes] = [
    "",
    "short",
    "كلمات " * 2000,
    b"",
    b"\0\xff",
    bytes(range(256)) * 1000,
]


@pytest.fixture(scope="module")
def ours() -> Iterator[http.Client]:
    with client() as made:
        yield made


def exchange(connection: http.Connection, events: Events, message: str | bytes) -> None:
    opcode = TEXT if isinstance(message, str) else BINARY
    data = message.encode() if isinstance(message, str) else message
    http.write_to_web_socket(connection, opcode, data)
    assert events.next() == (opcode, data)


# Servers that behave


def test_messages(ours: http.Client) -> None:
    events = Events()
    with web_socket_server(echo, compression=None, max_size=None) as port:
        connection = events.connect(ours, f"ws://127.0.0.1:{port}/path?query=1")
        assert events.ready.wait(REPLY)
        assert http.is_web_socket_open(connection) == 1
        for message in MESSAGES:
            exchange(connection, events, message)
        http.close_web_socket(connection)
        assert events.next() == (CLOSE, (1000).to_bytes(2))
        assert events.ends()
        until(lambda: not http.is_web_socket_open(connection))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"server_no_context_takeover": True, "client_no_context_takeover": True},
        {"server_max_window_bits": 9, "client_max_window_bits": 9},
        {"server_max_window_bits": 12, "client_max_window_bits": 8},
    ],
)
def test_compression(ours: http.Client, parameters: dict[str, Any]) -> None:
    """With context takeover, each message needs what the ones before it have left behind."""
    events = Events()
    factory = ServerPerMessageDeflateFactory(**parameters)
    with web_socket_server(echo, extensions=[factory], compression=None) as port:
        connection = events.connect(ours, f"ws://127.0.0.1:{port}")
        agreed = http.get_header(connection, "Sec-WebSocket-Extensions")
        assert agreed is not None and agreed.startswith("permessage-deflate")
        for message in [*MESSAGES, *MESSAGES]:
            exchange(connection, events, message)
        http.close_web_socket(connection)
        assert events.ends()


def test_without_compression() -> None:
    seen: list[str] = []

    def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers.get("Sec-WebSocket-Extensions", "none"))
        echo(connection)

    events = Events()
    with client(websocket_compression="no") as made, web_socket_server(note) as port:
        exchange(events.connect(made, f"ws://127.0.0.1:{port}"), events, "long " * 1000)
    assert seen == ["none"]


def test_pings_both_ways(ours: http.Client) -> None:
    pongs: list[bool] = []

    def ping(connection: ServerConnection) -> None:
        pongs.append(connection.ping(b"theirs").wait(REPLY))
        echo(connection)

    events = Events()
    with web_socket_server(ping) as port:
        connection = events.connect(ours, f"ws://127.0.0.1:{port}")
        assert events.next() == (PING, b"theirs")
        http.write_to_web_socket(connection, PING, b"ours")
        assert events.next() == (PONG, b"ours")
        http.close_web_socket(connection)
        assert events.ends()
    assert pongs == [True]


def test_a_close_of_ours_has_its_code_and_reason(ours: http.Client) -> None:
    seen: list[tuple[int, str]] = []

    def wait(connection: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(REPLY)
        assert closed.value.rcvd is not None
        seen.append((closed.value.rcvd.code, closed.value.rcvd.reason))

    events = Events()
    with web_socket_server(wait) as port:
        connection = events.connect(ours, f"ws://127.0.0.1:{port}")
        http.close_web_socket_with_reason(connection, 4001, "وداعا")
        assert events.ends()
        with pytest.raises((ConnectionClosedError, InvalidHandleError)):
            http.write_text_to_web_socket(connection, "late")
    assert seen == [(4001, "وداعا")]


def test_a_close_of_theirs_has_its_code_and_reason(ours: http.Client) -> None:
    events = Events()
    with web_socket_server(lambda connection: connection.close(4002, "bye")) as port:
        events.connect(ours, f"ws://127.0.0.1:{port}")
        assert events.next() == (CLOSE, (4002).to_bytes(2) + b"bye")
        assert events.ends()


def test_subprotocols(ours: http.Client) -> None:
    def choose(connection: ServerConnection, offered: object) -> Subprotocol | None:
        assert connection.request is not None
        assert connection.request.headers["Sec-WebSocket-Protocol"] == "chat.v2, chat.v1"
        assert offered == ["chat.v2", "chat.v1"]
        return choice

    choice: Subprotocol | None
    for choice in (Subprotocol("chat.v1"), None):
        events = Events()
        with web_socket_server(echo, select_subprotocol=choose) as port:
            connection = events.connect(ours, f"ws://127.0.0.1:{port}", ["chat.v2", "chat.v1"])
            assert http.get_subprotocol(connection) == choice
            http.close_web_socket(connection)
            assert events.ends()


def test_the_request_and_its_headers(ours: http.Client) -> None:
    seen: list[Request] = []
    read = threading.Event()

    def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request)
        read.wait(REPLY)

    events = Events()
    with web_socket_server(note) as port:
        headers = {"Authorization": "Bearer x", "Cookie": "a=b"}
        connection = events.connect(ours, f"ws://127.0.0.1:{port}?q=%20", headers=headers)
        assert http.get_response_info(connection).status_code == 101
        assert http.get_header(connection, "upgrade") == "websocket"
        with pytest.raises(WrongStateError, match=r"http\.get_response_info\(\)"):
            http.get_request_info(connection)
        read.set()
        assert events.ends()
    (request,) = seen
    assert request.path == "/?q=%20"
    assert request.headers["Host"] == f"127.0.0.1:{port}"
    assert request.headers["Authorization"] == "Bearer x"
    assert request.headers["Cookie"] == "a=b"


@pytest.mark.parametrize("status", [200, 302, 401, 404, 503])
def test_a_refusal_has_its_status(ours: http.Client, status: int) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(HTTPStatus(status), "no\n")
        if status == 302:
            response.headers["Location"] = f"ws://127.0.0.1:{port}/elsewhere"
        return response

    with web_socket_server(echo, process_request=refuse) as port:
        expected = f"127.0.0.1 port {port}: .* at /path: .* {status} "
        with pytest.raises(ConnectFailedError, match=expected):
            http.connect_web_socket(ours, f"ws://127.0.0.1:{port}/path")


def test_a_unix_socket(ours: http.Client, tmp_path: Path) -> None:
    events = Events()
    path = str(tmp_path / "socket")
    with web_socket_server(echo, path=path):
        connection = events.connect(ours, f"ws+unix:{path}:/path")
        exchange(connection, events, "here")
        http.close_web_socket(connection)
        assert events.ends()
    with pytest.raises(ConnectFailedError, match=f"{path}: .*; check that the server runs"):
        http.connect_web_socket(ours, f"ws+unix:{path}:/path")


def test_whichever_address_of_a_name_answers(ours: http.Client) -> None:
    def open_and_close(connection: socket.socket) -> None:
        connection.sendall(switching(read_head(connection)) + close_frame(1000))

    addresses = {str(info[4][0]) for info in socket.getaddrinfo("localhost", 80)}
    hosts = [("127.0.0.1", "127.0.0.1"), *(("localhost", address) for address in addresses)]
    if "::1" in addresses:
        hosts.append(("[::1]", "::1"))
    for host, address in hosts:
        with raw_server(open_and_close, address) as port:
            events = Events()
            events.connect(ours, f"ws://{host}:{port}")
            assert events.ends()


# TLS


def tls_server(certificate: Path, names: list[str | None] | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if names is not None:
        context.sni_callback = lambda connection, name, _: names.append(name)
    return context


def test_tls(certificate: Path) -> None:
    events = Events()
    with (
        secure_echo_server(tls_server(certificate)) as port,
        client(ssl_ca_file=str(certificate)) as made,
    ):
        connection = events.connect(made, f"wss://127.0.0.1:{port}")
        for message in MESSAGES:
            exchange(connection, events, message)
        http.close_web_socket(connection)
        assert events.ends()


def test_tls_wants_a_trusted_certificate(ours: http.Client, certificate: Path) -> None:
    with (
        secure_echo_server(tls_server(certificate)) as port,
        pytest.raises(
            ConnectFailedError, match=rf"port {port}: .*certificate is not trusted: self"
        ),
    ):
        http.connect_web_socket(ours, f"wss://127.0.0.1:{port}")


def test_tls_wants_a_certificate_of_the_host(certificate: Path) -> None:
    names: list[str | None] = []
    with (
        secure_echo_server(tls_server(certificate, names)) as port,
        client(ssl_ca_file=str(certificate)) as made,
        pytest.raises(ConnectFailedError, match="not trusted: hostname mismatch"),
    ):
        http.connect_web_socket(made, f"wss://localhost:{port}")
    assert names == ["localhost"], "the server is told which host is meant"


def test_tls_without_verification(certificate: Path) -> None:
    events = Events()
    with (
        secure_echo_server(tls_server(certificate)) as port,
        client(ssl_verify_peer="no") as made,
    ):
        exchange(events.connect(made, f"wss://localhost:{port}"), events, "anything goes")


def test_tls_where_there_is_none(ours: http.Client) -> None:
    with (
        web_socket_server(echo) as port,
        pytest.raises(ConnectFailedError, match=rf"127.0.0.1 port {port}: TLS failed"),
    ):
        http.connect_web_socket(ours, f"wss://127.0.0.1:{port}")


# Servers that do not behave


def respond(*lines: str) -> Callable[[socket.socket], None]:
    """Answer a handshake with these lines, `{accept}` in them standing for the right answer."""

    def talk(connection: socket.socket) -> None:
        accept = accept_of(read_head(connection)["sec-websocket-key"])
        text = "".join(f"{line}\r\n" for line in [*lines, ""])
        connection.sendall(text.replace("{accept}", accept).encode())

    return talk


SWITCHING = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: {accept}",
]


def changed(number: int, *lines: str) -> Callable[[socket.socket], None]:
    return respond(*SWITCHING[:number], *lines, *SWITCHING[number + 1 :])


@pytest.mark.parametrize(
    ("talk", "why"),
    [
        (changed(3, f"Sec-WebSocket-Accept: {accept_of('x' * 22 + '==')}"), "not the answer to"),
        (changed(3, SWITCHING[3], SWITCHING[3]), "Sec-WebSocket-Accept is not"),
        (changed(3), "Sec-WebSocket-Accept is not"),
        (changed(1, "Upgrade: h2c"), "the Upgrade header"),
        (changed(1), "the Upgrade header"),
        (changed(2, "Connection: close"), "the Connection header"),
        (changed(0, "HTTP/1.0 101 Switching Protocols"), "another version"),
        (changed(0, "HTTP/2 101"), "no HTTP response"),
        (changed(0, "HTTP/1.1 99 Low"), "no HTTP response"),
        (changed(0, "SSH-2.0-OpenSSH_9.2"), "no HTTP response"),
        (changed(1, "Upgrade : websocket"), "malformed"),
        (changed(1, "Upgrade: websocket", " folded"), "malformed"),
        (respond(*SWITCHING, "Sec-WebSocket-Protocol: unheard"), "a subprotocol that was not"),
        (respond(*SWITCHING, "Sec-WebSocket-Extensions: permessage-foo"), "an extension that"),
        (
            respond(
                *SWITCHING, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
            ),
            "an extension that",
        ),
        (
            respond(*SWITCHING, "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate"),
            "an extension that",
        ),
        (respond(*SWITCHING, *["X-Long: " + "x" * 1000] * 17), "more than 16384 bytes"),
        (lambda connection: connection.close(), "closed the connection"),
    ],
)
def test_handshakes_that_are_none(
    ours: http.Client, talk: Callable[[socket.socket], None], why: str
) -> None:
    with raw_server(talk) as port, pytest.raises(ConnectFailedError, match=why) as raised:
        http.connect_web_socket(ours, f"ws://127.0.0.1:{port}")
    assert f"127.0.0.1 port {port}: " in str(raised.value)


def test_a_slow_handshake_ends_in_time() -> None:
    def drip(connection: socket.socket) -> None:
        answer = switching(read_head(connection), "X-Long: " + "x" * 1000)
        with pytest.raises(OSError):
            while True:
                connection.sendall(answer[:1])
                answer = answer[1:]
                time.sleep(0.02)

    with (
        client(connect_timeout_ms="300") as made,
        raw_server(drip) as port,
        pytest.raises(TimedOutError, match=f"port {port}: the WebSocket .*connect_timeout_ms"),
    ):
        http.connect_web_socket(made, f"ws://127.0.0.1:{port}")


def test_a_silent_tls_server_ends_in_time() -> None:
    def ignore(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    with (
        client(connect_timeout_ms="300") as made,
        raw_server(ignore) as port,
        pytest.raises(TimedOutError, match="TLS's handshake"),
    ):
        http.connect_web_socket(made, f"wss://127.0.0.1:{port}")


def test_a_host_that_takes_no_connection_ends_in_time() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(3):  # fill the queue of connections that nobody accepts
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        with (
            client(connect_timeout_ms="300") as made,
            pytest.raises(TimedOutError, match="connecting"),
        ):
            http.connect_web_socket(made, f"ws://127.0.0.1:{port}")


def test_frames_with_the_handshake_are_not_lost(ours: http.Client) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(switching(read_head(connection)) + frame(TEXT, b"early") + frame(PING))
        assert read_frame(connection).opcode == PONG
        connection.sendall(close_frame(1000))
        assert read_frame(connection).opcode == CLOSE

    events = Events()
    with raw_server(talk) as port:
        events.connect(ours, f"ws://127.0.0.1:{port}")
        assert events.next() == (TEXT, b"early")
        assert events.ends()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x81\1\2\3\4" + bytes([ord("a") ^ 1]), 1002),  # masked, as only a client may
        (b"\xc1\1a", 1002),  # compressed, which was not agreed on
        (b"\x83\0", 1002),
        (frame(0, b"x"), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(BINARY, bytes(2000)), 1009),
        (frame(CLOSE, b"\1"), 1002),
    ],
)
def test_frames_that_break_the_protocol(sent: bytes, code: int) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(switching(read_head(connection)) + sent)
        answer = read_frame(connection)
        assert (answer.opcode, int.from_bytes(answer.data[:2])) == (CLOSE, code)
        assert connection.recv(1) == b"", "nothing is waited for after that"

    events = Events()
    with client(websocket_max_message_size="1000") as made, raw_server(talk) as port:
        events.connect(made, f"ws://127.0.0.1:{port}")
        assert events.ends()
        assert events.messages.empty()


@pytest.mark.parametrize("sent", [b"", b"\x81\x05he", frame(TEXT, b"unfinished", first=0)])
def test_a_connection_that_is_cut_has_its_close_callback(ours: http.Client, sent: bytes) -> None:
    events = Events()
    with raw_server(
        lambda connection: connection.sendall(switching(read_head(connection)) + sent)
    ) as port:
        events.connect(ours, f"ws://127.0.0.1:{port}")
        assert events.ends()
        assert events.messages.empty()


def test_masks_are_new_for_each_frame(ours: http.Client) -> None:
    masks: set[bytes] = set()

    def talk(connection: socket.socket) -> None:
        connection.sendall(switching(read_head(connection)))
        for number in range(100):
            received = read_frame(connection)
            assert received.data == str(number).encode() * 50
            masks.add(received.mask)

    events = Events()
    with raw_server(talk) as port:
        connection = events.connect(ours, f"ws://127.0.0.1:{port}")
        for number in range(100):
            http.write_text_to_web_socket(connection, str(number) * 50)
        assert events.ends()
    assert len(masks) > 95


def test_the_server_closes_the_stream_first(ours: http.Client) -> None:
    """RFC 6455, section 7.1.1: so the server has the waiting state of TCP, or none."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(switching(read_head(connection)) + close_frame(1000))
        assert read_frame(connection).opcode == CLOSE
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(REPLY)
        assert connection.recv(1) == b""

    events = Events()
    with raw_server(talk) as port:
        events.connect(ours, f"ws://127.0.0.1:{port}")
        assert events.ends()


def test_a_server_that_never_answers_a_close() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(switching(read_head(connection)))
        assert read_frame(connection).opcode == CLOSE
        assert connection.recv(1) == b""

    events = Events()
    with client(websocket_close_timeout_ms="200") as made, raw_server(talk) as port:
        http.close_web_socket(events.connect(made, f"ws://127.0.0.1:{port}"))
        assert events.ends()


def test_a_quiet_server_is_sent_pings_and_given_up() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(switching(read_head(connection)))
        assert read_frame(connection).opcode == PING
        assert connection.recv(1) == b""

    events = Events()
    options = {"websocket_ping_interval_ms": "100", "websocket_ping_timeout_ms": "200"}
    with client(**options) as made, raw_server(talk) as port:
        events.connect(made, f"ws://127.0.0.1:{port}")
        assert events.ends()


# Many, and the end of all


def test_many_connections() -> None:
    """500 of them on one loop, to a server of ours: messages, a group, and one goodbye for all."""
    codes: list[bytes] = []

    def on_data(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        if opcode == TEXT:
            http.write_text_to_web_socket(connection, data)
        else:
            codes.append(data)
        return 1

    events = [Events() for _ in range(500)]
    with serving() as server, client() as made:
        http.set_web_socket_handler(server.context, "/", data_handler=on_data)
        threads = threading.active_count()
        connections = [e.connect(made, f"ws://127.0.0.1:{server.port}/") for e in events]
        for number, connection in enumerate(connections):
            http.write_text_to_web_socket(connection, str(number))
            assert http.join_group(connection, "all") == 0
        for number, event in enumerate(events):
            assert event.next() == (TEXT, str(number).encode())
        assert threading.active_count() < threads + 100  # not one for each
        assert http.write_to_others_in_group(connections[0], "all", TEXT, "to others") == 499
        for event in events[1:]:
            assert event.next() == (TEXT, b"to others")
        http.stop_client(made)
        assert all(event.closed.is_set() for event in events)
        until(lambda: len(codes) == 500)
        assert set(codes) == {(1001).to_bytes(2) + b"the client stops"}
        assert all(not http.is_web_socket_open(connection) for connection in connections)


def test_no_more_connections_than_allowed() -> None:
    events = Events()
    with client(websocket_max_connections="1") as made, web_socket_server(echo) as port:
        url = f"ws://127.0.0.1:{port}"
        for _ in range(3):  # the place of one that failed, or has ended, is free again
            with pytest.raises(ConnectFailedError, match="Connection refused"):
                http.connect_web_socket(made, f"ws://127.0.0.1:{free_port()}")
        connection = events.connect(made, url)
        with pytest.raises(ConnectFailedError, match="websocket_max_connections"):
            http.connect_web_socket(made, url)
        http.close_web_socket(connection)
        assert events.ends()

        def reconnected() -> bool:
            try:
                http.connect_web_socket(made, url)
            except ConnectFailedError:
                return False
            return True

        until(reconnected)


def test_stopping_ends_a_call_that_waits() -> None:
    failures: list[HttpError] = []
    asked = threading.Event()

    def keep_silent(connection: socket.socket) -> None:
        read_head(connection)
        asked.set()
        assert connection.recv(1) == b""

    def connect() -> None:
        try:
            http.connect_web_socket(made, f"ws://127.0.0.1:{port}")
        except HttpError as error:
            failures.append(error)

    with raw_server(keep_silent) as port, client() as made:
        thread = threading.Thread(target=connect)
        thread.start()
        assert asked.wait(REPLY)
        http.stop_client(made)
        thread.join()
        with pytest.raises(InvalidHandleError):
            http.connect_web_socket(made, f"ws://127.0.0.1:{port}")
        with pytest.raises(InvalidHandleError):
            http.stop_client(made)
    (failure,) = failures
    assert "being stopped" in str(failure)


def test_what_a_callback_raises_is_raised_by_the_stop() -> None:
    def fail(*_: object) -> int:
        raise LookupError("mine")

    with web_socket_server(echo) as port:
        made = http.start_client()
        connection = http.connect_web_socket(made, f"ws://127.0.0.1:{port}", data_handler=fail)
        http.write_text_to_web_socket(connection, "x")
        until(lambda: not http.is_web_socket_open(connection))
        with pytest.raises(LookupError, match="mine"):
            http.stop_client(made)


@pytest.mark.parametrize("with_close_handler", [True, False])
def test_the_handlers_of_a_connection_live_as_long_as_it(
    ours: http.Client, with_close_handler: bool
) -> None:
    """A program that connects again and again must not gather what it gave before."""
    events = Events()
    gone = weakref.ref(events.ready)
    with web_socket_server(lambda connection: connection.close()) as port:
        url = f"ws://127.0.0.1:{port}"
        if with_close_handler:
            events.connect(ours, url)
        else:
            http.connect_web_socket(ours, url, data_handler=events._on_message)
        del events
        until(lambda: gc.collect() >= 0 and gone() is None)


def test_a_callback_stops_its_own_client() -> None:
    """The client stops when the callback has returned."""
    ended: list[bool] = []
    made = http.start_client()
    with web_socket_server(echo) as port:
        http.connect_web_socket(
            made,
            f"ws://127.0.0.1:{port}",
            ready_handler=lambda *_: http.stop_client(made),
            close_handler=lambda *_: ended.append(True),
        )
        until(lambda: ended)
        with pytest.raises(InvalidHandleError):
            http.stop_client(made)


# Arguments


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:80",
        "http://127.0.0.1/",
        "ws:/127.0.0.1",
        "ws://",
        "ws:///path",
        "ws://user:word@127.0.0.1/",
        "ws://127.0.0.1/#fragment",
        "ws://127.0.0.1/a b",
        "ws://127.0.0.1/a\r\nX: y",
        "ws://127.0.0.1/كلمة",
        "ws://127.0.0.1:0/",
        "ws://127.0.0.1:65536/",
        "ws://127.0.0.1:80x/",
        "ws://127.0.0.1:-1/",
        "ws://[::1/",
        "ws://[::1]x/",
        "ws://ho%20st/",
        "ws://" + "h" * 300,
        "ws://127.0.0.1/" + "p" * 9000,
        "ws+unix:relative:/",
        "ws+unix:/" + "s" * 110,
        "ws+unix:/socket:path",
    ],
)
def test_urls_that_are_none(ours: http.Client, url: str) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(f'the URL "{url[:10]}')):
        http.connect_web_socket(ours, url)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"X-Y": "a\r\nZ: b"}, "X-Y has the control character 0x0d"),
        ({"X-Y": "a\nb"}, "X-Y has the control character 0x0a"),
        ({"X Y": "a"}, "a header has the byte 0x20 at position 1"),
        ({"X:": "a"}, "a header has the byte 0x3a at position 1"),
        ({"": "a"}, "a header is empty"),
        ({"host": "example.org"}, "host is written by the library"),
        ({"Sec-WebSocket-Key": "x"}, "Sec-WebSocket-Key is written by the library"),
        (["X-Y"], "X-Y has no value"),
    ],
)
def test_headers_that_are_not_allowed(
    ours: http.Client, headers: dict[str, str] | list[str], why: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=why):
        http.connect_web_socket(ours, "ws://127.0.0.1", headers=headers)


def test_subprotocols_that_are_none(ours: http.Client) -> None:
    for name in ("a b", "a,b", "a\r\nb", ""):
        with pytest.raises(InvalidArgumentError, match="cannot be a subprotocol"):
            http.connect_web_socket(ours, "ws://127.0.0.1", subprotocols=[name])


def test_options_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(UnknownOptionError, match='no option "num_threads"; it has'):
        http.start_client({"num_threads": "1"})
    with pytest.raises(UnknownOptionError, match="websocket_origins"):
        http.start_client({"websocket_origins": "https://example.org"})
    with pytest.raises(InvalidArgumentError, match=r"connect_timeout_ms.* 1 to"):
        http.start_client({"connect_timeout_ms": "soon"})
    with pytest.raises(InvalidArgumentError, match=r'ssl_verify_peer.*"yes" or "no"'):
        http.start_client({"ssl_verify_peer": "maybe"})
    with pytest.raises(InvalidArgumentError, match="has no value"):
        http.start_client(["connect_timeout_ms"])
    with pytest.raises(MissingFileError, match="ssl_ca_file"):
        http.start_client({"ssl_ca_file": str(tmp_path / "missing")})
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(InvalidArgumentError, match="cannot be loaded"):
        http.start_client({"ssl_ca_file": str(tmp_path / "empty.pem")})


def test_a_client_is_no_server(ours: http.Client) -> None:
    with pytest.raises(TypeError, match="context: expected a Context, got Client"):
        http.set_web_socket_handler(ours, "/")  # type: ignore[arg-type]
    with serving() as server, pytest.raises(TypeError, match="client: expected a Client"):
        http.stop_client(server.context)  # type: ignore[arg-type]
