"""Servers that are not ours, for the tests of clients: of `websockets`, and of raw bytes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection as AsyncServerConnection
from websockets.asyncio.server import serve as serve_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve, unix_serve

from alusus_http import http
from alusus_http.errors import InvalidHandleError
from tests.python.serving import CLOSE
from tests.support import REPLY

Talk = Callable[[socket.socket], None]


@contextmanager
def client(**options: str) -> Iterator[http.Client]:
    """Make a client, and stop it when the block ends, unless the block has done so."""
    made = http.start_client(options)
    try:
        yield made
    finally:
        with suppress(InvalidHandleError):
            http.stop_client(made)


@contextmanager
def web_socket_server(
    handler: Callable[[ServerConnection], None], *, path: str | None = None, **options: Any
) -> Iterator[int]:
    """Run a server of `websockets`, on a free port of 127.0.0.1 or at a unix socket."""
    if path is not None:
        server = unix_serve(handler, path, **options)
    else:
        server = serve(handler, "127.0.0.1", 0, **options)
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield 0 if path is not None else server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


@contextmanager
def secure_echo_server(trusted: ssl.SSLContext) -> Iterator[int]:
    """Run an echo by TLS, of `websockets` on one thread, as connections of OpenSSL are made for."""
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()
    ports: queue.Queue[int] = queue.Queue()

    async def answer(connection: AsyncServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def run() -> None:
        async with serve_async(answer, "127.0.0.1", 0, ssl=trusted, max_size=None) as server:
            ports.put(next(iter(server.sockets)).getsockname()[1])
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        yield ports.get(timeout=REPLY)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def echo(connection: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        for message in connection:
            connection.send(message)


@contextmanager
def raw_server(talk: Talk, host: str = "127.0.0.1") -> Iterator[int]:
    """Accept one connection, and talk on it as the test wants; what that raises is raised."""
    failures: list[BaseException] = []
    family = socket.AF_INET6 if ":" in host else socket.AF_INET

    def run() -> None:
        try:
            with listener.accept()[0] as connection:
                connection.settimeout(REPLY)
                talk(connection)
        except BaseException as error:
            failures.append(error)

    with socket.create_server((host, 0), family=family) as listener:
        listener.settimeout(REPLY)
        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()
    if failures:
        raise failures[0]


def read_head(connection: socket.socket) -> dict[str, str]:
    """Read a request; return its headers by their names in lower case, and its first line as ""."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, "the client has gone"
        head += byte
    first, *lines = head.decode().split("\r\n")[:-2]
    headers = {"": first}
    for line in lines:
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    return headers


def accept_of(key: str) -> str:
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    return base64.b64encode(digest).decode()


def switching(headers: Mapping[str, str], *more: str) -> bytes:
    """Return the response that opens a WebSocket."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_of(headers['sec-websocket-key'])}",
        *more,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def frame(opcode: int, data: bytes = b"", first: int = 0x80) -> bytes:
    """Return a frame as a server sends it."""
    assert len(data) < 1 << 16
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2)
    return bytes([first | opcode]) + length + data


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, code.to_bytes(2) + reason.encode())


@dataclass
class Frame:
    """A frame as a client has sent it."""

    opcode: int
    data: bytes
    mask: bytes


def read_frame(connection: socket.socket) -> Frame:
    """Read a frame of at most 65535 bytes, which has to be masked."""

    def read(size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = connection.recv(size - len(data))
            assert part, "the client has gone"
            data += part
        return data

    first, second = read(2)
    assert second & 0x80, "a client's frame is masked"
    length = second & 0x7F
    assert length < 127
    if length == 126:
        length = int.from_bytes(read(2))
    mask = read(4)
    data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(read(length)))
    return Frame(first & 0x0F, data, mask)


@dataclass
class Events:
    """The handlers of one WebSocket, and what they saw."""

    messages: queue.Queue[tuple[int, bytes]] = field(default_factory=queue.Queue)
    ready: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    def connect(
        self,
        client: http.Client,
        url: str,
        subprotocols: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> http.Connection:
        return http.connect_web_socket(
            client,
            url,
            lambda connection, _: self.ready.set(),
            self._on_message,
            lambda connection, _: self.closed.set(),
            None,
            subprotocols,
            headers,
        )

    def _on_message(self, connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        self.messages.put((opcode, data))
        return 1

    def next(self) -> tuple[int, bytes]:
        return self.messages.get(timeout=REPLY)

    def ends(self) -> bool:
        return self.closed.wait(REPLY)
