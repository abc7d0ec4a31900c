"""Servers that start and stop: what remains, what ends, and who is told."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

import alusus_http
from alusus_http import http
from alusus_http.errors import InvalidArgumentError, InvalidHandleError, WrongThreadError
from tests.http_client import Client
from tests.python.serving import TEXT, respond, serving, start, until
from tests.support import REPLY, free_port, heed_interrupts

# How long a program may take that is asked to end: the server's own stop included.
END = 10.0


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=END + REPLY,
    )


def test_servers_that_come_and_go_leave_nothing() -> None:
    def cycle() -> None:
        with serving(lambda connection: respond(connection, "ok")) as server:
            http.set_web_socket_handler(
                server.context, "/", data_handler=lambda c, op, data, _: TEXT
            )
            assert server.fetch().body == b"ok"

    cycle()  # what is made once and kept
    threads, files = len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        cycle()
    # Python's threads and the library's.
    until(lambda: len(os.listdir("/proc/self/task")) <= threads)
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_stopped_server_lets_go_of_its_callables_and_user_data() -> None:
    class Page:
        def __call__(self, connection: http.Connection) -> int:
            return respond(connection, "ok")

    class Room:
        def on_message(self, c: http.Connection, opcode: int, data: bytes, _: object) -> int:
            return http.write_text_to_web_socket(c, data) if opcode == TEXT else 1

    page, room, data = Page(), Room(), Room()
    kept = [weakref.ref(thing) for thing in (page, room, data)]
    with serving(page, data) as server:
        http.set_web_socket_handler(
            server.context, "/", data_handler=room.on_message, user_data=data
        )
        del page, room, data
        assert server.fetch().body == b"ok"
        with server.web_socket("/") as client:
            client.send("x")
            assert client.recv(REPLY) == "x"
        assert all(reference() for reference in kept)
    gc.collect()
    assert [reference() for reference in kept] == [None] * 3


def test_a_failed_registration_lets_go_of_its_callables() -> None:
    class Handler:
        def __call__(self, *arguments: object) -> int:
            return 1

    handler = Handler()
    kept = weakref.ref(handler)
    with serving() as server:
        with pytest.raises(InvalidArgumentError):
            http.set_web_socket_handler(server.context, "no-slash", data_handler=handler)
        del handler
        gc.collect()
        assert kept() is None


def test_clients_are_closed_when_their_server_stops() -> None:
    closed: list[http.Connection] = []
    server = start()
    http.set_web_socket_handler(
        server.context, "/", close_handler=lambda connection, _: closed.append(connection)
    )
    with server.web_socket("/") as first, server.web_socket("/") as second:
        http.stop_server(server.context)
        for client in (first, second):
            with pytest.raises(ConnectionClosed):
                client.recv(REPLY)
    assert len(closed) == 2


@pytest.mark.parametrize("unix", [False, True])
def test_a_server_that_stops_listening_goes_on_with_its_clients(unix: bool, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    port = free_port()
    where: str | tuple[str, int] = str(path) if unix else ("127.0.0.1", port)

    def connect() -> socket.socket:
        client = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        client.settimeout(REPLY)
        client.connect(where)
        return client

    def ask(client: socket.socket) -> bytes:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return client.recv(4096)

    options = {"listening_ports": f"x{path}" if unix else str(port), "enable_keep_alive": "yes"}
    callbacks = http.Callbacks(begin_request=lambda c: http.respond(c, 200, "text/plain", "ok"))
    context = http.start_server(callbacks, None, options)
    with connect() as client:
        assert b"keep-alive" in ask(client)
        http.stop_listening(context)
        http.stop_listening(context)
        for _ in range(2):
            with pytest.raises(FileNotFoundError if unix else ConnectionRefusedError):
                connect()
        assert b"Connection: close" in ask(client)
        assert client.recv(1) == b""
    http.stop_server(context)
    assert not path.exists()
    with pytest.raises(InvalidHandleError):
        http.stop_listening(context)


def test_requests_in_flight_are_awaited() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def answer(connection: http.Connection) -> int:
        with pytest.raises(WrongThreadError):
            http.await_requests(server.context, 0)
        begun.set()
        let_go.wait(REPLY)
        return respond(connection, "ok")

    with serving(answer, enable_keep_alive="yes") as server, ThreadPoolExecutor() as pool:
        assert http.await_requests(server.context, -1) == 0
        asked = pool.submit(server.fetch)
        assert begun.wait(REPLY)
        assert http.await_requests(server.context, 0) == 1
        assert http.await_requests(server.context, 20) == 1
        awaited = [pool.submit(http.await_requests, server.context, -1) for _ in range(2)]
        let_go.set()
        assert asked.result(REPLY).body == b"ok"
        assert [each.result(REPLY) for each in awaited] == [0, 0]
        http.set_web_socket_handler(server.context, "/socket", data_handler=lambda *_: 1)
        with server.web_socket("/socket"):
            assert http.await_requests(server.context, -1) == 0


def test_no_request_begins_behind_the_last_ones_that_are_awaited() -> None:
    def answer(connection: http.Connection) -> int:
        return respond(connection, "ok")

    with serving(answer, enable_keep_alive="yes") as server, ExitStack() as stack:
        early, late = (stack.enter_context(Client(server.port)) for _ in range(2))
        for client in (early, late):
            assert client.ask("/").status == 200
        assert http.await_requests(server.context, -1) == 0
        http.stop_listening(server.context)
        assert early.ask("/").status == 200
        assert http.await_requests(server.context, -1) == 0
        assert late.ask("/").status == 503
        assert http.await_requests(server.context, -1) == 0


def test_a_request_that_is_answered_is_not_in_flight_though_its_body_stalls() -> None:
    with (
        serving(lambda c: respond(c, "ok"), enable_keep_alive="yes") as server,
        Client(server.port) as client,
    ):
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nthe beginning")
        assert client.receive().body == b"ok"
        assert http.await_requests(server.context, int(REPLY * 1000)) == 0


def test_nobody_awaits_requests_of_a_server_that_is_stopped() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def answer(connection: http.Connection) -> int:
        begun.set()
        let_go.wait(REPLY)
        return 503

    with ThreadPoolExecutor() as pool, serving(answer) as server:
        asked = pool.submit(server.fetch)
        assert begun.wait(REPLY)
        awaited = pool.submit(http.await_requests, server.context, -1)
        with pytest.raises(TimeoutError):
            awaited.result(0.1)
        stopped = pool.submit(http.stop_server, server.context)
        with pytest.raises(InvalidHandleError):
            awaited.result(REPLY)
        let_go.set()
        stopped.result(REPLY)
        with pytest.raises(InvalidHandleError):
            http.await_requests(server.context, 0)
        asked.exception(REPLY)


@pytest.mark.parametrize("unix", [False, True])
def test_the_next_server_listens_before_the_one_before_it_has_ended(
    unix: bool, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    port = free_port()

    def serve(name: str) -> http.Context:
        callbacks = http.Callbacks(begin_request=lambda c: http.respond(c, 200, "text/plain", name))
        options = {"listening_ports": f"x{path}" if unix else str(port)}
        return http.start_server(callbacks, None, options)

    def get() -> bytes:
        with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as client:
            client.settimeout(REPLY)
            client.connect(str(path) if unix else ("127.0.0.1", port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return client.makefile("rb").read()

    first = serve("first")
    http.stop_listening(first)
    second = serve("second")
    assert get().endswith(b"second")
    http.stop_server(first)
    assert get().endswith(b"second")
    http.stop_server(second)
    assert not path.exists()


def test_waiting_ends_when_another_thread_stops_the_server() -> None:
    server = start()
    waiting = threading.Thread(target=alusus_http.wait, args=(server.context,))
    waiting.start()
    time.sleep(0.1)
    assert waiting.is_alive()
    http.stop_server(server.context)
    waiting.join(REPLY)
    assert not waiting.is_alive()


def test_two_servers_answer_for_themselves() -> None:
    with (
        serving(lambda connection: respond(connection, "one")) as one,
        serving(lambda connection: respond(connection, "two")) as two,
    ):
        assert (one.fetch().body, two.fetch().body) == (b"one", b"two")
        http.stop_server(one.context)
        assert two.fetch().body == b"two"


def test_control_c_ends_the_wait_at_once() -> None:
    port = free_port()
    program = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
                import sys, time
                from alusus_http import http, wait
                context = http.start_server(lambda connection: 404, "127.0.0.1:" + sys.argv[1])
                print("ready", flush=True)
                try:
                    wait(context)
                except KeyboardInterrupt:
                    print("interrupted", flush=True)
                    http.stop_server(context)
            """),
            str(port),
        ],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        time.sleep(0.2)  # for wait() to begin
        begin = time.monotonic()
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline() == "interrupted\n"
        assert time.monotonic() - begin < 1
        assert program.wait(END) == 0


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in-a-callback"])
def test_a_program_may_end_while_its_server_runs(busy: bool) -> None:
    result = run(
        """
        import socket, sys, threading, time
        from alusus_http import http

        entered = threading.Event()

        def on_request(connection):
            entered.set()
            time.sleep(3600)

        address = "127.0.0.1", int(sys.argv[1])
        context = http.start_server(on_request, "%s:%d" % address)
        http.set_web_socket_handler(context, "/", ready_handler=lambda *a: None)
        if sys.argv[2] == "True":
            client = socket.create_connection(address)
            client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            entered.wait()
        print("end of the program")
        """,
        str(free_port()),
        str(busy),
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "end of the program\n", "")


