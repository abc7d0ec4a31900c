"""The seam between the server API and the driver of callbacks: where handlers run.

Without a loop the driver's threads call, and a callable may block. With one everything is called on
the loop's thread, nothing may block there, and a callable that needs longer returns an awaitable of
its answer. Either way the next event of a connection comes after the answer to the one before it,
which is what keeps order and makes a fast client wait.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from . import _daemons, _driver, http
from ._polling import Asyncio, Later, Threads
from ._reading import Reader
from .errors import HttpError, InvalidHandleError
from .native import NativeCallback

logger = logging.getLogger("alusus_http")

T = TypeVar("T")
Answer: TypeAlias = int | Awaitable[int]

FAILED = 500  # what a task that ends without an answer says: refuses a client, and is a status

# Threads for what blocks while the loop goes on: sync request handlers, bodies, slow clients.
_BLOCKING_THREADS = 50


class SocketEvents(Protocol):
    """What serves the WebSockets of a path; its methods mean what http's callbacks do."""

    def connect(self, connection: http.Connection, user_data: object) -> Answer: ...

    def ready(self, connection: http.Connection, user_data: object) -> None: ...

    def message(
        self, connection: http.Connection, opcode: int, data: bytes, user_data: object
    ) -> int | Later: ...

    def close(self, connection: http.Connection, user_data: object) -> None: ...


