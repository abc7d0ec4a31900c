"""Many threads at once: what would go wrong if one relied on another's not running meanwhile.

With the interpreter's lock these races are rare; free-threaded Pythons are where they are found.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from websockets.exceptions import ConnectionClosed as Gone
from websockets.sync.client import connect

from alusus_http import ConnectionClosed, Response, Server, WebSocket
from tests.support import REPLY

LASTING = 1.5  # seconds that each of the unordered ones goes on
THREADS = 8


def at_once(*functions: Callable[[], object]) -> None:
    """Call each on a thread of its own, from one moment on; raise what one raises."""
    together = threading.Barrier(len(functions))

    def run(function: Callable[[], object]) -> object:
        together.wait(REPLY)
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        for done in [pool.submit(run, function) for function in functions]:
            done.result(4 * REPLY)


def test_servers_start_and_stop_while_clients_come() -> None:
    """Threads start, use and stop servers of their own; each has its own clients' echoes."""

    def serve() -> None:
        end = time.monotonic() + LASTING
        while time.monotonic() < end:
            server = Server(0, grace=REPLY)

            @server.websocket("/")
            def echo(ws: WebSocket) -> None:
                for message in ws:
                    ws.send(message)

            with server, connect(f"{server.ws_url}/", compression=None) as client:
                client.send(server.url)
                assert client.recv(REPLY) == server.url

    at_once(*[serve] * THREADS)


def test_one_server_is_started_and_stopped_by_many_threads() -> None:
    """Whoever starts it has one that answers, unless another thread stops it again."""
    server = Server(0)
    server.route("/")(lambda request: Response("here"))
    end = time.monotonic() + LASTING

    def start_and_stop() -> None:
        while time.monotonic() < end:
            try:
                server.start()
            except RuntimeError as error:
                assert "runs already" in str(error)
            server.stop()
            server.wait()

    at_once(*[start_and_stop] * THREADS)
    server.stop()
    with server:
        assert len(server.ports) == 1
        assert server.url
    assert server.ports == []


def test_sending_joining_and_closing_from_any_thread() -> None:
    """Nothing but ConnectionClosed comes out of a WebSocket that others close, and none is left."""
    server = Server(0, workers=100)

    @server.websocket("/object")
    class Object:
        def on_ready(self, ws: WebSocket) -> None:
            ws.join("all")

        def on_message(self, ws: WebSocket, message: str) -> None:
            server.broadcast("all", message, exclude=ws)

    @server.websocket("/function", groups=["all"])
    def function(ws: WebSocket) -> None:
        for message in ws:
            server.broadcast("all", message, exclude=ws)

    end = time.monotonic() + LASTING

    def come_and_go() -> None:
        while time.monotonic() < end:
            path = random.choice(("object", "function"))
            try:
                with connect(f"{server.ws_url}/{path}", compression=None, max_queue=None) as client:
                    for _ in range(random.randrange(20)):
                        client.send("x" * random.randrange(2000))
            except Gone:
                pass

    def interfere() -> None:
        while time.monotonic() < end:
            for ws in server.connections:
                try:
                    ws.leave("all")
                    ws.join("all")
                    assert isinstance(ws, WebSocket)
                    ws.send("from outside")
                    if random.random() < 0.05:
                        ws.close(4000, "enough")
                except ConnectionClosed:
                    pass
            server.broadcast("all", "to all")
            server.metrics()

    def add_routes() -> None:
        added = 0
        while time.monotonic() < end and added < 200:
            server.route(f"/{threading.get_ident()}/{added}/**")(lambda request: "added")
            added += 1
        with lock:
            counts.append(added)

    lock, counts = threading.Lock(), list[int]()
    with server:
        at_once(*[come_and_go] * 6, *[interfere] * 3, *[add_routes] * 4)
        deadline = time.monotonic() + REPLY
        while server.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.connections == []
        assert server.stats.open == 0
    assert len(server._trees) == sum(counts)


def test_bursts_of_slow_requests_leave_threads_that_answer() -> None:
    """When many threads have done at once, not all of them end for there being enough."""
    server = Server(0, options={"num_threads": "40"})
    release = threading.Semaphore(0)
    waiting: list[int] = []

    @server.websocket("/")
    class Slow:
        def on_message(self, ws: WebSocket, message: str) -> None:
            if message == "wait":
                waiting.append(1)
                release.acquire()
            ws.send(message)

    with server:
        for _ in range(3):
            waiting.clear()
            with ExitStack() as stack:
                clients = [
                    stack.enter_context(connect(f"{server.ws_url}/", compression=None))
                    for _ in range(20)
                ]
                for client in clients:
                    client.send("wait")
                deadline = time.monotonic() + REPLY
                while len(waiting) < len(clients) and time.monotonic() < deadline:
                    time.sleep(0.005)
                assert len(waiting) == len(clients)
                release.release(len(clients))
                for client in clients:
                    assert client.recv(REPLY) == "wait"
                # All but one hold a thread up; the last is answered all the same.
                for client in clients[1:]:
                    client.send("wait")
                clients[0].send("at once")
                assert clients[0].recv(REPLY) == "at once"
                release.release(len(clients) - 1)
                for client in clients[1:]:
                    assert client.recv(REPLY) == "wait"
