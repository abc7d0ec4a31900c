"""The echo on websockets with a thread for each connection: websockets_threads_echo.py PORT."""

import sys

from websockets.sync.server import ServerConnection, serve


def echo(connection: ServerConnection) -> None:
    """Serve one connection."""
    for message in connection:
        connection.send(message)


with serve(echo, "127.0.0.1", int(sys.argv[1]), compression=None) as server:
    server.serve_forever()
