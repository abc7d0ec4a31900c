"""Servers in C that call the library as code compiled by Alusus does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from typing import Protocol

import pytest

from tests.support import Program, built, free_port, running


class Serve(Protocol):
    def __call__(self, name: str) -> Program: ...


def server(name: str) -> AbstractContextManager[Program]:
    port = free_port()
    return running([built(f"tests/native/{name}"), str(port)], port, ready="^serving$")


@pytest.fixture(scope="module")
def shared() -> Iterator[Serve]:
    """Start servers of tests/native/servers by name, one of each for all tests of a module.

    A server takes its time to stop (see `STOP`); each must end well after the last test.
    """
    with ExitStack() as stack:
        yield cache(lambda name: stack.enter_context(server(name)))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers as `shared` does, but for one test alone, which may stop them."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(server(name))
