"""The echo on aiohttp and uvloop, at /, until interrupted: aiohttp_echo.py PORT."""

import sys

import uvloop
from aiohttp import WSMsgType, web


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Serve one connection."""
    response = web.WebSocketResponse(compress=False)
    await response.prepare(request)
    async for message in response:
        if message.type is WSMsgType.TEXT:
            await response.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await response.send_bytes(message.data)
    return response


application = web.Application()
application.router.add_get("/", echo)
web.run_app(
    application,
    host="127.0.0.1",
    port=int(sys.argv[1]),
    print=None,
    access_log=None,
    loop=uvloop.new_event_loop(),
)
