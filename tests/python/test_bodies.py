"""Bodies of requests, as raw sockets send them (RFC 9112 section 7, RFC 9110 section 10.1.1)."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator

import pytest

from alusus_http import http
from alusus_http.errors import ConnectionClosedError, HttpError, MalformedError, TimedOutError
from tests.http_client import Client
from tests.python.serving import Server, serving
from tests.support import REPLY, exchange

SIZE = 1000
PARTS: queue.Queue[bytes | HttpError] = queue.Queue()


def read_all(connection: http.Connection) -> int:
    """Answer with the body, and put each part that was read into PARTS."""
    body = b""
    try:
        while part := http.read(connection, SIZE):
            PARTS.put(part)
            body += part
    except HttpError as error:
        PARTS.put(error)
        with pytest.raises(type(error)):
            http.read(connection, SIZE)  # and does not wait again
        return {MalformedError: 400, TimedOutError: 408}.get(type(error), 500)
    assert http.read(connection, SIZE) == b""
    http.respond(connection, 200, "application/octet-stream", body)
    return 200


def dispatch(connection: http.Connection) -> int:
    match http.get_request_info(connection).local_uri:
        case "/read":
            return read_all(connection)
        case "/ten":
            PARTS.put(http.read(connection, 10))
            http.respond(connection, 200, "text/plain", "ten")
            return 200
        case "/late":
            http.start_response(connection, 200)
            http.send_response_headers(connection)
            body = http.read(connection, SIZE)
            http.send_chunk(connection, body)
            http.send_chunk(connection, "")
            return 200
    http.respond(connection, 413, "text/plain", "unread")
    return 413


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(dispatch, enable_keep_alive="yes", request_timeout_ms="700") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    while not PARTS.empty():
        PARTS.get()
    with Client(server.port) as client:
        yield client


def post(path: str, *headers: str) -> bytes:
    return "\r\n".join((f"POST {path} HTTP/1.1", "Host: x", *headers, "", "")).encode()


CHUNKED = "Transfer-Encoding: chunked"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 2000, 100_000])
def test_a_counted_body(client: Client, size: int) -> None:
    body = bytes(i % 251 for i in range(size))
    for _ in range(2):
        assert client.ask("/read", "POST", body=body).body == body


@pytest.mark.parametrize("sizes", [[1], [999], [1000], [1001], [3, 1, 2], [500] * 7, [100_000, 1]])
def test_a_chunked_body(client: Client, sizes: list[int]) -> None:
    data = [bytes([i % 256]) * size for i, size in enumerate(sizes)]
    for _ in range(2):
        client.send(post("/read", CHUNKED) + b"".join(map(chunk, data)) + b"0\r\n\r\n")
        assert client.receive().body == b"".join(data)


def test_chunks_with_trailers(client: Client) -> None:
    for _ in range(2):
        client.send(
            post("/read", CHUNKED) + b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n"
        )
        assert client.receive().body == b"abc0123456789"


def test_chunks_with_extensions(client: Client) -> None:
    """They are skipped, and nothing that follows is read (docs/security.md)."""
    client.send(post("/read", CHUNKED) + b"3;name=value\r\nabc\r\n0;last\r\n\r\n")
    assert client.receive().body == b"abc"


def test_a_chunked_body_byte_by_byte(client: Client) -> None:
    for byte in post("/read", CHUNKED) + chunk(b"ab") + chunk(b"c") + b"0\r\n\r\n":
        client.send(bytes([byte]))
        time.sleep(0.002)
    assert client.receive().body == b"abc"


@pytest.mark.parametrize("framing", ["Content-Length: 6", CHUNKED])
def test_what_has_arrived_is_read_without_waiting_for_the_rest(
    client: Client, framing: str
) -> None:
    chunked = framing == CHUNKED
    client.send(post("/read", framing))
    client.send(chunk(b"abc") if chunked else b"abc")
    assert PARTS.get(timeout=REPLY) == b"abc"
    client.send(chunk(b"def") + b"0\r\n\r\n" if chunked else b"def")
    assert PARTS.get(timeout=REPLY) == b"def"
    assert client.receive().body == b"abcdef"


def test_no_body(client: Client) -> None:
    assert client.ask("/read").body == b""
    assert client.ask("/read", "POST", "Content-Length: 0").body == b""
    client.send(post("/read", CHUNKED) + b"0\r\n\r\n")
    assert client.receive().body == b""


@pytest.mark.parametrize("framing", ["Content-Length: 3000", CHUNKED])
@pytest.mark.parametrize("path", ["/ten", "/unread"])
def test_what_nobody_reads_is_skipped(client: Client, path: str, framing: str) -> None:
    body = b"GET /x HTTP/1.1\r\n\r\n" * 150 + b"x" * 150
    assert len(body) == 3000
    client.send(post(path, framing) + (chunk(body) + b"0\r\n\r\n" if framing == CHUNKED else body))
    assert client.receive().body in (b"ten", b"unread")
    assert client.ask("/read", "POST", body=b"next").body == b"next"


@pytest.mark.parametrize("framing", ["Content-Length: 1000000", CHUNKED])
def test_as_much_as_a_mebibyte_is_skipped(client: Client, framing: str) -> None:
    body = b"." * 1000000
    client.send(post("/unread", framing))
    client.send(chunk(body) + b"0\r\n\r\n" if framing == CHUNKED else body)
    assert client.receive().body == b"unread"
    assert client.ask("/read", "POST", body=b"next").body == b"next"


def test_a_longer_body_ends_the_connection_at_once(client: Client) -> None:
    """A new connection is cheaper than reading on for nobody (RFC 9112, section 9.3)."""
    client.send(post("/unread", "Content-Length: 1048577"))
    assert client.receive().body == b"unread"
    assert client.rest() == b""


def test_chunks_without_end_are_not_read_for_ever(client: Client) -> None:
    client.send(post("/unread", CHUNKED))
    assert client.receive().body == b"unread"
    sent, part = 0, chunk(b"." * 65536)
    with pytest.raises(OSError):
        while sent < 1 << 30:
            client.send(part)
            sent += len(part)


@pytest.mark.parametrize("framing", ["Content-Length: 5", CHUNKED])
def test_a_client_that_waits_to_be_told(client: Client, framing: str) -> None:
    chunked = framing == CHUNKED
    for _ in range(2):
        client.send(post("/read", framing, "Expect: 100-Continue"))
        assert client.receive().status == 100
        client.send(chunk(b"12345") + b"0\r\n\r\n" if chunked else b"12345")
        assert client.receive().body == b"12345"


def test_a_client_that_is_never_told_is_not_waited_for(client: Client) -> None:
    client.send(post("/unread", "Content-Length: 5", "Expect: 100-continue"))
    began = time.monotonic()
    reply = client.receive()
    assert (reply.status, reply.header("Connection")) == (413, "close")
    assert client.rest() == b""
    assert time.monotonic() - began < 0.5  # of the 0.7 s that a body is waited for


def test_no_continue_behind_the_beginning_of_the_answer(client: Client) -> None:
    client.send(post("/late", "Content-Length: 5", "Expect: 100-continue"))
    time.sleep(0.05)
    client.send(b"12345")
    assert client.receive().body == b"12345"


def test_http_1_0_knows_no_continue(server: Server) -> None:
    request = b"POST /read HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok"
    assert exchange(server.port, request).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("framing", ["Content-Length: 10", CHUNKED])
def test_a_client_that_closes_early(server: Server, client: Client, framing: str) -> None:
    with Client(server.port) as leaver:
        leaver.send(post("/read", framing) + (b"a\r\nabc" if framing == CHUNKED else b"abc"))
        assert PARTS.get(timeout=REPLY) == b"abc"
    assert isinstance(PARTS.get(timeout=REPLY), ConnectionClosedError)
    assert client.ask("/read", "POST", body=b"still here").body == b"still here"


@pytest.mark.parametrize("framing", ["Content-Length: 10", CHUNKED])
def test_a_client_that_stops_sending(client: Client, framing: str) -> None:
    client.send(post("/read", framing) + (b"a\r\nabc" if framing == CHUNKED else b"abc"))
    assert PARTS.get(timeout=REPLY) == b"abc"
    assert isinstance(PARTS.get(timeout=REPLY), TimedOutError)
    reply = client.receive()
    assert (reply.status, reply.header("Connection")) == (408, "close")
    assert client.rest() == b""


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcdef\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
        b"FFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"3\r3\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\rX",
    ],
)
def test_malformed_chunks_end_the_connection(client: Client, body: bytes) -> None:
    client.send(post("/read", CHUNKED) + body + b"GET /read HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = client.rest()
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert answer.count(b"HTTP/1.1 ") == 1
