"""Starting, stopping and ending: in threads, on a loop, by signals, with the process."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed as ClientClosed
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from alusus_http import (
    AsyncWebSocket,
    ConnectionClosedOK,
    Request,
    Server,
    WebSocket,
    http,
)
from alusus_http.errors import (
    AddressInUseError,
    HttpError,
    InvalidArgumentError,
    MissingFileError,
    UnknownOptionError,
    WrongStateError,
    WrongThreadError,
)
from alusus_http.testing import Serve
from tests import http_client
from tests.python.serving import until
from tests.support import REPLY, STOP, echo_by_tls, free_port, get, heed_interrupts

Client = Callable[..., ClientConnection]


def echo(ws: WebSocket) -> None:
    for message in ws:
        ws.send(message)


# Starting


def test_a_server_can_run_again_and_tells_where() -> None:
    server = Server(0)
    server.route("/")(lambda request: "here")
    for _ in range(2):
        assert server.ports == []
        with server:
            (port,) = server.ports
            assert server.url == f"http://127.0.0.1:{port}"
            assert server.ws_url == f"ws://127.0.0.1:{port}"
            assert get(port) == (200, "here")
            with pytest.raises(WrongStateError, match="runs already"):
                server.start()
        server.stop()  # nothing happens
    for use in (lambda: server.url, lambda: server.stats, lambda: server.broadcast("g", "x")):
        with pytest.raises(WrongStateError, match="does not run"):
            use()


def test_every_start_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "alusus_http")

    async def run(server: Server) -> str:
        async with server:
            return server.url

    def messages() -> list[str]:
        return [record.message for record in caplog.records]

    server = Server(0)
    with server:
        assert messages() == [f"serving at {server.url}"]
    caplog.clear()
    url = asyncio.run(run(server))
    assert messages() == [f"serving at {url}"]


def test_runs_that_follow_at_once_do_not_know_of_each_other() -> None:
    """The loop of one may still be ending when the next has begun."""
    server = Server(0)

    @server.route("/")
    async def handler(request: Request) -> str:
        return "here"

    async def once() -> tuple[int, str]:
        async with server:
            return await asyncio.to_thread(get, server.ports[0])

    for _ in range(10):
        server.start()
        server.stop()
        with server:
            assert get(server.ports[0]) == (200, "here")
        assert asyncio.run(once()) == (200, "here")


def test_where_it_is_is_told_as_the_options_say(tmp_path: Path, certificate: Path) -> None:
    places = {
        "127.0.0.1:0": "http://127.0.0.1:",
        "0": "http://127.0.0.1:",
        "+0": "http://127.0.0.1:",
        "[::1]:0,127.0.0.1:0": "http://[::1]:",
        "127.0.0.1:0s": "https://127.0.0.1:",
        f"127.0.0.1:0,x{tmp_path}/socket": "http://127.0.0.1:",
    }
    for ports, url in places.items():
        given = {"listening_ports": ports, "ssl_certificate": str(certificate)}
        with Server(0, options=given) as server:
            assert server.url == f"{url}{server.ports[0]}"
            assert server.ws_url == server.url.replace("http", "ws")


def test_a_unix_socket_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = Server(0, options={"listening_ports": f"x{path}"})
    server.route("/")(lambda request: "served")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        until(lambda: not server._stopped.is_set())
        assert server.ports == []
        assert server.url == f"http+unix:{path}:"
        command = ["curl", "--silent", "--unix-socket", str(path), "http://x/"]
        assert subprocess.check_output(command, text=True, timeout=REPLY) == "served"
    finally:
        server.stop()
        thread.join(STOP)
    assert not thread.is_alive()


def test_several_servers_do_not_know_of_each_other(client: Client) -> None:
    first, second = Server(0), Server(0)
    first.websocket("/", groups=["all"])(echo)
    second.websocket("/", groups=["all"])(echo)
    with first, second:
        a, b = client(first, "/"), client(second, "/")
        until(lambda: first.connections and second.connections)
        assert first.broadcast("all", "first") == 1
        assert second.broadcast("all", "second") == 1
        assert a.recv(REPLY) == "first"
        assert b.recv(REPLY) == "second"


def test_who_serves_already_goes_on(serve: Serve) -> None:
    server = serve(Server(0))
    server.route("/")(lambda request: "still here")
    for start in (server.start, server.serve_forever, server.__enter__):
        with pytest.raises(WrongStateError, match="runs already: `wait` waits for its end"):
            start()
    assert get(server.ports[0])[1] == "still here"


def test_a_second_serve_leaves_the_first_its_end() -> None:
    async def main() -> None:
        server = Server(0)
        first = asyncio.create_task(server.serve())
        while not server.ports:
            await asyncio.sleep(0.01)
        with pytest.raises(WrongStateError, match="runs already"):
            await server.serve()
        server.stop()
        await asyncio.wait_for(first, STOP)

    asyncio.run(main())


@pytest.mark.parametrize("handler", ["sync", "async"])
def test_serve_forever_does_not_hold_up_a_loop(handler: str) -> None:
    async def index(request: Request) -> str:
        return ""

    async def main() -> None:
        server = Server(0)
        if handler == "async":
            server.route("/")(index)
        with pytest.raises(WrongStateError, match="await `serve` instead"):
            server.serve_forever()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["request", "function", "object", "async"])
def test_a_handler_cannot_wait_for_the_end(kind: str, serve: Serve, client: Client) -> None:
    server = Server(0)
    told: SimpleQueue[str] = SimpleQueue()

    def wait(*_: object) -> str:
        try:
            server.wait()
        except WrongThreadError as error:
            told.put(str(error))
        return ""

    async def wait_async(ws: AsyncWebSocket) -> None:
        wait()

    server.route("/")(wait)
    handlers: dict[str, Any] = {
        "function": wait,
        "object": type("Handler", (), {"on_message": wait}),
        "async": wait_async,
    }
    if kind in handlers:
        server.websocket("/")(handlers[kind])
    serve(server)
    if kind == "request":
        get(server.ports[0])
    else:
        c = client(server, "/")
        with suppress(ClientClosed):  # a function has returned by now
            c.send("x")
        opened = client(server, "/")
        if kind == "object":
            opened.send("x")
    assert "have another thread do so" in told.get(timeout=REPLY)


def test_a_server_stays_in_its_process() -> None:
    with pytest.raises(TypeError, match="make it where it serves"):
        pickle.dumps(Server(0))


@pytest.mark.parametrize("start", ["threads", "loop"])
def test_a_port_that_is_taken_is_an_error(start: str, caplog: pytest.LogCaptureFixture) -> None:
    with Server(0) as first:
        caplog.set_level(logging.DEBUG, "alusus_http")  # for what the second one tells
        second = Server(first.ports[0])
        with pytest.raises(AddressInUseError, match="cannot bind to"):
            if start == "threads":
                second.start()
            else:
                asyncio.run(second.serve())
        assert second.ports == []
    # What the library logs about it repeats the error.
    told = [record for record in caplog.records if record.name == "alusus_http"]
    assert any("cannot bind to" in record.message for record in told)
    assert all(record.levelname == "DEBUG" for record in told), told
    with pytest.raises(ConnectionRefusedError):
        get(second._place[1])


def test_options_are_checked() -> None:
    with pytest.raises(UnknownOptionError, match='nearest is "num_threads"'):
        Server(0, options={"num_thread": 5}).start()
    with pytest.raises(MissingFileError):
        Server(0, certificate="none.pem").start()
    with pytest.raises(TypeError, match="unexpected keyword"):
        Server(0, num_threads=5)  # type: ignore[call-arg]
    arguments: list[dict[str, Any]] = [
        {"port": 65536},
        {"port": -1},
        {"max_message_size": 0},
        {"ping_timeout": -1},
        {"ping_timeout": float("nan")},
        {"ping_interval": 0},
        {"grace": -1},
        {"workers": 0},
        {"origins": "https://example.org"},
        {"origins": ["a,b"]},
        {"origins": ["https://example.org/"]},
        {"origins": ["example.org"]},
        {"origins": ["*"]},
    ]
    for given in arguments:
        with pytest.raises(InvalidArgumentError):
            Server(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"port": "8080"},
        {"port": 80.5},
        {"port": True},
        {"host": 5},
        {"workers": 1.5},
        {"max_body_size": "1MB"},
        {"ping_interval": "20"},
        {"request_timeout": None},
        {"grace": "10"},
        {"compression": "no"},
        {"origins": [5]},
        {"origins": 5},
        {"certificate": b"server.pem"},
        {"document_root": 5},
        {"options": ["num_threads"]},
        {"options": {"num_threads": None}},
    ],
    ids=str,
)
def test_an_argument_of_another_type_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"^{next(iter(given))}: .*expected"):
        Server(**given)


def test_a_name_is_its_address_of_ipv4() -> None:
    server = Server(0, "localhost")
    server.route("/")(lambda request: request.peer[0])
    with server:
        assert server.url == f"http://localhost:{server.ports[0]}"
        assert get(server.ports[0]) == (200, "127.0.0.1")


def test_what_cannot_be_listened_at_says_what_to_give() -> None:
    for host in ("nowhere.invalid", "192.0.2.1"):
        with pytest.raises(InvalidArgumentError, match="give PORT or ADDRESS:PORT"):
            Server(0, host).start()
    for host in ("", "*", "localhost:8080", "[::1]", "http://localhost", "a,b", "x/run/socket"):
        with pytest.raises(InvalidArgumentError, match=r"^host: .* is no address; give one"):
            Server(0, host)


def test_a_document_root_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for given in ({"document_root": tmp_path / "no"}, {"options": {"document_root": "no"}}):
        with pytest.raises(MissingFileError, match=r"document_root: there is no folder /.*/no; "):
            Server(0, **given).start()
    server = Server(0, document_root=tmp_path / "later")
    (tmp_path / "later").mkdir()
    with server:
        assert server.ports


def test_a_certificate_that_is_none_says_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("no certificate")
    with pytest.raises(HttpError, match=r"none\.pem.*; give a PEM file with the private key"):
        Server(0, certificate=tmp_path / "none.pem").start()


def test_options_have_civetweb_s_names_and_python_s_values() -> None:
    server = Server(0, options={"num_threads": 2, "enable_keep_alive": False})
    server.route("/")(lambda request: "x")
    with server:
        assert get(server.ports[0])[1] == "x"


def test_tls(certificate: Path) -> None:
    server = Server(0, certificate=certificate)
    server.route("/")(lambda request: str(request.secure))
    server.websocket("/")(echo)
    with server:
        assert server.url.startswith("https://127.0.0.1:")
        fetched = subprocess.run(
            ["curl", "--silent", "--cacert", certificate, server.url],
            capture_output=True,
            check=True,
        )
        assert fetched.stdout == b"True"
        assert server.ws_url.startswith("wss://127.0.0.1:")
        echo_by_tls(server.ws_url, certificate, "x")


def test_clients_that_come_while_it_starts_are_served() -> None:
    port = free_port()
    server = Server(port)
    server.route("/")(lambda request: "x")
    server.websocket("/echo")(echo)
    answers: list[object] = []

    def ask(path: str) -> None:
        while True:
            with suppress(ConnectionRefusedError):
                if path == "/":
                    answers.append(get(port))
                else:
                    with connect(f"ws://127.0.0.1:{port}{path}") as c:
                        c.send("x")
                        answers.append(c.recv(REPLY))
                return

    for _ in range(10):
        clients = [threading.Thread(target=ask, args=(path,)) for path in ("/", "/echo")]
        for thread in clients:
            thread.start()
        with server:
            for thread in clients:
                thread.join()
    assert answers.count((200, "x")) == answers.count("x") == 10


# Stopping


@pytest.mark.parametrize("kind", ["function", "async function", "object"])
def test_a_stop_says_1001_and_lets_handlers_end(kind: str, run: Serve, client: Client) -> None:
    ended: list[object] = []
    server = Server(0)

    def handler(ws: WebSocket) -> None:
        for _ in ws:
            pass
        with pytest.raises(ConnectionClosedOK) as raised:
            ws.send("too late")
        time.sleep(0.1)
        ended.append(raised.value.code)

    async def async_handler(ws: AsyncWebSocket) -> None:
        async for _ in ws:
            pass
        await asyncio.sleep(0.1)
        ended.append(1001)

    class Handler:
        def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
            ended.append(code)

    every: dict[str, Any] = {"function": handler, "async function": async_handler}
    server.websocket("/")(every.get(kind, Handler))
    run(server)
    c = client(server, "/")
    until(lambda: server.connections)
    closes: list[int | None] = []

    def receive() -> None:
        try:
            c.recv(REPLY)
        except ClientClosed as error:
            closes.append(error.rcvd.code if error.rcvd else None)

    receiver = threading.Thread(target=receive)
    receiver.start()
    server.stop()
    receiver.join()
    assert closes == [1001]
    assert ended == [1001]
    assert server.ports == []


def test_a_request_is_answered_before_the_stop_is_over(run: Serve) -> None:
    server = Server(0)
    begun = threading.Event()

    @server.route("/")
    def slow(request: Request) -> str:
        begun.set()
        time.sleep(0.3)
        return "in time"

    run(server)
    answers: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: answers.append(get(server.ports[0])))
    asking.start()
    assert begun.wait(REPLY)
    server.stop()
    asking.join()
    assert answers == [(200, "in time")]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_clients_that_are_there_lose_no_request(asynchronous: bool, run: Serve) -> None:
    """Their next answer is the last one of the connection; nobody new comes."""
    server = Server(0)
    begun, let_go = threading.Event(), threading.Event()

    @server.route("/held")
    def held(request: Request) -> str:
        begun.set()
        let_go.wait(REPLY)
        return "in time"

    def quick(request: Request) -> str:
        return "quick"

    async def quick_async(request: Request) -> str:
        return "quick"

    server.route("/")(quick_async if asynchronous else quick)
    run(server)
    port = server.ports[0]
    with http_client.Client(port) as first, http_client.Client(port) as second:
        assert [client.ask("/").status for client in (first, second)] == [200, 200]
        first.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        assert begun.wait(REPLY)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        with pytest.raises(ConnectionError):  # reset, if one was just being let in
            while True:
                http_client.Client(port).__exit__()
                time.sleep(0.01)
        answer = second.ask("/")
        assert (answer.status, answer.body) == (200, b"quick")
        assert answer.header("Connection") == "close"
        let_go.set()
        stopping.join()
        answer = first.receive()
        assert (answer.body, answer.header("Connection")) == (b"in time", "close")


def test_tasks_that_do_not_end_are_cancelled_after_the_grace_time(client: Client) -> None:
    cancelled: list[bool] = []
    server = Server(0, grace=0.2)

    @server.websocket("/")
    async def handler(ws: AsyncWebSocket) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with server:
        client(server, "/")
        until(lambda: server.connections)
        begin = time.monotonic()
    assert time.monotonic() - begin < 5
    assert cancelled == [True]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_a_task_that_is_cancelled_before_its_first_step_is_not_waited_for() -> None:
    """The loop runs nothing of it, not even what comes at its end; its client gets an answer."""
    server = Server(0, grace=60)

    @server.route("/")
    async def handler(request: Request) -> str:
        raise AssertionError("this runs")

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def stillborn(loop: asyncio.AbstractEventLoop, coroutine: Any, **rest: Any) -> Any:
            task = asyncio.Task(coroutine, loop=loop, **rest)
            task.cancel()
            return task

        async with server:
            asking = loop.run_in_executor(None, get, server.ports[0])
            loop.set_task_factory(stillborn)
            status, _ = await asking
            loop.set_task_factory(None)
            begin = time.monotonic()
        assert status == 500
        assert time.monotonic() - begin < REPLY

    asyncio.run(main())


def test_threads_that_do_not_end_are_left_behind(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()
    server = Server(0, grace=0.2)

    @server.websocket("/")
    def handler(ws: WebSocket) -> None:
        release.wait()

    with server:
        c = client(server, "/")
        for _ in range(100):  # more than waits for it
            c.send("x")
        until(lambda: server.connections)
    assert "handlers that still run 0.2 s after the stop: 1" in caplog.text
    release.set()


@pytest.mark.parametrize("kind", ["request", "async request", "function", "object"])
def test_a_handler_can_stop_its_server(kind: str, client: Client) -> None:
    server = Server(0)

    @server.websocket("/function")
    def function(ws: WebSocket) -> None:
        server.stop()

    @server.websocket("/object")
    class Object:
        def on_ready(self, ws: WebSocket) -> None:
            server.stop()

    @server.route("/request")
    def request(request: Request) -> str:
        server.stop()
        return "bye"

    if kind == "async request":

        @server.route("/async")
        async def async_request(request: Request) -> str:
            server.stop()
            return "bye"

    server._place = ("127.0.0.1", 0)
    server.start()
    port = server.ports[0]
    if kind == "request":
        assert get(port, "/request") == (200, "bye")
    elif kind == "async request":
        assert get(port, "/async") == (200, "bye")
    else:
        client(server, f"/{kind}")
    server.wait()
    assert server.ports == []


@pytest.mark.parametrize("kind", ["request", "async request", "connect", "async connect"])
def test_a_handler_that_raises_system_exit_ends_neither_server_nor_loop(
    kind: str, run: Serve
) -> None:
    server = Server(0)

    def fail(request: Request) -> str:
        raise SystemExit

    async def fail_async(request: Request) -> str:
        raise SystemExit

    class Handler:
        on_connect = staticmethod(fail_async if "async" in kind else fail)

        def on_message(self, ws: WebSocket, message: str | bytes) -> None:
            pass

    server.route("/request")(fail_async if "async" in kind else fail)
    server.websocket("/connect")(Handler)
    server.route("/")(lambda request: "it serves")
    run(server)
    port = server.ports[0]
    if "request" in kind:
        assert get(port, "/request")[0] == 500
    else:
        with pytest.raises(InvalidStatus) as raised:
            connect(server.ws_url + "/connect").close()
        assert raised.value.response.status_code == 500
    assert get(port) == (200, "it serves")


# asyncio


@pytest.mark.parametrize("seconds", [0, 0.001, 0.05])
def test_a_start_that_is_cancelled_leaves_no_server(seconds: float) -> None:
    server = Server(0)

    async def main() -> None:
        serving = asyncio.create_task(server.serve())
        await asyncio.sleep(seconds)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert server.ports == []
        async with server:  # so nothing of it runs
            assert server.ports

    asyncio.run(main())


def test_a_stop_that_cancels_a_handler_raises_nothing() -> None:
    server = Server(0, grace=0.1)
    begun, cancelled = threading.Event(), threading.Event()

    @server.route("/")
    async def handler(request: Request) -> str:
        begun.set()
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "never"

    async def main() -> None:
        async with server:
            asking = socket.create_connection(("127.0.0.1", server.ports[0]))
            asking.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.to_thread(begun.wait, REPLY)
        asking.close()

    asyncio.run(main())
    assert cancelled.is_set()


def test_a_loop_that_ends_while_its_server_stops_lets_it_finish() -> None:
    server = Server(0, grace=1)
    begun = threading.Event()

    @server.route("/")
    async def handler(request: Request) -> str:
        begun.set()
        await asyncio.sleep(1000)
        return "never"

    async def main() -> int:
        await server.__aenter__()
        port = server.ports[0]
        asking = socket.create_connection(("127.0.0.1", port))
        asking.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.to_thread(begun.wait, REPLY)
        server.stop()  # only begins it, on the loop's thread
        await asyncio.sleep(0)
        asking.close()
        return port

    port = asyncio.run(main())
    assert server.ports == []
    with socket.create_server(("127.0.0.1", port)):
        pass  # nobody listens there any more


@pytest.mark.parametrize("asked", [False, True])
def test_a_server_whose_loop_was_closed_can_be_stopped(
    asked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(0)
    server.route("/")(lambda request: "x")

    async def main() -> int:
        await server.__aenter__()
        return server.ports[0]

    port = asyncio.run(main())
    with contextlib.ExitStack() as stack:
        if asked:  # a request that nobody answers, for it is the loop's
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            until(lambda: http.await_requests(server._running.context, 0))
        server.stop()
    assert "still being answered" not in caplog.text
    assert server.ports == []
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_everything_happens_on_the_running_loop(
    factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    seen: dict[str, object] = {}
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    server = Server(0)

    @server.websocket("/")
    async def handler(ws: AsyncWebSocket) -> None:
        seen["loop"] = asyncio.get_running_loop()
        seen["thread"] = threading.get_ident()
        seen["variable"] = variable.get()
        async for message in ws:
            await ws.send(message)

    @server.websocket("/object")
    class Object:
        def on_message(self, ws: WebSocket, message: str | bytes) -> None:
            seen["object"] = threading.get_ident()
            ws.send(message)

    async def main() -> None:
        variable.set("set before the start")
        async with server:
            for path in ("/", "/object"):
                async with connect_async(f"{server.ws_url}{path}") as c:
                    await c.send("x")
                    assert await c.recv() == "x"
            assert seen == {
                "loop": asyncio.get_running_loop(),
                "thread": threading.get_ident(),
                "object": threading.get_ident(),
                "variable": "set before the start",
            }

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


def test_a_cancelled_serve_stops_the_server() -> None:
    server = Server(0)
    server.route("/")(lambda request: "x")

    async def main() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.ports:
            await asyncio.sleep(0.01)
        assert (await asyncio.to_thread(get, server.ports[0]))[0] == 200
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert server.ports == []

    asyncio.run(main())


def test_serve_ends_by_stop_from_another_thread() -> None:
    server = Server(0)

    async def main() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.ports:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(server.stop)
        await serving

    asyncio.run(main())


def test_tasks_that_send_do_not_disturb_each_other() -> None:
    server = Server(0)

    @server.websocket("/")
    async def handler(ws: AsyncWebSocket) -> None:
        async def count(name: str) -> None:
            for number in range(100):
                await ws.send(f"{name}{number}")
                await asyncio.sleep(0)

        await asyncio.gather(count("a"), count("b"))

    async def main() -> None:
        async with server, connect_async(server.ws_url) as c:
            received = [str(message) async for message in c]
        for name in "ab":
            assert [m for m in received if m[0] == name] == [f"{name}{n}" for n in range(100)]

    asyncio.run(main())


# Processes

PROGRAM = """
import asyncio, logging, sys, time
from alusus_http import Server

logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
server = Server({port})

@server.websocket("/")
def handler(ws):
    try:
        for message in ws:
            ws.send(message)
    finally:
        print("handler ended", flush=True)

{body}
"""


def program(body: str, port: int = 0) -> list[str]:
    return [sys.executable, "-u", "-c", PROGRAM.format(port=port, body=textwrap.dedent(body))]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "body",
    [
        "server.serve_forever()\nprint('ended well')",
        "asyncio.run(server.serve())\nprint('ended well')",
        """
        @server.websocket("/async")
        async def other(ws):
            pass
        server.serve_forever()
        print('ended well')
        """,
    ],
    ids=["threads", "asyncio", "threads with async handlers"],
)
def test_signals_stop_it_gracefully(number: signal.Signals, body: str) -> None:
    port = free_port()
    process = subprocess.Popen(
        program(body, port), stdout=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == f"serving at http://127.0.0.1:{port}\n"
        with connect(f"ws://127.0.0.1:{port}/", open_timeout=REPLY, close_timeout=REPLY) as c:
            c.send("x")
            assert c.recv(REPLY) == "x"
            process.send_signal(number)
            with pytest.raises(ClientClosed) as raised:
                c.recv(REPLY)
        assert raised.value.rcvd is not None
        assert raised.value.rcvd.code == 1001
        output, _ = process.communicate(timeout=STOP)
    assert process.returncode == 0
    assert output.splitlines()[-2:] == ["handler ended", "ended well"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_interpreter_that_ends_leaves_a_running_server_cleanly(asynchronous: bool) -> None:
    late = "@server.route('/a')\nasync def a(request): return ''\n" if asynchronous else ""
    body = f"{late}server.start()\nfrom websockets.sync.client import connect\n"
    body += "with connect(server.ws_url) as c:\n    c.send('x')\n    print(c.recv())"
    done = subprocess.run(program(body), capture_output=True, text=True, timeout=STOP)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1] == "x"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_forked_child_fails_clearly(asynchronous: bool) -> None:
    late = "@server.route('/a')\nasync def a(request): return ''\n" if asynchronous else ""
    body = """
    import os
    server.start()
    child = os.fork()
    if child == 0:
        uses = server.stop, lambda: server.stats, lambda: server.url, server.start, Server(0).start
        for use in uses:
            try:
                use()
                print("no error", flush=True)
            except Exception as error:
                print(type(error).__name__, "was forked" in str(error), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    server.stop()
    """
    command = program(late + textwrap.dedent(body))
    command.insert(1, "-Wignore:This process:DeprecationWarning")  # of 3.12, about any such fork
    done = subprocess.run(command, capture_output=True, text=True, timeout=STOP)
    assert done.stdout.splitlines()[1:] == ["HttpError True"] * 5
    assert (done.returncode, done.stderr) == (0, "")


# Around it


def test_metrics_in_prometheus_format(serve: Serve, client: Client) -> None:
    server = Server(0, metrics="/metrics")
    server.websocket("/")(echo)
    serve(server)
    c = client(server, "/")
    c.send("four")
    assert c.recv(REPLY) == "four"
    c.close()
    status, body = get(server.ports[0], "/metrics")
    assert status == 200
    values = dict(line.rsplit(" ", 1) for line in body.splitlines() if not line.startswith("#"))
    assert values['alusus_http_websocket_bytes_total{direction="received"}'] == "4"
    assert values['alusus_http_websocket_handshakes_total{result="accepted"}'] == "1"
    described = [line.split()[2] for line in body.splitlines() if line.startswith("# TYPE")]
    assert {name.partition("{")[0] for name in values} == set(described)
    assert server.stats.messages_sent == 1


NO_MORE_FILES = """
import asyncio
import os
import resource
from contextlib import contextmanager, suppress

from alusus_http import Server, asgi, wsgi

LOCAL = {"listening_ports": "127.0.0.1:0"}
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


@contextmanager
def no_more_files():
    files = []
    with suppress(OSError):
        while True:
            files.append(os.open("/dev/null", os.O_RDONLY))
    yield
    for file in files:
        os.close(file)


async def application(scope, receive, send):
    while scope["type"] == "lifespan":
        await send({"type": (await receive())["type"] + ".complete"})


async def asynchronous():
    server = Server(0)
    await server.__aenter__()
    with no_more_files():
        await server.__aexit__(None, None, None)
    server = asgi.Server(application, LOCAL)
    await server.start()
    with no_more_files():
        await server.stop()


for server in Server(0), wsgi.Server(lambda environ, start_response: [], LOCAL):
    server.start()
    with no_more_files():
        server.stop()
asyncio.run(asynchronous())
"""


def test_a_process_that_can_open_no_more_files_stops() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_MORE_FILES],
        capture_output=True,
        text=True,
        timeout=STOP,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("new clients still come while the server stops") == 4
