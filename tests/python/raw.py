"""A client that sends bytes as given and reads one answer after the other (RFC 9112)."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from types import TracebackType

from tests.support import REPLY


@dataclass
class Reply:
    """One answer, its body without the framing."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The only value of a header."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None


class Client:
    """A connection that stays open as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=REPLY)
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, path: str, method: str = "GET", *headers: str, body: bytes = b"") -> Reply:
        """Send a request of HTTP/1.1 and read its answer."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join((*lines, "", "")).encode() + body)
        return self.reply(method)

    def reply(self, method: str = "GET") -> Reply:
        """Read an answer to that method."""
        line = self._stream.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        status = int(line.split()[1])
        headers = []
        while (line := self._stream.readline()) != b"\r\n":
            assert line.endswith(b"\r\n"), line
            name, _, value = line.decode("latin-1").rstrip("\r\n").partition(": ")
            headers.append((name, value))
        reply = Reply(status, headers, b"")
        if method == "HEAD" or status < 200 or status in (204, 304):
            return reply
        length = reply.header("Content-Length")
        if reply.header("Transfer-Encoding") == "chunked":
            assert length is None
            while size := int(self._stream.readline(), 16):
                reply.body += self._stream.read(size)
                assert self._stream.readline() == b"\r\n"
            assert self._stream.readline() == b"\r\n"
        elif length is not None:
            reply.body = self._stream.read(int(length))
            assert len(reply.body) == int(length), "the connection ended inside of the body"
        else:
            reply.body = self._stream.read()
        return reply

    def rest(self) -> bytes:
        """Read until the server closes the connection."""
        try:
            return self._stream.read()
        except ConnectionResetError:
            return b""
