"""Servers for tests: in threads, and on a loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
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
    started: Future[Callable[[], object]] = Future()  # its result ends the program

    async def main() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        async with server:
            started.set_result(lambda: loop.call_soon_threadsafe(ended.set))
            await ended.wait()

    with ThreadPoolExecutor(1) as thread:
        program = thread.submit(asyncio.run, main())
        either: list[Future[Any]] = [started, program]
        wait(either, return_when=FIRST_COMPLETED)
        if not started.done():
            program.result()  # raises why
        end = started.result()
        try:
            yield server
        finally:
            end()
            program.result()


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
