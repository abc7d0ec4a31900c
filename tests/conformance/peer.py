"""A client that sends whatever bytes a test wants and takes frames apart as RFC 6455 writes them.

It shares nothing with the server and forgives nothing: an unexpected frame, an end of the stream in
the wrong place or a reset fails the test.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tests.support import REPLY

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10

NORMAL, GOING_AWAY, PROTOCOL_ERROR = 1000, 1001, 1002
INVALID_DATA, POLICY_VIOLATION, TOO_BIG = 1007, 1008, 1009

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, section 1.3 ...
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # ... and its answer

MASK = b"\x37\xfa\x21\x3d"

HEADERS = (
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    f"Sec-WebSocket-Key: {KEY}",
    "Sec-WebSocket-Version: 13",
)


def request(
    path: str = "/echo", *more: str, method: str = "GET", http: str = "1.1", without: str = ""
) -> bytes:
    """Return a handshake, with more headers, without the one of the given name."""
    kept = [line for line in HEADERS if not without or not line.startswith(f"{without}:")]
    return "\r\n".join([f"{method} {path} HTTP/{http}", *kept, *more, "", ""]).encode()


def masked(payload: bytes, mask: bytes = MASK) -> bytes:
    """Apply a mask, byte by byte as section 5.3 words it (in one big number)."""
    stream = (mask * (len(payload) // 4 + 1))[: len(payload)]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return mixed.to_bytes(len(payload), "big")


def frame(
    opcode: int,
    payload: bytes | str = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    length: int | None = None,
    form: int | None = None,
) -> bytes:
    """Return a frame as clients send it.

    Args:
        opcode: Four bits, also reserved ones.
        payload: What it carries; a text as UTF-8.
        fin: Whether it is the last of its message.
        rsv: Reserved bits, in their places.
        mask: The mask; None for an unmasked frame.
        length: The length that it claims, if that is not the payload's.
        form: How the length is written: in 7, 16 or 64 bits; the shortest if not said.
    """
    data = payload.encode() if isinstance(payload, str) else payload
    size = len(data) if length is None else length
    form = form or (7 if size < 126 else 16 if size < 65536 else 64)
    bit = 0 if mask is None else 0x80
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    if form == 7:
        head += bytes([bit | size])
    elif form == 16:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    return head + (data if mask is None else mask + masked(data, mask))


def close_frame(code: int | None = NORMAL, reason: bytes | str = b"") -> bytes:
    text = reason.encode() if isinstance(reason, str) else reason
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + text)


@dataclass(frozen=True)
class Frame:
    """A frame of the server's."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def code(self) -> int | None:
        """The code of a Close frame."""
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else None


@dataclass(frozen=True)
class Answer:
    """The head of an HTTP answer."""

    status: int
    headers: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, f"{name} comes more than once: {values}"
        return values[0] if values else None


class Peer:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(REPLY)
        self.socket = connection
        self.unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    @classmethod
    def connect(cls, port: int) -> Self:
        """Open a connection, each of whose sends is a packet of its own."""
        connection = socket.create_connection(("127.0.0.1", port), timeout=REPLY)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(connection)

    @classmethod
    def open(cls, port: int, path: str = "/echo", *headers: str) -> Self:
        """Open a WebSocket."""
        peer = cls.connect(port)
        peer.send(request(path, *headers))
        peer.upgraded()
        return peer

    def send(self, data: bytes, chop: int | None = None) -> None:
        """Send bytes, if wanted in pieces."""
        step = chop or max(len(data), 1)
        for start in range(0, len(data), step):
            self.socket.sendall(data[start : start + step])

    def _more(self) -> None:
        part = self.socket.recv(1 << 20)
        assert part, f"the stream ended; unread: {self.unread[:200]!r}"
        self.unread += part

    def take(self, size: int) -> bytes:
        """Receive exactly so many bytes."""
        while len(self.unread) < size:
            self._more()
        taken, self.unread = self.unread[:size], self.unread[size:]
        return taken

    def answer(self) -> Answer:
        """Receive the head of an HTTP answer."""
        while b"\r\n\r\n" not in self.unread:
            self._more()
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        fields = [line.partition(":") for line in lines]
        assert first.startswith("HTTP/1.1 ")
        return Answer(int(first.split()[1]), [(name, value.strip()) for name, _, value in fields])

    def upgraded(self) -> Answer:
        """Receive the answer that accepts the handshake."""
        answer = self.answer()
        assert answer.status == 101, answer
        assert (answer.one("Upgrade") or "").lower() == "websocket"
        assert (answer.one("Connection") or "").lower() == "upgrade"
        digest = hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        assert answer.one("Sec-WebSocket-Accept") == ACCEPT == base64.b64encode(digest).decode()
        return answer

    def expect_content(self, answer: Answer) -> None:
        """Receive the rest of an answer after which the connection ends (RFC 9112, section 6.3)."""
        length = answer.one("Content-Length")
        if length is not None:
            self.take(int(length))
            self.expect_end()
        while self.socket.recv(1 << 20):
            pass

    def frame(self) -> Frame:
        """Receive a frame; it must be written as a server's have to be."""
        first, second = self.take(2)
        size = second & 0x7F
        assert not second & 0x80, "a server does not mask"
        if size == 126:
            (size,) = struct.unpack("!H", self.take(2))
            assert size > 125, "the length is not in its shortest form"
        elif size == 127:
            (size,) = struct.unpack("!Q", self.take(8))
            assert size > 65535, "the length is not in its shortest form"
        return Frame(first & 0x0F, self.take(size), bool(first & 0x80), first & 0x70)

    def expect(self, *frames: tuple[int, bytes | str]) -> None:
        """Receive exactly these whole messages or control frames."""
        for opcode, payload in frames:
            data = payload.encode() if isinstance(payload, str) else payload
            got = self.frame()
            assert (got.opcode, got.fin, got.rsv) == (opcode, True, 0), f"{got}"[:500]
            assert got.payload == data

    def expect_end(self) -> None:
        """Receive the end of the stream: neither another byte nor a reset."""
        assert self.unread == b""
        assert self.socket.recv(1) == b""

    def expect_close(self, code: int | None) -> bytes:
        """Receive a Close frame with this code, and the end of the stream; return the reason."""
        got = self.frame()
        assert (got.opcode, got.fin, got.rsv) == (CLOSE, True, 0), f"{got}"[:500]
        assert got.code == code, got
        self.expect_end()
        reason = got.payload[2:]
        reason.decode()
        return reason

    def close(self) -> None:
        """Close by handshake."""
        self.send(close_frame())
        self.expect_close(NORMAL)


def converse(
    port: int, sent: bytes, expected: Sequence[tuple[int, bytes | str]], chop: int
) -> None:
    """Send bytes in pieces over a connection of their own, expect what they bring, and close."""
    with Peer.open(port) as peer:
        peer.send(sent, chop)
        peer.expect(*expected)
        peer.close()
