"""A chat: the page at /, the conversation at /chat.

python chat.py [--port 8080]
"""

import argparse
import sys
from pathlib import Path

from alusus_http import errors, http, wait

PAGE = Path(__file__).parent.parent / "page"
TEXT = 1  # the opcode of a text message
GROUP = "chat"


def on_ready(connection: http.Connection, server: object) -> None:
    """Take a new member in; it leaves the group by itself when its connection ends."""
    http.join_group(connection, GROUP)
    http.write_to_others_in_group(connection, GROUP, TEXT, "* Someone joined")


def on_data(connection: http.Connection, opcode: int, data: bytes, server: object) -> int:
    """Pass a message on to all, a text "name: words"."""
    if opcode == TEXT and isinstance(server, http.Context):
        http.write_text_to_group(server, GROUP, data)
    return 1  # keep the connection open


def on_close(connection: http.Connection, server: object) -> None:
    """Tell the others that a member has left."""
    http.write_to_others_in_group(connection, GROUP, TEXT, "* Someone left")


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A chat with its page.")
    parser.add_argument("--port", type=int, default=8080)
    address = f"127.0.0.1:{parser.parse_args().port}"

    try:
        context = http.start_server(
            options={"listening_ports": address, "document_root": str(PAGE)}
        )
    except errors.HttpError as error:
        sys.exit(str(error))
    http.set_web_socket_handler(
        context,
        "/chat",
        ready_handler=on_ready,
        data_handler=on_data,
        close_handler=on_close,
        user_data=context,
    )
    print(f"Chat at http://{address}\nPress Ctrl-C to stop.", flush=True)
    try:
        wait(context)
    except KeyboardInterrupt:
        http.stop_server(context)


if __name__ == "__main__":
    main()
