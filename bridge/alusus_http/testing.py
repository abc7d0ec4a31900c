"""For tests with pytest of programs that serve: a server on a free port, for the time of a test.

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

try:
    import pytest
except ModuleNotFoundError as error:
    raise ImportError('alusus_http.testing is for pytest: run "pip install pytest"') from error

from .server import Server

__all__ = ["Serve", "running", "serve"]

Serve: TypeAlias = Callable[[Server], Server]
"""What the fixture `serve` gives to a test: it starts a server, and returns it."""


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Run a server on a free port of 127.0.0.1, for a `with` block.

    It gives the server, whose `url`, `ws_url` and `ports` say where that is. Afterwards the server
    listens where it was made to, should it be started again.

    Raises:
        HttpError: As `Server.start`.
    """
    place = server._place
    server._place = ("127.0.0.1", 0)
    try:
        with server:
            yield server
    finally:
        server._place = place


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Run the servers that a test hands over until it ends: a fixture, to be imported."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(running(server))
