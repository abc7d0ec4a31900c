"""An open WebSocket as handlers have it: `WebSocket` in threads, `AsyncWebSocket` in tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, NoReturn, TypeAlias

from . import _driver, _options, http
from ._marshal import type_error
from ._pacing import Line, write_in_turn
from ._reading import Reader
from ._rfc6455 import ABNORMAL, BINARY, GOING_AWAY, NO_STATUS, NORMAL, PING, TEXT
from .errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    ConnectionClosedWithError,
    InvalidHandleError,
    QueueFullError,
    WrongStateError,
)
from .request import Request
from .response import Response

__all__ = ["AsyncWebSocket", "Reject", "WebSocket"]

FOREVER, AT_ONCE = -1, 0  # as a timeout of write_to_web_socket_within

Bytes: TypeAlias = bytes | bytearray | memoryview
Message: TypeAlias = str | Bytes

# Messages that wait for a handler, beyond which the client has to wait, too.
MOST_UNREAD = 16


class Reject(Exception):
    """Raised before a WebSocket is open, refuses it: the client gets an HTTP answer instead.

    A handler of requests may raise it, too: the answer is the same, so that a check of who the
    client is can serve both.

    Args:
        status: The status code, 400 to 599 or a redirect.
        headers: More headers.
        body: Text or bytes that say why.

    Attributes:
        response: The answer that the client gets.

    Raises:
        TypeError: As `Response`.
        ValueError: As `Response`, or the status would not refuse.
    """

    def __init__(
        self,
        status: int = 403,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: str | bytes = b"",
    ) -> None:
        super().__init__(status)
        self.response: Response = Response(body, status, headers)
        if status < 300:
            raise ValueError(f"status: {status} does not refuse: give 400 to 599, or a redirect")


class _Common:
    """What does not differ between threads and tasks.

    Attributes:
        request: The request that opened the WebSocket.
        subprotocol: The one that was agreed on; None without one.
        state: Yours, for as long as the WebSocket is open; `request.state` is the same.
    """

    __slots__ = ("__weakref__", "_connection", "_over", "request", "state", "subprotocol")

    def __init__(self, connection: http.Connection, request: Request) -> None:
        self._connection = connection
        self._over: ConnectionClosed | None = None  # set when the last event of it has come
        self.request: Request = request
        self.subprotocol: str | None = http.get_subprotocol(connection)
        self.state: SimpleNamespace = request.state

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.request.path} of {self.request.peer[0]}>"

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent; out of date as soon as it is told."""
        return bool(http.is_web_socket_open(self._connection))

    @property
    def queued(self) -> int:
        """The bytes that wait for the client to take them; 0 when it has gone."""
        try:
            return http.get_queued_bytes(self._connection)
        except InvalidHandleError:
            return 0

    def join(self, group: str) -> None:
        """Become a member of a group, until `leave` or the end.

        Raises:
            ConnectionClosed: The WebSocket is closed or closing.
        """
        try:
            http.join_group(self._connection, group)
        except TypeError:
            raise type_error("group", "a str", group) from None
        except (ConnectionClosedError, InvalidHandleError):
            self._raise_closed()

    def leave(self, group: str) -> None:
        """Be no member of a group any more; nothing happens to one that was none."""
        try:
            http.leave_group(self._connection, group)
        except TypeError:
            raise type_error("group", "a str", group) from None
        except InvalidHandleError:
            pass  # it has left all groups at its end

    def _write(self, message: Any, timeout_ms: int | None = None) -> None:
        """Send a message; None: a full queue is dealt with by websocket_queue_policy."""
        opcode = TEXT if isinstance(message, str) else BINARY
        try:
            if timeout_ms is None:
                http.write_to_web_socket(self._connection, opcode, message)
            else:
                http.write_to_web_socket_within(self._connection, opcode, message, timeout_ms)
        except TypeError:
            self._write(as_bytes(message), timeout_ms)
        except (ConnectionClosedError, InvalidHandleError):
            self._raise_closed()

    def _ping(self, data: Bytes) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise type_error("data", "bytes", data)
        try:
            http.write_to_web_socket(self._connection, PING, bytes(data))
        except (ConnectionClosedError, InvalidHandleError):
            self._raise_closed()

    def _close(self, code: int, reason: str) -> None:
        close(self._connection, code, reason)

    def _raise_closed(self) -> NoReturn:
        over = self._over
        if over is None:  # it is closing, and its last event has not come yet
            with suppress(InvalidHandleError):
                over = how_it_ended(self._connection)
        raise over or closed(ABNORMAL, "") from None


