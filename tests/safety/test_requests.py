"""Requests that break the rules of RFC 9112, byte for byte."""

from __future__ import annotations

import socket
import time

import pytest

from tests.support import REPLY

from .client import ask, fetch, statuses
from .conftest import Servers

NEXT = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
TEN = NEXT.replace(b"smuggled", b"ten.bin")


def post(
    *headers: bytes, body: bytes = b"", version: bytes = b"1.1", method: bytes = b"POST"
) -> bytes:
    lines = (method + b" /read HTTP/" + version, b"Host: localhost", *headers, b"", body)
    return b"\r\n".join(lines)


def test_what_keeps_to_the_rules(lasting: int) -> None:
    assert statuses(lasting, post(b"Content-Length: 3", body=b"abc") + NEXT) == [200, 404]
    assert statuses(lasting, post(b"Content-Length:3  ", body=b"abc") + NEXT) == [200, 404]
    assert statuses(lasting, b"GET /ten.bin HTTP/1.0\r\n\r\n") == [200]
    assert statuses(lasting, TEN * 3) == [200, 200, 200]
    body = b"3\r\nabc\r\nA;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
    answer = ask(lasting, post(b"Transfer-Encoding: chunked", body=body))
    assert (answer.status, answer.body) == (200, b"abc0123456789")


@pytest.mark.parametrize(
    "request_",
    [
        # both lengths, two of one, and lengths that are none (RFC 9112 section 6.3)
        post(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"0\r\n\r\n"),
        post(b"Content-Length: 3", b"Content-Length: 0", body=b"abc"),
        post(b"Content-Length: 3", b"content-length: 3", body=b"abc"),
        post(b"Content-Length: 3, 3", body=b"abc"),
        post(b"Content-Length: +3", body=b"abc"),
        post(b"Content-Length: 0x3", body=b"abc"),
        post(b"Content-Length: 3abc", body=b"abc"),
        post(b"Content-Length: 3 3", body=b"abc"),
        post(b"Content-Length: 99999999999999999999", body=b"abc"),
        post(b"Content-Length: 9223372036854775807", body=b"abc"),
        post(b"Content-Length: 18446744073709551619", body=b"abc"),
        # codings that are none, in disguise or of HTTP/1.0
        post(b"Transfer-Encoding: identity", b"Content-Length: 3", body=b"abc"),
        post(b"Transfer-Encoding: identity", body=b"abc"),
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: identity, chunked", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
        post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: chunked", version=b"1.0", body=b"0\r\n\r\n"),
        # fields that another parser reads otherwise (section 5)
        post(b"Content-Length : 3", body=b"abc"),
        post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
        post(b"X: y\r\n Content-Length: 3", body=b"abc"),
        post(b"X: y\r\n\tfolded", b"Content-Length: 3", body=b"abc"),
        post(b" Content-Length: 3", body=b"abc"),
        post(b"X: y\nContent-Length: 3", body=b"abc"),
        post(b"X: y\rContent-Length: 3", body=b"abc"),
        post(b"X: y\0z", b"Content-Length: 3", body=b"abc"),
        post(b"X\0: y", b"Content-Length: 3", body=b"abc"),
        post(b"Content_Length\xff: 3", body=b"abc"),
        post(b"X(comment): y", b"Content-Length: 3", body=b"abc"),
        post(b": y", b"Content-Length: 3", body=b"abc"),
        post(b"X", b"Content-Length: 3", body=b"abc"),
        b"POST /read HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc",
        b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\n\r\nabc",
        b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\nabc",
        b"POST /read HTTP/1.1\n\r\nHost: localhost\r\n\r\n",
        b"GET /ten.bin HTTP/1.1\r\n Host: localhost\r\n\r\n",
        # the request line (section 3), and methods that are no tokens (RFC 9110 section 5.6.2)
        b"GE(T) /ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b'"GET" /ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n',
        b"GET: /ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GE\xc9T /ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET\x7f /ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"/GET /ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET  /ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /ten.bin  HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET\t/ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /ten.bin\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /ten.bin HTTP/1.1 \r\nHost: localhost\r\n\r\n",
        b"GET /ten bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /ten\x01bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /ten\xc3\xa4bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /ten.bin\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\r\n\r\nGET /ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        # the host (section 3.2)
        b"GET /ten.bin HTTP/1.1\r\n\r\n",
        b"GET /ten.bin HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /ten.bin HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /ten.bin HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET /ten.bin HTTP/1.1\r\nHost: user@a\r\n\r\n",
        b"GET /ten.bin HTTP/1.0\r\nHost: <script>\r\n\r\n",
        # versions of the protocol
        b"GET /ten.bin\r\n\r\n",
        b"GET /ten.bin http/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /ten.bin HTTPS/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=lambda data: repr(data)[2:70],
)
def test_what_breaks_them_is_refused_with_all_that_follows(lasting: int, request_: bytes) -> None:
    found = statuses(lasting, request_ + NEXT)
    assert len(found) == 1
    assert found[0] in (400, 411)


@pytest.mark.parametrize(
    "version", ["0.9", "1", "1.2", "2.0", "1.10", "11", "1.1.1", "-1", "1.1x", "3"]
)
def test_other_versions_are_refused(lasting: int, version: str) -> None:
    request = f"GET /ten.bin HTTP/{version}\r\nHost: localhost\r\n\r\n"
    assert statuses(lasting, request.encode() + NEXT) == [505]


def test_a_preface_of_http_2_is_refused(lasting: int) -> None:
    assert statuses(lasting, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == [505]


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b" 3\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"\r\nabc\r\n0\r\n\r\n",
        b";a=b\r\nabc\r\n0\r\n\r\n",
        b"FFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
        b"7FFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
        b"8000000000000000\r\nabc\r\n0\r\n\r\n",
        b"10000000000000003\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n7FFFFFFFFFFFFFF0\r\nabc\r\n0\r\n\r\n",
        b"3" * 100 + b"\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n",
        b"3\r\nab",
        b"",
    ],
    ids=lambda data: repr(data)[2:50],
)
def test_a_body_in_bad_chunks_is_no_body(lasting: int, body: bytes) -> None:
    assert statuses(lasting, post(b"Transfer-Encoding: chunked", body=body)) == [400]


