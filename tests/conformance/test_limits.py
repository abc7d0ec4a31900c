"""What a WebSocket may use and how long it may take: the options that begin with websocket_."""

from __future__ import annotations

import random
import re
import select
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.conformance.conftest import Servers
from tests.conformance.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    GOING_AWAY,
    NORMAL,
    PING,
    POLICY_VIOLATION,
    PONG,
    TEXT,
    TOO_BIG,
    Frame,
    Peer,
    close_frame,
    frame,
)
from tests.support import REPLY, Program, built, eventually, free_port, get

TICK = 0.1  # seconds: the engine looks at its clocks this often


def count(pattern: str, server: Program) -> int:
    return len(re.findall(pattern, server.output, re.MULTILINE))


# Sizes


def test_the_size_of_messages(servers: Servers) -> None:
    """The message counts, not its frames; the limit itself is allowed."""
    server = servers(websocket_max_message_size=1000)
    fits, too_big = b"x" * 1000, b"x" * 1001
    for cut in (None, 0, 1, 500, 1000):
        for message in (fits, too_big):
            sent = frame(BINARY, message)
            if cut is not None:
                sent = frame(BINARY, message[:cut], fin=False) + frame(CONTINUATION, message[cut:])
            with Peer.open(server.port) as peer:
                peer.send(sent)
                if message is fits:
                    peer.expect((BINARY, fits))
                    peer.send(sent)  # each message anew
                    peer.expect((BINARY, fits))
                    peer.close()
                else:
                    peer.expect_close(TOO_BIG)
    with Peer.open(server.port) as peer:  # pings have their own limit
        peer.send(frame(TEXT, fits, fin=False) + frame(PING, "x" * 125) + frame(CONTINUATION))
        peer.expect((PONG, "x" * 125), (TEXT, fits))
        peer.close()


def test_a_mebibyte_by_default(servers: Servers) -> None:
    server = servers()
    with Peer.open(server.port) as peer:
        peer.send(frame(BINARY, b"x" * (1 << 20)))
        peer.expect((BINARY, b"x" * (1 << 20)))
        peer.send(frame(BINARY, b"", length=(1 << 20) + 1))
        peer.expect_close(TOO_BIG)


def test_memory_is_for_what_has_arrived(servers: Servers) -> None:
    """Two hundred headers that promise 16 MiB each, and bring a byte."""
    server = servers(websocket_max_message_size=16 << 20, websocket_max_queue_size=64 << 20)

    def resident() -> int:
        return int(server_status(server, "VmSize")) * 1024

    with ExitStack() as stack:
        peers = [stack.enter_context(Peer.open(server.port)) for _ in range(200)]
        before = resident()
        for peer in peers:
            peer.send(frame(BINARY, b"x", length=16 << 20))
        with Peer.open(server.port) as other:
            other.send(frame(PING))
            other.expect((PONG, ""))
        assert resident() < before + (64 << 20)


def server_status(server: Program, name: str) -> str:
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(line.split()[1] for line in status if line.startswith(f"{name}:"))


# Times


def test_who_answers_pings_stays(servers: Servers) -> None:
    server = servers(websocket_ping_interval_ms=200)
    with Peer.open(server.port, "/echo?answers") as peer:
        for _ in range(5):
            assert peer.frame() == Frame(PING, b"")
            peer.send(frame(PONG))
        peer.close()


def test_who_talks_is_not_pinged(servers: Servers) -> None:
    server = servers(websocket_ping_interval_ms=1000)
    with Peer.open(server.port) as peer:
        for i in range(15):
            time.sleep(0.1)
            peer.send(frame(TEXT, f"{i}"))
            peer.expect((TEXT, f"{i}"))
        peer.close()


def test_who_does_not_answer_pings_is_dropped(servers: Servers) -> None:
    server = servers(websocket_ping_interval_ms=200, websocket_ping_timeout_ms=400)
    with Peer.open(server.port, "/echo?silent") as peer:
        assert peer.frame().opcode == PING
        peer.expect_end()
        eventually("^silent close refused$", server)


def test_no_pings(servers: Servers) -> None:
    """CivetWeb's own names for it are heeded."""
    options: list[dict[str, str | int]] = [
        {"websocket_ping_interval_ms": 0},
        {"enable_websocket_ping_pong": "no", "websocket_ping_interval_ms": 200},
    ]
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer.open(servers(**some).port, "/echo")) for some in options]
        time.sleep(0.6)
        for peer in peers:
            peer.send(frame(TEXT, "unasked"))
            peer.expect((TEXT, "unasked"))
            peer.close()


