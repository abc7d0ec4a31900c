"""HTTP requests as the hosts of WSGI and ASGI applications take them.

The library posts each request whole, in one event, and takes pieces of its answer without making
anybody wait: `civetweb/src/posted_exchange.c` says how, and alusus_http_events.h what the
events hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from . import _driver, _marshal, http
from ._answer import Answer
from ._library import ffi, lib
from .errors import ConnectionClosedError

REQUEST: int = lib.AH_EXCHANGE_REQUEST
BODY: int = lib.AH_EXCHANGE_BODY
WRITTEN: int = lib.AH_EXCHANGE_WRITTEN
GONE: int = lib.AH_EXCHANGE_GONE

# Flags of a request; MORE_BODY is one of a BODY, too.
KEEPS_ALIVE: int = lib.AH_EXCHANGE_KEEPS_ALIVE
MORE_BODY: int = lib.AH_EXCHANGE_MORE_BODY
EXPECTS_CONTINUE: int = lib.AH_EXCHANGE_EXPECTS_CONTINUE

# Where the texts of a request's head are.
METHOD, PATH, QUERY, VERSION, CLIENT, CLIENT_PORT, SERVER, SERVER_PORT, HEADERS = range(9)

# What tells an exchange from all others: its connection, and its number there.
Key: TypeAlias = tuple[Any, int]

# Which exchange it is, what has happened, its flags, its data, and how much of it is the head.
Handler: TypeAlias = Callable[[Key, int, int, bytes, int], object]


class Exchange:
    """A request that is being answered.

    Its functions may be called on any thread and never wait, but for `read_now` and `write_now`.
    """

    __slots__ = ("key",)

    def __init__(self, key: Key) -> None:
        self.key = key

    def write(self, data: bytes, status: int = 0) -> int:
        """Send a piece of the answer, as it is.

        Args:
            data: The bytes.
            status: 0 when more will follow; the answer's status with the last piece; below zero,
                the connection closes after it.

        Returns:
            How many bytes the client has not taken yet. If there are any, the event WRITTEN tells
            when it has, unless this was the last piece.

        Raises:
            ConnectionClosedError: The client has gone.
        """
        connection, number = self.key
        waiting: int = lib.ah_exchange_write(connection, number, data, len(data), status)
        if waiting < 0:
            raise ConnectionClosedError(ffi.string(lib.ah_last_error()).decode())
        return waiting

    def read(self) -> None:
        """Ask for the next part of the body; the event BODY brings it.

        Raises:
            ConnectionClosedError: The client has gone.
        """
        if lib.ah_exchange_read(*self.key) < 0:
            raise ConnectionClosedError(ffi.string(lib.ah_last_error()).decode())

    def abandon(self) -> None:
        """Close the connection, if the answer is not complete."""
        lib.ah_exchange_abandon(*self.key)

    def fail(self, answer: Answer) -> None:
        """Answer with 500, for an application that has failed before anything was sent.

        Raises:
            ConnectionClosedError: The client has gone.
        """
        answer.closes = True
        answer.begin(500, [(b"content-type", b"text/plain")])
        self.write(answer.encode(b"Internal Server Error", last=True), answer.result)

    def write_now(self, data: bytes) -> None:
        """Send a piece of the answer, which is not its last, and wait until it is sent."""
        _marshal.checked(lib.ah_write(self.key[0], data, len(data)))

    def read_now(self, buffer: Any) -> int:
        """Read some of the body into a writable buffer, and wait for it; 0 at the end."""
        memory = ffi.from_buffer(buffer, require_writable=True)
        return _marshal.checked(lib.ah_read(self.key[0], memory, len(memory)))


@_driver.event(lib.AH_EVENT_EXCHANGE, "ah_post_exchange")
def _on_exchange(c: Any, user_data: object) -> tuple[object, ...]:
    e = c.exchange
    return (
        (e.connection, e.exchange),
        e.what,
        e.flags,
        ffi.unpack(e.data, e.data_len),
        e.head_size,
    )


def start(
    handler: Handler,
    options: Mapping[str, str],
    log_access: http.LogAccessCallback | None = None,
) -> http.Context:
    """Start a server that hands each request to `handler`."""
    events = {
        "begin_request": _on_exchange,
        "log_access": http._CALLBACKS["log_access"],
    }
    handlers: dict[_driver.Event, _driver.Handler] = {
        _on_exchange: handler,
        events["log_access"]: log_access,
    }
    with _driver.starting(handlers, None, lib.ah_stop_server) as server:
        context = lib.ah_start_server(
            server.handlers.table("ah_callbacks", events),
            server.handlers.pointer,
            _marshal.pairs(options, "options"),
        )
        return http.Context(server.bind(context))
