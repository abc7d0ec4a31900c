"""A client that sends any bytes, and takes answers apart as strictly as RFC 9112 writes them."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from tests.support import exchange


@dataclass(frozen=True)
class Answer:
    """One answer; what followed it on the connection is `rest`."""

    status: int
    headers: dict[str, str]
    body: bytes
    rest: bytes = b""


def parse(data: bytes, method: str = "GET") -> Answer:
    """Take the first answer off what a server sent; each header may come once."""
    head, separator, rest = data.partition(b"\r\n\r\n")
    assert separator, f"no head: {data[:200]!r}"
    first, *lines = head.decode("latin-1").split("\r\n")
    assert re.fullmatch(r"HTTP/1\.[01] \d{3} [ -~]*", first), first
    headers: dict[str, str] = {}
    for line in lines:
        match = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([ -~]*)", line)
        assert match is not None, line
        name = match[1].lower()
        assert name not in headers, f"{name} comes twice"
        headers[name] = match[2]
    status = int(first.split()[1])
    size = len(rest)
    if method == "HEAD" or status == 304:
        size = 0
    elif "content-length" in headers:
        size = int(headers["content-length"])
        assert len(rest) >= size, f"the body is cut: {len(rest)} of {size}"
    return Answer(status, headers, rest[:size], rest[size:])


def ask(port: int, data: bytes) -> Answer:
    """Send bytes over a new connection; return the answer and whatever else came before its end."""
    return parse(exchange(port, data), data.partition(b" ")[0].decode("latin-1"))


def fetch(port: int, path: str, *headers: str, method: str = "GET") -> Answer:
    """Ask for a path over HTTP/1.1."""
    lines = (f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", "")
    answer = ask(port, "\r\n".join(lines).encode("latin-1"))
    assert answer.rest == b""
    return answer


def statuses(port: int, data: bytes) -> list[int]:
    """Send bytes over a new connection, and no more; return the statuses of all answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
    found = []
    while received:
        answer = parse(received)
        found.append(answer.status)
        received = answer.rest
    return found