def test_civetwebs_interval_of_pings(servers: Servers) -> None:
    server = servers(enable_websocket_ping_pong="yes", websocket_timeout_ms=200)
    with Peer.open(server.port) as peer:
        for _ in range(3):
            assert peer.frame().opcode == PING
            peer.send(frame(PONG))
        peer.close()


def test_idle_connections_are_closed(servers: Servers) -> None:
    server = servers(websocket_idle_timeout_ms=1000)
    with (
        Peer.open(server.port, "/echo?idles") as idle,
        Peer.open(server.port) as busy,
    ):
        for i in range(12):
            busy.send(frame(TEXT, f"{i}"))
            busy.expect((TEXT, f"{i}"))
            time.sleep(0.1)
        got = idle.frame()
        assert (got.opcode, got.code) == (CLOSE, GOING_AWAY)
        idle.send(close_frame(GOING_AWAY))
        idle.expect_end()
        eventually("^idles close refused$", server)
        busy.close()


IDLE = {"websocket_idle_timeout_ms": 400}
PINGED = {"websocket_ping_interval_ms": 200, "websocket_ping_timeout_ms": 200}


@pytest.mark.parametrize("threads", [1, 50])
@pytest.mark.parametrize("options", [IDLE, PINGED], ids=["idle", "pinged"])
def test_who_waits_for_a_callback_has_time(
    servers: Servers, options: dict[str, int], threads: int
) -> None:
    """Nobody reads what it sends meanwhile, and it need not answer pings."""
    server = servers(**options, websocket_threads=threads)
    with Peer.open(server.port, "/do") as busy, Peer.open(server.port) as other:
        busy.send(frame(TEXT, "nap 600") + frame(TEXT, "nap 600"))
        for _ in range(12):
            time.sleep(0.1)
            other.send(frame(TEXT, "x"))
        for _ in range(2):
            while (answer := busy.frame()).opcode == PING:
                assert options == PINGED
            assert answer.payload == b"awake"
        other.expect(*[(TEXT, "x")] * 12)
        for peer in (busy, other):  # now it is the server that waits
            if options == PINGED:
                peer.expect((PING, ""))
                peer.expect_end()
            else:
                assert peer.frame().code == GOING_AWAY


@pytest.mark.parametrize(
    "pieces",
    [
        [bytes([byte]) for byte in frame(BINARY, b"x" * 100, length=1 << 19)],
        [frame(PING, b"", length=125), *[b"x"] * 100],
        [frame(TEXT, "a", fin=False), *[frame(CONTINUATION, "", fin=False)] * 100],
        [frame(TEXT, "a", fin=False), *[frame(PONG)] * 100],
        [frame(TEXT, "a", fin=False)],
    ],
    ids=["header and payload", "a ping", "empty fragments", "pongs between fragments", "nothing"],
)
def test_messages_that_do_not_come_to_an_end(servers: Servers, pieces: list[bytes]) -> None:
    """Byte by byte, a client could seem neither idle nor gone."""
    server = servers(websocket_message_timeout_ms=400)
    with Peer.open(server.port) as peer:
        began = time.monotonic()
        for piece in pieces:
            peer.send(piece)
            time.sleep(0.03)
            if select.select([peer.socket], [], [], 0)[0]:
                break
        got = peer.frame()
        assert (got.opcode, got.code) == (CLOSE, POLICY_VIOLATION)
        assert 0.3 < time.monotonic() - began < 2


def test_messages_have_the_time_that_their_pace_gives_them(servers: Servers) -> None:
    server = servers(websocket_message_timeout_ms=400)
    message = b"x" * 4096
    with Peer.open(server.port) as peer:
        for _ in range(2):  # each of them
            peer.send(frame(BINARY, b"", length=len(message), mask=b"\0\0\0\0"))
            for start in range(0, len(message), 256):
                time.sleep(0.05)
                peer.send(message[start : start + 256])
            peer.expect((BINARY, message))
        time.sleep(0.8)  # between messages there is no hurry
        peer.send(frame(TEXT, "still here"))
        peer.expect((TEXT, "still here"))
        peer.close()


def test_a_message_is_not_charged_for_the_time_of_a_callback(servers: Servers) -> None:
    """A ping between its fragments has a callback, which takes its time."""
    server = servers(websocket_message_timeout_ms=400)
    with Peer.open(server.port, "/do") as peer:
        peer.send(frame(TEXT, "a", fin=False))
        time.sleep(0.1)
        peer.send(frame(PING, "nap 800"))
        peer.expect((PONG, "nap 800"), (TEXT, "awake"))
        time.sleep(0.1)
        peer.send(frame(CONTINUATION, "b"))
        peer.expect((TEXT, "ab"))
        peer.close()


