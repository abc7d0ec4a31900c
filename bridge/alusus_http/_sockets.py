"""How handlers serve WebSockets: functions with a thread or a task for each, objects by methods."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol, TypeAlias

from . import _callables, http
from ._engine import Answer, Engine, logger
from ._polling import Later
from ._requests import send
from ._rfc6455 import BINARY, GOING_AWAY, INTERNAL_ERROR, TEXT, TOO_BIG, TRY_AGAIN_LATER
from .errors import ConnectionClosed, InvalidHandleError
from .request import Request
from .websocket import AsyncWebSocket, Reject, WebSocket, closed, how_it_ended

ACCEPT, REFUSE, GO_ON = 0, 1, 1  # answers to connect and to messages

_NO_LIMIT = 2**31  # beyond what the library takes of one message

Authorize: TypeAlias = Callable[[Request], Awaitable[None] | None]


# An object that serves WebSockets has one of these methods at least.


class HasOnConnect(Protocol):
    def on_connect(self, request: Any, /) -> Any: ...


class HasOnReady(Protocol):
    def on_ready(self, ws: Any, /) -> Any: ...


class HasOnMessage(Protocol):
    def on_message(self, ws: Any, message: Any, /) -> Any: ...


class HasOnClose(Protocol):
    def on_close(self, ws: Any, code: Any, reason: Any, /) -> Any: ...


Handler: TypeAlias = (
    Callable[[WebSocket], None]
    | Callable[[AsyncWebSocket], Coroutine[Any, Any, None]]
    | type[HasOnConnect]
    | type[HasOnReady]
    | type[HasOnMessage]
    | type[HasOnClose]
    | HasOnConnect
    | HasOnReady
    | HasOnMessage
    | HasOnClose
)


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """What `Server.websocket` was told about a path."""

    path: str
    subprotocols: Sequence[str] = ()
    origins: Sequence[str] | None = None
    max_message_size: int | None = None
    groups: Sequence[str] = ()
    authorize: Authorize | None = None


class Sockets(ABC):
    """The WebSockets of one path on a running server, by their connections.

    The events of one connection come one after the other, so that its entries need no lock.
    """

    def __init__(
        self, engine: Engine, options: SocketOptions, on_connect: Authorize | None = None
    ) -> None:
        self._engine = engine
        self._options = options
        # Called with each request, in this order; what one of them raises refuses the client.
        self._checks = [check for check in (options.authorize, on_connect) if check is not None]
        self._opening: dict[http.Connection, Request] = {}  # accepted, and not ready yet
        self._open: set[WebSocket | AsyncWebSocket] = set()
        limit = options.max_message_size
        self._limit = _NO_LIMIT if limit is None else limit

    @property
    def open(self) -> list[WebSocket | AsyncWebSocket]:
        """Those that are open."""
        return list(self._open)

    # What a kind of handler does

    @abstractmethod
    def _make(self, connection: http.Connection, request: Request) -> WebSocket | AsyncWebSocket:
        """Make what stands for a WebSocket that is ready."""

    @abstractmethod
    def _opened(self, ws: Any) -> None:
        """Begin to handle it."""

    @abstractmethod
    def _received(self, ws: Any, message: str | bytes) -> int | Later:
        """Handle a message, or keep it for who does; returns the answer to its event."""

    @abstractmethod
    def _ended(self, ws: Any, over: ConnectionClosed) -> None:
        """Handle its end; nothing follows."""

    def give_up(self) -> None:
        """Have the handlers that still run receive nothing more: their time to end is over."""
        for ws in self.open:
            ws._give_up()

    # The events

    def connect(self, connection: http.Connection, user_data: object) -> Answer:
        request = Request(connection)
        options = self._options
        try:
            if not options.path.endswith("/**") and request.path != options.path:
                raise Reject(404)
            origin = request.headers.get("Origin")
            if options.origins is not None and origin is not None and origin not in options.origins:
                raise Reject(403, body="this origin is not allowed")
            for number, check in enumerate(self._checks, 1):
                answer = check(request)
                if inspect.isawaitable(answer):
                    return self._decide(connection, request, answer, self._checks[number:])
                _expect_nothing(answer)
        except BaseException as error:
            return self._refuse(connection, error)
        self._opening[connection] = request
        return ACCEPT

    async def _decide(
        self,
        connection: http.Connection,
        request: Request,
        waiting: Awaitable[object],
        further: Sequence[Authorize],
    ) -> int:
        try:
            _expect_nothing(await waiting)
            for check in further:
                answer: object = check(request)
                _expect_nothing(await answer if inspect.isawaitable(answer) else answer)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            refusal = self._refuse(connection, error)
            return refusal if isinstance(refusal, int) else await refusal
        self._opening[connection] = request
        return ACCEPT

    def _refuse(self, connection: http.Connection, error: BaseException) -> Answer:
        if not isinstance(error, Reject):
            logger.error("the WebSocket at %s: %r", self._options.path, error, exc_info=error)
            error = Reject(500)
        return self._engine.blocking(_send_refusal, connection, error)

    def ready(self, connection: http.Connection, user_data: object) -> None:
        ws = self._make(connection, self._opening.pop(connection))
        with suppress(ConnectionClosed):  # its close event follows
            for group in self._options.groups:
                ws.join(group)
        self._open.add(ws)
        connection.owner = ws
        self._opened(ws)

    def message(
        self, connection: http.Connection, opcode: int, data: bytes, user_data: object
    ) -> int | Later:
        ws = connection.owner
        if opcode > BINARY:
            return GO_ON
        if len(data) > self._limit:
            ws._close(TOO_BIG, f"this path takes messages up to {self._limit} bytes")
            return GO_ON
        return self._received(ws, data.decode() if opcode == TEXT else data)

    def close(self, connection: http.Connection, user_data: object) -> None:
        ws = connection.owner
        self._open.discard(ws)
        try:
            ws._over = how_it_ended(connection)
        except InvalidHandleError:  # the stop did not wait for what was called before this
            ws._over = closed(GOING_AWAY, "")
        self._ended(ws, ws._over)


def _send_refusal(connection: http.Connection, reject: Reject) -> int:
    send(connection, reject.response)
    return REFUSE


# Functions


class _ThreadSockets(Sockets):
    """A function that blocks, with a thread for each WebSocket while it runs."""

    def __init__(
        self,
        engine: Engine,
        options: SocketOptions,
        handler: Callable[[WebSocket], object],
        workers: Workers,
    ) -> None:
        super().__init__(engine, options)
        self._handler = handler
        self._workers = workers

    def _make(self, connection: http.Connection, request: Request) -> WebSocket:
        return WebSocket(connection, request, self._engine.read(connection, self._limit))

    def _opened(self, ws: WebSocket) -> None:
        if not self._workers.start(self._run, ws):
            logger.warning("%r was refused: all %d workers are busy", ws, self._workers.most)
            ws._give_up()
            ws.close(TRY_AGAIN_LATER, "too many connections")

    def _received(self, ws: WebSocket, message: str | bytes) -> int:
        return GO_ON  # the function has ended, or nobody waits for it any more

    def _ended(self, ws: WebSocket, over: ConnectionClosed) -> None:
        """Leave it to the function, which finds no further message."""

    def _run(self, ws: WebSocket) -> None:
        ws._serve_here()
        try:
            answer = self._handler(ws)
            if error := _callables.hidden_coroutine(answer, repr(self._handler)):
                raise error
        except BaseException as error:
            _close_failed(ws, error)
        else:
            ws.close()
        ws._give_up()


class _TaskSockets(Sockets):
    """An async function, with a task for each WebSocket while it runs."""

    def __init__(
        self,
        engine: Engine,
        options: SocketOptions,
        handler: Callable[[AsyncWebSocket], Awaitable[None]],
        on_connect: Authorize | None = None,
    ) -> None:
        super().__init__(engine, options, on_connect)
        self._handler = handler

    def _make(self, connection: http.Connection, request: Request) -> AsyncWebSocket:
        assert self._engine.loop is not None
        return AsyncWebSocket(connection, request, self._engine.loop)

    def _opened(self, ws: AsyncWebSocket) -> None:
        self._engine.spawn(self._run(ws))

    def _received(self, ws: AsyncWebSocket, message: str | bytes) -> int | Later:
        return GO_ON if ws._inbox.put(message) else self._engine.when(ws._inbox.when_room)

    def _ended(self, ws: AsyncWebSocket, over: ConnectionClosed) -> None:
        ws._inbox.end(over)

    async def _run(self, ws: AsyncWebSocket) -> None:
        try:
            await self._handler(ws)
        except BaseException as error:
            _close_failed(ws, error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            await ws.close()
        finally:
            ws._give_up()


# Objects


class _ObjectSockets(Sockets):
    """An object whose methods block, or not: they are called where the events come."""

    def __init__(self, engine: Engine, options: SocketOptions, handler: object) -> None:
        super().__init__(engine, options, getattr(handler, "on_connect", None))
        self._on_ready = getattr(handler, "on_ready", None)
        self._on_message = getattr(handler, "on_message", None)
        self._on_close = getattr(handler, "on_close", None)

    def _make(self, connection: http.Connection, request: Request) -> WebSocket:
        return WebSocket(connection, request, None)

    def _opened(self, ws: WebSocket) -> None:
        if self._on_ready is not None:
            try:
                self._on_ready(ws)
            except BaseException as error:
                _close_failed(ws, error)

    def _received(self, ws: WebSocket, message: str | bytes) -> int | Later:
        if self._on_message is not None:
            try:
                self._on_message(ws, message)
            except BaseException as error:
                _close_failed(ws, error)
        return GO_ON

    def _ended(self, ws: WebSocket, over: ConnectionClosed) -> None:
        if self._on_close is not None:
            try:
                self._on_close(ws, over.code, over.reason)
            except BaseException as error:
                _close_failed(ws, error)


class _AsyncObjectSockets(_TaskSockets):
    """An object with async methods among its own, which a task for each WebSocket calls in turn."""

    def __init__(self, engine: Engine, options: SocketOptions, handler: object) -> None:
        super().__init__(engine, options, self._serve, getattr(handler, "on_connect", None))
        self._on_ready = getattr(handler, "on_ready", None)
        self._on_message = getattr(handler, "on_message", None)
        self._on_close = getattr(handler, "on_close", None)

    async def _serve(self, ws: AsyncWebSocket) -> None:
        receive, on_message = ws._inbox.get, self._on_message
        try:
            await _call(self._on_ready, ws)
            while True:
                message = await receive()
                if on_message is not None and inspect.isawaitable(
                    waiting := on_message(ws, message)
                ):
                    await waiting
        except BaseException as error:
            _close_failed(ws, error)
            if isinstance(error, asyncio.CancelledError):
                raise
        over = await ws._inbox.ended()
        await _call(self._on_close, ws, over.code, over.reason)


def _expect_nothing(answer: object) -> None:
    """Let nobody in whose check has said no by returning instead of raising."""
    if answer is not None:
        raise TypeError(
            f"the check of a client returned {answer!r}: raise Reject(401) or the like to refuse "
            "it, and return nothing to let it in"
        )


async def _call(function: Callable[..., Any] | None, *arguments: object) -> None:
    if function is not None and inspect.isawaitable(waiting := function(*arguments)):
        await waiting


def _close_failed(ws: WebSocket | AsyncWebSocket, error: BaseException) -> None:
    """End a WebSocket whose handler has raised something."""
    if isinstance(error, ConnectionClosed):
        logger.debug("%r: %s", ws, error)  # clients go when they like
        return
    if isinstance(error, asyncio.CancelledError):
        ws._close(GOING_AWAY, "")
        return
    logger.error("the handler of %r failed", ws, exc_info=error)
    ws._close(INTERNAL_ERROR, "")


class Workers:
    """Threads for functions that block, one for each WebSocket, up to a number of them.

    They are daemons: a handler that never returns does not keep the process.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()  # with the lock

    def start(self, function: Callable[..., None], *arguments: object) -> bool:
        """Call a function on a thread of its own; False when all are busy."""
        thread = threading.Thread(
            target=self._run, args=(function, *arguments), name="alusus_http worker", daemon=True
        )
        with self._lock:
            if len(self._threads) >= self.most:
                return False
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the system has no room for one more
            with self._lock:
                self._threads.discard(thread)
            return False
        return True

    def is_current(self) -> bool:
        """Return whether this is one of the threads."""
        return threading.current_thread() in self._threads

    def join(self, timeout: float) -> int:
        """Wait for all to end; return how many have not."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return sum(thread.is_alive() for thread in threads)

    def _run(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            function(*arguments)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())


# Which kind a handler is


def is_async(handler: object) -> bool:
    """Return whether a handler needs a loop."""
    if _is_object(handler):
        return any(_callables.is_async(getattr(handler, name, None)) for name in _METHODS)
    return _callables.is_async(handler)


def make_sockets(engine: Engine, options: SocketOptions, handler: Any, workers: Workers) -> Sockets:
    """Have a handler serve a path, as what it is."""
    if _is_object(handler):
        made = handler() if inspect.isclass(handler) else handler
        kind = _AsyncObjectSockets if is_async(handler) else _ObjectSockets
        return kind(engine, options, made)
    if is_async(handler):
        return _TaskSockets(engine, options, handler)
    return _ThreadSockets(engine, options, handler, workers)


# The methods of an object, and what each is called with.
_METHODS = {
    "on_connect": ("request",),
    "on_ready": ("ws",),
    "on_message": ("ws", "message"),
    "on_close": ("ws", "code", "reason"),
}

_SEND = "send messages by ws.send(message), or await ws.send(message) in an async function, instead"


def check_handler(handler: object) -> None:
    """Refuse what cannot be a handler, when it is given.

    Raises:
        TypeError: It is neither a function of one argument nor an object with some of the methods,
            or a method is misspelt or takes other arguments.
    """
    for name in dir(handler):
        if (
            name.startswith("on_")
            and name not in _METHODS
            and callable(getattr(handler, name, None))
        ):
            nearest = get_close_matches(name, _METHODS, n=1, cutoff=0)[0]
            raise TypeError(
                f"{handler!r} has a method {name}, which nothing calls: is it to be {nearest}? "
                "Give it another name if not"
            )
    if _is_object(handler):
        for name, arguments in _METHODS.items():
            method = getattr(handler, name, None)
            if method is not None:
                arguments = _self(handler, name) + arguments
                _callables.check(method, f"{name} of {handler!r}", arguments, instead=_SEND)
    elif callable(handler) and not inspect.isclass(handler):
        _callables.check(handler, repr(handler), ("ws",), instead=_SEND)
    else:
        raise TypeError(
            f"{handler!r} is no handler: give a function of one argument, the WebSocket, or a "
            f"class with at least one of {', '.join(_METHODS)}"
        )


def _self(handler: object, name: str) -> tuple[str, ...]:
    """The argument that a method takes besides, as long as it is a class's."""
    if not inspect.isclass(handler) or not inspect.isroutine(getattr(handler, name)):
        return ()
    method = inspect.getattr_static(handler, name)
    return () if isinstance(method, staticmethod | classmethod) else ("self",)


def check_authorize(authorize: object) -> None:
    """Refuse what cannot be called before a WebSocket is open.

    Raises:
        TypeError: It is no function of one argument.
    """
    _callables.check(
        authorize, "authorize", ("request",), instead="raise Reject(401) or the like to refuse"
    )


def _is_object(handler: object) -> bool:
    return any(hasattr(handler, name) for name in _METHODS)
