"""ASGI 3 applications on the server: Starlette, FastAPI, Django and every other.

    import asyncio
    from alusus_http import asgi
    asyncio.run(asgi.serve(application, {"listening_ports": "127.0.0.1:8000"}))

The application runs in tasks of the running event loop, whichever that is (uvloop, too). HTTP,
WebSocket and lifespan are served; `websocket.http.response` is the extension that there is.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote_to_bytes

from . import _driver, _exchange, _hosting, http
from ._answer import head_of
from ._asgi_types import Application, Message, Scope, untyped
from ._asgi_websocket import WebSocket, subprotocols
from ._exchange import Exchange, Key
from ._finishing import finished, in_thread
from ._options import Options
from ._polling import Asyncio, Later
from .errors import ConnectionClosedError, WrongStateError

__all__ = ["Application", "LifespanError", "Server", "serve"]

_log = logging.getLogger("alusus_http.asgi")

# Names of a module's cost more, for each request.
_REQUEST = _exchange.REQUEST
_MORE_BODY = _exchange.MORE_BODY

_VERSIONS = {"version": "3.0", "spec_version": "2.4"}
# From 2.4 on, Starlette learns from `send` alone that a client has gone: a stream that has nothing
# to send would never end, nor leave its connection's thread to others. Below, it watches `receive`.
# A body would be lost to that, so requests that have one keep the version.
_VERSIONS_WITHOUT_BODY = {**_VERSIONS, "spec_version": "2.3"}

_PERCENT = ord("%")  # an int is found in bytes faster than bytes are

# How many bytes of an answer may wait for a client until its application does, too.
_MUCH_UNSENT = 64 << 10


def _beginner(
    loop: asyncio.AbstractEventLoop,
) -> Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]:
    """What makes tasks, which begin at once where Python can have them so.

    Many requests are answered without waiting for anything, and need no turn of the loop then. A
    factory that the program has given to the loop is heeded.
    """
    if sys.version_info >= (3, 12) and loop.get_task_factory() is None:
        return partial(asyncio.Task, loop=loop, eager_start=True)
    return loop.create_task


class LifespanError(RuntimeError):
    """The application has refused to start, or failed to."""


class Request(Exchange):
    """An HTTP request, and the application's work on it."""

    # As every request begins; most requests never change them.
    done = False  # the answer is complete, or given up
    _gone = False
    _reading = False
    _changed: asyncio.Event | None = None  # set when `receive` may go on
    _written: asyncio.Event | None = None  # set when `send` may go on
    task: asyncio.Task[None]  # the loop itself keeps none alive

    def __init__(self, key: Key, flags: int, scope: Scope, body: bytes) -> None:
        Exchange.__init__(self, key, flags)
        self.scope = scope
        self._more = flags & _MORE_BODY  # there is more of the body than the client has sent
        # What the application gets of the body next; None: it has all that is here. An empty part
        # is one only at the end.
        self._part = None if self._more and not body else body

    def happen(self, what: int, flags: int, data: bytes) -> None:
        """Take note of an event."""
        if what == _exchange.BODY:
            self._reading = False
            self._more = flags & _MORE_BODY
            self._part = None if self._more and not data else data
        elif what == _exchange.GONE:
            self._gone = True
        if self._changed is not None:
            self._changed.set()
        if what in (_exchange.WRITTEN, _exchange.GONE) and self._written is not None:
            self._written.set()

    async def run(self, application: Application, running: dict[Key, Request]) -> None:
        """Have the application answer, and leave those that run."""
        try:
            await application(self.scope, self.receive, self.send)
            if not self.done and not self._gone:
                raise RuntimeError("the application has returned before its answer was complete")
        except ConnectionClosedError:
            _log.debug("the client has gone before it had the answer", exc_info=True)
        except Exception as error:
            if self._gone and _is_of_client(error):
                _log.info("%s %s: %r", self.scope["method"], self.scope["path"], error)
            else:
                _log.exception("%s %s failed", self.scope["method"], self.scope["path"])
            self._fail()
        finally:
            del running[self.key]
            if not self.done:
                self._end()
                self.abandon()

    def _fail(self) -> None:
        if not self.done and self.fail():
            self._end()

    def _end(self) -> None:
        self.done = True
        if self._changed is not None:
            self._changed.set()

    async def receive(self) -> Message:
        """Give the application the next part of the body, or tell it that the client has gone."""
        while self._part is None:
            if self.done or self._gone:
                return {"type": "http.disconnect"}
            if self._more and not self._reading:
                self._reading = True
                self.read()
            if self._changed is None:
                self._changed = asyncio.Event()
            self._changed.clear()
            await self._changed.wait()
        part, self._part = self._part, None
        return {"type": "http.request", "body": part, "more_body": bool(self._more)}

    async def send(self, message: Message) -> None:
        """Take a part of the answer from the application."""
        try:
            kind = message["type"]
        except (KeyError, TypeError):
            raise untyped(message) from None
        if kind == "http.response.start":
            if self.status:
                raise RuntimeError("http.response.start was sent twice")
            self.begin(head_of(message.get("status"), message.get("headers", ())))
            return
        if kind != "http.response.body":
            raise ValueError(f"an HTTP request has no answer of the type {kind!r}")
        if not self.status:
            raise RuntimeError("http.response.body was sent before http.response.start")
        if self.done:
            raise RuntimeError("http.response.body was sent after the last one")
        last = not message.get("more_body", False)
        waiting = self.write(message.get("body", b""), last)
        if last:
            self._end()
        elif self._gone and not self.has_body:  # of which a write tells nothing, having no data
            raise ConnectionClosedError("the client has gone")
        elif waiting > _MUCH_UNSENT:
            if self._written is None:
                self._written = asyncio.Event()
            self._written.clear()
            await self._written.wait()