@pytest.mark.parametrize(
    "begin",
    [
        (frame(TEXT, "close"), NORMAL),
        (frame(3), 1002),
    ],
    ids=["by the callback", "by a violation"],
)
def test_who_does_not_close_is_dropped(servers: Servers, begin: tuple[bytes, int]) -> None:
    """It gets the end of the stream or a reset, in any case before its patience is over."""
    server = servers(websocket_close_timeout_ms=300)
    sent, code = begin
    name = f"stays-{code}"
    with Peer.open(server.port, f"/do?{name}") as peer:
        peer.send(sent)
        assert peer.frame().code == code
        eventually(f"^{name} close refused$", server)
        end = time.monotonic() + REPLY
        with pytest.raises(ConnectionError):  # the server has let the socket go
            while time.monotonic() < end:
                peer.send(frame(PING))
                time.sleep(TICK)


# The queue of a client that does not read


def slow(server: Program, command: str, name: str = "slow") -> Peer:
    peer = Peer.open(server.port, f"/do?{name}")
    peer.send(frame(TEXT, command))
    return peer


def others_go_on(server: Program) -> None:
    with Peer.open(server.port) as other:
        for i in range(20):
            other.send(frame(TEXT, f"{i}"))
            other.expect((TEXT, f"{i}"))
        other.close()


QUEUE = {"websocket_max_queue_size": 100_000}
COUNT, SIZE = 400, 100_000  # more than sockets take: 40 MB


def test_the_queue_closes_slow_clients(servers: Servers) -> None:
    server = servers(**QUEUE)
    with slow(server, f"write {COUNT} {SIZE}", "too-slow"):
        output = eventually("^written (\\d+) refused (\\d+) for closed", server)
        assert "written 0 " not in output
        eventually("^too-slow close refused$", server)
        others_go_on(server)


def test_the_queue_may_drop(servers: Servers) -> None:
    server = servers(**QUEUE, websocket_queue_policy="drop")
    with slow(server, f"write {COUNT} {SIZE}", "drops") as peer:
        written = re.search(
            r"^written (\d+) refused (\d+) for full$",
            eventually("^written .* for full$", server),
            re.MULTILINE,
        )
        assert written is not None
        sent, dropped = map(int, written.groups())
        assert sent + dropped == COUNT
        assert sent > 0 < dropped
        others_go_on(server)
        for _ in range(sent):  # what was not refused arrives, whole
            assert len(peer.frame().payload) == SIZE
        peer.send(frame(TEXT, "still here"))
        peer.expect((TEXT, "still here"))
        peer.close()


def test_the_queue_may_block(servers: Servers) -> None:
    """The writing threads wait until the client reads; nothing is lost."""
    server = servers(**QUEUE, websocket_queue_policy="block")
    with slow(server, f"threads 1 {COUNT} {SIZE}", "blocks") as peer:
        others_go_on(server)
        assert count("^written", server) == 0
        for i in range(COUNT):
            assert peer.frame().payload.startswith(f"0:{i}:".encode())
        eventually(f"^written {COUNT} refused 0 ", server)
        peer.close()


def test_who_waits_for_room_learns_of_the_end(servers: Servers) -> None:
    server = servers(
        **QUEUE, websocket_queue_policy="block", websocket_ping_interval_ms=200,
        websocket_ping_timeout_ms=300,
    )  # fmt: skip
    with slow(server, f"threads 2 {COUNT} {SIZE}", "vanishes"):
        others_go_on(server)
    eventually("^written \\d+ refused [1-9]\\d* for (closed|ended)$", server)
    eventually("^vanishes close refused$", server)


# Threads


def release(server: Program) -> None:
    with Peer.open(server.port, "/do") as peer:
        peer.send(frame(TEXT, "release"))
        peer.close()


def test_callbacks_that_block_hold_up_nobody_else(servers: Servers) -> None:
    """As many as there are threads, but one."""
    server = servers(websocket_threads=6)
    with ExitStack() as stack:
        waiting = [stack.enter_context(Peer.open(server.port, f"/do?w{i}")) for i in range(5)]
        for i, peer in enumerate(waiting):
            peer.send(frame(TEXT, "wait"))
            eventually(f"^w{i} told to wait$", server)
        others_go_on(server)
        release(server)
        for peer in waiting:
            peer.expect((TEXT, "released"))
            peer.close()


