"""HTTP requests answered by Python callables, with independent clients."""

from __future__ import annotations

import queue
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from alusus_http import http
from alusus_http.errors import InvalidArgumentError, WrongStateError
from tests.python.serving import Server, respond, serving, until
from tests.support import REPLY, exchange

Pages = dict[str, Callable[[http.Connection], int]]


def dispatch(connection: http.Connection) -> int:
    """Answer by the page that the test has put into the server's user data."""
    info = http.get_request_info(connection)
    assert isinstance(info.user_data, dict)
    page = info.user_data.get(info.local_uri)
    return 0 if page is None else int(page(connection))


PAGES: Pages = {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("root")
    (root / "static.txt").write_text("from a file", encoding="utf-8")
    with serving(dispatch, PAGES, document_root=str(root)) as server:
        yield server


@pytest.mark.parametrize(
    ("decode", "path", "local"),
    [
        ("yes", "/aA/b/../%م", "/aA/%م"),
        ("no", "/a%41%2Fb/../%25%d9%85", "/%25%d9%85"),
    ],
)
def test_where_escapes_are_resolved(decode: str, path: str, local: str) -> None:
    found = []

    def on_request(connection: http.Connection) -> int:
        info = http.get_request_info(connection)
        found.append((info.request_uri, info.local_uri_raw, info.local_uri, info.query_string))
        return respond(connection, "")

    with serving(on_request, decode_url=decode) as server:
        server.fetch("/a%41%2Fb/../%25%d9%85?q=%41")
    assert found == [(path, path, local, "q=%41")]


def test_request_info(server: Server) -> None:
    seen: list[http.RequestInfo] = []

    def page(connection: http.Connection) -> int:
        seen.append(http.get_request_info(connection))
        return respond(connection, "ok")

    PAGES["/info"] = page
    with socket.create_connection(("127.0.0.1", server.port), timeout=REPLY) as client:
        port = client.getsockname()[1]
        client.sendall(
            b"POST /a/../info?q=%201&r= HTTP/1.1\r\nHost: localhost\r\nX-Empty:\r\nX-Twice: 1\r\n"
            b"X-Twice: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")
    (info,) = seen
    assert info.request_method == "POST"
    assert info.request_uri == "/a/../info"
    assert info.local_uri_raw == "/a/../info"
    assert info.local_uri == "/info"
    assert info.http_version == "1.1"
    assert info.query_string == "q=%201&r="
    assert info.remote_user is None
    assert info.remote_addr == "127.0.0.1"
    assert info.content_length == 2
    assert (info.remote_port, info.server_port) == (port, server.port)
    assert info.is_ssl == 0
    assert info.user_data is PAGES
    assert info.conn_data is None
    assert info.number_headers == len(info.http_headers) == 6
    assert info.http_headers[0] == http.Header("Host", "localhost")
    assert info.http_headers[1] == http.Header("X-Empty", "")
    assert [h.value for h in info.http_headers if h.name == "X-Twice"] == ["1", "2"]


def test_a_request_without_a_query_or_a_body(server: Server) -> None:
    seen: list[http.RequestInfo] = []

    def page(connection: http.Connection) -> int:
        seen.append(http.get_request_info(connection))
        return respond(connection, "ok")

    PAGES["/plain"] = page
    server.fetch("/plain")
    assert (seen[0].query_string, seen[0].content_length) == (None, -1)


def test_headers_are_found_whatever_their_case(server: Server) -> None:
    found: list[str | None] = []

    def page(connection: http.Connection) -> int:
        found.append(http.get_header(connection, "x-name"))
        found.append(http.get_header(connection, "X-Other"))
        found.append(http.get_last_error())
        return respond(connection, "ok")

    PAGES["/header"] = page
    server.fetch("/header", headers={"X-Name": "value"})
    assert found == ["value", None, None]


def test_bytes_outside_utf_8_survive_the_way_through_python(server: Server) -> None:
    def page(connection: http.Connection) -> int:
        name = http.get_header(connection, "X-Latin")
        assert name is not None
        http.print(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s", name)
        return 200

    PAGES["/latin"] = page
    answer = exchange(server.port, b"GET /latin HTTP/1.1\r\nHost: x\r\nX-Latin: caf\xe9\r\n\r\n")
    assert answer.endswith(b"\r\n\r\ncaf\xe9")


def test_a_body_is_read_in_parts(server: Server) -> None:
    def page(connection: http.Connection) -> int:
        parts = []
        while part := http.read(connection, 1000):
            assert len(part) <= 1000
            parts.append(part)
        assert http.read(connection, 1000) == b""
        return respond(connection, b"".join(parts)[::-1])

    PAGES["/reverse"] = page
    body = bytes(range(256)) * 40
    assert server.fetch("/reverse", "POST", body=body).body == body[::-1]


def test_a_buffer_below_zero_is_refused(server: Server) -> None:
    def page(connection: http.Connection) -> int:
        with pytest.raises(InvalidArgumentError, match="buffer_size: -1 is below zero"):
            http.read(connection, -1)
        return respond(connection, "ok")

    PAGES["/below"] = page
    assert server.fetch("/below", "POST", body=b"x").body == b"ok"


def test_print_formats_as_python_does(server: Server) -> None:
    def page(connection: http.Connection) -> int:
        http.print(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        assert http.print(connection, "%d%% of %s, %r and %05.1f;", 7, "سلام", [1], 2.25) == 30
        assert http.print(connection, "%%s") == 2
        with pytest.raises(TypeError, match="not enough arguments"):
            http.print(connection, "%s %s", 1)
        with pytest.raises(InvalidArgumentError, match="NUL character at position 1"):
            http.print(connection, "%s", "a\0b")
        return 200

    PAGES["/print"] = page
    assert server.fetch("/print").body.decode() == "7% of سلام, [1] and 002.2;%s"


def test_a_client_cannot_inject_a_format(server: Server) -> None:
    def page(connection: http.Connection) -> int:
        http.print(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        http.print(connection, "%s", http.get_request_info(connection).query_string)
        return 200

    PAGES["/query"] = page
    assert server.fetch("/query?%25n%25s%25s").body == b"%25n%25s%25s"


def test_write_takes_text_and_bytes(server: Server) -> None:
    def page(connection: http.Connection) -> int:
        http.write(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        assert http.write(connection, "سلام") == 8
        assert http.write(connection, b"\x00\xff") == 2
        assert http.write(connection, b"") == 0
        return 200

    PAGES["/write"] = page
    assert server.fetch("/write").body == "سلام".encode() + b"\x00\xff"


def test_a_status_without_an_answer_becomes_an_error_page(server: Server) -> None:
    PAGES["/teapot"] = lambda connection: 418
    assert server.fetch("/teapot").status == 418


def test_what_no_callback_answers_comes_from_files(server: Server) -> None:
    assert server.fetch("/static.txt").body == b"from a file"
    assert server.fetch("/missing.txt").status == 404


def test_curl_gets_the_page(server: Server) -> None:
    PAGES["/curl"] = lambda connection: respond(connection, "for curl")
    url = f"http://127.0.0.1:{server.port}/curl"
    result = subprocess.run(["curl", "-sS", url], capture_output=True, timeout=REPLY, check=True)
    assert result.stdout == b"for curl"


def test_callables_that_block_hold_up_nobody(server: Server) -> None:
    together = threading.Barrier(20, timeout=REPLY)

    def page(connection: http.Connection) -> int:
        together.wait()
        return respond(connection, "all here")

    PAGES["/barrier"] = page
    answers: queue.Queue[bytes] = queue.Queue()
    threads = [
        threading.Thread(target=lambda: answers.put(server.fetch("/barrier").body))
        for _ in range(together.parties)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers.get_nowait() for _ in threads] == [b"all here"] * together.parties


def test_every_callback_of_the_table() -> None:
    calls: queue.Queue[tuple[object, ...]] = queue.Queue()
    address = 0x1234
    data: list[object] = []
    places: list[http.OutPointer] = []

    def init_connection(connection: http.Connection, place: http.OutPointer) -> int:
        assert place.value is None
        place.value = address
        places.append(place)
        return 0

    def begin_request(connection: http.Connection) -> int:
        info = http.get_request_info(connection)
        data.extend((info.conn_data, info.user_data))
        return respond(connection, "page") if info.local_uri == "/" else 404

    def http_error(connection: http.Connection, status: int, message: str) -> int:
        calls.put(("http_error", status))
        return respond(connection, "my own page", f"{status} No") * 0

    def log_message(connection: http.Connection | None, message: str) -> int:
        return 1

    def log_access(connection: http.Connection | None, message: str) -> int:
        calls.put(("log_access", connection is not None, "GET /" in message))
        return 1

    def recorded(name: str) -> Callable[..., None]:
        def record(*arguments: object) -> None:
            calls.put((name, *arguments[1:]))

        return record

    callbacks = http.Callbacks(
        begin_request=begin_request,
        end_request=recorded("end_request"),
        log_message=log_message,
        log_access=log_access,
        connection_close=recorded("connection_close"),
        connection_closed=recorded("connection_closed"),
        http_error=http_error,
        init_context=recorded("init_context"),
        exit_context=recorded("exit_context"),
        init_thread=recorded("init_thread"),
        exit_thread=recorded("exit_thread"),
        init_connection=init_connection,
    )
    user_data = object()
    with serving(callbacks, user_data) as server:
        assert server.fetch("/").body == b"page"
        assert server.fetch("/none").body == b"my own page"
        until(lambda: [*calls.queue].count(("connection_closed",)) == 2)
    seen = [*calls.queue]
    assert data == [address, user_data] * 2
    assert ("end_request", 200) in seen
    assert ("http_error", 404) in seen
    assert ("log_access", True, True) in seen
    assert seen.count(("connection_close",)) == 2
    assert ("init_context",) in seen and ("exit_context",) in seen
    assert ("init_thread", 0) in seen and ("init_thread", 1) in seen
    assert len([s for s in seen if s[0] == "init_thread"]) == len(
        [s for s in seen if s[0] == "exit_thread"]
    )
    with pytest.raises(Exception, match="has returned"):
        places[0].value = 5


def test_handlers_can_be_set_before_the_first_request() -> None:
    def greet(connection: http.Connection, user_data: object) -> None:
        http.write_text_to_web_socket(connection, "early")

    def init_context(context: http.Context) -> None:
        http.set_web_socket_handler(context, "/early", ready_handler=greet)

    with (
        serving(http.Callbacks(init_context=init_context)) as server,
        server.web_socket("/early") as client,
    ):
        assert client.recv(REPLY) == "early"


class Refused:
    """What the callbacks of a server see of requests that are refused for their form."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[str, str | None]] = queue.Queue()
        self.lines: queue.Queue[str] = queue.Queue()
        self.callbacks = http.Callbacks(
            begin_request=self._begin,
            end_request=lambda connection, status: self._note(f"end {status}", connection),
            http_error=self._error,
            log_access=self._log,
        )

    def _begin(self, connection: http.Connection) -> int:
        http.respond(connection, 200, "text/plain", "ok")
        return 200

    def _error(self, connection: http.Connection, status: int, _message: str) -> int:
        self._note(f"error {status}", connection)
        return 1

    def _log(self, _connection: http.Connection | None, message: str) -> int:
        self.lines.put(message)
        return 0

    def _note(self, call: str, connection: http.Connection) -> None:
        try:
            self.calls.put((call, http.get_request_info(connection).local_uri))
        except WrongStateError:
            self.calls.put((call, None))

    def take(self, count: int) -> list[tuple[str, str | None]]:
        return [self.calls.get(timeout=REPLY) for _ in range(count)]


def test_refused_requests_are_seen_without_what_they_are_refused_for() -> None:
    """The path is this request's, and no control character in it begins a line of a log."""
    refused = Refused()
    with serving(refused.callbacks, enable_keep_alive="yes") as server:
        first = b"GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n"
        forged = b"GET /a%0a127.0.0.1%0d%1b HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert exchange(server.port, first + forged).count(b"HTTP/1.1 400") == 1
        path = "/a_127.0.0.1__"
        assert refused.take(3) == [("end 200", "/first"), ("error 400", path), ("end 400", path)]
        assert "GET /first " in refused.lines.get(timeout=REPLY)
        assert f'GET {path} HTTP/1.1" 400' in refused.lines.get(timeout=REPLY)


def test_queries_that_are_decoded_stay_in_their_line_of_the_log() -> None:
    refused = Refused()
    with serving(refused.callbacks, decode_query_string="yes") as server:
        assert server.fetch("/?a=%0Ab").body == b"ok"
        assert "GET /?a=_b HTTP/1.1" in refused.lines.get(timeout=REPLY)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /a HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
        (b"GET a HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"no request at all\r\n\r\n", 400),
        (b"GET /" + b"a" * 20000, 414),
        (b"GET http://elsewhere/ HTTP/1.1\r\nHost: elsewhere\r\n\r\n", 421),
    ],
)
def test_requests_that_cannot_be_read_are_none(request_: bytes, status: int) -> None:
    """Their callbacks do not see the request before them."""
    refused = Refused()
    with serving(refused.callbacks, enable_keep_alive="yes") as server:
        first = b"GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert f" {status} ".encode() in exchange(server.port, first + request_)
        told = [("end 200", "/first"), (f"error {status}", None), (f"end {status}", None)]
        assert refused.take(3) == told
