"""The WebSocket document's example, compiled as Alusus would, driven by independent clients."""

from __future__ import annotations

import socket
import struct
import subprocess
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.support import REPLY, eventually, exchange, get

from .conftest import Serve

# The key and the answer that RFC 6455 itself works out, in section 1.3.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """Return a masked frame, as clients send it; the mask is all zeros."""
    assert len(payload) < 126
    return bytes([0x80 * fin | opcode, 0x80 | len(payload)]) + bytes(4) + payload


def upgrade(path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


class RawClient:
    """A WebSocket client that shows every frame of the server."""

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=REPLY)
        self.socket.sendall(upgrade(path))
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            self.head += self.exactly(1)

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError(f"the server closed after {data!r}")
            data += part
        return data

    def receive(self) -> tuple[int, bytes]:
        """Return the next frame: first byte without FIN, payload."""
        first, size = self.exactly(2)
        assert first & 0x80, "a server's message comes in one frame"
        assert not size & 0x80, "a server's frames are not masked"
        if size == 126:
            (size,) = struct.unpack("!H", self.exactly(2))
        return first & 0x7F, self.exactly(size)

    def send(self, opcode: int, payload: bytes, *, fin: bool = True) -> None:
        self.socket.sendall(frame(opcode, payload, fin=fin))

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def test_its_request_callback_does_not_swallow_the_upgrade(serve: Serve) -> None:
    server = serve("document_echo")
    with connect(f"ws://{server.address}/websocket") as client:
        assert client.recv(REPLY) == "Welcome!"
        client.send("مرحبا")
        assert client.recv(REPLY) == "مرحبا"
    assert client.close_code == 1000
    assert client.protocol.close_rcvd is not None, "the server answers a Close"
    assert client.protocol.close_rcvd.code == 1000
    server.stop()
    assert server.output.splitlines() == [
        "serving",
        "WebSocket client connected",
        "WebSocket ready",
        "Received: مرحبا",
        "WebSocket client disconnected",
    ]


def test_the_handshake_by_curl(shared: Serve) -> None:
    server = shared("document_echo")
    headers = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
    ]
    command = ["curl", "--silent", "--include", "--no-buffer", "--http1.1", "--max-time", "2"]
    for header in headers:
        command += ["--header", header]
    done = subprocess.run(
        [*command, f"http://{server.address}/websocket"], capture_output=True, check=False
    )
    head, _, frames = done.stdout.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert f"sec-websocket-accept: {ACCEPT}".encode().lower() in head.lower()
    assert frames.startswith(b"\x81\x08Welcome!")


@pytest.mark.parametrize("path", ["/", "/other", "/websocke"])
def test_an_upgrade_of_another_uri_is_a_normal_request(shared: Serve, path: str) -> None:
    server = shared("document_echo")
    answer = exchange(server.port, upgrade(path))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"<h1>WebSocket Server</h1>")
    with pytest.raises(InvalidStatus), connect(f"ws://{server.address}{path}"):
        pass


def test_a_plain_request_for_the_websocket_s_uri_is_a_normal_request(shared: Serve) -> None:
    server = shared("document_echo")
    assert get(server.port, "/websocket") == (200, "<h1>WebSocket Server</h1>")
    by_curl = subprocess.run(
        ["curl", "--silent", "--show-error", f"http://{server.address}/"],
        capture_output=True,
        check=True,
    )
    assert by_curl.stdout == b"<h1>WebSocket Server</h1>"


def test_the_callback_gets_whole_messages(shared: Serve) -> None:
    server = shared("document_echo")
    with RawClient(server.port, "/websocket") as client:
        assert client.receive() == (TEXT, b"Welcome!")
        client.send(TEXT, b"one ", fin=False)
        client.send(PING, b"between")
        client.send(0, b"two ", fin=False)
        client.send(0, b"three")
        assert client.receive() == (PONG, b"between"), "pings are answered, even between fragments"
        assert client.receive() == (TEXT, b"one two three")


def test_only_text_has_opcode_1(shared: Serve) -> None:
    server = shared("document_echo")
    with connect(f"ws://{server.address}/websocket") as client:
        assert client.recv(REPLY) == "Welcome!"
        client.send(b"\x00binary\xff")
        assert client.ping().wait(REPLY)
        client.send("text")
        assert client.recv(REPLY) == "text", "neither the binary message nor the ping was echoed"


def test_an_empty_message(shared: Serve) -> None:
    server = shared("document_echo")
    with connect(f"ws://{server.address}/websocket") as client:
        assert client.recv(REPLY) == "Welcome!"
        client.send("")
        assert client.recv(REPLY) == ""


def test_a_close_is_answered_with_its_code(serve: Serve) -> None:
    server = serve("document_echo")
    with RawClient(server.port, "/websocket") as client:
        assert client.receive() == (TEXT, b"Welcome!")
        client.send(CLOSE, struct.pack("!H", 1001) + b"going")
        opcode, payload = client.receive()
        assert opcode == CLOSE
        assert payload[:2] == struct.pack("!H", 1001)
        assert client.socket.recv(1) == b"", "the server closes the connection"
    eventually("WebSocket client disconnected", server)


def test_many_clients_each_get_their_own(shared: Serve) -> None:
    server = shared("document_echo")
    with ExitStack() as stack:
        uri = f"ws://{server.address}/websocket"
        clients = [stack.enter_context(connect(uri)) for _ in range(20)]
        for client in clients:
            assert client.recv(REPLY) == "Welcome!"
        for number, client in enumerate(clients):
            client.send(f"from {number}")
        for number, client in enumerate(clients):
            assert client.recv(REPLY) == f"from {number}"


def test_a_vanished_client_is_noticed(serve: Serve) -> None:
    server = serve("document_echo")
    with RawClient(server.port, "/websocket") as client:
        assert client.receive() == (TEXT, b"Welcome!")
    eventually("WebSocket client disconnected", server)


def test_stopping_the_server_ends_its_connections(serve: Serve) -> None:
    server = serve("document_echo")
    with connect(f"ws://{server.address}/websocket") as client:
        assert client.recv(REPLY) == "Welcome!"
        server.stop()
        with pytest.raises(ConnectionClosed):
            client.recv(REPLY)
