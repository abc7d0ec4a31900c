"""Where a server listens: TLS, IPv6, several ports and Unix sockets."""

from __future__ import annotations

import socket
import ssl
import subprocess
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from websockets.sync.client import connect, unix_connect

from tests.support import REPLY, Program, built, echo_by_tls, free_port, get, running


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
        messages = ("secret", "سر", "long " * 10_000)
        echo_by_tls(f"wss://127.0.0.1:{secure}/echo", certificate, *messages)


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


@pytest.mark.parametrize("name", ["server.sock", "app1socket", "80s"])
def test_a_unix_socket(tmp_path: Path, name: str) -> None:
    plain, path = free_port(), tmp_path / name
    with (
        listening(plain, f"127.0.0.1:{plain},x{path}"),
        unix_connect(str(path), "ws://localhost/echo") as client,
    ):
        client.send("over a file")
        assert client.recv(REPLY) == "over a file"
    assert not path.exists()


def ask_at(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(REPLY)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        return b"".join(iter(lambda: client.recv(4096), b""))


def test_the_unix_socket_of_a_killed_server_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    command: list[str | Path] = [built("tests/native/listening"), f"127.0.0.1:0, x{path} "]
    for _ in range(2):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"serving\n"
            assert ask_at(path).endswith(b"remoteAddr=unix:")
            server.kill()
        assert path.is_socket()


def refusal(ports: str) -> str:
    done = subprocess.run(
        [built("tests/native/listening"), ports],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=REPLY,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


def test_a_unix_socket_in_use_is_left_alone(tmp_path: Path) -> None:
    plain, path = free_port(), tmp_path / "server.sock"
    with listening(plain, f"127.0.0.1:{plain},x{path}"):
        said = refusal(f"x{path}")
        assert f'the Unix socket "{path}" is in use; stop the program' in said
        assert ask_at(path).startswith(b"HTTP/1.1 200")


def test_what_is_no_unix_socket_is_left_alone(tmp_path: Path) -> None:
    file, link, folder = (tmp_path / name for name in ("file", "link", "folder"))
    file.write_text("precious")
    link.symlink_to(file)
    folder.mkdir()
    for path in (file, link, folder):
        assert f'"{path}" is there already and is no Unix socket; give another' in refusal(
            f"x{path}"
        )
    assert file.read_text() == "precious"
    assert link.is_symlink() and folder.is_dir()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "/nowhere/server.sock",
            'can be made in "/nowhere": No such file or directory; give a path',
        ),
        ("/" + "s" * 200, "the path of a Unix socket has 201 bytes; give one with 1 to 107"),
        ("", "the path of a Unix socket has 0 bytes"),
    ],
)
def test_unix_sockets_that_cannot_be(path: str, message: str) -> None:
    assert message in refusal(f"x{path}")
