"""Order of callbacks, writing from many threads, and what a stopped server leaves: nothing."""

from __future__ import annotations

import re
import threading
import time
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

from tests.conformance.conftest import Servers, echo_server
from tests.conformance.peer import (
    CLOSE,
    GOING_AWAY,
    NORMAL,
    PING,
    PONG,
    TEXT,
    Peer,
    close_frame,
    frame,
    request,
)
from tests.support import REPLY, Program, eventually


def tell(server: Program, command: str) -> None:
    assert server.process.stdin is not None
    server.process.stdin.write(f"{command}\n".encode())
    server.process.stdin.flush()


def of(server: Program, name: str) -> list[str]:
    lines = server.output.splitlines()
    return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


def test_the_order_of_callbacks(servers: Servers) -> None:
    server = servers()
    with Peer.open(server.port, "/echo?in-order") as peer:
        peer.send(
            frame(TEXT, "one") + frame(PING, "two") + frame(PONG, "three!") + frame(2, "four")
        )
        peer.send(frame(TEXT, "a", fin=False) + frame(PING) + frame(0, "b"))
        peer.send(close_frame(NORMAL, "bye"))
        peer.expect((TEXT, "one"), (PONG, "two"), (2, "four"), (PONG, ""), (TEXT, "ab"))
        peer.expect_close(NORMAL)
    eventually("^in-order close", server)
    assert of(server, "in-order") == [
        "connect",
        "ready",
        "data 1 3",
        "data 9 3",
        "data 10 6",
        "data 2 4",
        "data 9 0",
        "data 1 2",
        "data 8 5",
        "close refused",
    ]


