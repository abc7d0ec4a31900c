"""A thread that serves one WebSocket alone, and asks for its events itself.

Each message costs a switch of threads, behind which everything is far from the processor. So a
message goes straight from the library's memory to who receives, when they want it.
"""

from __future__ import annotations

import math
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import _marshal
from ._library import ffi, lib
from ._marshal import CData
from ._polling import Batch
from ._rfc6455 import BINARY, TEXT
from .errors import WrongStateError

if TYPE_CHECKING:
    from ._driver import Server

# What a reader takes at once.
_EVENTS = 16
_MEMORY = 1 << 13

_FOREVER, _LONGEST = -1, 2**31 - 1  # as a timeout of ah_next_events_of

_MESSAGE = lib.AH_EVENT_WEB_SOCKET_MESSAGE
_COPIED = lib.AH_EVENT_COPIED

# Members of an `ah_event`: id; and, as a message has them, kind, opcode, data and length.
_NUMBER = struct.Struct("@Q")
_EVENT = struct.Struct("@8xi28xi4xQQ")
_EVENT_SIZE = ffi.sizeof("ah_event")


class Reader(Batch):
    """What a thread has that waits for the events of one WebSocket, beginning in its ready event.

    Messages are its caller's. Other events are handled as a poller would, but on that thread. The
    client waits, too, when the library holds as much as it keeps of one WebSocket.

    Attributes:
        taken: The first and the last number of the events that it got last.
        thread: The number of the thread that serves the WebSocket, and ends with it; 0: none yet.
    """

    __slots__ = (
        "_connection",
        "_filled",
        "_index",
        "_lock",
        "_longest",
        "_receiving",
        "_released",
        "_uses_memory",
        "taken",
        "thread",
    )

    def __init__(self, server: Server, connection: CData, longest: int) -> None:
        super().__init__(server, _EVENTS, _MEMORY)
        self._connection = connection
        self.thread = 0
        self._longest = longest  # a message that is longer is handled as other events are
        self._receiving = threading.Lock()  # held by the thread that receives; guards these two
        self._filled = 0  # how many events there are ...
        self._index = 0  # ... and which of them is next
        self._lock = threading.Lock()  # guards the three below
        self.taken = (0, 0)
        # What has been taken is answered when the reader comes back for more, or is released. From
        # then on the memory behind it is the library's: a release leaves the answer to who uses it.
        self._uses_memory = False
        self._released = False
        # This fails where a stop has given up the ready event, or the client has gone meanwhile:
        # then `receive` says so.
        lib.ah_claim_web_socket(connection)
        server.readers.add(self)

    def serve_here(self) -> None:
        """Have the calling thread be the one that serves the WebSocket."""
        self.thread = threading.get_ident()

    def receive(self, timeout: float | None) -> str | bytes:
        """Wait for the next message; what came before the end is still received.

        Raises:
            TimeoutError: None came in so many seconds.
            HttpError: None will come: the WebSocket has ended or been released.
        """
        if timeout is None:
            deadline = None
            self._receiving.acquire()
        else:
            deadline = time.monotonic() + timeout
            if timeout == -1:  # which is for ever to the lock
                raise ValueError(timeout)
            if not self._receiving.acquire(timeout=timeout):
                raise _none_came(timeout)
        try:
            while True:
                if self._index == self._filled and not self._wait(deadline):
                    raise _none_came(timeout)
                message = self._next()
                if message is not None:
                    return message
        finally:
            self._receiving.release()

    def release(self) -> None:
        """Leave the events to others, from any thread; a `receive` that waits fails."""
        self._server.readers.discard(self)
        lib.ah_release_web_socket(self._connection)
        with self._lock:
            self._released = True
            uses_memory = self._uses_memory
        if not uses_memory:
            self._server.answer(*self.taken, 1)

    def _wait(self, deadline: float | None) -> bool:
        """Wait for events, until a time; False when none has come."""
        filled, left = 0, _LONGEST
        while filled == 0 and left == _LONGEST:
            left = _FOREVER
            if deadline is not None:
                left = max(0, min(math.ceil((deadline - time.monotonic()) * 1000), _LONGEST))
            filled = lib.ah_next_events_of(self._connection, self.taken[1], left, *self.memory)
        if filled <= 0:
            return _marshal.checked(filled) > 0
        (number,) = _NUMBER.unpack_from(self._numbers)
        with self._lock:
            self.taken = (number, number + filled - 1)
            released = self._released
        self._filled, self._index = filled, 0
        if released:
            self._server.answer(*self.taken, 1)
        return True

    def _next(self) -> str | bytes | None:
        """Take the next event: the message that it is, or None when it was another, and handled."""
        index = self._index
        self._index = index + 1
        kind, opcode, place, size = _EVENT.unpack_from(self._numbers, index * _EVENT_SIZE)
        is_message = kind == _MESSAGE and opcode <= BINARY and size <= self._longest
        if is_message and size <= _COPIED:
            offset = place - self._begin
            data = self._bytes[offset : offset + size]
        else:
            with self._library_memory():
                if not is_message:
                    (run,) = self.runs(index + 1, index)
                    self._server.perform(run)
                    return None
                data = ffi.buffer(ffi.cast("char *", place), size)[:]
        message: str | bytes = data.decode() if opcode == TEXT else data
        return message

    @contextmanager
    def _library_memory(self) -> Iterator[None]:
        """Keep what has been taken from being answered while the memory behind it is used."""
        with self._lock:
            if self._released:
                raise WrongStateError("this WebSocket has been released")
            self._uses_memory = True
        try:
            yield
        finally:
            with self._lock:
                self._uses_memory = False
                released = self._released
            if released:
                self._server.answer(*self.taken, 1)


def _none_came(timeout: float | None) -> TimeoutError:
    return TimeoutError(f"no message came within {timeout} s")
