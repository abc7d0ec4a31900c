"""The access log: a line for each answer, with the bytes of its body, and the counters beside."""

from __future__ import annotations

import queue
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alusus_http import http
from tests.python.serving import Server, respond, serving, until
from tests.support import REPLY, exchange

PAGE = "<p>page</p>\n" * 1000
SELF = Path(__file__).read_bytes()

# An answer as a program may write it, in pieces that end anywhere.
BY_HAND = [
    b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r",
    b"\nHTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200 + b"\r\ntransfer-encoding: gzip, Chunked\r\n",
    b"Connection: close\r\n\r\n",
    b"A;extension=" + b"x" * 200 + b"\r\n0123",
    b"456789\r",
    b"\n3\r\n\r\n0\r\n",
    b"0\r\nTrailer: x\r\n\r\n",
]


class Log:
    """A server's answers to some paths, and the lines that it logs."""

    def __init__(self) -> None:
        self.lines: queue.Queue[str] = queue.Queue()
        self.callbacks = http.Callbacks(begin_request=self._begin, log_access=self._log)

    def _log(self, _connection: http.Connection | None, line: str) -> int:
        self.lines.put(line)
        return 1

    def _begin(self, connection: http.Connection) -> int:
        path = http.get_request_info(connection).local_uri
        if path == "/whole":
            http.respond(connection, 200, "text/plain", "x" * 1234)
        elif path == "/raw":
            return respond(connection, "raw" * 500)
        elif path == "/early":
            http.read(connection, 10)
            http.respond(connection, 200, "text/plain", "read")
        elif path == "/large":
            http.respond(connection, 200, "text/plain", "x" * 300_000)
        elif path == "/file":
            http.send_file(connection, __file__, None)
        elif path == "/missing":
            http.send_file(connection, "/nowhere", None)
        elif path == "/chunks":
            http.start_response(connection, 200)
            http.send_response_headers(connection)
            for size in (1, 300, 70_000):
                http.send_chunk(connection, b"\r\n" * size)
            http.send_chunk(connection, b"")
        elif path == "/by-hand":
            for piece in BY_HAND:
                http.write(connection, piece)
        elif path == "/gone":
            http.send_redirect(connection, "/whole", 303)
        else:
            return 0
        return 200

    def take(self) -> tuple[str, int, int]:
        """The request line, the status and the bytes of the next line."""
        line = self.lines.get(timeout=REPLY)
        match = re.fullmatch(r'127\.0\.0\.1 - - \[[^]]*\] "([^"]*)" (\d+) (\d+) .*', line)
        assert match is not None, line
        return match[1], int(match[2]), int(match[3])


@contextmanager
def logging(**options: str) -> Iterator[tuple[Server, Log]]:
    log = Log()
    with serving(log.callbacks, **options) as server:
        yield server, log


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/whole", 200),
        ("HEAD", "/whole", 200),
        ("GET", "/raw", 200),
        ("GET", "/large", 200),
        ("GET", "/file", 200),
        ("GET", "/missing", 404),
        ("GET", "/gone", 303),
        ("GET", "/page.html", 200),
        ("HEAD", "/page.html", 200),
        ("GET", "/folder/", 200),
        ("GET", "/folder", 301),
        ("GET", "/none", 404),
        ("GET", "/script.cgi", 200),
        ("DELETE", "/page.html", 405),
        ("OPTIONS", "/", 200),
    ],
)
def test_bytes_are_those_of_the_body(tmp_path: Path, method: str, path: str, status: int) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "folder").mkdir()
    script = tmp_path / "script.cgi"
    script.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nIt runs'\n")
    script.chmod(0o755)
    options = {"enable_directory_listing": "yes", "cgi_pattern": "**.cgi$"}
    with logging(document_root=str(tmp_path), **options) as (server, log):
        request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = exchange(server.port, request.encode())
        body = answer.partition(b"\r\n\r\n")[2]
        assert log.take() == (f"{method} {path} HTTP/1.1", status, len(body))