class Engine:
    """A running server of the C library.

    Args:
        options: CivetWeb's names and values.
        on_request: Answers requests, as `http.RequestCallback`.
        prepare: Called with the engine when clients can connect, and before the first of them is
            answered; what it raises comes out of here.
        loop: Where everything is called; None for the driver's threads.

    Attributes:
        stopping: With a loop, the task that stops it, once there is one.
        ended: With a loop, set when that has ended.
    """

    def __init__(
        self,
        options: Mapping[str, str],
        on_request: Callable[[http.Connection], Answer],
        prepare: Callable[[Engine], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = loop
        self.stopping: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self._inside = threading.local()  # on threads of the pool
        self._pool: _daemons.Pool | None = None
        self.tasks: set[asyncio.Task[Any]] = set()  # all that run; the loop keeps none alive
        self._waiting: set[Later] = set()  # for the loop to answer
        failures: list[BaseException] = []
        log = _Log()

        def init_context(context: http.Context) -> None:
            self.context = context
            try:
                prepare(self)
            except BaseException as error:
                failures.append(error)

        callbacks = http.Callbacks(
            begin_request=self._caller(on_request), init_context=init_context, log_message=log.take
        )
        try:
            with _driver.polled_by(Threads if loop is None else lambda: Asyncio(loop)):
                self.context = http.start_server(callbacks, None, options)
        except BaseException:
            log.release(logging.DEBUG)
            raise
        log.release(logging.WARNING)
        if failures:
            self.stop(deadline=0)
            raise failures[0]

    def serve(self, path: str, events: SocketEvents, subprotocols: Sequence[str] = ()) -> None:
        """Have the WebSockets of a path served by callables."""
        message: Callable[..., Any] = events.message  # the driver takes a Later, too
        http.set_web_socket_handler_with_subprotocols(
            self.context,
            path,
            subprotocols,
            connect_handler=self._caller(events.connect),
            ready_handler=events.ready,
            data_handler=message,
            close_handler=events.close,
        )

    def serve_natively(
        self,
        path: str,
        callbacks: Mapping[str, NativeCallback | None],
        user_data: int | None,
        subprotocols: Sequence[str] = (),
    ) -> None:
        """Have the WebSockets of a path served by functions of a shared library."""
        http.set_web_socket_handler_with_subprotocols(
            self.context, path, subprotocols, **callbacks, user_data=user_data
        )

    def blocking(self, function: Callable[..., int], *arguments: Any) -> Answer:
        """Call what may block: here, or with a loop on another thread."""
        if self.loop is None:
            return function(*arguments)
        return self.thread(function, *arguments)

    def thread(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Call what may block on another thread than the loop's."""
        assert self.loop is not None
        if self._pool is None:
            self._pool = _daemons.Pool(
                _BLOCKING_THREADS, lambda: setattr(self._inside, "thread", True)
            )
        return asyncio.wrap_future(self._pool.submit(function, *arguments), loop=self.loop)

    def read(self, connection: http.Connection, longest: int) -> Reader:
        """Have a thread of its own receive the messages of a WebSocket that is ready."""
        return _driver.read(self.context, connection, longest)

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a coroutine on the loop, in the context of the server's start.

        When it is cancelled before its first step, nothing of it runs, not even a `finally`: what
        has to be done at its end belongs into a callback of the task.
        """
        assert self.loop is not None
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def when(self, register: Callable[[Callable[[], object]], object]) -> Later:
        """Answer with 1, on the loop, when what `register` is given is called, on any thread."""
        assert self.loop is not None
        later, loop = Later(), self.loop
        register(lambda: loop.call_soon_threadsafe(later.give, 1))
        return later

    def cancel(self) -> None:
        """Cancel every task."""
        for task in tuple(self.tasks):
            task.cancel()

    def forsake(self) -> bool:
        """If the loop has been closed, go on without it: what it was to answer fails."""
        if self.loop is None or not self.loop.is_closed():
            return False
        for later in tuple(self._waiting):
            later.give(FAILED)
        return True

    def is_inside(self) -> bool:
        """Whether this thread calls what blocks, or brings events: a stop waits for both."""
        return hasattr(self._inside, "thread") or _driver.polls_here()

    def is_in_loop(self) -> bool:
        """Whether this thread runs the loop."""
        return self.loop is not None and asyncio._get_running_loop() is self.loop

    def stop(self, deadline: float, late: Callable[[], object] | None = None) -> None:
        """Stop, and wait until nothing of it runs; with a loop, never on the loop's thread.

        Args:
            deadline: When callables that still run are given up, by time.monotonic().
            late: Called then.
        """
        try:
            with _driver.giving_up(self.context, deadline, late):
                http.stop_server(self.context)
        finally:
            if self._pool is not None:
                self._pool.close()

    def has_ended(self) -> bool:
        """Whether it has been stopped, whatever the stop raised."""
        try:
            http.get_web_socket_statistics(self.context)
        except HttpError as error:
            return isinstance(error, InvalidHandleError)
        return False

    def _caller(self, function: Callable[..., Answer]) -> Callable[..., Any]:
        """What the driver calls for a callable."""
        loop = self.loop
        if loop is None:
            return function

        def call(*arguments: Any) -> object:
            if loop.is_closed():  # this is a thread that has taken its place, for the stop
                return FAILED
            result = function(*arguments)
            return self._later(result) if inspect.isawaitable(result) else result

        return call

    def _later(self, waiting: Awaitable[int]) -> Later:
        later = Later()
        self._waiting.add(later)

        async def wait() -> int:
            return await waiting

        def complete(task: asyncio.Task[int]) -> None:
            self._waiting.discard(later)
            error = None if task.cancelled() else task.exception()
            if error is not None:
                logger.error("a callback failed", exc_info=error)
            later.give(FAILED if task.cancelled() or error is not None else task.result())

        self.spawn(wait()).add_done_callback(complete)
        return later


class _Log:
    """What the library logs.

    Messages of a start wait for how it ends: the error of one that fails says what they do.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[str] | None = []  # None: the start has ended

    def take(self, connection: http.Connection | None, message: str) -> int:
        """Log a message, now or when the start has ended."""
        with self._lock:
            if self._waiting is not None:
                self._waiting.append(message)
                return 1
        logger.warning("%s", message)
        return 1

    def release(self, level: int) -> None:
        """Log what has waited: the start has ended."""
        with self._lock:
            for message in self._waiting or ():
                logger.log(level, "%s", message)
            self._waiting = None
