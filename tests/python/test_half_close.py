"""Clients that end their side of the stream behind a message, and read on (RFC 9293, 3.6)."""

from __future__ import annotations

import queue
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from alusus_http import http
from tests.conformance.peer import BINARY, TEXT, Peer, frame, request
from tests.python.serving import serving
from tests.support import REPLY, built, free_port, running


class Plain:
    """A socket whose sending half can be ended."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=REPLY)
        self.settimeout = self._socket.settimeout
        self.sendall = self._socket.sendall
        self.recv = self._socket.recv
        self.close = self._socket.close

    def end(self, *, last: bytes = b"") -> None:
        self._socket.sendall(last)
        self._socket.shutdown(socket.SHUT_WR)


class Secure:
    """The same with TLS, which Python's own sockets end on both sides at once."""

    def __init__(self, port: int, certificate: Path, *, notify: bool) -> None:
        self._plain = Plain(port)
        self._notify = notify
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        trust = ssl.create_default_context(cafile=str(certificate))
        self._tls = trust.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")
        self.settimeout = self._plain.settimeout
        self.close = self._plain.close
        self._run(self._tls.do_handshake)

    def _run(self, call: Callable[[], object]) -> object:
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                if self._outgoing.pending:
                    self._plain.sendall(self._outgoing.read())
                part = self._plain.recv(65536)
                if not part:
                    return b""
                self._incoming.write(part)

    def sendall(self, data: bytes) -> None:
        self._tls.write(data)
        self._plain.sendall(self._outgoing.read())

    def recv(self, size: int) -> bytes:
        with suppress(ssl.SSLZeroReturnError):
            return cast(bytes, self._run(lambda: self._tls.read(size)))
        return b""

    def end(self, *, last: bytes = b"") -> None:
        """Send the last bytes and the end in one packet: close_notify, if wanted, and FIN."""
        self._tls.write(last)
        if self._notify:
            with suppress(ssl.SSLWantReadError):
                self._tls.unwrap()
        self._plain.end(last=self._outgoing.read())


@pytest.fixture(params=["plain", "TLS with close_notify", "TLS without"])
def connected(
    request: pytest.FixtureRequest, certificate: Path
) -> Callable[[int, int], Plain | Secure]:
    """Connect to a server's plain port, or to its secure one."""
    if request.param == "plain":
        return lambda plain, secure: Plain(plain)
    notify = request.param == "TLS with close_notify"
    return lambda plain, secure: Secure(secure, certificate, notify=notify)


def answers(client: Plain | Secure, path: str, messages: list[bytes]) -> None:
    """Send messages and the end of the stream; expect an echo of each, and the end."""
    with closing(Peer(cast(socket.socket, client)).socket):
        peer = Peer(cast(socket.socket, client))
        peer.send(request(path))
        peer.upgraded()
        client.end(last=b"".join(frame(BINARY, message) for message in messages))
        peer.expect(*[(BINARY, message) for message in messages])
        peer.expect_end()


MESSAGES = [[b"one"], [b"one", b"two", b"three"], [b"x" * 100_000]]


@contextmanager
def python_server(certificate: Path, calls: queue.Queue[object]) -> Iterator[tuple[int, int]]:
    def echo(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        time.sleep(0.1)  # the end of the stream has come before the answer
        http.write_to_web_socket(connection, opcode, data)
        return 1

    with serving(
        listening_ports="127.0.0.1:0,127.0.0.1:0s", ssl_certificate=str(certificate)
    ) as server:
        http.set_web_socket_handler(
            server.context, "/echo", data_handler=echo, close_handler=lambda *_: calls.put("close")
        )
        ports = [port.port for port in http.get_server_ports(server.context)]
        yield ports[0], ports[1]
        statistics = http.get_web_socket_statistics(server.context)
        assert (statistics.opened, statistics.closed_abnormally) == (1, 1)


@pytest.mark.parametrize("messages", MESSAGES, ids=["one", "several", "a long one"])
def test_handlers_in_python_answer_what_came_before_the_end(
    connected: Callable[[int, int], Plain | Secure], certificate: Path, messages: list[bytes]
) -> None:
    calls: queue.Queue[object] = queue.Queue()
    with python_server(certificate, calls) as ports:
        answers(connected(*ports), "/echo", messages)
        assert calls.get(timeout=REPLY) == "close"


@pytest.mark.parametrize("messages", MESSAGES, ids=["one", "several", "a long one"])
def test_handlers_in_c_answer_what_came_before_the_end(
    connected: Callable[[int, int], Plain | Secure], certificate: Path, messages: list[bytes]
) -> None:
    plain, secure = free_port(), free_port()
    ports = f"127.0.0.1:{plain},127.0.0.1:{secure}s"
    command: list[str | Path] = [built("tests/native/echo_server"), ports]
    command += ["ssl_certificate", certificate]
    with running(command, plain, ready="^serving$"):
        answers(connected(plain, secure), "/echo", messages)


def test_a_text_that_has_not_ended_is_not_delivered() -> None:
    calls: queue.Queue[object] = queue.Queue()

    def on_data(_connection: http.Connection, _opcode: int, data: bytes, _: object) -> int:
        calls.put(data)
        return 1

    with serving() as server:
        http.set_web_socket_handler(
            server.context,
            "/echo",
            data_handler=on_data,
            close_handler=lambda *_: calls.put("close"),
        )
        with Peer.open(server.port) as peer:
            peer.send(frame(TEXT, "whole") + frame(TEXT, "a part", fin=False))
            peer.socket.shutdown(socket.SHUT_WR)
            peer.expect_end()
        assert [calls.get(timeout=REPLY) for _ in range(2)] == [b"whole", "close"]
