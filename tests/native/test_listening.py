"""Where a server listens: TLS, IPv6, several ports and Unix sockets."""

from __future__ import annotations

import socket
import ssl
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from websockets.sync.client import connect, unix_connect

from tests.support import REPLY, Program, built, free_port, get, running, trust_for_threads


def listening(port: int, *arguments: str | Path) -> AbstractContextManager[Program]:
    command = [built("tests/native/listening"), *arguments]
    return running(command, port, ready="^serving$")


def test_tls(certificate: Path) -> None:
    plain, secure = free_port(), free_port()
    trust = ssl.create_default_context(cafile=str(certificate))
    with listening(plain, f"127.0.0.1:{plain},127.0.0.1:{secure}s", certificate):
        assert get(plain) == (200, "isSsl=0 remoteAddr=127.0.0.1")
        with urllib.request.urlopen(
            f"https://127.0.0.1:{secure}/", context=trust, timeout=REPLY
        ) as answer:
            assert answer.read() == b"isSsl=1 remoteAddr=127.0.0.1"
        address = f"wss://127.0.0.1:{secure}/echo"
        with connect(address, ssl=trust_for_threads(certificate)) as client:
            for text in ("secret", "سر", "long " * 10_000):
                client.send(text)
                assert client.recv(REPLY) == text


def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback address: {error}")
    plain, six = free_port(), free_port()
    with (
        listening(plain, f"127.0.0.1:{plain},[::1]:{six}"),
        connect(f"ws://[::1]:{six}/echo") as client,
    ):
        client.send("over IPv6")
        assert client.recv(REPLY) == "over IPv6"


def test_a_unix_socket(tmp_path: Path) -> None:
    plain, path = free_port(), tmp_path / "server.sock"
    with (
        listening(plain, f"127.0.0.1:{plain},x{path}"),
        unix_connect(str(path), "ws://localhost/echo") as client,
    ):
        client.send("over a file")
        assert client.recv(REPLY) == "over a file"
