"""Web servers and WebSockets on the compiled server library that Alusus and C programs share.

    from alusus_http import Request, Response, Server, WebSocket

    server = Server(8080)

    @server.websocket("/echo")
    def echo(ws: WebSocket) -> None:
        for message in ws:
            ws.send(message)

    server.serve_forever()

`Server` is where to begin; docs/python.md is the guide. `alusus_http.http` is the level below,
function by function as Alusus has it. What goes wrong is raised: `alusus_http.errors` has the
exceptions. What handlers raise goes to the logger "alusus_http". `__version__` is the
version of the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _driver, _marshal, errors, http
from ._contract import PACKAGE_VERSION as __version__
from .errors import ConnectionClosed, ConnectionClosedOK, ConnectionClosedWithError
from .native import NativeCallback, NativeHandlers, native

if TYPE_CHECKING:
    from .request import BadRequest, Headers, Query, Request, Upload
    from .response import Response
    from .server import Server
    from .websocket import AsyncWebSocket, Reject, WebSocket

__all__ = [
    "AsyncWebSocket",
    "BadRequest",
    "ConnectionClosed",
    "ConnectionClosedOK",
    "ConnectionClosedWithError",
    "Headers",
    "NativeCallback",
    "NativeHandlers",
    "Query",
    "Reject",
    "Request",
    "Response",
    "Server",
    "Upload",
    "WebSocket",
    "__version__",
    "errors",
    "http",
    "native",
    "wait",
]

# What is imported when it is asked for: it needs asyncio and more, which takes as long as the rest.
_LATER = {
    "AsyncWebSocket": "websocket",
    "BadRequest": "request",
    "Headers": "request",
    "Query": "request",
    "Reject": "websocket",
    "Request": "request",
    "Response": "response",
    "Server": "server",
    "Upload": "request",
    "WebSocket": "websocket",
}


def __getattr__(name: str) -> Any:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def wait(context: http.Context) -> None:
    """Wait until a server is stopped by another thread; Ctrl-C ends the wait at once.

    Args:
        context: The running server. One that has been stopped needs no waiting.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C. The server goes on: stop it with
            `http.stop_server`.
        Exception: What the first callback that failed had raised, once the server is stopped.
    """
    _driver.wait(_marshal.handle(context, http.Context, "context"))