def as_bytes(message: object) -> bytes:
    """A message that the library does not take as it is, being neither str nor bytes.

    Raises:
        TypeError: It is no message.
    """
    if isinstance(message, bytearray | memoryview):
        return bytes(message)
    raise type_error("message", "a str or bytes", message) from None


def close(connection: http.Connection, code: int, reason: str) -> None:
    """Begin to close; nothing happens to one that is closed."""
    if not isinstance(code, int):
        raise type_error("code", "an int, such as 1000", code)
    with suppress(ConnectionClosedError, InvalidHandleError):
        http.close_web_socket_with_reason(connection, code, reason)


def how_it_ended(connection: http.Connection) -> ConnectionClosed:
    """The exception for the close of a WebSocket that is closing or closed.

    Raises:
        InvalidHandleError: Nobody knows any more.
    """
    code = http.get_close_code(connection)
    return closed(code or ABNORMAL, http.get_close_reason(connection) or "")


def closed(code: int, reason: str) -> ConnectionClosed:
    """The exception for a close code."""
    ok = code in (NORMAL, GOING_AWAY, NO_STATUS)
    return (ConnectionClosedOK if ok else ConnectionClosedWithError)(code, reason)


class TaskInbox:
    """Messages on their way to a task. Of the loop's thread alone."""

    def __init__(self, connection: http.Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._connection = connection
        self._awake = False  # there are messages and nobody comes for them, and the library knows
        # Few: an empty deque would be the largest thing of an idle WebSocket.
        self._messages: list[str | bytes] = []
        self._over: ConnectionClosed | None = None
        self._abandoned = False
        self._on_room: Callable[[], object] | None = None
        self._waiter: asyncio.Future[None] | None = None  # of a task in `get` or `ended`

    def put(self, message: str | bytes) -> bool:
        """Add a message; False when the next one has to wait for room."""
        if not self._abandoned:
            if not self._awake:
                if self._waiter is None or self._waiter.cancelled():
                    self._keep_awake(True)
                elif len(self._messages) == 1:
                    # The task takes all of them before this is called, unless one keeps it long.
                    self._loop.call_soon(self._look)
            self._messages.append(message)
            self._wake()
        return len(self._messages) < MOST_UNREAD

    def when_room(self, on_room: Callable[[], object]) -> None:
        """Have a function called when there is room, which may be now."""
        if len(self._messages) < MOST_UNREAD:
            on_room()
        else:
            self._on_room = on_room

    async def get(self) -> str | bytes:
        """Take the oldest message; what came before the end is still taken."""
        while not self._messages:
            if self._over is not None:
                raise closed(self._over.code, self._over.reason)
            waiter = self._change()
            try:
                await waiter
            finally:
                if self._waiter is waiter:
                    self._waiter = None
        message = self._messages.pop(0)
        if self._awake and not self._messages:
            self._keep_awake(False)
        on_room, self._on_room = self._on_room, None
        if on_room is not None:
            on_room()
        return message

    def end(self, over: ConnectionClosed) -> None:
        """Say that no message comes any more, and why."""
        self._over = over
        self._wake()

    async def ended(self) -> ConnectionClosed:
        """Wait for the end, and drop what comes before it."""
        self.abandon()
        while self._over is None:
            await self._change()
        return self._over

    def abandon(self) -> None:
        """Drop what is there and what still comes: the handler has returned."""
        self._abandoned = True
        self._messages.clear()
        if self._awake:
            self._keep_awake(False)
        on_room, self._on_room = self._on_room, None
        if on_room is not None:
            on_room()

    def _change(self) -> asyncio.Future[None]:
        if self._waiter is not None and not self._waiter.done():
            raise RuntimeError("another task is receiving from this WebSocket already")
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _look(self) -> None:
        """See whether messages are left over."""
        if self._messages and not self._awake:
            self._keep_awake(True)

    def _keep_awake(self, awake: bool) -> None:
        self._awake = awake
        _driver.keep_awake(self._connection, awake)


class WebSocket(_Common):
    """A WebSocket of a sync handler.

    A function receives by `for message in ws` or `receive`, an object by its `on_message`. Every
    method may be called from any thread; two threads that receive share the messages.
    """

    __slots__ = ("_reader",)

    def __init__(
        self, connection: http.Connection, request: Request, reader: Reader | None
    ) -> None:
        super().__init__(connection, request)
        self._reader = reader  # None: messages go to an object's on_message

    def send(self, message: Message) -> None:
        """Send a message: str as text, bytes and what is like them as binary.

        In a function it waits while the queue to the client is full (`max_queue_size`). In an
        object's method it never waits: a client that is so slow is dealt with as
        `websocket_queue_policy` says, which is to close its connection.

        Raises:
            ConnectionClosed: The WebSocket is closed or closing.
            QueueFullError: The message was dropped, by that policy.
            TypeError: It is no message.
        """
        if self._reader is None:
            self._write(message)
        else:
            self._write(message, FOREVER)

    def receive(self, timeout: float | None = None) -> str | bytes:
        """Wait for the next message: str for text, bytes for binary.

        Args:
            timeout: The longest wait in seconds; without it there is no limit.

        Raises:
            ConnectionClosed: There is none and none will come.
            TimeoutError: None came in time.
            InvalidArgumentError: The time is below zero, or without an end.
            RuntimeError: The messages go to an object's `on_message`.
            TypeError: The time is no number.
        """
        if self._reader is None:
            raise RuntimeError("the messages of this WebSocket go to the on_message of its object")
        try:
            return self._reader.receive(timeout)
        except (InvalidHandleError, WrongStateError):  # given up by the server, which stops
            self._raise_closed()
        except (OverflowError, TypeError, ValueError):
            if timeout is not None:
                _options.seconds("timeout", timeout)
            raise

    def __iter__(self) -> Iterator[str | bytes]:
        """Yield each message until the WebSocket has ended as it should.

        Raises:
            ConnectionClosedWithError: It has ended otherwise.
        """
        try:
            while True:
                yield self.receive()
        except ConnectionClosedOK:
            return

    def ping(self, data: Bytes = b"") -> None:
        """Send a ping with up to 125 bytes, besides those that the server sends by itself.

        Raises:
            ConnectionClosed: The WebSocket is closed or closing.
            InvalidArgumentError: There are more bytes.
        """
        self._ping(data)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin to close, without waiting for the client; nothing happens to one that is closed.

        Args:
            code: 1000 when all is done, or what RFC 6455 section 7.4 has for the case; 4000 to
                4999 are the program's own.
            reason: A text for the client, up to 123 bytes in UTF-8.

        Raises:
            InvalidArgumentError: The code may not be sent, or the reason is too long.
        """
        self._close(code, reason)

    def _serve_here(self) -> None:
        """Be served by a function on this thread."""
        if self._reader is not None:
            self._reader.serve_here()

    def _give_up(self) -> None:
        """Receive no more: the function has returned, or has had its time."""
        if self._reader is not None:
            self._reader.release()


class AsyncWebSocket(_Common):
    """A WebSocket of an async handler.

    A function receives by `async for message in ws` or `receive`, in one task at a time; an object
    by its `on_message`, in which `receive` gets the message after. Sending is possible in any task,
    in those of other threads' loops, too.
    """

    __slots__ = ("_inbox", "_line")

    def __init__(
        self, connection: http.Connection, request: Request, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(connection, request)
        self._line: Line = []  # of the tasks that wait to send
        self._inbox = TaskInbox(connection, loop)

    def _give_up(self) -> None:
        """Drop what still comes: the function has returned, or has had its time."""
        self._inbox.abandon()

    async def send(self, message: Message) -> None:
        """Send a message: str as text, bytes and what is like them as binary.

        It waits while the queue to the client is full (`max_queue_size`), behind the tasks that
        wait already.

        Raises:
            ConnectionClosed: The WebSocket is closed or closing.
            TypeError: It is no message.
        """
        if not self._line:
            try:
                return self._write(message, AT_ONCE)
            except QueueFullError:
                pass
        await write_in_turn(self._line, lambda: self._write(message, AT_ONCE))

    async def receive(self) -> str | bytes:
        """Wait for the next message: str for text, bytes for binary.

        Raises:
            ConnectionClosed: There is none and none will come.
            RuntimeError: Another task is receiving.
        """
        return await self._inbox.get()

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield each message until the WebSocket has ended as it should.

        Raises:
            ConnectionClosedWithError: It has ended otherwise.
        """
        return _AsyncMessages(self._inbox)

    async def ping(self, data: Bytes = b"") -> None:
        """Send a ping with up to 125 bytes, besides those that the server sends by itself.

        Raises:
            ConnectionClosed: The WebSocket is closed or closing.
            InvalidArgumentError: There are more bytes.
        """
        self._ping(data)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin to close, without waiting for the client; nothing happens to one that is closed.

        Args:
            code: 1000 when all is done, or what RFC 6455 section 7.4 has for the case; 4000 to
                4999 are the program's own.
            reason: A text for the client, up to 123 bytes in UTF-8.

        Raises:
            InvalidArgumentError: The code may not be sent, or the reason is too long.
        """
        self._close(code, reason)


class _AsyncMessages:
    """The iterator of `async for`. An asynchronous generator would cost more than the message."""

    __slots__ = ("_inbox",)

    def __init__(self, inbox: TaskInbox) -> None:
        self._inbox = inbox

    def __aiter__(self) -> _AsyncMessages:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self._inbox.get()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None
