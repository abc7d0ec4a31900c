"""The command line: `python -m alusus_http echo --port PORT`."""

from __future__ import annotations

import argparse
import signal
import sys

from . import errors, http, wait

_TEXT, _BINARY = 1, 2
_LARGEST = str(64 << 20)  # bytes of a message: what conformance suites send fits


def _echo(address: str) -> None:
    """Serve a WebSocket at / that sends every message back, until interrupted."""

    def on_message(connection: http.Connection, opcode: int, data: bytes, user_data: object) -> int:
        if opcode in (_TEXT, _BINARY):
            http.write_to_web_socket(connection, opcode, data)
        return 1

    context = http.start_server(
        None,
        None,
        {
            "listening_ports": address,
            "websocket_max_message_size": _LARGEST,
            "websocket_max_queue_size": _LARGEST,
        },
    )
    try:
        http.set_web_socket_handler(context, "/", data_handler=on_message)
        print(f"Echo at ws://{address}/\nPress Ctrl-C to stop.", flush=True)
        wait(context)
    except KeyboardInterrupt:
        http.stop_server(context)


def main() -> None:
    """Run the command that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m alusus_http", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    echo = commands.add_parser("echo", help="serve a WebSocket at / that sends every message back")
    echo.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()

    # SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _echo(f"127.0.0.1:{arguments.port}")
    except errors.HttpError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
