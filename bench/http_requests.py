"""How fast the server library answers requests, beside CivetWeb alone.

    http_requests.py [--seconds 2] [--rounds 5] [--rows small ...]

Both do the same work in C for wrk, over loopback: a small answer from a callback and a file of
100 KiB, on connections that last and on one for each request. They run in turn (A B A B).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from run import (
    PROGRAMS,
    SETTLE,
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

SERVERS = ("native", "civetweb")
PROGRAM_OF = {"native": "ah-http", "civetweb": "civetweb-http"}
GOAL = 0.97
CONNECTIONS = 32
FILE_SIZE = 100 << 10


@dataclass(frozen=True)
class Row:
    """One kind of request."""

    name: str
    path: str
    headers: tuple[str, ...] = ()


CLOSE = ("Connection: close",)
ROWS = [
    Row("small", "/small"),
    Row("small, close", "/small", CLOSE),
    Row("100 KiB", "/file.bin"),
    Row("100 KiB, close", "/file.bin", CLOSE),
]


def program(name: str, folder: Path) -> Command:
    """Return the command of a server in C."""
    return lambda port: [PROGRAMS / PROGRAM_OF[name], str(port), folder]


MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6}


def percentile(output: str, which: str) -> float:
    """Take a percentile of the latency out of what wrk prints, in microseconds."""
    found = re.search(rf"^ +{which}% +([\d.]+)(us|ms|s)$", output, re.MULTILINE)
    assert found is not None, output
    return float(found[1]) * MICROSECONDS[found[2]]


def run_wrk(
    name: str, port: int, row: Row, seconds: float, connections: int = CONNECTIONS
) -> Result | None:
    """Run wrk; None, with a line that says why, when requests failed."""
    headers = [part for header in row.headers for part in ("-H", header)]
    duration = f"{max(1, round(seconds))}s"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{duration}", "--latency", *headers]
    command.append(f"http://127.0.0.1:{port}{row.path}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    time.sleep(SETTLE)
    rate = re.search(r"^Requests/sec: +([\d.]+)$", done.stdout, re.MULTILINE)
    failed = re.search(
        r"Non-2xx|Socket errors: (?!connect 0, read \d+, write 0, timeout 0)", done.stdout
    )
    if rate is None or failed is not None:
        print(f"{name}, {row.name} failed: {done.stdout}{done.stderr}", file=sys.stderr)
        return None
    return Result(float(rate[1]), percentile(done.stdout, "50"), percentile(done.stdout, "99"))


def main() -> None:
    """Measure the rows that the arguments choose."""
    parser = argparse.ArgumentParser(description="Measure HTTP; see bench/http_requests.py.")
    parser.add_argument("--seconds", type=float, default=2, help="of each run (default: 2)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (default: 5)")
    parser.add_argument("--rows", nargs="*", choices=[row.name for row in ROWS], metavar="ROW")
    arguments = parser.parse_args()

    lines = []
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        (folder / "file.bin").write_bytes(bytes(FILE_SIZE))
        ports = {
            name: stack.enter_context(running(program(name, folder), wait_for_http)).port
            for name in SERVERS
        }
        for row in ROWS:
            if arguments.rows is not None and row.name not in arguments.rows:
                continue

            def run(name: str, row: Row = row) -> Result | None:
                return run_wrk(name, ports[name], row, arguments.seconds)

            results = in_turn(SERVERS, arguments.rounds, run)
            rates = [number(median(results[name], "messages_per_second")) for name in SERVERS]
            p99s = [number(median(results[name], "p99_us")) for name in SERVERS]
            lines.append([row.name, *rates, ratio(results, SERVERS, GOAL), *p99s])
    head = [
        "",
        *SERVERS,
        "ratio: median (least to greatest); to reach",
        *(f"{name}: p99 in µs" for name in SERVERS),
    ]
    print_table(f"HTTP requests per second, {CONNECTIONS} connections", head, lines)


if __name__ == "__main__":
    main()
