"""The engine as clients see it: the server is tests/native/servers/echo_server.c, which see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from tests.support import Program, built, free_port, one_of_each, running


class Servers(Protocol):
    def __call__(self, **options: str | int) -> Program: ...


def echo_server(ports: str = "", /, **options: str | int) -> AbstractContextManager[Program]:
    """Run a server; `ports` are more than the one of 127.0.0.1 that it listens on anyhow."""
    port = free_port()
    command: list[str | Path] = [built("tests/native/echo_server"), f"127.0.0.1:{port}{ports}"]
    for name, value in options.items():
        command += [name, str(value)]
    # So that the memory of an instrumented server can be compared: what is freed is used again.
    sanitizer = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1"
    return running(command, port, ready="^serving$", env={"ASAN_OPTIONS": sanitizer})


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Start servers by their options, one of each for all tests that do not stop it."""
    with one_of_each(echo_server) as get:
        yield get


@pytest.fixture(scope="session")
def port(servers: Servers) -> int:
    """Return the port of a server with the default options, but for room for big messages."""
    return servers(websocket_max_message_size=16 << 20, websocket_max_queue_size=64 << 20).port
