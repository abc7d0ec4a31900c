"""HTTP requests of a client to independent servers, well-behaved ones and others."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

from alusus_http import http
from alusus_http.errors import (
    ConnectFailedError,
    ConnectionClosedError,
    HttpError,
    InvalidArgumentError,
    InvalidHandleError,
    TimedOutError,
    WrongStateError,
)
from tests.python.others import Talk, client, echo, raw_server, read_head, web_socket_server
from tests.python.serving import respond, serving
from tests.support import REPLY, free_port

BIG = bytes(range(256)) * 20_000


class Handler(BaseHTTPRequestHandler):
    """Says what it was asked, in the headers of the answer, and sends the body back."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(int(self.headers.get("X-Status", 200)))
        self.send_header("X-Request", self.requestline)
        for name, value in self.headers.items():
            self.send_header(f"X-{name}", value)
        if self.headers.get("X-Status") == "302":
            self.send_header("Location", "/elsewhere")
        if self.headers.get("X-Framing") == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif self.headers.get("X-Framing") != "end":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD" or self.headers.get("X-Status") in ("204", "304"):
            return
        if self.headers.get("X-Framing") == "chunked":
            step = 1 + len(body) // 7
            for start in range(0, len(body), step):
                part = body[start : start + step]
                self.wfile.write(b"%X;name=value\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"000\r\nTrailer: ignored\r\n\r\n")
        else:
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = do_PURGE = answer

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # as many as the tests open at once


@contextmanager
def http_server(wrap: ssl.SSLContext | None = None) -> Iterator[int]:
    with Server(("127.0.0.1", 0), Handler) as server:
        if wrap is not None:
            server.socket = wrap.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def ours() -> Iterator[http.Client]:
    with client() as made:
        yield made


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with http_server() as port:
        yield port


def read_all(connection: http.Connection, step: int = 65536) -> bytes:
    body = b""
    while part := http.read(connection, step):
        body += part
    assert http.read(connection, step) == b""
    http.close_connection(connection)
    return body


# Servers that behave


def test_a_request_and_its_response(ours: http.Client, port: int) -> None:
    headers = {"Content-Type": "text/plain", "X-Empty": ""}
    url = f"http://127.0.0.1:{port}/path?q=%20"
    connection = http.send_request(ours, "POST", url, headers, "نص")
    info = http.get_response_info(connection)
    assert (info.status_code, info.status_text, info.http_version) == (200, "OK", "1.1")
    assert info.content_length == len("نص".encode())
    assert http.get_header(connection, "x-request") == "POST /path?q=%20 HTTP/1.1"
    assert http.get_header(connection, "X-Host") == f"127.0.0.1:{port}"
    assert http.get_header(connection, "X-Connection") == "close"
    assert http.get_header(connection, "X-Content-Length") == "4"
    assert http.get_header(connection, "X-Content-Type") == "text/plain"
    assert http.get_header(connection, "X-X-Empty") == ""
    assert str(http.get_header(connection, "X-User-Agent")).startswith("alusus_http/")
    assert http.get_header(connection, "X-Absent") is None
    assert {header.name for header in info.http_headers} >= {"Server", "Date", "Content-Length"}
    assert read_all(connection) == "نص".encode()
    with pytest.raises(InvalidHandleError):
        http.read(connection, 1)


def test_a_user_agent_of_the_programs_own(ours: http.Client, port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    connection = http.send_request(ours, "GET", url, {"user-agent": "mine"})
    assert http.get_header(connection, "X-Request") == "GET / HTTP/1.1"
    assert http.get_header(connection, "X-user-agent") == "mine"
    assert http.get_header(connection, "X-Content-Length") is None
    http.close_connection(connection)


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PURGE"]
)
def test_methods(ours: http.Client, port: int, method: str) -> None:
    connection = http.send_request(ours, method, f"http://127.0.0.1:{port}/", None, b"body")
    assert http.get_header(connection, "X-Request") == f"{method} / HTTP/1.1"
    assert read_all(connection) == (b"" if method == "HEAD" else b"body")


@pytest.mark.parametrize("status", [204, 302, 304, 400, 404, 500, 599])
def test_any_status_is_an_answer(ours: http.Client, port: int, status: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    connection = http.send_request(ours, "POST", url, {"X-Status": str(status)}, b"why")
    assert http.get_response_info(connection).status_code == status
    if status == 302:
        assert http.get_header(connection, "Location") == "/elsewhere"
    assert read_all(connection) == (b"" if status in (204, 304) else b"why")


@pytest.mark.parametrize("framing", ["length", "chunked", "end"])
@pytest.mark.parametrize("body", [b"", b"small", BIG], ids=len)
def test_bodies(ours: http.Client, port: int, framing: str, body: bytes) -> None:
    if framing == "end":  # its server has to close the connection, which HTTP/1.1 keeps otherwise

        def talk(connection: socket.socket) -> None:
            read_head(connection)
            connection.sendall(b"HTTP/1.1 200\r\n\r\n" + body)

        with raw_server(talk) as raw:
            received = http.send_request(ours, "GET", f"http://127.0.0.1:{raw}/")
            assert http.get_response_info(received).status_text == ""
            assert read_all(received) == body
        return
    url = f"http://127.0.0.1:{port}/"
    received = http.send_request(ours, "POST", url, {"X-Framing": framing}, body)
    length = http.get_response_info(received).content_length
    assert length == (len(body) if framing == "length" else -1)
    assert read_all(received) == body


def test_a_body_read_byte_by_byte(ours: http.Client, port: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    for framing in ("length", "chunked"):
        connection = http.send_request(ours, "POST", url, {"X-Framing": framing}, b"0123456789")
        assert http.read(connection, 0) == b""
        assert read_all(connection, 1) == b"0123456789"


def test_interim_responses_are_skipped(ours: http.Client) -> None:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        time.sleep(0.05)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with raw_server(talk) as port:
        connection = http.send_request(ours, "GET", f"http://127.0.0.1:{port}/")
        assert http.get_response_info(connection).status_code == 200
        assert http.get_header(connection, "Link") is None
        assert read_all(connection) == b"ok"


def test_a_response_in_pieces(ours: http.Client) -> None:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            connection.sendall(bytes([byte]))

    with raw_server(talk) as port:
        connection = http.send_request(ours, "GET", f"http://127.0.0.1:{port}/")
        assert read_all(connection) == b"abc"


def test_an_answer_to_a_request_that_is_not_taken_whole(ours: http.Client) -> None:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 413 Too Big\r\nContent-Length: 4\r\n\r\nless")
        assert gone.wait(REPLY)

    gone = threading.Event()
    with raw_server(talk) as port:
        connection = http.send_request(
            ours, "POST", f"http://127.0.0.1:{port}/", None, bytes(32 << 20)
        )
        assert http.get_response_info(connection).status_code == 413
        assert read_all(connection) == b"less"
        gone.set()


def test_a_server_of_ours(ours: http.Client) -> None:
    def answer(connection: http.Connection) -> int:
        return respond(connection, http.read(connection, 100))

    with serving(answer) as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert read_all(http.send_request(ours, "POST", url, None, "to and fro")) == b"to and fro"


def test_many_at_once(ours: http.Client, port: int) -> None:
    def post(number: int) -> bytes:
        body = b"%d" % number * 1000
        url = f"http://127.0.0.1:{port}/{number}"
        return read_all(http.send_request(ours, "POST", url, {"X-Framing": "chunked"}, body))

    with ThreadPoolExecutor(16) as pool:
        for number, body in enumerate(pool.map(post, range(200))):
            assert body == b"%d" % number * 1000


def test_a_unix_socket(ours: http.Client, tmp_path: Path) -> None:
    class UnixHandler(Handler):
        client_address = ("", 0)

    path = str(tmp_path / "socket")
    with ThreadingUnixStreamServer(path, UnixHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        connection = http.send_request(ours, "GET", f"http+unix:{path}:/path?q")
        assert http.get_header(connection, "X-Request") == "GET /path?q HTTP/1.1"
        assert http.get_header(connection, "X-Host") == "localhost"
        http.close_connection(connection)
        server.shutdown()
        thread.join()


# TLS


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_tls(ours: http.Client, certificate: Path) -> None:
    with http_server(tls(certificate)) as port, client(ssl_ca_file=str(certificate)) as trusting:
        connection = http.send_request(trusting, "POST", f"https://127.0.0.1:{port}/", None, BIG)
        assert (http.get_connection_info(connection).tls_version or "").startswith("TLSv1.")
        assert read_all(connection) == BIG
        with pytest.raises(ConnectFailedError, match="certificate is not trusted"):
            http.send_request(ours, "GET", f"https://127.0.0.1:{port}/")
        with pytest.raises(ConnectFailedError, match="hostname mismatch"):
            http.send_request(trusting, "GET", f"https://localhost:{port}/")


def test_tls_tells_a_cut_from_an_end(certificate: Path) -> None:
    """A body that lasts until the end of the stream could be cut short by anybody otherwise."""

    def talk(connection: socket.socket) -> None:
        with tls(certificate).wrap_socket(connection, server_side=True) as secured:
            read_head(secured)
            secured.sendall(b"HTTP/1.1 200 OK\r\n\r\npart")
            if ended:
                secured.unwrap()
            else:
                secured.shutdown(socket.SHUT_RDWR)

    for ended in (True, False):
        with raw_server(talk) as port, client(ssl_ca_file=str(certificate)) as made:
            connection = http.send_request(made, "GET", f"https://127.0.0.1:{port}/")
            assert http.read(connection, 100) == b"part"
            if ended:
                assert http.read(connection, 100) == b""
            else:
                with pytest.raises(ConnectionClosedError, match="not complete"):
                    http.read(connection, 100)
            http.close_connection(connection)


# Servers that do not behave


def answering(answer: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer)

    return talk


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nX: y\r\n", "closed the connection"),
        (b"ICY 200 OK\r\n\r\n", "no HTTP response"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "no HTTP response"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no HTTP response"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "no HTTP response"),
        (OK + b"No colon\r\n\r\n", "malformed"),
        (OK + b"Space : x\r\n\r\n", "malformed"),
        (OK + b" Folded: x\r\n\r\n", "malformed"),
        (OK + b"X: a\nY: b\r\n\r\n", "malformed"),
        (OK + b"X: a\0b\r\n\r\n", "malformed"),
        (OK + b"X: " + b"x" * 20_000 + b"\r\n\r\n", "more than 16384 bytes"),
        (OK + b"X: y\r\n" * 65 + b"\r\n", "more than 64 headers"),
        (OK + b"Content-Length: -1\r\n\r\n", "malformed"),
        (OK + b"Content-Length: 1x\r\n\r\n", "malformed"),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "malformed"),
        (OK + b"Content-Length: 9999999999999999999\r\n\r\n", "malformed"),
        (OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "contradict"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "contradict"),
        (OK + b"Transfer-Encoding: identity\r\n\r\n", "contradict"),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "contradict"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "another protocol"),
    ],
)
def test_answers_that_are_none(ours: http.Client, answer: bytes, why: str) -> None:
    with raw_server(answering(answer)) as port:
        with pytest.raises(ConnectFailedError, match=why) as raised:
            http.send_request(ours, "GET", f"http://127.0.0.1:{port}/")
        assert f"127.0.0.1 port {port}: " in str(raised.value)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (OK + b"Content-Length: 5\r\n\r\nfour", b"four"),
        (CHUNKED + b"5\r\nfive!\r\n", b"five!"),
        (CHUNKED + b"5\r\nfour", b"four"),
        (CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", b"abc"),
        (CHUNKED + b"3\nabc\r\n0\r\n\r\n", b""),
        (CHUNKED + b"x\r\nabc\r\n0\r\n\r\n", b""),
        (CHUNKED + b"\r\nabc\r\n0\r\n\r\n", b""),
        (CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", b""),
        (CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", b""),
        (CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n", b""),
        (CHUNKED + b"3;" + b"x" * 5000 + b"\r\nabc\r\n0\r\n\r\n", b""),
        (CHUNKED + b"3\r\nabc\r\n0\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"abc"),
        (CHUNKED + b"0\r\n", b""),
    ],
)
def test_bodies_that_are_not_whole(ours: http.Client, answer: bytes, got: bytes) -> None:
    """They raise, and are never taken for an end."""
    with raw_server(answering(answer)) as port:
        connection = http.send_request(ours, "GET", f"http://127.0.0.1:{port}/")
        received = b""
        with pytest.raises(ConnectionClosedError, match=f"port {port}: .* not complete"):
            while part := http.read(connection, 100):
                received += part
        assert received == got
        http.close_connection(connection)


def stalling(answer: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer)
        assert connection.recv(1) == b""

    return talk


def test_servers_that_take_too_long() -> None:
    with client(request_timeout_ms="200") as made:
        for head in (b"", OK):
            with (
                raw_server(stalling(head)) as port,
                pytest.raises(TimedOutError, match=r"the request took longer.*request_timeout_ms"),
            ):
                http.send_request(made, "GET", f"http://127.0.0.1:{port}/")
        with raw_server(stalling(OK + b"Content-Length: 5\r\n\r\nfour")) as port:
            connection = http.send_request(made, "GET", f"http://127.0.0.1:{port}/")
            assert http.read(connection, 100) == b"four"
            with pytest.raises(TimedOutError, match="the response's body took longer"):
                http.read(connection, 100)
            http.close_connection(connection)


def test_nobody_answers(ours: http.Client) -> None:
    with pytest.raises(ConnectFailedError, match="Connection refused"):
        http.send_request(ours, "GET", f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(ConnectFailedError, match=r"address of unknown\.invalid port 80 cannot be"):
        http.send_request(ours, "GET", "http://unknown.invalid/")


# Ends


@pytest.mark.parametrize("way", ["close_connection", "stop_client"])
def test_a_read_that_waits_is_ended(way: str) -> None:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(OK + b"Content-Length: 5\r\n\r\n")
        assert connection.recv(1) == b""

    failures: list[HttpError] = []

    def read() -> None:
        try:
            http.read(connection, 100)
        except HttpError as error:
            failures.append(error)

    with raw_server(talk) as port, client() as made:
        connection = http.send_request(made, "GET", f"http://127.0.0.1:{port}/")
        thread = threading.Thread(target=read)
        thread.start()
        time.sleep(0.1)
        end: Callable[[Any], None] = getattr(http, way)
        end(connection if way == "close_connection" else made)
        thread.join()
        with pytest.raises(InvalidHandleError):
            http.close_connection(connection)
    (failure,) = failures
    assert isinstance(failure, ConnectionClosedError)


def test_what_a_connection_is_not(ours: http.Client, port: int) -> None:
    connection = http.send_request(ours, "GET", f"http://127.0.0.1:{port}/")
    for call in (
        lambda: http.write(connection, "x"),
        lambda: http.write_text_to_web_socket(connection, "x"),
        lambda: http.get_subprotocol(connection),
        lambda: http.get_request_info(connection),
        lambda: http.get_context(connection),
    ):
        with pytest.raises(WrongStateError):
            call()
    http.close_connection(connection)
    with web_socket_server(echo) as other:
        web_socket = http.connect_web_socket(ours, f"ws://127.0.0.1:{other}")
        with pytest.raises(WrongStateError, match=r"http\.close_web_socket\(\)"):
            http.close_connection(web_socket)
        http.close_web_socket(web_socket)


# Arguments


@pytest.mark.parametrize(
    "method", ["", "GET ", "G\r\nET", "G / HTTP/1.1\r\nX: y\r\n\r\nG", "CONNECT"]
)
def test_methods_that_are_none(ours: http.Client, method: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"cannot be a method|CONNECT"):
        http.send_request(ours, method, "http://127.0.0.1/")


@pytest.mark.parametrize(
    "url", ["/path", "ws://127.0.0.1/", "http://127.0.0.1/ HTTP/1.1", "http://127.0.0.1/\r\nX: y"]
)
def test_urls_that_are_none(ours: http.Client, url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="the URL"):
        http.send_request(ours, "GET", url)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (("X", "y\r\nZ: w"), "the value of X has the control character 0x0d"),
        (("X\r\nZ", "w"), "a header has the byte 0x0d at position 1"),
        (("Content-Length", "1"), "Content-Length is written by the library"),
        (("transfer-encoding", "chunked"), "transfer-encoding is written by the library"),
        (("Host", "other"), "Host is written by the library"),
        (("Expect", "100-continue"), "Expect is written by the library"),
    ],
)
def test_headers_that_are_not_allowed(ours: http.Client, header: tuple[str, str], why: str) -> None:
    with pytest.raises(InvalidArgumentError, match=why):
        http.send_request(ours, "GET", "http://127.0.0.1/", header)
