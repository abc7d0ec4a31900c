"""A chat: the page at /, the conversation at /chat.

python chat.py [--port 8080]
"""

import argparse
import sys
import threading
from contextlib import suppress
from pathlib import Path

from alusus_http import errors, http, wait

PAGE = Path(__file__).parent.parent / "page"
TEXT = 1  # the opcode of a text message

# Callbacks of different connections run at the same time: the members are only touched under
# their lock.
members: set[http.Connection] = set()
members_lock = threading.Lock()


def broadcast(text: str | bytes) -> None:
    """Send a text to every member.

    It is sent outside the lock: a slow member delays nobody who joins or leaves. A write to a
    member who is leaving or has left meanwhile is refused and reaches nobody.
    """
    with members_lock:
        receivers = tuple(members)
    for receiver in receivers:
        with suppress(errors.HttpError):
            http.write_text_to_web_socket(receiver, text)


def on_ready(connection: http.Connection, user_data: object) -> None:
    """Tell the others of a new member."""
    broadcast("* Someone joined")
    with members_lock:
        members.add(connection)


def on_data(connection: http.Connection, opcode: int, data: bytes, user_data: object) -> int:
    """Pass a message on, a text "name: words"."""
    if opcode == TEXT:
        broadcast(data)
    return 1  # keep the connection open


def on_close(connection: http.Connection, user_data: object) -> None:
    """Tell the others that a member has left."""
    with members_lock:
        members.discard(connection)
    broadcast("* Someone left")


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
        context, "/chat", ready_handler=on_ready, data_handler=on_data, close_handler=on_close
    )
    print(f"Chat at http://{address}\nPress Ctrl-C to stop.", flush=True)
    try:
        wait(context)
    except KeyboardInterrupt:
        http.stop_server(context)


if __name__ == "__main__":
    main()
