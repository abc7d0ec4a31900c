"""Clients that misbehave, and a system at its limits: others notice nothing, and nothing stays."""

from __future__ import annotations

import os
import resource
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from websockets.sync.client import connect, unix_connect

from tests.conformance.conftest import Servers, echo_server
from tests.conformance.peer import (
    BINARY,
    CLOSE,
    NORMAL,
    PING,
    PONG,
    TEXT,
    Frame,
    Peer,
    close_frame,
    frame,
    request,
)
from tests.support import REPLY, Program, echo_by_tls, eventually, free_port, get


def callbacks(server: Program, name: str) -> list[str]:
    """Return what the server has printed of a connection, once its close callback has run."""
    output = eventually(f"^{name} close", server)
    lines = output.splitlines()
    return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


def reset(peer: Peer) -> None:
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.socket.close()


def end_output(peer: Peer) -> None:
    peer.socket.shutdown(socket.SHUT_WR)


ENDS: dict[str, tuple[bytes, Callable[[Peer], object], list[str]]] = {
    "vanishes": (b"", lambda peer: peer.socket.close(), []),
    "resets": (b"", reset, []),
    "half-closes": (b"", end_output, []),
    "vanishes within a header": (frame(TEXT, "x")[:1], lambda peer: peer.socket.close(), []),
    "resets within a message": (frame(TEXT, "x" * 99)[:50], reset, []),
    "half-closes within a message": (frame(TEXT, "x" * 99)[:50], end_output, []),
    "sends and vanishes": (frame(TEXT, "x"), lambda peer: peer.socket.close(), ["data 1 1"]),
    "sends and half-closes": (frame(TEXT, "x"), end_output, ["data 1 1"]),
    "closes": (close_frame(), lambda peer: peer.expect_close(NORMAL), ["data 8 2"]),
    "closes and vanishes": (close_frame(), lambda peer: peer.socket.close(), ["data 8 2"]),
    "closes and half-closes": (close_frame(), end_output, ["data 8 2"]),
    "breaks the rules": (b"\xff\xff", lambda peer: peer.expect_close(1002), []),
    "breaks the rules and vanishes": (b"\xff\xff", lambda peer: peer.socket.close(), []),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_end_is_told_once(servers: Servers, name: str) -> None:
    """Twenty times, for the end may come before, with or after what was sent."""
    server = servers()
    sent, end, data = ENDS[name]
    prefix = name.replace(" ", "-")
    peers = [Peer.open(server.port, f"/echo?{prefix}-{i}-") for i in range(20)]
    for peer in peers:
        with peer:
            peer.send(sent)
            end(peer)
    for i in range(20):
        seen = callbacks(server, f"{prefix}-{i}-")
        assert seen == ["connect", "ready", *data, "close refused"]


@pytest.mark.parametrize("code", [NORMAL, None], ids=["with a close", "without"])
def test_who_half_closes_still_gets_the_answers(servers: Servers, code: int | None) -> None:
    """They may be more than the connection takes at once."""
    server = servers(websocket_max_message_size=16 << 20, websocket_max_queue_size=64 << 20)
    message = os.urandom(8 << 20)
    with Peer.open(server.port) as peer:
        peer.send(frame(BINARY, message) + (close_frame(code) if code else b""))
        end_output(peer)
        peer.expect((BINARY, message))
        if code:
            peer.expect_close(code)
        else:
            assert peer.socket.recv(1) == b""


def test_stalled_clients_hold_up_nobody(port: int) -> None:
    """Handshakes, headers and messages that do not go on; others are served meanwhile."""
    whole = frame(TEXT, "slow but sure")
    with ExitStack() as stack:
        started = [stack.enter_context(Peer.connect(port)) for _ in range(10)]
        for peer in started:
            peer.send(request()[:40])
        halves = [stack.enter_context(Peer.open(port)) for _ in range(len(whole))]
        for cut, peer in enumerate(halves):
            peer.send(whole[:cut])
        with Peer.open(port) as other:
            for i in range(100):
                other.send(frame(TEXT, f"{i}"))
                other.expect((TEXT, f"{i}"))
            other.close()
        for cut, peer in enumerate(halves):
            peer.send(whole[cut:])
            peer.expect((TEXT, "slow but sure"))
            peer.close()
        for peer in started:
            peer.send(request()[40:])
            peer.upgraded()
            peer.close()


def test_single_bytes_take_their_time(port: int) -> None:
    """A conversation of single bytes, one by one on three connections in turn."""
    stream = request() + frame(TEXT, "byte by byte") + frame(PING, "?") + close_frame()
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer.connect(port)) for _ in range(3)]
        for i in range(len(stream)):
            for peer in peers:
                peer.send(stream[i : i + 1])
        for peer in peers:
            peer.upgraded()
            peer.expect((TEXT, "byte by byte"), (PONG, "?"))
            peer.expect_close(NORMAL)


