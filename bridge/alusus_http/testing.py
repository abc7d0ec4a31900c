"""For the tests of programs that serve: a server on a free port, for the time of a test.

In a `conftest.py`, `from alusus_http.testing import serve` makes the fixture known. A test then has
the program's own server run, wherever that listens otherwise:

    def test_echo(serve: Serve) -> None:
        running = serve(program.server)
        with websockets.sync.client.connect(f"{running.ws_url}/echo") as client:
            client.send("hello")
            assert client.recv() == "hello"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeAlias

import pytest

from .server import Server

__all__ = ["Serve", "running", "serve"]

Serve: TypeAlias = Callable[[Server], Server]


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Run a server on a free port of this machine's own address, for the block."""
    place = server._place
    server._place = ("127.0.0.1", 0)
    try:
        with server:
            yield server
    finally:
        server._place = place


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Run servers that the test hands over, until it ends."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(running(server))
