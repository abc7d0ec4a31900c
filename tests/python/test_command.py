"""`python -m alusus_http`, as a user runs it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

from tests.support import STOP, free_port, running, web_socket


def test_echo_serves_until_it_is_terminated() -> None:
    port = free_port()
    command = [sys.executable, "-m", "alusus_http", "echo", "--port", str(port)]
    with running(
        command, port, interrupt=True, ready=f"^Echo at ws://127.0.0.1:{port}/$"
    ) as server:
        with web_socket(server, "/") as client:
            for message in ("نص", b"\x00\xff", "", b"b" * 100_000):
                client.send(message)
                assert client.recv(timeout=STOP) == message
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP) == 0


def test_the_help_of_echo_names_its_port() -> None:
    command = [sys.executable, "-m", "alusus_http", "echo", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"--port PORT\s+the port to listen at \(default: 8080\)", done.stdout)
