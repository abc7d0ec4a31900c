"""A member of the chat that says hello and prints what the others say.

python chat_client.py [--port 8080]
"""

import argparse
import sys

from alusus_http import errors, http

TEXT = 1  # the opcode of a text message


def on_data(connection: http.Connection, opcode: int, data: bytes, user_data: object) -> int:
    """Print a text."""
    if opcode == TEXT:
        print(data.decode(), flush=True)
    return 1  # keep the connection open


def on_close(connection: http.Connection, user_data: object) -> None:
    """Say that nothing more will come."""
    print("The chat has ended.", flush=True)


def fetch_page(client: http.Client, url: str) -> None:
    """Ask for the chat's page, as a browser does, and say how long it is."""
    page = http.send_request(client, "GET", url)
    size = 0
    while part := http.read(page, 4096):
        size += len(part)
    print(f"{url}: status {http.get_response_info(page).status_code}, {size} bytes")
    http.close_connection(page)


def main() -> None:
    """Stay in the chat until Enter."""
    parser = argparse.ArgumentParser(description="A member of the chat.")
    parser.add_argument("--port", type=int, default=8080)
    address = f"127.0.0.1:{parser.parse_args().port}"

    client = http.start_client()
    try:
        fetch_page(client, f"http://{address}/")
        url = f"ws://{address}/chat"
        connection = http.connect_web_socket(
            client, url, data_handler=on_data, close_handler=on_close
        )
        http.write_text_to_web_socket(connection, "Visitor: hello")
        print(f"In the chat at {url}\nPress Enter to leave.", flush=True)
        sys.stdin.readline()
    except errors.HttpError as error:
        sys.exit(str(error))
    finally:
        http.stop_client(client)


if __name__ == "__main__":
    main()
