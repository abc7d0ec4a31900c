"""A WebSocket at /websocket that sends every text back.

python echo.py [--port 8080]
"""

import argparse
import sys

from alusus_http import errors, http, wait

TEXT = 1  # the opcode of a text message


def on_request(connection: http.Connection) -> int:
    """Answer every request that is no WebSocket's."""
    http.write(connection, "HTTP/1.1 200 OK\r\n")
    http.write(connection, "Content-Type: text/html\r\n")
    http.write(connection, "Connection: close\r\n\r\n")
    http.write(connection, "<h1>WebSocket Server</h1>")
    return 200


def on_ready(connection: http.Connection, user_data: object) -> None:
    """Greet a new client."""
    http.write_text_to_web_socket(connection, "Welcome!")


def on_data(connection: http.Connection, opcode: int, data: bytes, user_data: object) -> int:
    """Send a text back as it came."""
    if opcode == TEXT:
        print("Received:", data.decode())
        http.write_text_to_web_socket(connection, data)
    return 1  # keep the connection open


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A WebSocket that sends every text back.")
    parser.add_argument("--port", type=int, default=8080)
    address = f"127.0.0.1:{parser.parse_args().port}"

    try:
        context = http.start_server(on_request, address)
    except errors.HttpError as error:
        sys.exit(str(error))
    http.set_web_socket_handler(context, "/websocket", ready_handler=on_ready, data_handler=on_data)
    print(f"Echo at ws://{address}/websocket\nPress Ctrl-C to stop.", flush=True)
    try:
        wait(context)
    except KeyboardInterrupt:
        http.stop_server(context)


if __name__ == "__main__":
    main()
