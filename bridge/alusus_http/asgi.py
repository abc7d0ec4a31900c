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
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from . import _driver, _exchange, http
from ._answer import Answer
from ._asgi_types import Application, Message, Scope, untyped
from ._asgi_websocket import REFUSE, WebSocket, subprotocols
from ._exchange import Exchange, Key
from ._hosting import GRACE, bound_ports, listening_host, server_options
from ._polling import Asyncio, Later
from .errors import ConnectionClosedError

__all__ = ["Application", "LifespanError", "Server", "serve"]

_log = logging.getLogger("alusus_http.asgi")

# Names of a module's cost more, for each request.
_REQUEST = _exchange.REQUEST
_KEEPS_ALIVE = _exchange.KEEPS_ALIVE
_MORE_BODY = _exchange.MORE_BODY
_EXPECTS_CONTINUE = _exchange.EXPECTS_CONTINUE

_VERSIONS = {"version": "3.0", "spec_version": "2.4"}

_PERCENT = ord("%")  # an int is found in bytes faster than bytes are

# Addresses are those of connections, which have many requests.
_MOST_ADDRESSES = 4096

# How many bytes of an answer may wait for a client until its application does, too.
_MUCH_UNSENT = 64 << 10


class LifespanError(RuntimeError):
    """The application has refused to start, or failed to."""


@lru_cache(_MOST_ADDRESSES)
def _address(host: bytes, port: bytes) -> tuple[str, int]:
    return host.decode(), int(port)


class Request:
    """An HTTP request, and the application's work on it."""

    # As every request begins; most requests never change them.
    done = False  # the answer is complete, or given up
    _gone = False
    _reading = False
    _changed: asyncio.Event | None = None  # set when `receive` may go on
    _written: asyncio.Future[None] | None = None  # done when `send` may go on
    task: asyncio.Task[None]  # the loop itself keeps none alive

    def __init__(self, exchange: Exchange, flags: int, scope: Scope, body: bytes) -> None:
        self.scope = scope
        self._exchange = exchange
        self._answer = Answer(scope["method"], scope["http_version"], flags & _KEEPS_ALIVE)
        if flags & _EXPECTS_CONTINUE:
            self._answer.unasked = True
        self._body: bytes | None = body  # None: the application has it
        self._more = bool(flags & _MORE_BODY)

    def happen(self, what: int, flags: int, data: bytes) -> None:
        """Take note of an event."""
        if what == _exchange.BODY:
            self._reading = False
            self._body = data
            self._more = bool(flags & _MORE_BODY)
        elif what == _exchange.GONE:
            self._gone = True
        if self._changed is not None:
            self._changed.set()
        if what != _exchange.BODY and self._written is not None and not self._written.done():
            self._written.set_result(None)

    async def run(self, application: Application, running: dict[Key, Request]) -> None:
        """Have the application answer, and leave those that run."""
        try:
            await application(self.scope, self.receive, self.send)
            if not self.done and not self._gone:
                raise RuntimeError("the application has returned before its answer was complete")
        except ConnectionClosedError:
            _log.debug("the client has gone before it had the answer", exc_info=True)
        except Exception:
            _log.exception("%s %s failed", self.scope["method"], self.scope["path"])
            self._fail()
        finally:
            del running[self._exchange.key]
            if not self.done:
                self._end()
                self._exchange.abandon()

    def _fail(self) -> None:
        if not self.done and not self._answer.sent:
            with suppress(ConnectionClosedError):
                self._exchange.fail(self._answer)
                self._end()

    def _end(self) -> None:
        self.done = True
        if self._changed is not None:
            self._changed.set()

    async def receive(self) -> Message:
        """Give the application the next part of the body, or tell it that the client has gone."""
        while self._body is None:
            if self.done or self._gone:
                return {"type": "http.disconnect"}
            if self._more and not self._reading:
                self._answer.unasked = False
                self._reading = True
                self._exchange.read()
            if self._changed is None:
                self._changed = asyncio.Event()
            self._changed.clear()
            await self._changed.wait()
        body, self._body = self._body, None
        if not body and self._more and not self._gone:
            return await self.receive()
        return {"type": "http.request", "body": body, "more_body": self._more}

    async def send(self, message: Message) -> None:
        """Take a part of the answer from the application."""
        try:
            kind = message["type"]
        except (KeyError, TypeError):
            raise untyped(message) from None
        answer = self._answer
        if kind == "http.response.start":
            if answer.status:
                raise RuntimeError("http.response.start was sent twice")
            answer.begin(message.get("status"), message.get("headers", ()))
            return
        if kind != "http.response.body":
            raise ValueError(f"an HTTP request has no answer of the type {kind!r}")
        if not answer.status:
            raise RuntimeError("http.response.body was sent before http.response.start")
        if self.done:
            raise RuntimeError("http.response.body was sent after the last one")
        last = not message.get("more_body", False)
        data = answer.encode(message.get("body", b""), last)
        if last:
            self._exchange.write(data, answer.result)
            self._end()
        elif data and self._exchange.write(data) > _MUCH_UNSENT:
            self._written = asyncio.get_running_loop().create_future()
            await self._written
            self._written = None