def descriptors(server: Program) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def resident(server: Program) -> int:
    """Return the bytes of memory that a server uses."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def settled(server: Program, count: int) -> None:
    """Wait until a server has no more descriptors than that."""
    end = time.monotonic() + REPLY
    while descriptors(server) > count:
        assert time.monotonic() < end, f"{descriptors(server)} descriptors, not {count}"
        time.sleep(0.02)


def test_connections_that_come_and_go_leave_nothing(servers: Servers) -> None:
    server = servers()

    def visit(i: int) -> None:
        peer = Peer.open(server.port, "/echo", "Sec-WebSocket-Extensions: permessage-deflate")
        with peer:
            peer.send(frame(TEXT, "x" * 1000))
            if i % 4 == 0:
                peer.socket.close()
            elif i % 4 == 1:
                reset(peer)
            elif i % 4 == 2:
                peer.frame()
                peer.send(close_frame())
                assert peer.frame().opcode == CLOSE
            else:
                peer.send(b"\xff\xff")

    def visits(count: int) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(visit, range(count)))

    before = descriptors(server)
    visits(500)
    settled(server, before)
    memory = resident(server)
    visits(4000)
    settled(server, before)
    assert resident(server) < memory + (12 << 20)  # four thousand connections of 3 KiB were that


def test_a_full_table_of_descriptors() -> None:
    """Clients beyond it wait or are sent away; when others go, they are served again."""
    with echo_server() as server:
        used = descriptors(server)
        pid = server.process.pid
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
        with ExitStack() as stack:
            held = []
            for _ in range(15):
                held.append(stack.enter_context(Peer.open(server.port)))
            beyond = [stack.enter_context(Peer.connect(server.port)) for _ in range(30)]
            for peer in beyond:
                peer.send(request())
            for peer in held:  # those who are in stay in
                peer.send(frame(TEXT, "still here"))
                peer.expect((TEXT, "still here"))
        settled(server, used)
        for _ in range(5):
            with Peer.open(server.port) as peer:
                peer.send(frame(TEXT, "again"))
                peer.expect((TEXT, "again"))
                peer.close()


@contextmanager
def idle(server: Program, count: int) -> Iterator[list[Peer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Peer.open(server.port)) for _ in range(count)]


def allow_files(wanted: int) -> int:
    """Let this process and its children have so many descriptors, or the most that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        with suppress(OSError, ValueError):  # only root may
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        wanted = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return wanted


@pytest.fixture
def idle_count() -> Iterator[int]:
    """How many connections stay idle; `make stress` asks for more."""
    wanted, spare = int(os.environ.get("IDLE_CONNECTIONS", "2000")), 200
    before, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = allow_files(wanted + spare)
    if allowed < wanted + spare:
        print(f"this machine allows {allowed} descriptors, not {wanted + spare}")
    yield allowed - spare
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def test_idle_connections(idle_count: int) -> None:
    """They need no thread and little memory each, and HTTP answers beside them."""
    with echo_server(num_threads=8, websocket_ping_interval_ms=0) as server:
        threads = len(os.listdir(f"/proc/{server.process.pid}/task"))
        memory = resident(server)
        with idle(server, idle_count) as peers:
            each = (resident(server) - memory) / idle_count
            print(f"{idle_count} idle connections: {each / 1024:.1f} KiB each")
            assert len(os.listdir(f"/proc/{server.process.pid}/task")) <= threads + 2
            assert each < 8192 or os.environ.get(
                "ALUSUS_HTTP_BUILD"
            )  # instrumented code takes more
            for _ in range(20):
                assert get(server.port) == (200, "ok")
            for peer in peers[::100]:
                peer.send(frame(TEXT, "awake"))
                peer.expect((TEXT, "awake"))