def test_many_connections_each_in_order(servers: Servers) -> None:
    server = servers()

    def talk(i: int) -> None:
        with Peer.open(server.port, f"/echo?many-{i}-") as peer:
            for size in range(1, 21):
                peer.send(frame(TEXT, "x" * size))
            if i % 3:
                peer.expect(*((TEXT, "x" * size) for size in range(1, 21)))
                peer.close()

    threads = [threading.Thread(target=talk, args=(i,)) for i in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(60):
        eventually(f"^many-{i}- close", server)
        seen = of(server, f"many-{i}-")
        assert seen[:2] == ["connect", "ready"]
        assert seen[-1] == "close refused"
        closed = ["data 8 2"] if i % 3 else []
        data = [f"data 1 {size}" for size in range(1, 21)] + closed
        # One that went without reading has met a reset, which may come before its last messages.
        assert seen[2:-1] == data if i % 3 else data[: len(seen) - 3] == seen[2:-1]


@pytest.mark.parametrize("extension", ["", "permessage-deflate"])
def test_writing_from_many_threads(servers: Servers, extension: str) -> None:
    """Messages arrive whole, and those of one thread in order."""
    server = servers(websocket_max_message_size=16 << 20, websocket_max_queue_size=64 << 20)
    threads, count, size = 8, 300, 3000
    with connect(
        f"ws://{server.address}/do",
        compression="deflate" if extension else None,
        max_size=None,
    ) as client:
        client.send(f"threads {threads} {count} {size}")
        next_of = [0] * threads
        for _ in range(threads * count):
            message = client.recv(REPLY)
            assert isinstance(message, str)
            thread, number, dots = message.split(":")
            assert len(message) == size
            assert set(dots) == {"."}
            assert int(number) == next_of[int(thread)]
            next_of[int(thread)] += 1
        assert next_of == [count] * threads


STOPPED = r"^stopped after (\d+) ms: (-?\d+) more threads, (-?\d+) more descriptors, heap of (\d+)$"


def stopped(server: Program, times: int = 1) -> tuple[int, int, int, int]:
    """Wait until a server has stopped that often; return what it has printed of the last time."""
    end = time.monotonic() + 2 * REPLY
    while len(found := re.findall(STOPPED, server.output, re.MULTILINE)) < times:
        assert time.monotonic() < end, server.output
        time.sleep(0.02)
    milliseconds, threads, descriptors, heap = map(int, found[-1])
    return milliseconds, threads, descriptors, heap


def test_stop_says_goodbye_to_all() -> None:
    with echo_server() as server, ExitStack() as stack:
        peers = [
            stack.enter_context(Peer.open(server.port, f"/echo?guest-{i}-")) for i in range(200)
        ]
        tell(server, "stop")
        for peer in peers:
            got = peer.frame()
            assert (got.opcode, got.code) == (CLOSE, GOING_AWAY)
            peer.send(close_frame(GOING_AWAY))
        for peer in peers:
            peer.expect_end()
            peer.socket.close()  # as soon as all have gone, it returns
        milliseconds, *_ = stopped(server)
        assert milliseconds < 10_000  # the close time, which nobody has used up
        for i in range(200):
            assert of(server, f"guest-{i}-")[-1] == "close refused"
            assert server.output.count(f"guest-{i}- close") == 1


def test_a_client_of_another_library_sees_it_go() -> None:
    with echo_server() as server, connect(f"ws://{server.address}/echo") as client:
        tell(server, "stop")
        with pytest.raises(ConnectionClosedOK) as closed:
            client.recv(REPLY)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == GOING_AWAY
        client.close()
        stopped(server)


def test_requests_are_turned_away_while_a_server_stops() -> None:
    """None is answered any more: neither over a new connection nor over an old one."""
    with echo_server(enable_keep_alive="yes") as server, Peer.open(server.port) as guest:
        with Peer.connect(server.port) as early:
            early.send(b"GET / HTTP/1.1\r\n")
            tell(server, "stop")
            assert guest.frame().code == GOING_AWAY
            early.send(b"Host: localhost\r\n\r\n")
            assert early.answer().status == 503
            for handshake in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", request()):
                with Peer.connect(server.port) as late:
                    late.send(handshake)
                    answer = late.answer()
                    assert answer.status == 503
                    assert answer.one("Connection") == "close"
                    late.expect_content(answer)
            guest.send(close_frame(GOING_AWAY))
            guest.expect_end()
        guest.socket.close()
        stopped(server)


def test_stop_waits_no_longer_than_the_close_time() -> None:
    """Of clients that do not answer, read, or go on with a message; a handshake stalls, too."""
    with (
        echo_server(websocket_close_timeout_ms=500, websocket_max_queue_size=1 << 30) as server,
        ExitStack() as stack,
    ):
        silent = stack.enter_context(Peer.open(server.port, "/do?silent"))
        half = stack.enter_context(Peer.open(server.port, "/do?half"))
        half.send(frame(TEXT, "x" * 1000)[:500])
        deaf = stack.enter_context(Peer.open(server.port, "/do?deaf"))
        deaf.send(frame(TEXT, "write 300 100000"))
        eventually("^written 300", server)
        tell(server, "stop")
        milliseconds, threads, _, _ = stopped(server)
        assert 500 <= milliseconds < 10_000  # the default, which is not what was asked for
        assert threads == 0
        for name in ("silent", "half", "deaf"):
            assert of(server, name)[-1] == "close refused"
        assert silent.frame().code == GOING_AWAY


def test_stop_waits_for_callbacks() -> None:
    with (
        echo_server() as server,
        Peer.open(server.port, "/do?blocked") as blocked,
        Peer.open(server.port, "/do") as other,
    ):
        blocked.send(frame(TEXT, "wait"))
        eventually("^blocked told to wait$", server)
        other.send(frame(TEXT, "threads 1 1 1") + frame(TEXT, "hi"))
        other.expect((TEXT, "0:0:"), (TEXT, "hi"))
        tell(server, "stop")
        assert other.frame().code == GOING_AWAY
        other.send(frame(TEXT, "release"))  # until the Close is answered, messages are delivered
        for peer in (blocked, other):
            peer.send(close_frame(GOING_AWAY))
            peer.socket.close()
        stopped(server)
        assert of(server, "blocked")[-1] == "close refused"


def test_nothing_is_left() -> None:
    """Neither thread nor descriptor nor memory, however often a server starts and stops."""
    with echo_server(websocket_close_timeout_ms=200) as server:
        heaps = []
        for i in range(5):
            with ExitStack() as stack:
                deflate = "Sec-WebSocket-Extensions: permessage-deflate"
                peers = [
                    stack.enter_context(Peer.open(server.port, "/echo", deflate))
                    for _ in range(100)
                ]
                for j, peer in enumerate(peers):
                    peer.send(frame(TEXT, "x" * 5000))
                    assert peer.frame().rsv
                    if j % 4 == 1:
                        peer.close()
                    elif j % 4 == 2:
                        peer.socket.close()
                    elif j % 4 == 3:
                        peer.send(frame(TEXT, "half", fin=False) + b"\x81")
                tell(server, "stop")
                _, threads, descriptors, heap = stopped(server, i + 1)
            assert threads == 0
            assert descriptors == 0
            heaps.append(heap)
            tell(server, "start")
            eventually("(?s)" + "serving.*" * (i + 2), server)
        assert max(heaps[1:]) - heaps[1] < 100_000  # a hundred connections have ended each time
