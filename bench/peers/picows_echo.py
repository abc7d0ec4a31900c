"""The echo on picows and uvloop, at any path, until interrupted: picows_echo.py PORT."""

import sys

import picows
import uvloop


class Echo(picows.WSListener):
    """One connection."""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Send messages back, answer a Close."""
        if frame.msg_type in (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY):
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()


async def main() -> None:
    """Serve."""
    server = await picows.ws_create_server(lambda _: Echo(), "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


uvloop.run(main())
