"""Threads for what may block for ever: the interpreter does not wait for them at its end.

It does so for those of `concurrent.futures`, and of `asyncio.to_thread`, which uses that.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


def start(function: Callable[..., T], *arguments: object) -> Future[T]:
    """Call a function on a thread of its own, in the context of this call."""
    done: Future[T] = Future()
    call = contextvars.copy_context().run
    threading.Thread(
        target=_complete,
        args=(done, lambda: call(function, *arguments)),
        name="alusus_http",
        daemon=True,
    ).start()
    return done


class Pool:
    """Threads that call one function after the other, up to a number of threads.

    Args:
        most: How many there may be.
        prepare: Called on each of them at first.
    """

    def __init__(self, most: int, prepare: Callable[[], object]) -> None:
        self._most = most
        self._prepare = prepare
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], object]] | None] = SimpleQueue()
        self._free = threading.Semaphore(0)  # threads that wait, or will without new work
        self._lock = threading.Lock()  # guards the number below
        self._threads = 0

    def submit(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        """Have a function called, in the context of this call.

        Raises:
            RuntimeError: The system has no room for the first thread.
        """
        done: Future[T] = Future()
        call = contextvars.copy_context().run
        self._work.put((done, lambda: call(function, *arguments)))
        if not self._free.acquire(blocking=False):
            self._add_thread()
        return done

    def close(self) -> None:
        """Let the threads end when all that was submitted is done; nothing more is."""
        with self._lock:
            for _ in range(self._threads):
                self._work.put(None)

    def _add_thread(self) -> None:
        with self._lock:
            if self._threads == self._most:
                return
            try:
                threading.Thread(target=self._run, name="alusus_http", daemon=True).start()
            except RuntimeError:
                if self._threads == 0:
                    raise
                return  # the others do it, when they are free
            self._threads += 1

    def _run(self) -> None:
        self._prepare()
        while (work := self._work.get()) is not None:
            done, call = work
            if done.set_running_or_notify_cancel():
                _complete(done, call)
            del work, done, call  # so that nothing of it is kept alive until there is more
            self._free.release()


def _complete(done: Future[Any], call: Callable[[], object]) -> None:
    try:
        done.set_result(call())
    except BaseException as error:
        done.set_exception(error)
