"""A server that greets every visitor.

python simple_server.py [--port 8080]
"""

import argparse
import sys

from alusus_http import errors, http, wait


def greet(connection: http.Connection) -> int:
    """Answer every request with the path that it asks for."""
    path = http.get_request_info(connection).local_uri
    http.write(
        connection,
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Connection: close\r\n"
        "\r\n"
        f"Hello! You asked for {path}\n",
    )
    return 200


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A server that greets every visitor.")
    parser.add_argument("--port", type=int, default=8080)
    address = f"127.0.0.1:{parser.parse_args().port}"

    try:
        context = http.start_server(greet, address)
    except errors.HttpError as error:
        sys.exit(str(error))
    print(f"Server at http://{address}\nPress Ctrl-C to stop.", flush=True)
    try:
        wait(context)
    except KeyboardInterrupt:
        http.stop_server(context)


if __name__ == "__main__":
    main()
