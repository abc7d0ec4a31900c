"""Handlers that never return: a stop ends nevertheless, when their grace time is over."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from alusus_http import Request, Server, WebSocket, _hosting, wsgi
from alusus_http.testing import Serve
from tests.python.serving import until
from tests.support import REPLY, STOP, exchange, free_port, get, heed_interrupts

Client = Callable[..., ClientConnection]

GRACE = 0.3


class Stuck:
    """What does not return until the test ends."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.released = threading.Event()
        self.returned = threading.Event()

    def __call__(self, *arguments: object) -> Any:
        self.begun.set()
        self.released.wait()
        self.returned.set()
        return "late"


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    made = Stuck()
    yield made
    made.released.set()
    if made.begun.is_set():
        assert made.returned.wait(REPLY)


def ask(server: Server | wsgi.Server) -> None:
    """Ask for a page that may never come."""
    port = server.ports[0]
    threading.Thread(target=exchange, args=(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).start()


@pytest.mark.parametrize("asked", [False, True])
def test_a_stop_without_grace(stuck: Stuck, asked: bool, caplog: pytest.LogCaptureFixture) -> None:
    server = Server(0, grace=0)
    server.route("/")(stuck)
    server.start()
    if asked:
        ask(server)
        assert stuck.begun.wait(REPLY)
    server.stop()
    assert ("still being answered" in caplog.text) == asked


@contextmanager
def interrupted(after: float) -> Iterator[None]:
    """Do to the block, which waits, what Ctrl-C does, after so many seconds."""
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(after, signal.pthread_kill, (main, signal.SIGUSR1))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("hosted", [False, True])
def test_a_stop_that_was_interrupted_can_be_done_again(stuck: Stuck, hosted: bool) -> None:
    server: Server | wsgi.Server
    if hosted:
        server = wsgi.Server(stuck, {"listening_ports": "127.0.0.1:0"})
    else:
        server = Server(0)
        server.route("/")(stuck)
    server.start()
    ask(server)
    assert stuck.begun.wait(REPLY)
    with interrupted(0.2):
        server.stop()
    assert server.ports != []
    stuck.released.set()
    stopping = threading.Thread(target=server.stop, daemon=True)
    stopping.start()
    stopping.join(REPLY)
    assert server.ports == []


def test_a_stop_that_is_interrupted_when_only_handlers_run_has_ended(
    stuck: Stuck, client: Client
) -> None:
    server = Server(0, grace=GRACE)
    server.websocket("/")(lambda ws: stuck())
    server.start()
    client(server, "/")
    assert stuck.begun.wait(REPLY)
    with interrupted(GRACE + 0.4):
        server.stop()
    assert server.ports == []
    waiting = threading.Thread(target=server.wait, daemon=True)
    waiting.start()
    waiting.join(REPLY)
    assert not waiting.is_alive()


def test_a_request_that_is_not_answered(run: Serve, stuck: Stuck) -> None:
    server = Server(0, grace=GRACE)
    server.route("/")(stuck)
    server.route("/other")(lambda request: "fine")
    run(server)
    assert get(server.ports[0], "/other") == (200, "fine")
    ask(server)
    assert stuck.begun.wait(REPLY)
    begin = time.monotonic()
    server.stop()
    assert time.monotonic() - begin < REPLY
    assert server.ports == []


@pytest.mark.parametrize("method", ["on_ready", "on_message", "on_close"])
def test_a_method_of_an_object(stuck: Stuck, method: str, client: Client) -> None:
    server = Server(0, grace=GRACE, close_timeout=GRACE)
    closed = threading.Event()

    class Handler:
        def on_message(self, ws: WebSocket, message: str | bytes) -> None:
            if method == "on_message":
                stuck()

        def on_ready(self, ws: WebSocket) -> None:
            if method == "on_ready":
                stuck()

        def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
            closed.set()
            if method == "on_close":
                stuck()

    server.websocket("/")(Handler())
    with server:
        c = client(server, "/")
        for _ in range(100):
            c.send("x")
        if method != "on_close":
            assert stuck.begun.wait(REPLY)
        begin = time.monotonic()
    assert time.monotonic() - begin < REPLY
    stuck.released.set()
    until(closed.is_set)  # it is told, if only now


def test_others_that_are_quick_are_not_given_up(stuck: Stuck) -> None:
    """What ends within the grace time is waited for, beside what does not."""
    server = Server(0, grace=1)
    begun = threading.Event()
    answers: list[tuple[int, str]] = []

    @server.route("/slow")
    def slow(request: Request) -> str:
        begun.set()
        time.sleep(0.3)
        return "in time"

    server.route("/")(stuck)
    with server:
        port = server.ports[0]
        asking = threading.Thread(target=lambda: answers.append(get(port, "/slow")))
        asking.start()
        ask(server)
        assert begun.wait(REPLY)
        assert stuck.begun.wait(REPLY)
    asking.join()
    assert answers == [(200, "in time")]


def test_an_application_of_wsgi(stuck: Stuck, monkeypatch: pytest.MonkeyPatch) -> None:
    def application(environ: object, start_response: Callable[..., object]) -> list[bytes]:
        stuck()
        return []

    monkeypatch.setattr(_hosting, "GRACE", GRACE)
    server = wsgi.Server(application, {"listening_ports": "127.0.0.1:0"})
    server.start()
    asking = threading.Thread(
        target=exchange, args=(server.ports[0], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    )
    asking.start()
    assert stuck.begun.wait(REPLY)
    begin = time.monotonic()
    server.stop()
    assert time.monotonic() - begin < REPLY
    asking.join(REPLY)
    assert not asking.is_alive()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_interpreter_ends_while_handlers_run(asynchronous: bool) -> None:
    code = f"""
import threading, time
from alusus_http import Server
from websockets.sync.client import connect
server, begun = Server(0), threading.Event()
@server.websocket("/")
class Handler:
    def on_message(self, ws, message):
        begun.set()
        time.sleep(1000)
if {asynchronous}:
    @server.route("/")
    async def other(request):
        return ""
server.start()
client = connect(server.ws_url, legacy=True)  # as nothing closes it
client.send("x")
print(begun.wait({REPLY}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=STOP
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


PROGRAM = """
import signal, sys, time, logging
from alusus_http import Server

logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
server = Server({port}, grace={grace})

@server.route("/")
def stuck(request):
    print("stuck", flush=True)
    time.sleep(1000)

if {asynchronous}:
    @server.route("/async")
    async def other(request):
        return ""

server.serve_forever()
print("ended well", flush=True)
"""


def start(port: int, grace: float, asynchronous: bool) -> subprocess.Popen[str]:
    code = PROGRAM.format(port=port, grace=grace, asynchronous=asynchronous)
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_process_ends_after_the_grace_time(asynchronous: bool) -> None:
    port = free_port()
    with start(port, GRACE, asynchronous) as process:
        assert process.stdout is not None
        try:
            assert "serving" in process.stdout.readline()
            request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            threading.Thread(target=exchange, args=(port, request)).start()
            assert process.stdout.readline() == "stuck\n"
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=STOP)
        finally:
            process.kill()
    assert process.returncode == 0
    assert output.splitlines()[-1] == "ended well"


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_second_ctrl_c_ends_at_once(asynchronous: bool, first: signal.Signals) -> None:
    port = free_port()
    with start(port, 1000, asynchronous) as process:
        assert process.stdout is not None
        try:
            assert "serving" in process.stdout.readline()
            request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            threading.Thread(target=exchange, args=(port, request)).start()
            assert process.stdout.readline() == "stuck\n"
            process.send_signal(first)
            assert "stopping" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(STOP) == -signal.SIGINT
        finally:
            process.kill()


def test_one_time_is_for_all(
    stuck: Stuck, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Not one for the requests, and another for the WebSockets."""
    caplog.set_level(logging.WARNING)
    server = Server(0, grace=2)
    server.route("/")(stuck)
    both = Stuck()

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        both()

    with server:
        client(server, "/")
        ask(server)
        assert stuck.begun.wait(REPLY)
        assert both.begun.wait(REPLY)
        begin = time.monotonic()
    assert 1.9 < time.monotonic() - begin < 3.9
    assert "handlers that still run 2 s after the stop: 1" in caplog.text
    both.released.set()
    until(both.returned.is_set)
