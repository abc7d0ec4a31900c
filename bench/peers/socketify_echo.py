"""The echo on socketify, at /, until interrupted: socketify_echo.py PORT."""

import sys

from socketify import App, AppListenOptions, CompressOptions, OpCode, WebSocket


def on_message(connection: WebSocket, message: str | bytes, opcode: OpCode) -> None:
    """Send a message back."""
    connection.send(message, opcode)


application = App()
application.ws(
    "/",
    {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 1 << 20,
        "idle_timeout": 0,
        "message": on_message,
    },
)
application.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"))
application.run()
