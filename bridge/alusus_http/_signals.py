"""The signals that stop a server: Ctrl-C and SIGTERM gracefully, a second Ctrl-C at once.

The second is the system's to heed, so that it works whatever keeps the stop waiting. A SIGTERM that
follows changes nothing: whoever runs the process passes on what a terminal has sent to both.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType

from ._driver import SIGNAL_PATIENCE

_NUMBERS = (signal.SIGINT, signal.SIGTERM)

_log = logging.getLogger("alusus_http")


@contextmanager
def heeded(stop: Callable[[], object]) -> Iterator[None]:
    """Call a function at the first signal, where this is possible: on the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        _begin(signal.Signals(number), stop)

    before = {number: signal.signal(number, on_signal) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def heeded_in_loop(stop: Callable[[], object]) -> Iterator[None]:
    """The same for the running loop, which calls the function."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        for each in _NUMBERS:
            loop.remove_signal_handler(each)
        _begin(number, stop)

    before = {number: signal.getsignal(number) for number in _NUMBERS}
    for number in _NUMBERS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def wait(wake: SimpleQueue[None]) -> None:
    """Wait until something is put there, by a signal's handler or another thread."""
    while True:
        with suppress(Empty):
            return wake.get(timeout=SIGNAL_PATIENCE)


def _begin(number: signal.Signals, stop: Callable[[], object]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _log.info("%s: stopping", number.name)
    stop()
