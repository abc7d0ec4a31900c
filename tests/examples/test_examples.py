"""The examples in Python and C do the same."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import AbstractContextManager, closing
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path

import pytest

from tests.support import REPLY, ROOT, Program, built, eventually, free_port, running, web_socket

from . import behaviour


def command(language: str, name: str, port: int) -> list[str | Path]:
    if language == "c":
        return [built(f"examples/c/{name}"), str(port)]
    return [sys.executable, ROOT / "examples" / "python" / f"{name}.py", "--port", str(port)]


@pytest.fixture(params=["python", "c"])
def language(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def run(language: str, name: str) -> AbstractContextManager[Program]:
    port = free_port()
    return running(command(language, name, port), port, interrupt=language == "python")


def test_simple_server(language: str) -> None:
    with run(language, "simple_server") as server:
        behaviour.simple_server(server)
        eventually(f"Server at http://{server.address}\n", server)


def test_echo(language: str) -> None:
    with run(language, "echo") as server:
        behaviour.echo(server, "Welcome!", "<h1>WebSocket Server</h1>")
        eventually(f"Echo at ws://{server.address}/websocket\n", server)


def test_form(language: str) -> None:
    with run(language, "form") as server:
        behaviour.form(server)
        eventually(f"Form at http://{server.address}\n", server)


def test_form_that_ends_too_early(language: str) -> None:
    begun = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B'
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    with run(language, "form") as server:
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=REPLY)) as client:
            client.request("POST", "/sent", begun, headers)
            with pytest.raises(IncompleteRead):
                client.getresponse().read()
        behaviour.form(server)
        assert "Traceback" not in server.output


def test_chat(language: str) -> None:
    with run(language, "chat") as server:
        behaviour.chat(server)
        eventually(f"Chat at http://{server.address}\n", server)


def test_chat_with_coming_and_going(language: str) -> None:
    with run(language, "chat") as server:
        behaviour.chat_with_coming_and_going(server)
        server.stop()
        assert "failed" not in server.output  # as Python logs callbacks that raise


def test_chat_client(language: str) -> None:
    with run(language, "chat") as server:
        with running(command(language, "chat_client", server.port), server.port) as client:
            behaviour.chat_client(server, client)
        with web_socket(server, "/chat") as sami:  # who hears what a visitor says first
            assert sami.ping().wait(REPLY)
            with running(command(language, "chat_client", server.port), server.port):
                assert sami.recv(REPLY) == "* Someone joined"
                assert sami.recv(REPLY) == "Visitor: hello"


def test_chat_client_without_a_chat(language: str) -> None:
    done = subprocess.run(
        command(language, "chat_client", port := free_port()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert f"cannot connect to 127.0.0.1 port {port}" in done.stderr


@pytest.mark.parametrize("name", ["simple_server", "echo", "chat", "form"])
def test_a_taken_port_is_one_clear_line(language: str, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command(language, name, port),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert f"127.0.0.1:{port}" in done.stderr
    assert "in use" in done.stderr
