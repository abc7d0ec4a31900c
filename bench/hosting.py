#!/usr/bin/env python3
"""Compare hosts of ASGI and WSGI applications by the requests that wrk gets answered.

Each serves bench/applications/hello.py with one process. They are measured in turn, round by round,
so that what else the machine does falls on all; the ratios are of runs of one round.
"""

from __future__ import annotations

import argparse
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
APPLICATIONS = ROOT / "bench/applications"
PEERS = ROOT / "build/bench-venv/bin"

START = 20.0  # seconds that a server may take to answer
STOP = 5.0

Command = Callable[[int], Sequence[str | Path]]


def ours(*arguments: str) -> Command:
    """Return the command of our server."""
    command = [sys.executable, "-m", "alusus_http", "serve", *arguments]
    return lambda port: [*command, "--workers", "256", "--port", str(port)]


def granian(interface: str) -> Command:
    """Return the command of granian."""
    options = ["--interface", interface, "--no-ws", "--log-level", "warning"]
    return lambda port: [PEERS / "granian", *options, "--port", str(port), f"hello:{interface}"]


UVICORN = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]

SERVERS: dict[str, dict[str, Command]] = {
    "ASGI": {
        "ours, uvloop": ours("hello:asgi", "--loop", "uvloop"),
        "ours, asyncio": ours("hello:asgi"),
        "uvicorn": lambda port: [PEERS / "uvicorn", *UVICORN, "--port", str(port), "hello:asgi"],
        "granian": granian("asgi"),
    },
    "WSGI": {
        "ours": ours("hello:wsgi"),
        "gunicorn": lambda port: [PEERS / "gunicorn", "-b", f"127.0.0.1:{port}", "hello:wsgi"],
        "waitress": lambda port: [
            PEERS / "waitress-serve",
            "--listen",
            f"127.0.0.1:{port}",
            "hello:wsgi",
        ],
        "granian": granian("wsgi"),
    },
}
# How many times a peer's requests to reach.
GOALS = {"granian": 0.8, "uvicorn": 1.0, "waitress": 1.0, "gunicorn": 5.0}


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def running(command: Command) -> Iterator[int]:
    """Run a server until the block ends; gives its port."""
    port = free_port()
    process = subprocess.Popen(
        command(port),
        cwd=APPLICATIONS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + START
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > end or process.poll() is not None:
                    raise RuntimeError("the server does not listen") from None
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def measure(port: int, connections: int, seconds: int) -> float:
    """Return the requests answered in a second."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", f"http://127.0.0.1:{port}/"],
        capture_output=True,
        text=True,
        check=True,
    )
    if "Non-2xx" in done.stdout:
        raise RuntimeError(f"not every answer was 200:\n{done.stdout}")
    match = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert match is not None, done.stdout
    return float(match[1])


def compare(interface: str, connections: int, rounds: int, seconds: int) -> None:
    """Measure the servers of one interface and print their table."""
    results: dict[str, list[float]] = {name: [] for name in SERVERS[interface]}
    for _ in range(rounds):
        for name, command in SERVERS[interface].items():
            with running(command) as port:
                measure(port, connections, 1)
                results[name].append(measure(port, connections, seconds))
    print(f"\n{interface}, {connections} connections: requests per second\n")
    print("| server | requests | ours / it; to reach |\n| --- | --- | --- |")
    first = next(iter(results.values()))
    for name, values in results.items():
        ratios = [mine / other for mine, other in zip(first, values, strict=True)]
        goal = GOALS.get(name)
        cell = "" if goal is None else f"{statistics.median(ratios):.2f}; {goal:g}"
        print(f"| {name} | {statistics.median(values):,.0f} | {cell} |", flush=True)


def main() -> None:
    """Measure what the arguments choose."""
    parser = argparse.ArgumentParser(description="Compare hosts of applications by wrk.")
    parser.add_argument("--seconds", type=int, default=3, help="of each run (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--connections", type=int, nargs="*", default=[64])
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit('wrk is not installed: run "apt-get install wrk"')
    for connections in arguments.connections:
        for interface in SERVERS:
            compare(interface, connections, arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