@pytest.mark.parametrize(
    ("method", "path", "size"),
    [
        ("GET", "/chunks", 2 * (1 + 300 + 70_000)),
        ("HEAD", "/chunks", 0),
        ("GET", "/by-hand", 10 + 3),
    ],
)
def test_bytes_of_a_body_in_chunks(method: str, path: str, size: int) -> None:
    with logging() as (server, log):
        request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        exchange(server.port, request.encode())
        assert log.take() == (f"{method} {path} HTTP/1.1", 200, size)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (403, None),
        (401, lambda connection: http.respond(connection, 401, "text/plain", b"who are you?")),
        (402, lambda connection: http.send_error(connection, 402, "pay first")),
        (418, lambda connection: http.write(connection, b"HTTP/1.1 418 I'm a teapot\r\n\r\nshort")),
        (403, lambda connection: http.write(connection, b"by itself, as no server should answer")),
        (
            500,
            lambda connection: (
                http.start_response(connection, 500),
                http.send_response_headers(connection),
                http.send_chunk(connection, b"in chunks"),
                http.send_chunk(connection, b""),
            ),
        ),
    ],
)
def test_a_refused_web_socket(
    tmp_path: Path, status: int, answer: Callable[[http.Connection], object] | None
) -> None:
    def refuse(connection: http.Connection, _user_data: object) -> int:
        if answer is not None:
            answer(connection)
        return 1

    file = tmp_path / "access.log"
    request = (
        b"GET /refused HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    ended: queue.Queue[int] = queue.Queue()
    callbacks = http.Callbacks(end_request=lambda _connection, status: ended.put(status))
    with serving(callbacks, access_log_file=str(file)) as server:
        http.set_web_socket_handler(server.context, "/refused", connect_handler=refuse)
        answered = exchange(server.port, request)
        assert ended.get(timeout=REPLY) == status
    body = answered.partition(b"\r\n\r\n")[2]
    size = len(b"in chunks") if status == 500 else len(body)
    (line,) = file.read_text().splitlines()
    assert f'"GET /refused HTTP/1.1" {status} {size} ' in line


def test_bytes_of_requests_that_share_a_connection() -> None:
    with logging(enable_keep_alive="yes") as (server, log):
        one = b"GET /whole HTTP/1.1\r\nHost: x\r\n\r\n"
        two = (
            b"POST /early HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        answer = b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=REPLY) as client:
            for path, size in {"/whole": 1234, "/chunks": 140602, "/file": len(SELF)}.items():
                client.sendall(one.replace(b"/whole", path.encode()))
                assert log.take() == (f"GET {path} HTTP/1.1", 200, size)
            while not answer.endswith(SELF):
                answer += client.recv(65536)
            answer = b""
            client.sendall(two)
            while b"100 Continue" not in answer:
                answer += client.recv(4096)
            client.sendall(b"ok")
            assert log.take() == ("POST /early HTTP/1.1", 200, 4)


def test_bytes_over_tls(tmp_path: Path, certificate: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    trust = ssl.create_default_context(cafile=str(certificate))
    options = {"document_root": str(tmp_path), "ssl_certificate": str(certificate)}
    request = "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    sizes = {"/page.html": len(PAGE), "/whole": 1234, "/raw": 1500, "/chunks": 140602}
    with logging(listening_ports="127.0.0.1:0s", **options) as (server, log):
        for path, size in sizes.items():
            with (
                socket.create_connection(("127.0.0.1", server.port), timeout=REPLY) as plain,
                trust.wrap_socket(plain, server_hostname="127.0.0.1") as client,
            ):
                client.sendall(request.format(path).encode())
                while client.recv(65536):
                    pass
                assert log.take() == (f"GET {path} HTTP/1.1", 200, size)


@pytest.mark.parametrize(
    ("request_", "line", "status"),
    [
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1", 204),
        (b"GET http://y/ HTTP/1.1\r\nHost: y\r\n\r\n", "GET http://y/ HTTP/1.1", 421),
        (b"GET a HTTP/1.1\r\nHost: x\r\n\r\n", "GET a HTTP/1.1", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "GET / HTTP/1.1", 505),
        (b"no request at all\r\n\r\n", "- - HTTP/1.0", 400),
        (b'GET / HTTP/1.1 "forged\r\nline"\r\n\r\n', "- - HTTP/1.0", 400),
        (b"GET /" + b"a" * 20000, "- - HTTP/1.0", 414),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 20000, "- - HTTP/1.0", 431),
        (b"GET / HTTP/1.1\r\nHost: x", "- - HTTP/1.0", 408),
    ],
)
def test_requests_that_reach_no_handler(request_: bytes, line: str, status: int) -> None:
    """They are logged and counted as the others are, once each."""
    with logging(request_timeout_ms="1000", enable_keep_alive="yes") as (server, log):
        first = b"GET /whole HTTP/1.1\r\nHost: x\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=REPLY) as client:
            client.sendall(first + request_)
            answer = b""
            while part := client.recv(65536):
                answer += part
        assert log.take() == ("GET /whole HTTP/1.1", 200, 1234)
        last = answer[answer.rindex(b"HTTP/1.") :]
        assert log.take() == (line, status, len(last.partition(b"\r\n\r\n")[2]))
        until(lambda: http.get_server_statistics(server.context).connections_open == 0)
        assert log.lines.empty()
        statistics = http.get_server_statistics(server.context)
        assert statistics.requests == 2
        assert statistics.successful == (2 if status == 204 else 1)
        assert statistics.client_errors == (1 if 400 <= status < 500 else 0)
        assert statistics.bytes_sent == len(answer)


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [("GET", "whole", "a" * 8000), ("GET", "a" * 8000, "b"), ("A" * 8000, "whole", "b")],
)
def test_a_long_request_has_its_line(method: str, path: str, query: str) -> None:
    with logging() as (server, log), socket.create_connection(("127.0.0.1", server.port)) as client:
        client.settimeout(REPLY)
        client.sendall(f"{method} /{path}?{query} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        answer = client.recv(65536)
        line, status, _ = log.take()
        assert status == int(answer.split()[1])
    said = line.split(" ")
    assert method.startswith(said[0])
    assert f"/{path}?{query}".startswith(said[1].rstrip("?"))
    assert max(map(len, said)) >= 100
    assert said[2:] == ["HTTP/1.0"]


def test_a_connection_without_a_request_is_none() -> None:
    with logging() as (server, log):
        socket.create_connection(("127.0.0.1", server.port)).close()
        until(lambda: http.get_server_statistics(server.context).connections_accepted == 1)
        until(lambda: http.get_server_statistics(server.context).connections_open == 0)
        assert http.get_server_statistics(server.context).requests == 0
        assert log.lines.empty()


def test_a_client_at_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with (
        logging(listening_ports=f"127.0.0.1:0,x{path}") as (_, log),
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.settimeout(REPLY)
        client.connect(str(path))
        client.sendall(b"GET /whole HTTP/1.0\r\nHost: x\r\n\r\n")
        assert log.lines.get(timeout=REPLY).startswith("unix: - - [")


def test_plain_http_at_a_tls_port_is_told(certificate: Path) -> None:
    told: queue.Queue[str] = queue.Queue()

    def log_message(_connection: http.Connection | None, message: str) -> int:
        told.put(message)
        return 1

    options = {"listening_ports": "127.0.0.1:0s", "ssl_certificate": str(certificate)}
    with serving(http.Callbacks(log_message=log_message), **options) as server:
        assert exchange(server.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        message = told.get(timeout=REPLY)
        assert message == "no TLS handshake: a client spoke plain HTTP to a TLS port"