@pytest.mark.parametrize(
    "body",
    [
        b"0;\nGET /smuggled HTTP/1.1\r\n\r\n",
        b"1;a\nb\r\nx\r\n0\r\n\r\n",
        b"1;a=b\r\nx\r\n0\r\n\r\n",
        b"1\r\nx\r\n0;a\r\n\r\n",
        b"1\r\nx\r\nA;" + b"a" * 10000 + b"\r\n0123456789\r\n0\r\n\r\n",
    ],
    ids=lambda data: repr(data)[2:50],
)
def test_nothing_follows_a_chunk_extension(lasting: int, body: bytes) -> None:
    """Whatever it hides: the end of the body does not begin another request."""
    assert statuses(lasting, post(b"Transfer-Encoding: chunked", body=body) + NEXT) == [200]


def test_a_request_follows_a_body_in_chunks(lasting: int) -> None:
    for body in (b"0\r\n\r\n", b"1\r\nx\r\nA\r\n0123456789\r\n00\r\n\r\n", b"0\r\nA: b\r\n\r\n"):
        request = post(b"Transfer-Encoding: chunked", body=body)
        assert statuses(lasting, request + request + NEXT) == [200, 200, 404]


@pytest.mark.parametrize("method", [b"QUERY", b"TRACE", b"post"])
def test_a_body_has_the_same_end_whatever_the_method_is(lasting: int, method: bytes) -> None:
    length = post(b"Content-Length: %d" % len(NEXT), body=NEXT, method=method)
    assert statuses(lasting, length + NEXT) == [200, 404]
    chunks = post(b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n", method=method)
    assert statuses(lasting, chunks + NEXT) == [200, 404]
    both = (b"Content-Length: 3", b"Transfer-Encoding: chunked")
    assert statuses(lasting, post(*both, body=b"0\r\n\r\n", method=method) + NEXT) == [400]


def test_nothing_follows_a_method_that_nobody_knows(lasting: int) -> None:
    request = b"QUERY /ten.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    assert statuses(lasting, request % len(NEXT) + NEXT + NEXT) == [501]
    assert statuses(lasting, request % 0 + NEXT) == [501]


def test_an_unread_body_is_not_the_next_request(lasting: int) -> None:
    head = b"GET /ten.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(NEXT)
    assert statuses(lasting, head + NEXT) == [200]
    with socket.create_connection(("127.0.0.1", lasting), timeout=REPLY) as connection:
        connection.sendall(head)
        time.sleep(0.1)
        connection.sendall(NEXT + NEXT)
        received = b""
        while part := connection.recv(65536):
            received += part
    assert received.count(b"HTTP/1.1 ") <= 2
    assert received.count(b"HTTP/1.1 404") <= 1


def test_absolute_targets(port: int) -> None:
    assert fetch(port, f"http://localhost:{port}/ten.bin").body == b"0123456789"
    for target in ("http://localhost", "http://localhost:0/", "ftp://localhost/", "x://"):
        assert fetch(port, target).status == 400


def test_targets_of_other_servers_are_not_served(port: int) -> None:
    lines = "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n"
    assert statuses(port, lines.encode()) in ([400], [405])


@pytest.mark.parametrize(
    "target", ["http://example.org/ten.bin", "http://localhost:1/", "http:///"]
)
def test_other_authorities_are_misdirected(lasting: int, target: str) -> None:
    """RFC 9110, section 15.5.20."""
    lines = f"GET {target} HTTP/1.1\r\nHost: example.org\r\n\r\n"
    assert statuses(lasting, TEN + lines.encode() + NEXT) == [200, 421]


def test_the_server_as_a_whole(lasting: int) -> None:
    """RFC 9112, section 3.2.4: a target for OPTIONS alone."""
    answer = fetch(lasting, "*", method="OPTIONS")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["connection"] == "close"
    assert "date" in answer.headers
    lines = b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert statuses(lasting, lines + NEXT) == [204]
    assert fetch(lasting, "*").status == 400


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 5000 + b"\r\n", 431),
        (b"a" * 20000, 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 3000000 + b"\r\n\r\n", 431),
    ],
    ids=["target", "field", "fields", "garbage", "far too big"],
)
def test_a_head_that_is_too_big(lasting: int, head: bytes, status: int) -> None:
    """The answer reaches clients that are still sending (RFC 9112, section 9.6)."""
    assert ask(lasting, head).status == status
    assert statuses(lasting, TEN + head[:20000]) == [200, status]


