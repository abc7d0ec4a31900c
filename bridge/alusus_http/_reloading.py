"""Running a program again whenever files change."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from . import _signals

_INTERVAL = 0.5  # seconds between two looks at the files
_STOP = 15.0  # seconds that the program gets to end


def run(command: Sequence[str], folder: Path) -> int:
    """Run a command, again after each change of Python's files in a folder, until interrupted.

    Returns:
        The command's exit status, of its last run.
    """
    # Looked at and never waited for: what sets it may run within the wait.
    interrupted = threading.Event()
    changes = _changes(folder, interrupted)
    with _signals.heeded(interrupted.set):
        while True:
            process, told = subprocess.Popen(command), False
            try:
                for changed in changes:
                    if changed:
                        print(f"{', '.join(changed)} changed: starting again", flush=True)
                        break
                    if process.poll() is None or told:
                        continue
                    if process.returncode < 0:
                        return 1
                    print("The program has ended: waiting for a change", flush=True)
                    told = True
            finally:  # also when the files cannot be watched: nobody else would end it
                status = _end(process)
            if interrupted.is_set():
                return status


def _end(process: subprocess.Popen[bytes]) -> int:
    """End the program gracefully, or at once when it takes too long.

    By SIGTERM: it has had a terminal's Ctrl-C already, and would take another SIGINT for a second.
    """
    if process.poll() is None:
        process.terminate()
    try:
        status = process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    return status if status >= 0 else 128 - status  # as a shell tells of a signal


def _changes(folder: Path, stop: threading.Event) -> Iterator[list[str]]:
    """The files that have changed, time after time; nothing when none has."""
    try:
        from watchfiles import PythonFilter, watch
    except ImportError:
        yield from _polled(folder, stop)
    else:
        for found in watch(
            folder, watch_filter=PythonFilter(), stop_event=stop, yield_on_timeout=True
        ):
            yield sorted(path for _, path in found)


def _polled(folder: Path, stop: threading.Event) -> Iterator[list[str]]:
    before = _times(folder)
    while not stop.is_set():
        time.sleep(_INTERVAL)
        now = _times(folder)
        yield sorted(str(p) for p in before.keys() | now.keys() if before.get(p) != now.get(p))
        before = now


def _times(folder: Path) -> dict[Path, int]:
    times = {}
    for parent, _, names in os.walk(folder):  # which leaves out folders that vanish meanwhile
        for path in (Path(parent, name) for name in names if name.endswith(".py")):
            with suppress(OSError):  # an editor has just replaced it, or it is a link to nowhere
                times[path] = path.stat().st_mtime_ns
    return times


def command_line(arguments: Sequence[str]) -> list[str]:
    """This program with other arguments."""
    return [sys.executable, "-m", __package__ or "alusus_http", *arguments]
