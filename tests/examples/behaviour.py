"""What each example does, in whatever language it is written."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection

from websockets.sync.client import ClientConnection, connect

from tests.support import REPLY, Program, eventually, get, web_socket


def simple_server(server: Program, greeting: str = "Hello! You asked for") -> None:
    assert get(server.port, "/") == (200, f"{greeting} /\n")
    assert get(server.port, "/a/path?with=query") == (200, f"{greeting} /a/path\n")
    # Nothing that a client sends is taken for a format.
    assert get(server.port, "/%25s%25n") == (200, f"{greeting} /%s%n\n")


def echo(server: Program, welcome: str, heading: str) -> None:
    status, page = get(server.port, "/")
    assert status == 200
    assert heading in page
    with web_socket(server, "/websocket") as client:
        assert client.recv(REPLY) == welcome
        for text in ("hello", "أهلا", "%s%n", "long " * 1000):
            client.send(text)
            assert client.recv(REPLY) == text


def form(server: Program) -> None:
    status, page = get(server.port, "/")
    assert status == 200
    assert "enctype=multipart/form-data" in page
    body = (
        b'--B\r\nContent-Disposition: form-data; name="name"\r\n\r\n%s%n\r\n'
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        + b"x" * 100_000
        + b"\r\n--B--\r\n"
    )
    for content, status, answer in (
        (body, 200, "name: 4 bytes\nfile: 100000 bytes\n"),
        (b"--B--", 400, "Error 400: Bad Request\n"),
        (b"no form", 400, "Error 400: Bad Request\n"),
    ):
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=REPLY)) as client:
            client.request(
                "POST", "/sent", content, {"Content-Type": "multipart/form-data; boundary=B"}
            )
            response = client.getresponse()
            assert response.status == status
            assert response.read().decode().startswith(answer)


def chat(server: Program, joined: str = "* Someone joined", left: str = "* Someone left") -> None:
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
            assert sami.recv(REPLY) == joined
            sami.send("Sami: hello")
            assert sami.recv(REPLY) == "Sami: hello"
            assert layla.recv(REPLY) == "Sami: hello", "a member is not told of its own joining"
            layla.send("ليلى: مرحبا %s")
            assert sami.recv(REPLY) == "ليلى: مرحبا %s"
            assert layla.recv(REPLY) == "ليلى: مرحبا %s"
        assert sami.recv(REPLY) == left
        sami.send("Sami: alone")
        assert sami.recv(REPLY) == "Sami: alone"


@dataclass(frozen=True)
class Visitor:
    """What a chat client prints."""

    arrived: str
    hello: str
    page: str
    ended: str


VISITOR = Visitor(
    "In the chat at", "Visitor: hello", r"status 200, [1-9]\d* bytes", "The chat has ended."
)


def chat_client(server: Program, client: Program, says: Visitor = VISITOR) -> None:
    """A visitor whose output is looked at, beside one that is a client of its own."""
    eventually(says.arrived, client)
    eventually(f"^{says.hello}$", client)  # the chat sends it to all, who said it included
    with web_socket(server, "/chat") as sami:
        eventually(rf"http://{server.address}/: {says.page}", client)
        assert sami.ping().wait(REPLY)
        for text in ("Sami: مرحبا", "Sami: %s%n"):
            sami.send(text)
            assert sami.recv(REPLY) == text
            eventually(re.escape(text), client)
        client.stop()
        assert sami.recv(REPLY) == "* Someone left"
    assert client.output.endswith(f"{says.ended}\n")


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
