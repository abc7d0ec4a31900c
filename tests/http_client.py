"""A client that sends bytes as given and reads one response after the other (RFC 9112)."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support import REPLY


@dataclass
class Response:
    """One response as it came, its framing taken off."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    parts: list[bytes]  # the chunks of a chunked body

    def header(self, name: str) -> str | None:
        """The only value of a header."""
        values = [value for n, value in self.headers if n.lower() == name.lower()]
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None


class Client:
    """A connection that stays open as long as the server keeps it."""

    def __init__(self, port: int, certificate: Path | None = None) -> None:
        """Connect, with TLS if the server's certificate is given."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=REPLY)
        if certificate is not None:
            trust = ssl.create_default_context(cafile=str(certificate))
            self.socket = trust.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def ask(self, target: str, method: str = "GET", *headers: str, body: bytes = b"") -> Response:
        """Send a request of HTTP/1.1 and read its response."""
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join((*lines, "", "")).encode() + body)
        return self.receive(method)

    def receive(self, method: str = "GET") -> Response:
        """Read the response to that method, to the end that its framing gives it."""
        version, status, reason = self._line().split(" ", 2)
        assert version == "HTTP/1.1"
        headers = []
        while line := self._line():
            name, _, value = line.partition(": ")
            headers.append((name, value))
        response = Response(int(status), reason, headers, b"", [])
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return response
        if response.header("Transfer-Encoding") == "chunked":
            assert response.header("Content-Length") is None
            while size := int(self._line(), 16):
                response.parts.append(self._exactly(size))
                assert self._line() == ""
            assert self._line() == ""
            response.body = b"".join(response.parts)
        elif (length := response.header("Content-Length")) is not None:
            response.body = self._exactly(int(length))
        else:
            assert response.header("Connection") == "close"
            response.body = self.file.read()
        return response

    def rest(self) -> bytes:
        """Read until the server closes the connection."""
        try:
            return self.file.read()
        except ConnectionResetError:
            return b""

    def _line(self) -> str:
        line = self.file.readline()
        assert line.endswith(b"\r\n"), f"the response breaks off: {line!r}"
        return line[:-2].decode("latin-1")

    def _exactly(self, size: int) -> bytes:
        data = self.file.read(size)
        assert len(data) == size, "the body breaks off"
        return data
