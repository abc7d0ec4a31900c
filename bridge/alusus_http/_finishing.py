"""What a task has begun and has to see finished, such as the stop of a server.

A loop that ends cancels all its tasks, and a `Ctrl-C` the one that serves: to be cancelled is no
reason to leave threads and sockets behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from . import _daemons

T = TypeVar("T")


def in_thread(function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
    """As asyncio.to_thread, for what has to be done even when the loop ends.

    It is no task, which the loop would cancel, and needs no executor, which may be shut down.
    """
    return asyncio.wrap_future(_daemons.start(function, *arguments))


async def finished(*futures: asyncio.Future[Any], timeout: float | None = None) -> bool:
    """Wait until they are done, or for so many seconds, though this task is cancelled meanwhile.

    Returns:
        Whether it was, so that the caller can raise `CancelledError` when all is in order.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    cancelled = False
    while waiting := [future for future in futures if not future.done()]:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            break
        try:
            await asyncio.wait(waiting, timeout=left)
        except asyncio.CancelledError:
            cancelled = True
    return cancelled
