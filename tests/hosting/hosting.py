"""Hosts of applications inside the test's own process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from alusus_http import asgi, wsgi
from tests import http_client
from tests.http_client import Response
from tests.support import REPLY, free_port


class Client(http_client.Client):
    """The same, in the words of these tests."""

    def get(self, target: str = "/", *headers: str, method: str = "GET") -> Response:
        return self.ask(target, method, *headers)

    def is_closed(self) -> bool:
        """Wait for the server to end the connection; nothing may come before."""
        return self.file.read() == b""


@dataclass
class Served:
    """An application that is served."""

    port: int
    server: asgi.Server | wsgi.Server

    def client(self) -> Client:
        return Client(self.port)

    def get(self, target: str = "/", *headers: str, method: str = "GET") -> Response:
        with self.client() as client:
            return client.get(target, *headers, method=method)

    def listens(self) -> bool:
        try:
            self.client().socket.close()
        except ConnectionError:  # reset, if it was just being let in
            return False
        return True

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
        yield Served(port, server)
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
            yield Served(port, server)
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
