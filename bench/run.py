"""How fast the server library is, beside CivetWeb alone and other Python servers.

    run.py [--seconds 2] [--rounds 3] [--rows 64x8 ...] [--peers native civetweb ...]
           [--broadcast 1000] [--idle 20000]

Each server gets the same work from one load generator, bench/load.c, over loopback. What is
compared runs in turn, round by round (A B A B), and each round gives one ratio: the machine's moods
hit both sides. Printed are medians, and of ratios also the least and the greatest.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAMS = ROOT / os.environ.get("ALUSUS_HTTP_BUILD", "build/release") / "bench"
PEERS_PYTHON = ROOT / "build/bench-venv/bin/python"

START = 20.0  # seconds that a server may take to answer ...
STOP = 15.0  # ... and to end
OPEN = 120.0  # seconds for opening the connections of a run
HTTP = 5.0  # seconds for an answer over HTTP
SETTLE = 0.2  # seconds between two runs: the connections of the first are ended
SPARE_FILES = 100  # descriptors that a process needs besides its connections

Command = Callable[[int], Sequence[str | Path]]


def peer(name: str) -> Command:
    """Return the command of one of the peers' servers."""
    return lambda port: [PEERS_PYTHON, ROOT / "bench/peers" / f"{name}.py", str(port)]


def program(name: str) -> Command:
    """Return the command of a server in C."""
    return lambda port: [PROGRAMS / name, str(port)]


HIGH_LEVEL = ("object", "function", "loop-object", "async-object", "async-function")


def high_level(kind: str) -> Command:
    """Return the command of an echo of alusus_http.Server."""
    return lambda port: [sys.executable, ROOT / "bench/ah_server.py", kind, str(port)]


def asgi(port: int) -> Sequence[str | Path]:
    """Return the command of an echo as an ASGI application."""
    serve = [sys.executable, "-m", "alusus_http", "serve", "echo:asgi", "--port", str(port)]
    return [*serve, "--app-dir", ROOT / "bench/applications"]


ECHOES: dict[str, Command] = {
    "civetweb": program("civetweb-echo"),
    "native": program("ah-echo"),
    "python": lambda port: [sys.executable, "-m", "alusus_http", "echo", "--port", str(port)],
    **{kind: high_level(kind) for kind in HIGH_LEVEL},
    "asgi": asgi,
    "picows": peer("picows_echo"),
    "websockets": peer("websockets_echo"),
    "websockets-threads": peer("websockets_threads_echo"),
    "aiohttp": peer("aiohttp_echo"),
    "socketify": peer("socketify_echo"),
}
BROADCASTS: dict[str, Command] = {
    "native": program("ah-broadcast"),
    "python": lambda port: [sys.executable, ROOT / "bench/ah_broadcast.py", str(port)],
    "websockets": peer("websockets_broadcast"),
}
OURS = ("native", "civetweb", "python", *HIGH_LEVEL, "asgi")
# CivetWeb holds a connection for each of its threads, of which civetweb_echo.c has 260, and a sync
# function has a thread for each, of which ah_server.py allows 1000; socketify takes milliseconds to
# open one.
MOST_IDLE = {"civetweb": 250, "function": 900, "websockets-threads": 900, "socketify": 2000}


@dataclass(frozen=True)
class Row:
    """One kind of work for the echoes."""

    name: str
    connections: int
    in_flight: int
    size: int


ROWS = [
    Row("1x1", 1, 1, 64),
    Row("64x1", 64, 1, 64),
    Row("64x8", 64, 8, 64),
    Row("250x1", 250, 1, 64),
    Row("8x64KiB", 8, 1, 64 << 10),
]

# What is compared, and the ratio to reach in each row.
GOALS: dict[tuple[str, str], dict[str, float]] = {
    ("native", "civetweb"): {"1x1": 1, "64x1": 2.5, "64x8": 6, "250x1": 2, "8x64KiB": 1.3},
    ("python", "picows"): {"1x1": 1, "64x1": 1, "64x8": 3, "250x1": 1.2, "8x64KiB": 1},
    ("python", "websockets"): {"64x1": 2, "64x8": 2, "250x1": 2},
    **{(kind, peer): {} for kind in HIGH_LEVEL for peer in ("picows", "websockets")},
    ("function", "websockets-threads"): {"64x1": 2, "64x8": 2, "250x1": 2},
}
BROADCAST_GOALS: dict[tuple[str, str], float] = {
    ("native", "websockets"): 3,
    ("python", "websockets"): 3,
}


@dataclass(frozen=True)
class Result:
    """What one run of the load generator measured."""

    messages_per_second: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    port: int

    def resident(self) -> int:
        """Return the bytes of memory that it occupies."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def first_line(connection: socket.socket, path: str, *headers: str) -> str:
    """Ask over HTTP/1.1; return the first line of the answer."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return connection.recv(4096).decode("latin-1").partition("\r\n")[0]


UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
CLOSE = bytes.fromhex("888200000000") + (1000).to_bytes(2, "big")  # a frame; its mask is 0


def wait_for_web_socket(server: Server, path: str = "/") -> None:
    """Wait until a server upgrades."""
    end = time.monotonic() + START
    answer = "nothing"
    while time.monotonic() < end and server.process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=HTTP) as connection:
                answer = first_line(connection, path, *UPGRADE)
                if answer.startswith("HTTP/1.1 101"):
                    connection.sendall(CLOSE)
                    connection.recv(4096)
                    return
        except OSError as error:
            answer = str(error)
        time.sleep(0.05)
    raise RuntimeError(f"no WebSocket at {path} after {START:.0f} s, but: {answer}")


def http_answer(port: int) -> str:
    """Return what a server answers to an HTTP request, and when."""
    begin = time.perf_counter()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=HTTP) as connection:
            answer = first_line(connection, "/", "Connection: close")
    except OSError as error:
        return f"no: {error}"
    return f"{answer} in {(time.perf_counter() - begin) * 1000:.0f} ms"


def wait_for_http(server: Server) -> None:
    """Wait until a server answers requests."""
    end = time.monotonic() + START
    while (answer := http_answer(server.port)).startswith("no: "):
        if time.monotonic() > end or server.process.poll() is not None:
            raise RuntimeError(f"the server does not answer: {answer}")
        time.sleep(0.05)


@contextmanager
def running(
    command: Command,
    wait: Callable[[Server], None] = wait_for_web_socket,
    folder: Path = ROOT,
    log: int | None = None,
) -> Iterator[Server]:
    """Run a server in a folder until the block ends, which begins when `wait` has returned.

    What the server logs goes to `log`, as subprocess takes it; None: to our own standard error.
    """
    port = free_port()
    process = subprocess.Popen(command(port), cwd=folder, stdout=subprocess.DEVNULL, stderr=log)
    server = Server(process, port)
    try:
        wait(server)
        yield server
    finally:
        server.process.terminate()
        try:
            server.process.wait(STOP)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


def load(*arguments: object) -> list[str]:
    """Return the load generator's command."""
    return [str(PROGRAMS / "load"), *map(str, arguments)]


def run_load(name: str, seconds: float, *arguments: object) -> Result | None:
    """Run the load generator; None, with a line that says why, when the run failed."""
    done = subprocess.run(
        load("--seconds", seconds, *arguments),
        capture_output=True,
        text=True,
        timeout=OPEN + seconds,
        check=False,
    )
    time.sleep(SETTLE)
    if done.returncode == 0:
        return Result(**json.loads(done.stdout))
    print(f"{name} failed: {done.stderr.strip()}", file=sys.stderr)
    return None


Results = Mapping[str, Sequence[Result | None]]