class _Lifespan:
    """The application's task for the time that the server runs."""

    def __init__(self, application: Application) -> None:
        self.state: dict[str, Any] = {}
        self._application = application
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answer: asyncio.Future[Message] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Wait until the application says that it is ready.

        Raises:
            LifespanError: It says that it has failed.
        """
        self._task = asyncio.create_task(self._run())
        answer = await self._ask("lifespan.startup")
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            raise LifespanError(answer.get("message") or "the application failed to start")

    async def stop(self) -> None:
        """Tell the application that the server has ended, and wait for it."""
        if self._task is None or self._task.done():
            return
        answer = await self._ask("lifespan.shutdown")
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            _log.error("the application failed to shut down: %s", answer.get("message", ""))
        await self._task

    async def _ask(self, event: str) -> Message | None:
        """The application's answer to an event; None when it has none, since it has ended."""
        assert self._task is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": event})
        await asyncio.wait((self._task, self._answer), return_when=asyncio.FIRST_COMPLETED)
        return self._answer.result() if self._answer.done() else None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {**_VERSIONS, "spec_version": "2.0"}}
        started = False

        async def send(message: Message) -> None:
            nonlocal started
            if self._answer is None or self._answer.done():
                raise RuntimeError(f"{message['type']} was sent when nothing was asked")
            started = started or message["type"] == "lifespan.startup.complete"
            self._answer.set_result(message)

        try:
            await self._application({**scope, "state": self.state}, self._events.get, send)
        except Exception:
            # An application that knows no lifespan may raise (ASGI, "Lifespan Protocol").
            level = logging.ERROR if started else logging.DEBUG
            _log.log(level, "the application's lifespan failed", exc_info=True)


