"""Hosts of applications inside the test's own process, and a client that sees every byte."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from alusus_http import asgi, wsgi
from tests.support import REPLY, free_port

# Every response ends by its framing: a server that leaves the client waiting fails by this.
PATIENCE = 5.0


@dataclass
class Response:
    """One response as it came, its framing taken off."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    parts: list[bytes]  # the chunks of a chunked body

    def header(self, name: str) -> str | None:
        values = [value for n, value in self.headers if n.lower() == name]
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None


class Client:
    """A connection that speaks HTTP/1.1 by hand."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.file = self.socket.makefile("rb")

    def send(self, request: bytes | str) -> None:
        self.socket.sendall(request.encode() if isinstance(request, str) else request)

    def receive(self, method: str = "GET") -> Response:
        """Read one response, to the end that its framing gives it."""
        _, status, reason = self._line().split(" ", 2)
        headers = []
        while line := self._line():
            name, _, value = line.partition(": ")
            headers.append((name, value))
        response = Response(int(status), reason, headers, b"", [])
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return response
        if response.header("transfer-encoding") == "chunked":
            assert response.header("content-length") is None
            while size := int(self._line(), 16):
                response.parts.append(self._exactly(size))
                assert self._line() == ""
            assert self._line() == ""
            response.body = b"".join(response.parts)
        elif (length := response.header("content-length")) is not None:
            response.body = self._exactly(int(length))
        else:
            assert response.header("connection") == "close"
            response.body = self.file.read()
        return response

    def is_closed(self) -> bool:
        """Wait for the server to end the connection; nothing may come before."""
        return self.file.read() == b""

    def get(self, target: str = "/", *headers: str, method: str = "GET") -> Response:
        self.send("\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *headers, "", ""]))
        return self.receive(method)

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def _line(self) -> str:
        line = self.file.readline()
        assert line.endswith(b"\r\n"), f"the response breaks off: {line!r}"
        return line[:-2].decode("latin-1")

    def _exactly(self, size: int) -> bytes:
        data = self.file.read(size)
        assert len(data) == size, "the body breaks off"
        return data


@dataclass
class Served:
    """An application that is served."""

    port: int

    @contextmanager
    def client(self) -> Iterator[Client]:
        client = Client(self.port)
        try:
            yield client
        finally:
            client.close()

    def get(self, target: str = "/", *headers: str, method: str = "GET") -> Response:
        with self.client() as client:
            return client.get(target, *headers, method=method)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def options(port: int, given: dict[str, str]) -> dict[str, str]:
    return {"listening_ports": f"127.0.0.1:{port}", "num_threads": "20", **given}


@contextmanager
def wsgi_served(application: Any, root_path: str = "", **given: str) -> Iterator[Served]:
    port = free_port()
    server = wsgi.Server(application, options(port, given), root_path=root_path)
    server.start()
    try:
        yield Served(port)
    finally:
        server.stop()


class Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="loop")
        self._thread.start()

    def run(self, awaitable: Awaitable[Any], timeout: float = REPLY) -> Any:
        async def wrapped() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(wrapped(), self.loop).result(timeout)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextmanager
def asgi_served(application: Any, root_path: str = "", **given: str) -> Iterator[Served]:
    port = free_port()
    loop = Loop()
    try:
        server = asgi.Server(application, options(port, given), root_path=root_path)
        loop.run(server.start())
        try:
            yield Served(port)
        finally:
            loop.run(server.stop(), 20)
    finally:
        loop.close()


def http_only(application: Callable[..., Awaitable[None]]) -> asgi.Application:
    """An application of HTTP alone, which lifespan may not call."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await application(scope, receive, send)

    return wrapped


def logged(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() + str(record.exc_info) for record in caplog.records)
