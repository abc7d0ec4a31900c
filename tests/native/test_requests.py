"""What a request callback sees, and the callbacks of a server."""

from __future__ import annotations

import socket

from tests.support import REPLY, Program, exchange, get

from .conftest import Serve


def request_info(server: Program, request: str) -> dict[str, str]:
    answer = exchange(server.port, request.encode()).decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK")
    fields = {}
    for line in body.splitlines():
        separator = "=" if "=" in line.split(": ")[0] else ": "
        name, _, value = line.partition(separator)
        fields[name] = value
    return fields


def test_request_info_is_read_in_place(shared: Serve) -> None:
    server = shared("request_info")
    with socket.create_connection(("127.0.0.1", server.port), timeout=REPLY) as connection:
        remote_port = connection.getsockname()[1]
        connection.sendall(
            b"POST /a%20b/../c?q=1&r=%202 HTTP/1.1\r\nHost: localhost\r\nX-Looked-For: found\r\n"
            b"Content-Length: 5\r\nConnection: close\r\n\r\nhello"
        )
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.partition(b"\r\n\r\n")[2].decode().splitlines() == [
        "requestMethod=POST",
        "requestUri=/a b/../c",
        "localUriRaw=/a b/../c",
        "localUri=/c",
        "httpVersion=1.1",
        "queryString=q=1&r=%202",
        "remoteUser=(null)",
        "remoteAddr=127.0.0.1",
        "contentLength=5",
        f"remotePort={remote_port}",
        f"serverPort={server.port}",
        "isSsl=0",
        "userData=the server's own",
        "numberHeaders=4",
        "Host: localhost",
        "X-Looked-For: found",
        "Content-Length: 5",
        "Connection: close",
        "getHeader=found",
        "read=5:hello",
    ]


def test_a_method_that_the_library_does_not_know(shared: Serve) -> None:
    request = "M-SEARCH / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert request_info(shared("request_info"), request)["requestMethod"] == "M-SEARCH"


def test_what_a_request_lacks(shared: Serve) -> None:
    server = shared("request_info")
    fields = request_info(server, "GET / HTTP/1.0\r\n\r\n")
    assert fields["queryString"] == "(null)"
    assert fields["contentLength"] in ("-1", "0")
    assert fields["numberHeaders"] == "0"
    assert fields["getHeader"] == "(null)"


def test_all_64_headers(shared: Serve) -> None:
    server = shared("request_info")
    headers = "".join(f"X-{number}: value {number}\r\n" for number in range(64))
    fields = request_info(server, f"GET / HTTP/1.0\r\n{headers}\r\n")
    assert fields["numberHeaders"] == "64"
    assert fields["X-0"] == "value 0"
    assert fields["X-63"] == "value 63"


def test_the_callbacks_of_a_server(serve: Serve) -> None:
    server = serve("callbacks")
    assert get(server.port, "/page") == (200, "ok")
    assert get(server.port, "/teapot") == (418, "my page")
    assert get(server.port, "/missing") == (404, "my page")
    server.stop()
    lines = server.output.splitlines()
    assert lines[:3] == ["initContext", "same context 1", "serving"]
    assert "beginRequest /page connData=of the connection" in lines
    assert "endRequest 200" in lines
    assert any(line.startswith("logAccess ") and "/page" in line for line in lines)
    assert "connectionClose 1" in lines
    assert "httpError 418" in lines
    assert "httpError 404" in lines
    assert lines[-2:] == ["exitContext 1", "threads left 0"]