def _is_of_client(error: BaseException | None) -> bool:
    """Whether an application raised this because its client has gone."""
    while error is not None:
        if isinstance(error, BaseExceptionGroup) and any(map(_is_of_client, error.exceptions)):
            return True
        if isinstance(error, ConnectionClosedError):
            return True
        error = error.__cause__ or error.__context__
    return False


class _Lifespan:
    """The application's task for the time that the server runs."""

    def __init__(self, application: Application) -> None:
        self.state: dict[str, Any] = {}
        self._application = application
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._asked = ""  # the latest event
        self._answer: asyncio.Future[Message] | None = None  # to it
        self._speaks = False  # the application has sent lifespan's, and not that it has failed
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Wait until the application says that it is ready.

        Raises:
            LifespanError: It says that it has failed.
        """
        self._task = asyncio.create_task(self._run())
        try:
            answer = await self._ask("lifespan.startup")
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            await _finish([self._task])
            raise LifespanError(answer.get("message") or "the application failed to start")

    async def stop(self) -> None:
        """Tell the application that the server has ended, and wait for it."""
        if self._task is None or self._task.done():
            return
        answer = await self._ask("lifespan.shutdown")
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            _log.error("the application failed to shut down: %s", answer.get("message", ""))
        await _finish([self._task])

    def is_inside(self) -> bool:
        """Whether the running task is the application's."""
        return self._task is not None and self._task is asyncio.current_task()

    async def _ask(self, event: str) -> Message | None:
        """The application's answer to an event; None when it has none, since it has ended."""
        assert self._task is not None
        self._asked = event
        self._answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": event})
        await asyncio.wait((self._task, self._answer), return_when=asyncio.FIRST_COMPLETED)
        return self._answer.result() if self._answer.done() else None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {**_VERSIONS, "spec_version": "2.0"}}
        try:
            await self._application({**scope, "state": self.state}, self._receive, self._send)
        except Exception:
            # An application that knows no lifespan may raise (ASGI, "Lifespan Protocol").
            level = logging.ERROR if self._speaks else logging.DEBUG
            _log.log(level, "the application's lifespan failed", exc_info=True)

    async def _receive(self) -> Message:
        if self._task is not None and self._has_ended():
            self._task.cancel()  # it would wait for what never comes
        return await self._events.get()

    def _has_ended(self) -> bool:
        """Whether the application has said the last that there is to say."""
        if self._answer is None or not self._answer.done():
            return False
        return self._asked == "lifespan.shutdown" or not self._speaks

    async def _send(self, message: Message) -> None:
        try:
            kind = message["type"]
        except (KeyError, TypeError):
            raise untyped(message) from None
        # One that does not look at the scope sends what it sends to HTTP.
        if str(kind).startswith("lifespan."):
            self._speaks = True
        if self._answer is None or self._answer.done():
            raise RuntimeError(f"{kind} was sent when nothing was asked")
        if kind not in (f"{self._asked}.complete", f"{self._asked}.failed"):
            raise ValueError(
                f"{kind} was sent where {self._asked}.complete or {self._asked}.failed is expected"
            )
        self._speaks = kind.endswith(".complete")
        self._answer.set_result(message)


async def _finish(tasks: Collection[asyncio.Task[None]], timeout: float = _hosting.GRACE) -> None:
    """Wait for tasks, and cancel those that take too long."""
    await finished(*tasks, timeout=timeout)
    for task in tasks:
        task.cancel()  # which is nothing to those that are done
    await finished(*tasks)


