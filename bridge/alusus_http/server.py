"""`Server`: HTTP and WebSockets with handlers in Python, sync or async, or in compiled code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, NoReturn, Self, TypeVar, overload

from . import _hosting, _loading, _options, _requests, _signals, _sockets, http
from ._engine import Answer, Engine, logger
from ._finishing import finished, in_thread
from ._marshal import require_unforked, type_error
from ._requests import Route
from ._rfc6455 import BINARY, TEXT
from ._sockets import Authorize, SocketOptions, Workers
from .errors import (
    InvalidArgumentError,
    InvalidHandleError,
    WrongStateError,
    WrongThreadError,
)
from .native import NativeHandlers
from .request import Request
from .response import Response
from .websocket import AsyncWebSocket, Message, WebSocket, as_bytes

__all__ = ["Server"]

_H = TypeVar("_H", bound=_requests.Handler)
_W = TypeVar("_W", bound=_sockets.Handler)

# Seconds between two looks whether the loop, which is to stop a server, has been closed instead.
_PATIENCE = 0.1

# Seconds for functions that were given up to notice it, and to return.
_LAST_WORDS = 1.0

_METRICS = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus's type of text


class Server:
    """A web server in this process; there may be several.

    In a program with threads it runs between `start` and `stop`, in a `with` block, or while
    `serve_forever` does; in one with asyncio in an `async with` block, or while `serve` does.

    Sync functions run on threads: one for each request while it is answered, and one for each
    WebSocket. Async functions run on the running loop; in a program with threads, on one that the
    server has a thread for. Methods of objects are called where the events come: on the loop's
    thread if there is a loop, else on the server's threads.

    Handlers are set by `route` and `websocket`, before the start or while it runs. A path serves
    itself; one that ends with `/**` serves everything below it.

    Args:
        port: Where to listen; 0 for a free port, which `ports` tells.
        host: The address to listen on; "0.0.0.0" is all of the machine's of IPv4, "::" of IPv6. A
            name is its address of IPv4 if it has one: "localhost" is 127.0.0.1. For several
            addresses, give `options` such as {"listening_ports": "127.0.0.1:8080,[::1]:8080"}.
        certificate: A PEM file with key and certificate, for TLS.
        document_root: A folder whose files are served where no handler is set.
        workers: How many sync function handlers of WebSockets may run, each of which has a thread;
            one more client is sent away with 1013.
        max_connections: How many WebSockets may be open; one more client gets 503.
        max_message_size: Bytes of a message, above which a WebSocket is closed with 1009.
        max_queue_size: Bytes that wait for a client that takes them slowly, before `send` waits.
        max_body_size: Bytes of a request's body, above which the answer is 413; a route may have
            another limit.
        ping_interval: Seconds after which a quiet WebSocket is sent a ping; None for never.
        ping_timeout: Seconds that it may leave it unanswered.
        idle_timeout: Seconds after which a WebSocket without any message is closed with 1001; None
            for never.
        close_timeout: Seconds that a client may take to answer a close.
        request_timeout: Seconds that the server waits for a client, each time that it reads from
            a request or writes an answer.
        grace: Seconds that handlers have to end when the server stops; then tasks are cancelled.
        compression: Whether messages may be compressed (permessage-deflate, RFC 7692).
        origins: The origins whose pages may open WebSockets (RFC 6454), such as
            "https://example.org"; None for any.
        metrics: A path that answers with `metrics`; None for none.
        options: More options of CivetWeb and of the library, by their own names, which
            `http.get_valid_options` lists. They have the last word.

    Raises:
        InvalidArgumentError: An argument is outside what it may be.
        TypeError: An argument has the wrong type.
    """

    def __init__(
        self,
        port: int = 8080,
        host: str = "127.0.0.1",
        *,
        certificate: str | os.PathLike[str] | None = None,
        document_root: str | os.PathLike[str] | None = None,
        workers: int = 100,
        max_connections: int = 65536,
        max_message_size: int = 1 << 20,
        max_queue_size: int = 4 << 20,
        max_body_size: int = 1 << 20,
        ping_interval: float | None = 20,
        ping_timeout: float = 20,
        idle_timeout: float | None = None,
        close_timeout: float = 10,
        request_timeout: float = 30,
        grace: float = 10,
        compression: bool = True,
        origins: Sequence[str] | None = None,
        metrics: str | None = None,
        options: _options.Options | None = None,
    ) -> None:
        self._place = (host, port)
        self._secure = certificate is not None
        self._listening_ports = ""  # the option, while it runs
        self._ports: list[int] = []
        self._max_body_size = max_body_size
        self._grace = _options.seconds("grace", grace)
        self._workers = Workers(workers)
        self._options = {
            "enable_keep_alive": "yes",
            "websocket_max_connections": _options.size("max_connections", max_connections),
            "websocket_max_message_size": _options.size("max_message_size", max_message_size),
            "websocket_max_queue_size": _options.size("max_queue_size", max_queue_size),
            "websocket_ping_interval_ms": _options.milliseconds_or_never(
                "ping_interval", ping_interval
            ),
            "websocket_ping_timeout_ms": _options.milliseconds("ping_timeout", ping_timeout),
            "websocket_idle_timeout_ms": _options.milliseconds_or_never(
                "idle_timeout", idle_timeout
            ),
            "websocket_close_timeout_ms": _options.milliseconds("close_timeout", close_timeout),
            "request_timeout_ms": _options.milliseconds("request_timeout", request_timeout),
            "websocket_compression": _options.choice("compression", compression),
        }
        _options.size("workers", workers)
        _options.size("max_body_size", max_body_size)
        _options.listening_ports(host, port, self._secure)
        if certificate is not None:
            self._options["ssl_certificate"] = _options.path("certificate", certificate)
        if document_root is not None:
            self._options["document_root"] = _options.path("document_root", document_root)
        if origins is not None:
            self._options["websocket_origins"] = ",".join(_options.origins(origins))
        self._given = _options.given({} if options is None else options)

        self._routes: dict[str, Route] = {}
        self._trees: list[Route] = []  # those of paths with /**, the longest first
        self._sockets: list[tuple[SocketOptions, Any]] = []
        self._served: list[_sockets.Sockets] = []  # by handlers in Python, while it runs
        # Held while it starts, to begin its stop and to end it, and where handlers are added.
        self._lock = threading.RLock()
        self._engine: Engine | None = None  # while it runs
        self._stopped = threading.Event()
        self._stopped.set()
        self._ending = False  # whether its stop has begun
        self._wake: SimpleQueue[None] = SimpleQueue()  # ends serve_forever; safe in signal handlers
        self._entered: Engine | None = None  # by `async with`, to be stopped at the block's end
        if metrics is not None:
            self.route(metrics)(lambda request: Response(self.metrics(), content_type=_METRICS))

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied, as by multiprocessing's spawn and forkserver."""
        raise TypeError("a Server stays in its process and has no copies: make it where it serves")

    # Handlers

    def route(
        self,
        path: str,
        *,
        methods: Sequence[str] = ("GET",),
        max_body_size: int | None = None,
        stream: bool = False,
    ) -> Callable[[_H], _H]:
        """Have the requests for a path answered by a function.

        It takes a `Request` and returns a `Response`, or its body as str or bytes; an async
        function runs on the loop. What it raises is logged and answered with 500, `BadRequest`
        with 400, `Reject` with the answer that it holds.

        Args:
            path: The path, without a query; `/files/**` serves all below `/files/`.
            methods: The methods that the function answers, HEAD with GET; any other gets 405.
            max_body_size: Bytes of a body, above which the answer is 413, also with `stream`;
                without this, as the server has it.
            stream: Leave the body to the function, which reads it from `Request.stream` or
                `Request.astream`.

        Returns:
            A decorator, which returns the function as it is.

        Raises:
            InvalidArgumentError: The path is not one, or has a handler already, or another argument
                is outside what it may be.
            TypeError: What is given is no handler, or an argument has the wrong type.
        """
        _check_path(path)
        every = _options.methods(methods)
        _options.choice("stream", stream)
        limit = self._max_body_size
        if max_body_size is not None:
            limit = int(_options.size("max_body_size", max_body_size))

        def add(handler: _H) -> _H:
            _requests.check_handler(handler)
            route = Route(path, handler, every, limit, stream)
            self._check_loop(route.is_async, path)
            with self._lock:
                if path in self._routes or any(path == tree.path for tree in self._trees):
                    raise InvalidArgumentError(
                        f"{path} has a handler already: give one function all of its methods, such "
                        'as methods=["GET", "POST"], and look at request.method in it'
                    )
                if path.endswith("/**"):
                    self._trees = sorted([*self._trees, route], key=lambda r: -len(r.path))
                else:
                    self._routes[path] = route
            return handler

        return add

    @overload
    def websocket(
        self,
        path: str,
        *,
        subprotocols: Sequence[str] = (),
        origins: Sequence[str] | None = None,
        max_message_size: int | None = None,
        groups: Sequence[str] = (),
        authorize: Authorize | None = None,
    ) -> Callable[[_W], _W]: ...

    @overload
    def websocket(
        self, path: str, *, subprotocols: Sequence[str] = (), native: NativeHandlers
    ) -> None: ...

    def websocket(
        self,
        path: str,
        *,
        subprotocols: Sequence[str] = (),
        origins: Sequence[str] | None = None,
        max_message_size: int | None = None,
        groups: Sequence[str] = (),
        authorize: Authorize | None = None,
        native: NativeHandlers | None = None,
    ) -> Callable[[_W], _W] | None:
        """Have the WebSockets of a path served by a function, an object, or compiled code.

        A function takes a `WebSocket`, or an `AsyncWebSocket` if it is async, and serves it until
        it returns, which closes the WebSocket with 1000. An exception closes it with 1011 and is
        logged, except `ConnectionClosed`.

        An object serves all WebSockets of the path; a class is called for one, without arguments.
        It has any of these methods, sync or async, the first of which may raise `Reject`:

            on_connect(request)           before the WebSocket is open
            on_ready(ws)                  when it is
            on_message(ws, message)       for each message, str or bytes
            on_close(ws, code, reason)    at its end, once if on_ready was called

        Sync methods are the fast way for short work: they run on the threads that bring the
        events, one call at a time for each WebSocket. Those with async methods among them run on
        the loop.

        Args:
            path: The path, without a query; `/chat/**` serves all below `/chat/`.
            subprotocols: Those that the handler speaks; the client's first one of them is chosen.
            origins: The origins whose pages may connect, of those that the server lets in.
            max_message_size: Bytes of a message, fewer than the server allows.
            groups: Groups that each WebSocket of the path joins when it is open.
            authorize: Called with the request before the WebSocket is open, sync or async; it may
                raise `Reject`.
            native: Compiled handlers, in place of Python's.

        Returns:
            A decorator, which returns the handler as it is; None with `native`.

        Raises:
            InvalidArgumentError: The path is not one, or has a handler already, or another argument
                is outside what it may be, or is not for `native`.
            TypeError: What is given is no handler, or an argument has the wrong type.
        """
        _check_path(path)
        if max_message_size is not None:
            _options.size("max_message_size", max_message_size)
        if authorize is not None:
            _sockets.check_authorize(authorize)
        options = SocketOptions(
            path,
            _options.subprotocols(subprotocols),
            None if origins is None else _options.origins(origins),
            max_message_size,
            _options.names("groups", groups),
            authorize,
        )
        if native is not None:
            if not isinstance(native, NativeHandlers):
                raise TypeError(f"native: {native!r} is none; NativeHandlers.load makes them")
            if options != SocketOptions(path, options.subprotocols):
                raise InvalidArgumentError(
                    "native: compiled handlers decide themselves who may connect and what comes "
                    "after; with them, give no argument but the path and subprotocols"
                )
            self._add(options, native)
            return None

        def add(handler: _W) -> _W:
            _sockets.check_handler(handler)
            self._check_loop(_sockets.is_async(handler) or _sockets.is_async(authorize), path)
            self._add(options, handler)
            return handler

        return add

    def broadcast(
        self, group: str, message: Message, *, exclude: WebSocket | AsyncWebSocket | None = None
    ) -> int:
        """Send a message to all members of a group, without waiting for any.

        One that is too slow is dealt with as `websocket_queue_policy` says, which is to close it.

        Args:
            group: The group's name; one without members is no error.
            message: str as text, bytes and what is like them as binary.
            exclude: The one that does not get it, such as its author.

        Returns:
            How many it was sent to; 0 while the server stops.

        Raises:
            TypeError: An argument has the wrong type.
            WrongStateError: The server does not run.
        """
        opcode = TEXT if isinstance(message, str) else BINARY
        context = self._running.context
        data: Any = message
        try:
            if exclude is not None:
                left_out = exclude._connection
                # Else it is no member: it has ended, or is another server's.
                with contextlib.suppress(InvalidHandleError):
                    if http.get_context(left_out) == context:
                        return http.write_to_others_in_group(left_out, group, opcode, data)
            return http.write_to_group(context, group, opcode, data)
        except InvalidHandleError:  # it is being stopped: all have been sent 1001
            return 0
        except (AttributeError, TypeError):
            if not isinstance(group, str):
                raise type_error("group", "a str", group) from None
            if exclude is not None and not isinstance(exclude, WebSocket | AsyncWebSocket):
                raise type_error("exclude", "a WebSocket", exclude) from None
            return self.broadcast(group, as_bytes(message), exclude=exclude)

    # What it tells

    @property
    def ports(self) -> list[int]:
        """The ports it listens on; empty while it does not run."""
        return list(self._ports)

    @property
    def url(self) -> str:
        """Where it is, such as "http://127.0.0.1:8080".

        With a unix socket alone it is of the form that `http.send_request` takes, to which a path
        is added: "http+unix:/run/socket:".

        Raises:
            WrongStateError: The server does not run.
        """
        return self._url("http")

    @property
    def ws_url(self) -> str:
        """Where its WebSockets are, such as "ws://127.0.0.1:8080".

        Raises:
            WrongStateError: The server does not run.
        """
        return self._url("ws")

    def _url(self, scheme: str) -> str:
        assert self._running
        return _hosting.url(scheme, self._listening_ports, self._ports)

    @property
    def connections(self) -> list[WebSocket | AsyncWebSocket]:
        """The WebSockets that are open and served by handlers in Python."""
        return [ws for sockets in self._served for ws in sockets.open]

    @property
    def stats(self) -> http.WebSocketStatistics:
        """What its WebSockets have done since it was started.

        Raises:
            WrongStateError: The server does not run.
        """
        return http.get_web_socket_statistics(self._running.context)

    def metrics(self) -> str:
        """The numbers of `stats` in the text format of Prometheus, for a scraper.

        Raises:
            WrongStateError: The server does not run.
        """
        from ._metrics import prometheus

        return prometheus(self.stats)

    # With threads

    def start(self) -> None:
        """Start to serve and return; other threads do the work.

        Raises:
            AddressInUseError: Something else listens on the port.
            UnknownOptionError: There is no option of a name that is given in `options`.
            WrongStateError: It runs already.
            HttpError: It cannot be started otherwise; the message says why.
        """
        if not self._needs_loop():
            self._open(None)
            return
        started: Future[None] = Future()
        target = lambda: asyncio.run(self._run(started))  # noqa: E731 - a thread's whole work
        threading.Thread(target=target, name="alusus_http loop", daemon=True).start()
        started.result()

    def stop(self) -> None:
        """Stop: no new clients, 1001 for open WebSockets, and the end of handlers is waited for.

        It takes as long as clients take to answer, up to `close_timeout`, and handlers to end, up
        to `grace`. Called from one of its handlers, or on the thread of its loop, it only begins
        that and returns. Nothing happens to a server that does not run.
        """
        engine = self._engine
        if engine is None:
            return
        require_unforked()
        if engine.loop is not None:
            with contextlib.suppress(RuntimeError):  # it has been closed; see below
                engine.loop.call_soon_threadsafe(self._begin_shutdown, engine)
        elif self._is_inside(engine) or not self._stop_here(engine):
            threading.Thread(
                target=self._stop_here, args=(engine,), name="alusus_http stop", daemon=True
            ).start()
            return
        if self._is_inside(engine):
            return
        while not self._stopped.wait(_PATIENCE):
            # A loop that is closed in good order has stopped the server before.
            if engine.forsake() and not self._stopped.is_set():
                self._stop_here(engine)

    def wait(self) -> None:
        """Wait until it is stopped, by another thread or a handler.

        Raises:
            WrongThreadError: The stop would wait for this thread, a handler's or its loop's.
        """
        engine = self._engine
        if engine is not None and (self._is_inside(engine) or engine.is_in_loop()):
            raise WrongThreadError(
                "a server's end waits for its handlers and its loop, so these cannot wait for it: "
                "have another thread do so"
            )
        self._stopped.wait()

    def serve_forever(self) -> None:
        """Serve until `stop` is called, or the process is sent SIGINT (Ctrl-C) or SIGTERM.

        Signals are heeded when it is called on the main thread.

        Raises:
            HttpError: As `start`.
            WrongStateError: It is called where a loop runs, which it would hold up.
        """
        if asyncio._get_running_loop() is not None:
            raise WrongStateError(
                "serve_forever would hold up the loop that runs here: await `serve` instead"
            )
        if self._needs_loop():
            asyncio.run(self.serve())
            return
        wake: SimpleQueue[None] = SimpleQueue()
        with _signals.heeded(lambda: wake.put(None)):
            self._open(None, wake)
            try:
                _signals.wait(wake)
            finally:
                self.stop()

    def __enter__(self) -> Self:
        """Start to serve, for the block.

        Raises:
            HttpError: As `start`.
        """
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stop()

    def _is_inside(self, engine: Engine) -> bool:
        """Whether this thread is one that the stop waits for."""
        return engine.is_inside() or self._workers.is_current()

    def _drain(self, engine: Engine, deadline: float) -> None:
        """Close the ports, and wait for the requests if their loop is not closed."""
        with self._lock:
            pass  # the first client may have stopped what has not quite started
        _hosting.stop_listening(engine.context)
        if not engine.forsake() and not _hosting.await_requests(engine.context, deadline):
            logger.warning("a request is still being answered %g s after the stop", self._grace)

    def _stop_here(self, engine: Engine) -> bool:
        """Stop a server without a loop. False: not on this thread, for which the stop waits."""
        with self._lock:
            begun, self._ending = self._ending, True
        if begun:
            return True
        deadline = time.monotonic() + self._grace
        failure: BaseException | None = None
        try:
            self._drain(engine, deadline)
            engine.stop(deadline, self._give_up)
        except WrongThreadError:
            self._ending = False
            return False
        except BaseException as error:
            if not engine.has_ended():
                self._ending = False
                raise
            failure = error  # of a callback
        try:
            left = self._workers.join(max(_left(deadline), _LAST_WORDS))
        finally:  # whatever interrupts it, nothing is left to stop
            self._close()
        if left:
            logger.warning("handlers that still run %g s after the stop: %d", self._grace, left)
        if failure is not None:
            raise failure
        return True

    # With asyncio

    async def serve(self) -> None:
        """Serve until `stop` is called, the task is cancelled, or SIGINT or SIGTERM comes.

        Async handlers run on the running loop. Signals are heeded when that is the main thread's.

        Raises:
            HttpError: As `start`.
        """
        started: asyncio.Future[Engine] = asyncio.get_running_loop().create_future()

        def stop() -> None:
            # A signal may come before there is anything to stop.
            started.add_done_callback(lambda done: self._begin_shutdown(done.result()))

        with _signals.heeded_in_loop(stop):
            engine = await self._start_on_loop()
            started.set_result(engine)
            try:
                await engine.ended.wait()
            finally:
                await self._stop_on_loop(engine)

    async def __aenter__(self) -> Self:
        """Start to serve on the running loop, for the block.

        Raises:
            HttpError: As `start`.
        """
        self._entered = await self._start_on_loop()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop, and wait for that, cancelled or not."""
        assert self._entered is not None
        await self._stop_on_loop(self._entered)

    async def _start_on_loop(self) -> Engine:
        # On another thread: what the library logs meanwhile comes to the loop.
        opening = in_thread(self._open, asyncio.get_running_loop())
        cancelled = await finished(opening)
        engine = opening.result()
        if cancelled:
            await self._stop_on_loop(engine)
            raise asyncio.CancelledError
        return engine

    async def _stop_on_loop(self, engine: Engine) -> None:
        stopping = self._begin_shutdown(engine)
        cancelled = await finished(stopping)
        stopping.result()
        if cancelled:
            raise asyncio.CancelledError

    async def _run(self, started: Future[None]) -> None:
        """Serve on a loop that is there for nothing else."""
        try:
            engine = await self._start_on_loop()
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(None)
        try:
            await engine.ended.wait()
        finally:  # a handler may have ended the loop, by SystemExit
            await self._stop_on_loop(engine)

    def _begin_shutdown(self, engine: Engine) -> asyncio.Task[None]:
        if engine.stopping is None:
            shutdown = self._shut_down(engine)
            engine.stopping = asyncio.get_running_loop().create_task(shutdown)
        return engine.stopping

    async def _shut_down(self, engine: Engine) -> None:
        """Stop. A loop that ends cancels this, too, with all tasks, and it is done nevertheless."""
        try:
            deadline = time.monotonic() + self._grace
            draining = in_thread(self._drain, engine, deadline)
            await finished(draining)
            draining.result()
            stop = in_thread(engine.stop, deadline)
            await finished(stop, timeout=_left(deadline))
            if not stop.done():
                self._give_up()
                engine.cancel()
            await finished(stop)
            await finished(*engine.tasks, timeout=_left(deadline))
            engine.cancel()
            await finished(*engine.tasks)
            last_words = max(_left(deadline), _LAST_WORDS)
            await finished(in_thread(self._workers.join, last_words))
            stop.result()
        finally:
            self._close()
            engine.ended.set()

    # Starting and stopping

    @property
    def _running(self) -> Engine:
        require_unforked()
        if self._engine is None:
            raise WrongStateError("this server does not run: start it first")
        return self._engine

    def _needs_loop(self) -> bool:
        return any(route.is_async for route in (*self._routes.values(), *self._trees)) or any(
            _sockets.is_async(options.authorize) or _sockets.is_async(handler)
            for options, handler in self._sockets
        )

    def _check_loop(self, is_async: bool, path: str) -> None:
        if is_async and self._engine is not None and self._engine.loop is None:
            raise WrongStateError(
                f"{path}: this server was started without a loop, having no async handler then; "
                "set this one before the start, or start by `serve` or `async with`"
            )

    def _open(
        self, loop: asyncio.AbstractEventLoop | None, wake: SimpleQueue[None] | None = None
    ) -> Engine:
        _loading.refuse_to_serve()
        require_unforked()
        with self._lock:
            if self._engine is not None:
                raise WrongStateError("this server runs already: `wait` waits for its end")
            self._wake = wake or SimpleQueue()
            options = {
                "listening_ports": _options.listening_ports(*self._place, self._secure),
                **self._options,
                **self._given,
            }
            _options.check_folder(options)

            def prepare(engine: Engine) -> None:
                for socket_options, handler in self._sockets:
                    self._serve(engine, socket_options, handler)
                self._listening_ports = options["listening_ports"]
                self._ports = _hosting.bound_ports(engine.context)
                self._ending = False
                self._stopped.clear()
                self._engine = engine
                logger.info("serving at %s", self.url)

            try:
                return Engine(options, self._answer, prepare, loop)
            except BaseException:
                self._close()
                raise

    def _close(self) -> None:
        with self._lock:  # or another thread's start could come in between
            self._engine = None
            self._served.clear()
            self._ports = []
            self._stopped.set()
            self._wake.put(None)

    def _give_up(self) -> None:
        for sockets in self._served:
            sockets.give_up()

    def _add(self, options: SocketOptions, handler: Any) -> None:
        with self._lock:
            if any(options.path == other.path for other, _ in self._sockets):
                raise InvalidArgumentError(f"{options.path} has a handler of WebSockets already")
            if self._engine is not None:
                self._serve(self._engine, options, handler)
            self._sockets.append((options, handler))

    def _serve(self, engine: Engine, options: SocketOptions, handler: Any) -> None:
        if isinstance(handler, NativeHandlers):
            engine.serve_natively(
                options.path, handler.callbacks, handler.user_data, options.subprotocols
            )
            return
        sockets = _sockets.make_sockets(engine, options, handler, self._workers)
        engine.serve(options.path, sockets, options.subprotocols)
        self._served.append(sockets)

    def _answer(self, connection: http.Connection) -> Answer:
        request = Request(connection)
        route = self._routes.get(request.path)
        if route is None:
            for tree in self._trees:
                if request.path.startswith(tree.path[:-2]):
                    route = tree
                    break
            else:
                return 0  # for static files, or 404
        return _requests.answer(self._running, route, connection, request)


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _check_path(path: str) -> None:
    if not isinstance(path, str):
        raise TypeError(f"the path, such as '/chat', is missing: {path!r} is in its place")
    # Braces and angle brackets are other frameworks' patterns; no path has them (RFC 3986).
    if not path.startswith("/") or re.search("[*?{}<>]", path.removesuffix("/**")):
        raise InvalidArgumentError(
            f"{path!r} is no path: give one such as '/chat', or '/files/**' for all below '/files/'"
        )
