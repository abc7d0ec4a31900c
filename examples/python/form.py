"""A page with a form, and what was sent with it.

python form.py [--port 8080]
"""

import argparse
import sys

from alusus_http import errors, http, wait

PAGE = (
    "<!DOCTYPE html><meta charset=utf-8><title>Form</title>"
    "<form action=/sent method=post enctype=multipart/form-data>"
    "<input name=name placeholder=Name> <input name=file type=file> <button>Send</button>"
    "</form>"
)


def show(connection: http.Connection, user_data: object) -> int:
    """Send the page."""
    http.respond(connection, 200, "text/html; charset=utf-8", PAGE)
    return 200


def count(connection: http.Connection, user_data: object) -> int:
    """Say how long each field is, as it comes in: none of them is in memory as a whole."""
    try:
        field = http.next_form_field(connection)
    except errors.HttpError as error:
        http.send_error(connection, 400, str(error))
        return 400
    if field is None:
        http.send_error(connection, 400, "the form is empty")
        return 400
    http.start_response(connection, 200)
    http.add_response_header(connection, "Content-Type", "text/plain; charset=utf-8")
    http.send_response_headers(connection)
    try:
        while field is not None:
            length = 0
            while data := http.read_form_field(connection, 4096):
                length += len(data)
            http.send_chunk(connection, f"{field.name}: {length} bytes\n")
            field = http.next_form_field(connection)
    except errors.HttpError:
        return 400  # the answer has begun: it breaks off
    http.send_chunk(connection, "")
    return 200


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A page with a form, and what was sent with it.")
    parser.add_argument("--port", type=int, default=8080)
    address = f"127.0.0.1:{parser.parse_args().port}"

    try:
        context = http.start_server(options={"listening_ports": address})
    except errors.HttpError as error:
        sys.exit(str(error))
    http.set_request_handler(context, "/", show)
    http.set_request_handler(context, "/sent", count)
    print(f"Form at http://{address}\nPress Ctrl-C to stop.", flush=True)
    try:
        wait(context)
    except KeyboardInterrupt:
        http.stop_server(context)


if __name__ == "__main__":
    main()
