"""What each example does, in whatever language it is written."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from websockets.sync.client import ClientConnection, connect

from tests.support import REPLY, Program, get, web_socket


def simple_server(server: Program) -> None:
    assert get(server.port, "/") == (200, "Hello! You asked for /\n")
    assert get(server.port, "/a/path?with=query") == (200, "Hello! You asked for /a/path\n")
    # Nothing that a client sends is taken for a format.
    assert get(server.port, "/%25s%25n") == (200, "Hello! You asked for /%s%n\n")


def echo(server: Program, welcome: str, heading: str) -> None:
    status, page = get(server.port, "/")
    assert status == 200
    assert heading in page
    with web_socket(server, "/websocket") as client:
        assert client.recv(REPLY) == welcome
        for text in ("hello", "أهلا", "%s%n", "long " * 1000):
            client.send(text)
            assert client.recv(REPLY) == text


def chat(server: Program) -> None:
    status, page = get(server.port, "/")
    assert status == 200
    assert 'src="chat.js"' in page
    assert get(server.port, "/chat.js")[0] == 200
    assert get(server.port, "/no-such-file")[0] == 404

    @contextmanager
    def join() -> Iterator[ClientConnection]:
        with web_socket(server, "/chat") as client:
            # The pong comes after the server's ready callback: from here on, this is a member.
            assert client.ping().wait(REPLY)
            yield client

    with join() as sami:
        with join() as layla:
            assert sami.recv(REPLY) == "* Someone joined"
            sami.send("Sami: hello")
            assert sami.recv(REPLY) == "Sami: hello"
            assert layla.recv(REPLY) == "Sami: hello", "a member is not told of its own joining"
            layla.send("ليلى: مرحبا %s")
            assert sami.recv(REPLY) == "ليلى: مرحبا %s"
            assert layla.recv(REPLY) == "ليلى: مرحبا %s"
        assert sami.recv(REPLY) == "* Someone left"
        sami.send("Sami: alone")
        assert sami.recv(REPLY) == "Sami: alone"


def chat_with_coming_and_going(server: Program) -> None:
    """Members leave, politely or not, while others write to them."""

    def come_and_go(visit: int) -> None:
        # It never reads, which must not keep it from closing: hence no bound to its queue.
        with connect(f"ws://{server.address}/chat", max_queue=None) as client:
            for number in range(10):
                client.send(f"{visit}: {number}")
            if visit % 2:
                client.socket.shutdown(socket.SHUT_RDWR)  # no Close frame

    chat(server)
    with ThreadPoolExecutor(8) as visitors:
        for visit in visitors.map(come_and_go, range(200)):
            assert visit is None
