"""An echo of the high-level API on alusus_http: ah_server.py KIND PORT.

KIND is function or object, for threads; async-function or async-object, for asyncio on uvloop, as
the other servers for asyncio are; loop-object is a sync object on the loop.
"""

import asyncio
import sys
from typing import Any

import uvloop

from alusus_http import AsyncWebSocket, Server, WebSocket


def function(ws: WebSocket) -> None:
    """Send every message back."""
    for message in ws:
        ws.send(message)


async def async_function(ws: AsyncWebSocket) -> None:
    """Send every message back."""
    async for message in ws:
        await ws.send(message)


class Object:
    """Sends every message back."""

    def on_message(self, ws: WebSocket, message: str | bytes) -> None:
        """Send it."""
        ws.send(message)


class AsyncObject:
    """Sends every message back."""

    async def on_message(self, ws: AsyncWebSocket, message: str | bytes) -> None:
        """Send it."""
        await ws.send(message)


def main() -> None:
    """Serve until interrupted."""
    kind, port = sys.argv[1:]
    server = Server(int(port), workers=1000)
    handlers: dict[str, Any] = {
        "function": function,
        "object": Object,
        "async-function": async_function,
        "async-object": AsyncObject,
        "loop-object": Object,
    }
    server.websocket("/")(handlers[kind])
    if kind in ("function", "object"):
        server.serve_forever()
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve())


if __name__ == "__main__":
    main()
