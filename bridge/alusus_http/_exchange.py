"""HTTP requests as the hosts of WSGI and ASGI applications take them.

The library posts each request whole, in one event, and takes pieces of its answer without making
anybody wait: `civetweb/src/posted_exchange.c` says how, and alusus_http_events.h what the
events hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from . import _driver, _marshal, _registration, http
from ._answer import Answer, head_of
from ._library import ffi, lib
from ._marshal import CData
from ._unreadable import FAILURES, unreadable
from .errors import ConnectionClosedError

REQUEST: int = lib.AH_EXCHANGE_REQUEST
BODY: int = lib.AH_EXCHANGE_BODY
WRITTEN: int = lib.AH_EXCHANGE_WRITTEN
GONE: int = lib.AH_EXCHANGE_GONE

# Flags of a request; MORE_BODY is one of a BODY, too.
_KEEPS_ALIVE = lib.AH_EXCHANGE_KEEPS_ALIVE
MORE_BODY: int = lib.AH_EXCHANGE_MORE_BODY
_EXPECTS_CONTINUE = lib.AH_EXCHANGE_EXPECTS_CONTINUE
_HEAD = lib.AH_EXCHANGE_HEAD
_OLD = lib.AH_EXCHANGE_HTTP_1_0

# What tells an exchange from all others: its connection's handle, and its number there.
Key: TypeAlias = tuple[int, int]

# Which exchange it is, what has happened, its flags, its data, and how much of it is the head.
Handler: TypeAlias = Callable[[Key, int, int, bytes, int], object]

# Looked up once, not for each request.
_cast = ffi.cast
_CONNECTION = ffi.typeof("ah_connection *")
_write = lib.ah_exchange_write

_PLAIN_TEXT = ((b"content-type", b"text/plain"),)


class Exchange(Answer):
    """A request that is being answered: an answer on its way to the client.

    Its functions may be called on any thread and never wait, but for `read_now` and `write_now`.
    Those that write raise what `encode` does, too.

    Attributes:
        key: What tells it from all others.
    """

    def __init__(self, key: Key, flags: int) -> None:
        self.key = key
        if flags != _KEEPS_ALIVE:  # as those of most requests are
            self.closes = not flags & _KEEPS_ALIVE
            self.unasked = bool(flags & _EXPECTS_CONTINUE)
            self.is_head = bool(flags & _HEAD)
            self.is_old = bool(flags & _OLD)

    def write(self, body: bytes, last: bool) -> int:
        """Send a piece of the answer, the head with the first.

        Returns:
            How many bytes the client has not taken yet. If there are any, the event WRITTEN tells
            when it has, unless this was the last piece.

        Raises:
            ConnectionClosedError: The client has gone.
        """
        data = self.encode(body, last)
        # With the last piece goes the status; below zero, the connection closes after it.
        status = 0 if not last else -self.status if self.closes else self.status
        connection, number = self.key
        waiting: int = _write(_cast(_CONNECTION, connection), number, data, len(data), status)
        if waiting < 0:
            raise _gone()
        return waiting

    def read(self) -> None:
        """Ask for the next part of the body; the event BODY brings it.

        Raises:
            ConnectionClosedError: The client has gone.
        """
        self.unasked = False
        if lib.ah_exchange_read(self._connection, self.key[1]) < 0:
            raise _gone()

    def abandon(self) -> None:
        """Close the connection, if the answer is not complete.

        The log has the status with which it has begun, as of one that the client has in full.
        """
        lib.ah_exchange_abandon(self._connection, self.key[1], self.status)

    def fail(self, status: int = 500, reason: str = "Internal Server Error") -> bool:
        """Answer for an application that has failed, and close the connection.

        Returns:
            Whether that could be: nothing was sent before, and the client is still there.
        """
        if self.sent:
            return False
        self.closes = True
        self.begin(head_of(status, _PLAIN_TEXT))
        try:
            self.write(reason.encode(), last=True)
        except ConnectionClosedError:
            return False
        return True

    def write_now(self, body: bytes) -> None:
        """Send a piece of the answer, which is not its last, and wait until it is sent."""
        data = self.encode(body, last=False)
        if data:
            _marshal.checked(lib.ah_write(self._connection, data, len(data)))

    def read_now(self, buffer: Any) -> int:
        """Read some of the body into a writable buffer, and wait for it; 0 at the end.

        Raises:
            UnreadableError: It does not come to its end.
        """
        self.unasked = False
        # Released even when that raises: CPython crashes when it collects the memory of a buffered
        # reader with an error whose traceback holds on to it, while it is used elsewhere.
        with ffi.from_buffer(buffer, require_writable=True) as memory:
            try:
                return _marshal.checked(lib.ah_read(self._connection, memory, len(memory)))
            except FAILURES as error:
                raise unreadable(error) from None

    @property
    def _connection(self) -> CData:
        return connection_of(self.key)


def watch(connection: http.Connection) -> None:
    """Have GONE come of a WebSocket whose client goes before it is let in, or refused."""
    lib.ah_exchange_watch(connection._number)


def connection_of(key: Key) -> CData:
    """The handle of an exchange's connection."""
    return _cast(_CONNECTION, key[0])


def _gone() -> ConnectionClosedError:
    return ConnectionClosedError(_marshal.decode(lib.ah_last_error()))


_EXCHANGE = _registration.Event(
    "exchange",
    lib.AH_EVENT_EXCHANGE,
    ffi.addressof(lib, "ah_post_exchange"),
    arguments=None,
    on_failure=None,
    mailed=False,
    awaited=False,
)


def start(
    handler: Handler,
    options: Mapping[str, str],
    log_access: http.LogAccessCallback | None = None,
) -> http.Context:
    """Start a server that hands each request to `handler`."""
    events = {
        "begin_request": _EXCHANGE,
        "log_access": http._CALLBACKS["log_access"],
    }
    handlers: dict[_registration.Event, _registration.Handler] = {
        _EXCHANGE: handler,
        events["log_access"]: log_access,
    }
    with _driver.starting(handlers, None, lib.ah_stop_server) as server:
        context = lib.ah_start_server(
            server.handlers.table("ah_callbacks", events),
            server.handlers.pointer,
            _marshal.pairs(options, "options"),
        )
        return http.Context(server.bind(context))