def test_too_many_fields(port: int) -> None:
    """CivetWeb has room for 64, and would not see a length that comes later."""
    fields = [b"X-%d: y" % number for number in range(63)]
    assert statuses(port, post(*fields)) == [200]
    assert statuses(port, post(*fields, b"Content-Length: 3", body=b"abc")) == [431]


def test_a_slow_head_is_given_up(servers: Servers) -> None:
    """The whole head has request_timeout_ms, however regularly its bytes come."""
    server = servers(request_timeout_ms=800)
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=REPLY) as connection:
        connection.settimeout(0.1)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        answer = b""
        while time.monotonic() < begin + REPLY:
            try:
                connection.sendall(b"X: y\r\n")
                part = connection.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                break
            if not part:
                break
            answer += part
    assert time.monotonic() - begin < 5
    assert answer[:12] in (b"", b"HTTP/1.0 408")


def test_a_slow_body_is_given_up(servers: Servers) -> None:
    begin = time.monotonic()
    answer = ask(servers(request_timeout_ms=800).port, post(b"Content-Length: 3", body=b"a"))
    assert time.monotonic() - begin < 5
    assert answer.status in (200, 400)


def test_connections_that_say_nothing_leave_room_for_others(servers: Servers) -> None:
    server = servers(request_timeout_ms=800)
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    try:
        assert fetch(server.port, "/ten.bin").status == 200
    finally:
        for connection in idle:
            connection.close()