def in_turn(names: Sequence[str], rounds: int, run: Callable[[str], Result | None]) -> Results:
    """Run each in turn, round by round."""
    results: dict[str, list[Result | None]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            results[name].append(run(name))
    return results


def median(results: Sequence[Result | None], field: str) -> float | None:
    """Return the median over the runs that succeeded."""
    values = [getattr(result, field) for result in results if result is not None]
    return statistics.median(values) if values else None


def ratio(results: Results, pair: tuple[str, str], goal: float | None) -> str:
    """Return the ratios of the rounds as a cell of a table."""
    if any(name not in results for name in pair):
        return "-"
    ratios = [
        first.messages_per_second / second.messages_per_second
        for first, second in zip(*(results[name] for name in pair), strict=True)
        if first is not None and second is not None
    ]
    if not ratios:
        return "failed"
    cell = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return cell if goal is None else f"{cell}; {goal:g}"


def number(value: float | None) -> str:
    """Return a cell for a number."""
    return "failed" if value is None else f"{value:,.0f}"


def print_table(title: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    print(f"\n{title}\n")
    for line in (head, ["-" * width for width in widths], *lines):
        print("| " + " | ".join(map(str.ljust, line, widths)) + " |")
    sys.stdout.flush()


def measure_echoes(rows: Sequence[Row], names: Sequence[str], rounds: int, seconds: float) -> None:
    """Measure the echoes and print their tables."""
    with ExitStack() as stack:
        servers = {name: stack.enter_context(running(ECHOES[name])) for name in names}

        def measure(row: Row) -> Results:
            options = ("--connections", row.connections, "--in-flight", row.in_flight)

            def run(name: str) -> Result | None:
                arguments = (*options, "--size", row.size, "echo", servers[name].port)
                return run_load(f"{name}, {row.name}", seconds, *arguments)

            return in_turn(names, rounds, run)

        results = {row.name: measure(row) for row in rows}
    print_table(
        "Messages per second",
        ["", *names],
        [
            [row, *(number(median(of[name], "messages_per_second")) for name in names)]
            for row, of in results.items()
        ],
    )
    print_table(
        "Latency in µs: p50, p99",
        ["", *names],
        [
            [
                row,
                *(
                    f"{number(median(of[name], 'p50_us'))}, {number(median(of[name], 'p99_us'))}"
                    for name in names
                ),
            ]
            for row, of in results.items()
        ],
    )
    print_table(
        "Ratios: median (least to greatest); to reach",
        ["", *(f"{first} / {second}" for first, second in GOALS)],
        [
            [row, *(ratio(of, pair, goals.get(row)) for pair, goals in GOALS.items())]
            for row, of in results.items()
        ],
    )


def measure_broadcasts(receivers: int, names: Sequence[str], rounds: int, seconds: float) -> None:
    """Measure the broadcasts and print their table."""
    names = [name for name in names if name in BROADCASTS]
    wait_to_receive = partial(wait_for_web_socket, path="/receive")
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(running(BROADCASTS[name], wait_to_receive)) for name in names
        }

        def run(name: str) -> Result | None:
            options = ("--connections", receivers, "--in-flight", 2, "--size", 1024)
            return run_load(
                f"{name}, broadcast", seconds, *options, "broadcast", servers[name].port
            )

        results = in_turn(names, rounds, run)
    print_table(
        f"Broadcast of 1 KiB to {receivers:,}: messages received per second, latency in µs",
        ["", "messages", "p50", "p99"],
        [
            [
                name,
                *(
                    number(median(results[name], field))
                    for field in ("messages_per_second", "p50_us", "p99_us")
                ),
            ]
            for name in names
        ],
    )
    for pair, goal in BROADCAST_GOALS.items():
        print(f"{pair[0]} / {pair[1]}: {ratio(results, pair, goal)}")


def allow_files(wanted: int) -> int:
    """Raise the limit of open files, for the servers inherit it; return the one that holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        except (OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def hold(name: str, connections: int) -> list[str]:
    """Hold idle connections; return the server's line of the table."""
    with running(ECHOES[name]) as server:
        before = server.resident()
        holder = subprocess.Popen(
            load("--connections", connections, "idle", server.port),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert holder.stdin is not None
            assert holder.stdout is not None
            held = holder.stdout.readline()  # the generator itself gives up when nothing happens
            if not held:
                return [name, "failed", "", "", ""]
            grown = server.resident() - before
            answered = http_answer(server.port)
            holder.stdin.close()
            holder.wait(STOP)
        finally:
            holder.kill()
            holder.wait()
        return [
            name,
            f"{json.loads(held)['connections']:,}",
            f"{(before + grown) / 2**20:.0f}",
            f"{grown / connections / 1024:.1f}",
            answered,
        ]


def measure_idle(connections: int, names: Sequence[str]) -> None:
    """Hold idle connections on each server and print the table."""
    files = allow_files(connections + SPARE_FILES)
    if files < connections + SPARE_FILES:
        connections = files - SPARE_FILES
        print(f"\nThe limit of open files ({files}) allows {connections:,} connections.")
    print_table(
        "Idle connections",
        ["", "held", "resident MiB", "KiB each", "HTTP answers"],
        [hold(name, min(connections, MOST_IDLE.get(name, connections))) for name in names],
    )


def installed(name: str) -> bool:
    """Return whether what a server needs is there."""
    if name in OURS:
        return True
    if not PEERS_PYTHON.exists():
        return False
    package = name.removesuffix("-threads")
    done = subprocess.run(
        [PEERS_PYTHON, "-c", f"import {package}, uvloop"], stderr=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


def main() -> None:
    """Measure what the arguments choose."""
    parser = argparse.ArgumentParser(description="Measure the servers; see bench/run.py.")
    parser.add_argument("--seconds", type=float, default=2, help="of each run (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--rows", nargs="*", choices=[row.name for row in ROWS], metavar="ROW")
    parser.add_argument("--peers", nargs="*", choices=list(ECHOES), metavar="SERVER")
    parser.add_argument("--broadcast", type=int, default=1000, help="receivers; 0: none")
    parser.add_argument("--idle", type=int, default=20000, help="connections; 0: none")
    arguments = parser.parse_args()

    rows = [row for row in ROWS if arguments.rows is None or row.name in arguments.rows]
    names = []
    for name in ECHOES if arguments.peers is None else arguments.peers:
        if installed(name):
            names.append(name)
        else:
            print(f"{name} is not installed and left out", file=sys.stderr)
    if rows:
        measure_echoes(rows, names, arguments.rounds, arguments.seconds)
    if arguments.broadcast > 0:
        measure_broadcasts(arguments.broadcast, names, arguments.rounds, arguments.seconds)
    if arguments.idle > 0:
        measure_idle(arguments.idle, names)


if __name__ == "__main__":
    main()