# Other ways to reach it


BIG = os.urandom(3 << 20)


def test_tls(certificate: Path) -> None:
    """Big messages both ways, many at once, early frames, and ends of every kind."""
    secure = free_port()
    trust = ssl.create_default_context(cafile=str(certificate))
    options: dict[str, str | int] = {
        "ssl_certificate": str(certificate),
        "websocket_max_message_size": len(BIG),
        "websocket_max_queue_size": 64 << 20,
    }

    def secured() -> Peer:
        return Peer(trust.wrap_socket(Peer.connect(secure).socket, server_hostname="127.0.0.1"))

    def echo(i: int) -> None:
        messages = (b"small", BIG, str(i), "ثبت " * 30_000)
        address = f"wss://127.0.0.1:{secure}/echo"
        echo_by_tls(address, certificate, *messages, max_size=None)

    with echo_server(f",127.0.0.1:{secure}s", **options) as server:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(echo, range(8)))
        with secured() as peer:  # all of it in one TLS record
            peer.send(request() + frame(TEXT, "early") + frame(PING, "!") + close_frame())
            peer.upgraded()
            peer.expect((TEXT, "early"), (PONG, "!"))
            peer.expect_close(NORMAL)
        with secured() as peer:  # the server reads on while the client takes nothing
            peer.send(request())
            peer.upgraded()
            peer.send(frame(BINARY, BIG) * 5, 10_000)
            peer.expect(*[(BINARY, BIG)] * 5)
            peer.close()
        for name in ("vanishes", "resets"):
            peer = secured()
            peer.send(request(f"/echo?tls-{name}"))
            peer.upgraded()
            peer.send(frame(TEXT, "x"))
            if name == "resets":
                reset(peer)
            else:
                peer.socket.close()
            assert callbacks(server, f"tls-{name}")[-1] == "close refused"


def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback address: {error}")
    six = free_port()
    with (
        echo_server(f",[::1]:{six}", websocket_max_message_size=len(BIG)),
        connect(f"ws://[::1]:{six}/echo", max_size=None) as client,
    ):
        for message in ("over IPv6", BIG):
            client.send(message)
            assert client.recv(REPLY) == message


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    with (
        echo_server(f",x{path}", websocket_max_message_size=len(BIG)),
        unix_connect(str(path), "ws://localhost/echo", max_size=None) as client,
    ):
        for message in ("over a file", BIG):
            client.send(message)
            assert client.recv(REPLY) == message


def test_pings_that_nobody_reads_the_answers_to(servers: Servers) -> None:
    """A client that only writes makes no queue without bound."""
    server = servers(websocket_max_queue_size=65536)
    pings = frame(PING, "x" * 125) * 8000
    with Peer.open(server.port) as peer, Peer.open(server.port) as other:
        before = resident(server)
        for _ in range(50):  # 50 MB
            peer.send(pings)
        peer.send(frame(TEXT, "the end"))
        other.send(frame(TEXT, "all well"))
        other.expect((TEXT, "all well"))
        assert resident(server) < before + (8 << 20)


def test_a_frame_is_no_reset(port: int) -> None:
    """The server's last words arrive although the client goes on sending."""
    for _ in range(20):
        with Peer.open(port) as peer:
            peer.send(b"\xff\xff" + os.urandom(100_000))
            assert peer.frame() == Frame(
                CLOSE, (1002).to_bytes(2, "big") + b"reserved bits are set"
            )
            peer.expect_end()
