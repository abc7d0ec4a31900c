"""What tests of whole programs share: starting a server, waiting for its port, stopping it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as AsyncConnect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).parent.parent
BUILD = ROOT / os.environ.get("ALUSUS_HTTP_BUILD", "build/release")

START = 20.0  # seconds that a program may take to listen ...
STOP = 20.0  # ... and to end: CivetWeb takes about two to stop
REPLY = 10.0  # seconds for whatever a server answers


def built(name: str) -> Path:
    """Return a program of the build folder: `tests/native/...` or `examples/c/...`."""
    program = BUILD / name
    if not program.exists():
        pytest.fail(f"{program} is not built: run `make native`, or set ALUSUS_HTTP_BUILD")
    return program


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def heed_interrupts() -> None:
    """Undo what a shell does to whatever it runs in the background: it ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Program:
    """A server program that runs."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    interrupt: bool

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """What the program has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End the program as its user does, by Enter or Ctrl-C, and expect it to end well."""
        assert self.process.stdin is not None
        if self.interrupt:
            self.process.send_signal(signal.SIGINT)
        elif not self.process.stdin.closed:
            with suppress(BrokenPipeError):  # it has ended by itself; its exit status says how
                self.process.stdin.write(b"\n")
                self.process.stdin.close()
        status = self.process.wait(STOP)
        assert status == 0, f"exit status {status}, after printing:\n{self.output}"


@contextmanager
def running(
    command: Sequence[str | Path],
    port: int,
    *,
    interrupt: bool = False,
    ready: str = "",
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    """Run a server, with its standard input held open, from when it listens until the block ends.

    Args:
        command: The program and its arguments.
        port: Where it will listen.
        interrupt: Stop it by Ctrl-C; without this, by Enter.
        ready: What it prints when it has set its handlers, a pattern; it listens before that.
        cwd: The working directory.
        env: What to add to the environment.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                preexec_fn=heed_interrupts,
            )
        program = Program(process, port, log, interrupt)
        try:
            wait_for_port(program)
            eventually(ready, program)
            yield program
            program.stop()
        finally:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


@contextmanager
def one_of_each(
    start: Callable[..., AbstractContextManager[Program]],
) -> Iterator[Callable[..., Program]]:
    """Start programs by their options, one for all who ask for the same.

    They stop together, for each takes its time; each must end well.
    """
    started: dict[tuple[tuple[str, str | int], ...], tuple[ExitStack, Program]] = {}

    def get(**options: str | int) -> Program:
        key = tuple(sorted(options.items()))
        if key not in started:
            stack = ExitStack()
            started[key] = stack, stack.enter_context(start(**options))
        return started[key][1]

    yield get
    with ThreadPoolExecutor(len(started) or 1) as pool:
        list(pool.map(lambda entry: entry[0].close(), started.values()))


def wait_for_port(program: Program) -> None:
    """Wait until the program listens; fail with what it printed when it ends or takes too long."""
    end = time.monotonic() + START
    while time.monotonic() < end:
        assert program.process.poll() is None, f"the program ended, printing:\n{program.output}"
        try:
            socket.create_connection(("127.0.0.1", program.port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"nothing listens on port {program.port} after {START} s:\n{program.output}")


def eventually(text: str, program: Program) -> str:
    """Wait until the program has printed what the pattern matches; return its output."""
    end = time.monotonic() + REPLY
    while re.search(text, program.output, re.MULTILINE) is None:
        assert time.monotonic() < end, f"{text!r} was not printed, but:\n{program.output}"
        time.sleep(0.02)
    return program.output


@contextmanager
def web_socket(server: Program, path: str) -> Iterator[ClientConnection]:
    """Connect to a WebSocket of a program that may not have set its handlers yet."""
    end = time.monotonic() + REPLY
    with ExitStack() as stack:
        while True:
            try:
                client = stack.enter_context(connect(f"ws://{server.address}{path}"))
            except InvalidStatus:
                assert time.monotonic() < end, f"{path} is no WebSocket:\n{server.output}"
                time.sleep(0.05)
            else:
                break
        yield client


def secure_web_socket(address: str, certificate: Path, **options: Any) -> AsyncConnect:
    """Connect by TLS, trusting that certificate alone, with a client of one thread.

    Those of `websockets.sync` read in one thread and write in another, which no connection of
    OpenSSL is made for.
    """
    trust = ssl.create_default_context(cafile=str(certificate))
    return AsyncConnect(
        address, ssl=trust, open_timeout=REPLY, close_timeout=REPLY, proxy=None, **options
    )


def echo_by_tls(
    address: str, certificate: Path, *messages: str | bytes, max_size: int | None = 1 << 20
) -> None:
    """Send each message to an echo, and get it back before the next one."""

    async def run() -> None:
        async with secure_web_socket(address, certificate, max_size=max_size) as client:
            for message in messages:
                await client.send(message)
                assert await asyncio.wait_for(client.recv(), REPLY) == message

    asyncio.run(run())


def exchange(port: int, request: bytes) -> bytes:
    """Send bytes over a new connection; return all that comes until the server closes it."""
    with socket.create_connection(("127.0.0.1", port), timeout=REPLY) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def get(port: int, path: str = "/", *headers: str) -> tuple[int, str]:
    """Fetch a path over plain HTTP/1.1; return the status and the body."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close", *headers]
    answer = exchange(port, ("\r\n".join(lines) + "\r\n\r\n").encode(errors="surrogateescape"))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def curl(port: int, path: str, *arguments: str | Path) -> str:
    """Fetch a path with curl; return the body, and "|" and the status behind it."""
    options = ["--silent", "--show-error", "--max-time", "20", "--write-out", "|%{http_code}"]
    command = ["curl", *options, *arguments, f"http://127.0.0.1:{port}{path}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