class Server:
    """An application that is served, on the running loop.

    Args:
        application: The application.
        options: Options of the server, as for `http.start_server`.
        root_path: Where the application is mounted, as seen from outside, when a proxy in front
            takes this off the path.
        log_access: Called with each line for the access log.
    """

    def __init__(
        self,
        application: Application,
        options: Mapping[str, str] | None = None,
        *,
        root_path: str = "",
        log_access: http.LogAccessCallback | None = None,
    ) -> None:
        self._application = application
        self._options = server_options(options)
        self._log_access = log_access
        self._host = listening_host(self._options)
        self._scheme = "https" if "ssl_certificate" in self._options else "http"
        self._root_path = root_path
        self._raw_root_path = root_path.encode()
        self._lifespan = _Lifespan(application)
        self._requests: dict[Key, Request] = {}
        self._web_sockets: dict[http.Connection, WebSocket] = {}
        self._context: http.Context | None = None
        self._stopping = False  # no WebSocket is opened any more

    @property
    def ports(self) -> list[int]:
        """The ports it listens on; empty before the start."""
        return bound_ports(self._context)

    async def start(self) -> None:
        """Start the application, then the server.

        Raises:
            LifespanError: The application has refused to start.
            HttpError: Those of `http.start_server`.
        """
        self._loop = asyncio.get_running_loop()
        await self._lifespan.start()
        try:
            with _driver.polled_by(lambda: Asyncio(self._loop)):
                self._context = _exchange.start(self._handle, self._options, self._log_access)
            self._serve_web_sockets(self._context)
        except BaseException:
            await self._lifespan.stop()
            raise

    async def stop(self) -> None:
        """Stop: what has begun is finished, within ten seconds, and then cancelled."""
        await self._finish(self._requests.values())
        try:
            if self._context is not None:
                await self._stop_server(self._context)
        finally:
            await self._lifespan.stop()

    async def _stop_server(self, context: http.Context) -> None:
        # The server waits for what its WebSockets wait for: until they are open, and for messages.
        self._stopping = True
        stopping = asyncio.create_task(_driver.stop_in_loop(context))
        for socket in self._web_sockets.values():
            socket.hasten()
        await self._finish(self._web_sockets.values())
        await stopping
        await self._finish((*self._requests.values(), *self._web_sockets.values()))

    async def _finish(self, running: Iterable[Request | WebSocket]) -> None:
        tasks = [each.task for each in running]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=GRACE)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def scope(self, texts: list[bytes]) -> Scope:
        """A request's scope; a WebSocket's has some more."""
        method, path, query, version, client, client_port, server, server_port = texts[:8]
        if self._raw_root_path:
            path = self._raw_root_path + path
        decoded = unquote_to_bytes(path) if _PERCENT in path else path
        return {
            "type": "http",
            "asgi": _VERSIONS,
            "http_version": version.decode(),
            "method": method.decode(),
            "scheme": self._scheme,
            "path": decoded.decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": self._root_path,
            # A unix socket has neither an address nor a port.
            "client": _address(client, client_port) if server else None,
            "server": _address(server, server_port) if server else None,
            "headers": [*zip(texts[8::2], texts[9::2])],  # noqa: B905 - strict takes its time
            "state": self._lifespan.state.copy(),
        }

    def _handle(self, key: Key, what: int, flags: int, data: bytes, head: int) -> None:
        if what != _REQUEST:
            request = self._requests.get(key)
            if request is not None:
                request.happen(what, flags, data)
            return
        scope = self.scope(data[: head - 1].split(b"\0"))
        request = self._requests[key] = Request(Exchange(key), flags, scope, data[head:])
        request.task = self._loop.create_task(request.run(self._application, self._requests))

    # WebSockets

    def _serve_web_sockets(self, context: http.Context) -> None:
        handlers: dict[str, Callable[..., Any]] = {  # the driver takes a `Later`, too
            "connect_handler": self._connect,
            "ready_handler": self._ready,
            "data_handler": self._message,
            "close_handler": self._close,
        }
        http.set_web_socket_handler(context, "/", **handlers)

    def _connect(self, connection: http.Connection, user_data: object) -> int | Later:
        if self._stopping:
            return REFUSE
        socket = WebSocket(connection, self._web_socket_scope(connection))
        self._web_sockets[connection] = socket
        socket.task = self._loop.create_task(self._run_web_socket(connection, socket))
        return socket.decision

    async def _run_web_socket(self, connection: http.Connection, socket: WebSocket) -> None:
        try:
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
            info.http_version,
            info.remote_addr,
            str(info.remote_port),
            self._host,
            str(info.server_port),
        ]
        for header in info.http_headers:
            texts += (header.name.lower(), header.value)
        scope = self.scope([text.encode("utf-8", "surrogateescape") for text in texts])
        del scope["method"]
        scope["type"] = "websocket"
        scope["scheme"] = "wss" if info.is_ssl else "ws"
        scope["subprotocols"] = subprotocols(scope["headers"])
        scope["extensions"] = {"websocket.http.response": {}}
        return scope


async def serve(
    application: Application,
    options: Mapping[str, str] | None = None,
    *,
    root_path: str = "",
    log_access: http.LogAccessCallback | None = None,
) -> None:
    """Serve an application until the task is cancelled; the arguments are those of `Server`."""
    server = Server(application, options, root_path=root_path, log_access=log_access)
    await server.start()
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await server.stop()
