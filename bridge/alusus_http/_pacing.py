"""Sending at the pace of a slow client, from tasks: in turn, and without making others wait.

The library tells when a queue is full, and not when it has room again: the first in the line looks
again after a pause. The client is slow, and its queue holds megabytes, so that neither end notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from .errors import QueueFullError

# Those who wait to send to one client, the oldest first: they may be tasks of several loops.
Line: TypeAlias = list[asyncio.Future[None]]

_LEAST_PAUSE, _MOST_PAUSE = 0.001, 0.050


async def write_in_turn(line: Line, write: Callable[[], object]) -> None:
    """Write behind those who wait already, when there is room.

    Whoever finds nobody in the line may write without this, and comes here when there is no room.
    """
    turn = asyncio.get_running_loop().create_future()
    line.append(turn)
    pause = _LEAST_PAUSE
    try:
        if line[0] is not turn:
            await turn
        while True:
            try:
                write()
                return
            except QueueFullError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _MOST_PAUSE)
    finally:
        line.remove(turn)
        _call_first(line)


def _call_first(line: Line) -> None:
    while line:
        first = line[0]
        try:
            first.get_loop().call_soon_threadsafe(_call, first)
            return
        except RuntimeError:  # its loop has been closed, and its task will not come
            with suppress(ValueError):  # another thread was faster
                line.remove(first)


def _call(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