def test_a_forked_child_is_told_that_its_server_runs_elsewhere() -> None:
    result = run(
        """
        import os, sys
        from alusus_http import errors, http
        context = http.start_server(lambda connection: 404, "127.0.0.1:" + sys.argv[1])
        child = os.fork()
        if not child:
            for call in (
                lambda: http.stop_server(context),
                lambda: http.set_web_socket_handler(context, "/"),
                lambda: http.start_server(lambda connection: 404, "0"),
            ):
                try:
                    call()
                except errors.HttpError as error:
                    print(error, flush=True)
            sys.exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        http.stop_server(context)
        """,
        str(free_port()),
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 3
    assert all("spawn" in line for line in result.stdout.splitlines())


def test_handlers_serve_from_many_threads_and_end_again() -> None:
    together = threading.Barrier(12, timeout=REPLY)

    def on_message(c: http.Connection, opcode: int, data: bytes, _: object) -> int:
        if opcode == TEXT:
            together.wait()
            http.write_text_to_web_socket(c, data)
        return 1

    before = threading.active_count()
    with serving() as server, ExitStack() as stack:
        http.set_web_socket_handler(server.context, "/", data_handler=on_message)
        clients = [stack.enter_context(server.web_socket("/")) for _ in range(together.parties)]
        for client in clients:
            client.send("x")
        for client in clients:
            assert client.recv(REPLY) == "x"
        stack.close()
        # Of the twelve and more, eight stay.
        until(lambda: threading.active_count() - before <= 8)
    assert threading.active_count() == before


def test_a_system_without_room_for_threads_is_served_by_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_room(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with serving(lambda connection: respond(connection, "ok")) as server:
        monkeypatch.setattr(threading.Thread, "start", no_room)
        assert server.fetch().body == b"ok"
        assert server.fetch().body == b"ok"
        monkeypatch.undo()
    assert "no thread could be started" in caplog.text
