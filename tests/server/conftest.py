"""Servers for tests: in threads, and on a loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from alusus_http import Server
from alusus_http.testing import Serve, running, serve
from tests.support import REPLY

__all__ = ["serve"]


@contextmanager
def on_loop(server: Server) -> Iterator[Server]:
    """Run a server as a program with asyncio does, its loop on another thread."""
    server._place = ("127.0.0.1", 0)
    started = threading.Event()
    ended: list[asyncio.Event] = []
    failures: list[BaseException] = []

    async def main() -> None:
        ended.append(asyncio.Event())
        async with server:
            loop.append(asyncio.get_running_loop())
            started.set()
            await ended[0].wait()

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failures.append(error)
        finally:
            started.set()

    loop: list[asyncio.AbstractEventLoop] = []
    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    if failures:
        raise failures[0]
    try:
        yield server
    finally:
        loop[0].call_soon_threadsafe(ended[0].set)
        thread.join()
    if failures:
        raise failures[0]


@pytest.fixture(params=["threads", "loop"])
def run(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Run servers in threads, then on a loop: what they do is the same."""
    start = running if request.param == "threads" else on_loop
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(start(server))


@pytest.fixture
def client() -> Iterator[Callable[..., ClientConnection]]:
    """Connect to a server; what is open at the test's end is closed."""
    with ExitStack() as stack:

        def open_client(server: Server, path: str, **options: Any) -> ClientConnection:
            made: ClientConnection = connect(
                server.ws_url + path, open_timeout=REPLY, close_timeout=REPLY, **options
            )
            return stack.enter_context(made)

        yield open_client