def test_when_all_threads_are_blocked_the_others_wait(servers: Servers) -> None:
    """And lose nothing: they are served as soon as a callback returns. HTTP has its own threads."""
    server = servers(websocket_threads=2)
    with ExitStack() as stack:
        sleepers = [stack.enter_context(Peer.open(server.port, f"/do?s{i}")) for i in range(3)]
        other = stack.enter_context(Peer.open(server.port, "/do?other"))
        for peer in sleepers:
            peer.send(frame(TEXT, "nap 500"))
        for i in range(2):
            eventually(f"^s{i} told to nap 500$", server)
        other.send(frame(TEXT, "hello") + frame(PING))
        assert get(server.port) == (200, "ok")
        other.expect((TEXT, "hello"), (PONG, ""))
        for peer in [*sleepers, other]:
            if peer is not other:
                peer.expect((TEXT, "awake"))
            peer.close()


def test_callbacks_of_one_connection_do_not_overlap(servers: Servers) -> None:
    server = servers(websocket_threads=6)
    with Peer.open(server.port, "/do?in-turn") as peer:
        peer.send(frame(TEXT, "wait") + frame(TEXT, "next"))
        eventually("^in-turn told to wait$", server)
        peer.send(frame(TEXT, "last"))
        others_go_on(server)
        assert count("^in-turn told to (next|last)$", server) == 0
        release(server)
        peer.expect((TEXT, "released"), (TEXT, "next"), (TEXT, "last"))
        peer.close()


def test_what_a_blocking_callback_has_written_is_sent(servers: Servers) -> None:
    """Also what waits in the queue, and the answers to what came together with its message."""
    server = servers(websocket_max_message_size=16 << 20, websocket_max_queue_size=64 << 20)
    with Peer.open(server.port, "/do?writes-on") as peer:
        peer.send(frame(TEXT, "hello") + frame(TEXT, "write 200 100000") + frame(TEXT, "wait"))
        eventually("^writes-on told to wait$", server)
        peer.expect((TEXT, "hello"))
        for i in range(200):
            assert peer.frame().payload.startswith(f"0:{i}:".encode())
        release(server)
        peer.expect((TEXT, "released"))
        peer.close()


def test_nothing_is_lost_while_threads_take_turns(servers: Servers) -> None:
    """Callbacks and pauses a little longer than what makes one thread take the place of another."""
    server = servers(websocket_threads=6)

    def doze(i: int) -> None:
        chance = random.Random(i)
        with Peer.open(server.port, "/do") as peer:
            for _ in range(120):
                peer.send(frame(TEXT, f"nap {chance.randrange(2, 7)}"))
                peer.expect((TEXT, "awake"))
                time.sleep(chance.uniform(0, 0.012))
            peer.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(doze, range(3)))


# Options

INVALID = {
    "websocket_max_message_size": ["0", "-1", "1.5", "1k", "", "many", "9" * 30, "2147483648"],
    "websocket_max_queue_size": ["0", "-1", "x"],
    "websocket_max_connections": ["0", "-5", "x"],
    "websocket_threads": ["0", "-1", "1025", "x"],
    "websocket_ping_interval_ms": ["-1", "x", "86400001"],
    "websocket_ping_timeout_ms": ["0", "-1", "x"],
    "websocket_message_timeout_ms": ["-1", "x"],
    "websocket_idle_timeout_ms": ["-1", "x"],
    "websocket_close_timeout_ms": ["0", "-1", "x"],
    "websocket_queue_policy": ["", "DROP", "wait"],
    "websocket_compression": ["", "1", "true", "YES"],
}


def refusal(*options: str) -> str:
    """Return what a server says that does not start with these options."""
    program = subprocess.run(
        [built("tests/native/echo_server"), f"127.0.0.1:{free_port()}", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=REPLY,
    )
    assert program.returncode == 1, program.stdout
    return program.stderr


@pytest.mark.parametrize("name", INVALID)
def test_invalid_values(name: str) -> None:
    for value in INVALID[name]:
        said = refusal(name, value)
        assert f'option "{name}" is "{value}"; give ' in said


def test_unknown_options() -> None:
    assert 'nearest is "websocket_threads"' in refusal("websocket_thread", "5")


def test_the_last_one_counts() -> None:
    said = refusal("websocket_threads", "5", "websocket_threads", "none")
    assert '"none"' in said
