"""What is sent to /send reaches all at /receive, on websockets: websockets_broadcast.py PORT."""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

receivers: set[ServerConnection] = set()


async def handle(connection: ServerConnection) -> None:
    """Serve one connection."""
    if connection.request is not None and connection.request.path == "/receive":
        receivers.add(connection)
        try:
            await connection.wait_closed()
        finally:
            receivers.remove(connection)
    else:
        async for message in connection:
            broadcast(receivers, message)


async def main() -> None:
    """Serve."""
    async with serve(handle, "127.0.0.1", int(sys.argv[1]), compression=None):
        await asyncio.get_running_loop().create_future()


uvloop.run(main())
