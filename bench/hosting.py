#!/usr/bin/env python3
"""Compare hosts of ASGI and WSGI applications by the requests that wrk gets answered.

Each serves bench/applications/hello.py with one process. They are measured in turn, round by round,
so that what else the machine does falls on all; the ratios are of runs of one round.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys

from http_requests import Row, run_wrk
from run import (
    ROOT,
    Command,
    Result,
    in_turn,
    median,
    number,
    print_table,
    ratio,
    running,
    wait_for_http,
)

APPLICATIONS = ROOT / "bench/applications"
PEERS = ROOT / "build/bench-venv/bin"

WARM_UP = 1.0  # seconds


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


def compare(interface: str, connections: int, rounds: int, seconds: float) -> None:
    """Measure the servers of one interface and print their table."""
    servers = SERVERS[interface]
    row = Row(interface, "/")

    def run(name: str) -> Result | None:
        # waitress logs whenever requests wait for a thread, and cannot be told not to.
        with running(servers[name], wait_for_http, APPLICATIONS, subprocess.DEVNULL) as server:
            run_wrk(name, server.port, row, WARM_UP, connections)
            return run_wrk(name, server.port, row, seconds, connections)

    results = in_turn(list(servers), rounds, run)
    ours = next(iter(servers))
    print_table(
        f"{interface}, {connections} connections",
        ["server", "requests per second", "p99 in µs", "ours / it: median (least to greatest)"],
        [
            [
                name,
                number(median(results[name], "messages_per_second")),
                number(median(results[name], "p99_us")),
                ratio(results, (ours, name), GOALS.get(name)),
            ]
            for name in servers
        ],
    )


def main() -> None:
    """Measure what the arguments choose."""
    parser = argparse.ArgumentParser(description="Compare hosts of applications by wrk.")
    parser.add_argument("--seconds", type=float, default=3, help="of each run (default: 3)")
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