class Server(_hosting.Server[Application]):
    """An application of ASGI that is served on the event loop in which it is started.

    `serve` starts one, and stops it when its task is cancelled.
    """

    def _prepare(self) -> None:
        self._raw_root_path = self._root_path.encode()
        self._scope_of = lru_cache(_hosting.MOST_PEERS)(self._make_scope)
        self._lifespan = _Lifespan(self._application)
        self._requests: dict[Key, Request] = {}
        self._web_sockets: dict[http.Connection, WebSocket] = {}
        self._departing = False  # connections end with the answer that begins next
        self._stopping = False  # no WebSocket is opened any more
        # While it runs: held as long as it starts or stops.
        self._changing: asyncio.Lock | None = None
        self._ending: asyncio.Task[None] | None = None  # stops it

    async def start(self) -> None:
        """Start the application, then the server.

        Raises:
            LifespanError: The application has refused to start.
            WrongStateError: It runs already.
            HttpError: Those of `http.start_server`.
        """
        if self._changing is not None:
            raise WrongStateError(_hosting.RUNS_ALREADY)
        self._changing, self._ending = asyncio.Lock(), None
        async with self._changing:
            try:
                await self._lifespan.start()
            except BaseException:
                self._changing = None
                raise
            try:
                self._start_server(asyncio.get_running_loop())
            except BaseException:
                await self._end()
                raise

    def _start_server(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._begin = _beginner(loop)
        self._departing = self._stopping = False
        with _driver.polled_by(lambda: Asyncio(loop)):
            self._context = _exchange.start(self._handle, self._options, self._log_access)
        self._serve_web_sockets(self._context)

    async def stop(self) -> None:
        """Stop: requests are finished within ten seconds, then WebSockets within ten more.

        What takes longer is cancelled. Who waits for it may be cancelled: it goes on. Called in a
        task that it waits for, of a request or another one in which the application was called, it
        only begins and returns. Nothing happens to a server that does not run.
        """
        if self._changing is None:
            return
        if self._ending is None or self._ending.done():
            self._ending = asyncio.create_task(self._end_in_turn(self._changing))
        if not self._is_inside():
            await asyncio.shield(self._ending)

    def _is_inside(self) -> bool:
        """Whether this task is one that the stop waits for."""
        here = asyncio.current_task()
        # A request whose task is not known yet is just beginning, in this one.
        serving = [getattr(each, "task", here) for each in self._requests.values()]
        serving += [each.task for each in self._web_sockets.values()]
        return self._lifespan.is_inside() or here in serving

    async def _end_in_turn(self, changing: asyncio.Lock) -> None:
        async with changing:
            if self._changing is changing:  # else it has failed to start
                await self._end()

    async def _end(self) -> None:
        """Stop. A loop that ends cancels this, too, and it is done nevertheless."""
        if self._context is not None:
            await self._finish_requests(self._context)
        context, self._context = self._context, None
        try:
            if context is not None:
                await self._stop_server(context)
        finally:
            try:
                await self._lifespan.stop()
            finally:
                self._changing = None

    async def _stop_server(self, context: http.Context) -> None:
        # The server waits for what its WebSockets wait for: until they are open, and for messages.
        self._stopping = True
        stopping = in_thread(http.stop_server, context)
        await finished(asyncio.gather(*(ws.stop() for ws in self._web_sockets.values())))
        await _finish([each.task for each in self._web_sockets.values()])
        await finished(stopping)
        stopping.result()
        requests = [each.task for each in self._requests.values()]
        await _finish([*requests, *(each.task for each in self._web_sockets.values())])

    async def _finish_requests(self, context: http.Context) -> None:
        """Finish those that there are, and what clients that are there already still ask for."""
        deadline = time.monotonic() + _hosting.GRACE
        _hosting.stop_listening(context)  # or there would always be a request
        self._departing = True
        for request in self._requests.values():
            request.be_last()
        while True:
            # One whose task is not known yet is just beginning, in this one, and is awaited below.
            tasks = [each.task for each in self._requests.values() if hasattr(each, "task")]
            await _finish(tasks, max(0.0, deadline - time.monotonic()))
            await finished(in_thread(_hosting.await_requests, context, deadline))
            if all(each.task.done() for each in self._requests.values()):
                return

    def _make_scope(self, peer: bytes) -> dict[str, Any]:
        """What is the same in all scopes of a connection, and room for the rest."""
        version, client, client_port, server, server_port = peer.decode().split(" ")
        return {
            "type": "http",
            "asgi": _VERSIONS,
            "http_version": version,
            "method": "",
            "scheme": self._scheme,
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "root_path": self._root_path,
            # A unix socket has neither an address nor a port.
            "client": (client, int(client_port)) if server else None,
            "server": (server, int(server_port)) if server else None,
            "headers": [],
            "state": {},
        }

    def _scope(self, texts: list[bytes]) -> Scope:
        """A request's scope; a WebSocket's has some more."""
        method, path, query, peer, *headers = texts
        if self._raw_root_path:
            path = self._raw_root_path + path
        decoded = unquote_to_bytes(path) if _PERCENT in path else path
        each = iter(headers)
        scope = self._scope_of(peer).copy()
        scope["method"] = method.decode()
        scope["path"] = decoded.decode("utf-8", "replace")
        scope["raw_path"] = path
        scope["query_string"] = query
        scope["headers"] = [*zip(each, each)]  # noqa: B905 - names and values in turn
        scope["state"] = self._lifespan.state.copy()
        return scope

    def _handle(self, key: Key, what: int, flags: int, data: bytes, head: int) -> None:
        if what != _REQUEST:
            request = self._requests.get(key)
            if request is not None:
                request.happen(what, flags, data)
            elif what == _exchange.GONE:
                self._leave_undecided(key)
            return
        scope = self._scope(data[:head].split(b"\0"))
        if not flags & _MORE_BODY and len(data) == head:
            scope["asgi"] = _VERSIONS_WITHOUT_BODY
        request = self._requests[key] = Request(key, flags, scope, data[head:])
        if self._departing:
            request.be_last()
        request.task = self._begin(request.run(self._application, self._requests))

    # WebSockets

    def _serve_web_sockets(self, context: http.Context) -> None:
        handlers: dict[str, Callable[..., Any]] = {  # the driver takes a `Later`, too
            "connect_handler": self._connect,
            "ready_handler": self._ready,
            "data_handler": self._message,
            "close_handler": self._close,
        }
        http.set_web_socket_handler(context, "/", **handlers)

    def _connect(self, connection: http.Connection, user_data: object) -> Later:
        socket = WebSocket(connection, self._web_socket_scope(connection))
        self._web_sockets[connection] = socket
        _exchange.watch(connection)
        socket.task = self._loop.create_task(self._run_web_socket(connection, socket))
        return socket.decision

    def _leave_undecided(self, key: Key) -> None:
        """Tell a WebSocket whose client does not wait any more to be let in, if it is one's."""
        socket = self._web_sockets.get(http.Connection(_exchange.connection_of(key)))
        if socket is not None:
            socket.left()

    async def _run_web_socket(self, connection: http.Connection, socket: WebSocket) -> None:
        try:
            if self._stopping:
                await socket.stop()
            else:
                await socket.run(self._application)
        finally:
            del self._web_sockets[connection]

    def _ready(self, connection: http.Connection, user_data: object) -> None:
        if (socket := self._web_sockets.get(connection)) is not None:
            socket.opened()

    def _message(
        self, connection: http.Connection, opcode: int, data: bytes, user_data: object
    ) -> int | Later:
        socket = self._web_sockets.get(connection)
        return 1 if socket is None else socket.arrived(opcode, data)

    def _close(self, connection: http.Connection, user_data: object) -> None:
        if (socket := self._web_sockets.get(connection)) is not None:
            socket.closed()

    def _web_socket_scope(self, connection: http.Connection) -> Scope:
        info = http.get_request_info(connection)
        texts = [
            info.request_method,
            info.local_uri_raw or "",
            info.query_string or "",
            f"{info.http_version} {info.remote_addr} {info.remote_port} "
            f"{_listening_host(self._options)} {info.server_port}",
        ]
        for header in info.http_headers:
            texts += (header.name.lower(), header.value)
        scope = self._scope([text.encode("utf-8", "surrogateescape") for text in texts])
        del scope["method"]
        scope["type"] = "websocket"
        scope["scheme"] = "wss" if info.is_ssl else "ws"
        scope["subprotocols"] = subprotocols(scope["headers"])
        scope["extensions"] = {"websocket.http.response": {}}
        return scope


def _listening_host(options: Mapping[str, str]) -> str:
    """The address that a server listens at, the first one; empty for a unix socket."""
    first = options.get("listening_ports", "").split(",")[0]
    host = first.rpartition(":")[0].strip("[]")
    return "" if first.startswith("x") else host or "0.0.0.0"


async def serve(
    application: Application,
    options: Options | None = None,
    *,
    root_path: str = "",
    log_access: http.LogAccessCallback | None = None,
) -> None:
    """Serve an application until the task is cancelled.

    Args:
        application: The application.
        options: Options of the server, as `Server` has them.
        root_path: Where the application is mounted, as seen from outside a proxy.
        log_access: Called for each answer, as by `Server`.

    Raises:
        LifespanError: The application has refused to start.
        HttpError: Those of `http.start_server`.
    """
    server = Server(application, options, root_path=root_path, log_access=log_access)
    await server.start()
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await server.stop()
