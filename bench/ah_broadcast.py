"""What is sent to /send reaches all at /receive, on alusus_http: ah_broadcast.py PORT."""

import sys

from alusus_http import http, wait

TEXT, BINARY = 1, 2
GROUP = "receivers"


def on_ready(connection: http.Connection, user_data: object) -> None:
    """Take a receiver in."""
    http.join_group(connection, GROUP)


def main() -> None:
    """Serve until interrupted."""
    address = f"127.0.0.1:{sys.argv[1]}"
    context = http.start_server(None, None, {"listening_ports": address})

    def on_message(connection: http.Connection, opcode: int, data: bytes, user_data: object) -> int:
        if opcode in (TEXT, BINARY):
            http.write_to_group(context, GROUP, opcode, data)
        return 1

    http.set_web_socket_handler(context, "/receive", ready_handler=on_ready)
    http.set_web_socket_handler(context, "/send", data_handler=on_message)
    try:
        wait(context)
    except KeyboardInterrupt:
        http.stop_server(context)


if __name__ == "__main__":
    main()
