"""The echo on websockets and uvloop, at any path, until interrupted: websockets_echo.py PORT."""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, serve


async def echo(connection: ServerConnection) -> None:
    """Serve one connection."""
    async for message in connection:
        await connection.send(message)


async def main() -> None:
    """Serve."""
    async with serve(echo, "127.0.0.1", int(sys.argv[1]), compression=None):
        await asyncio.get_running_loop().create_future()


uvloop.run(main())
