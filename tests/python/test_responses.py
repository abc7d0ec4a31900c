"""Responses, byte by byte: framing, headers that cannot be forged, connections that live on."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alusus_http import http
from alusus_http.errors import (
    ConnectionClosedError,
    HttpError,
    InvalidArgumentError,
    WrongStateError,
)
from tests.http_client import Client
from tests.python.serving import Server, serving
from tests.support import exchange

Page = Callable[[http.Connection], int]
PAGES: dict[str, Page] = {}


def dispatch(connection: http.Connection) -> int:
    page = PAGES.get(http.get_request_info(connection).local_uri or "")
    return 0 if page is None else page(connection)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("root")
    (root / "static.txt").write_text("from a file", encoding="utf-8")
    with serving(
        dispatch,
        document_root=str(root),
        enable_keep_alive="yes",
        request_timeout_ms="2000",
        access_control_allow_origin="https://example.org",
        additional_header="X-Configured: yes",
    ) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client


def page(function: Page) -> Page:
    """Serve the function at its own name."""
    PAGES[f"/{function.__name__}"] = function
    return function


@page
def whole(connection: http.Connection) -> int:
    http.respond(connection, 201, "text/plain", "made")
    return 201


@page
def chunks(connection: http.Connection) -> int:
    http.start_response(connection, 200)
    http.add_response_header(connection, "Content-Type", "text/plain")
    http.send_response_headers(connection)
    assert http.send_chunk(connection, "one ") == 4
    assert http.send_chunk(connection, b"\0two") == 4
    assert http.send_chunk(connection, "x" * 100_000) == 100_000
    assert http.send_chunk(connection, b"") == 0
    return 200


@page
def counted(connection: http.Connection) -> int:
    http.start_response(connection, 200)
    http.add_response_header(connection, "content-length", "6")
    http.send_response_headers(connection)
    http.write(connection, "abc")
    http.send_chunk(connection, "def")
    return 200


@page
def empty(connection: http.Connection) -> int:
    http.respond(connection, 204)
    return 204


@page
def not_modified(connection: http.Connection) -> int:
    http.start_response(connection, 304)
    http.add_response_header(connection, "ETag", '"1"')
    http.send_response_headers(connection)
    return 304


@page
def error(connection: http.Connection) -> int:
    http.send_error(connection, 409, "both\r\nX-Forged: 1")
    return 409


@page
def only_a_status(connection: http.Connection) -> int:
    return 503


@page
def redirect(connection: http.Connection) -> int:
    http.send_redirect(connection, "/elsewhere?%0D", 308)
    return 308


@page
def file(connection: http.Connection) -> int:
    http.send_file(connection, __file__)
    return 200


@page
def missing_file(connection: http.Connection) -> int:
    http.send_file(connection, "/nowhere")
    return 404


@page
def raw(connection: http.Connection) -> int:
    http.print(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    return 200


BODIES = {
    "/whole": (201, b"made"),
    "/chunks": (200, b"one \0two" + b"x" * 100_000),
    "/counted": (200, b"abcdef"),
    "/empty": (204, b""),
    "/not_modified": (304, b""),
    "/error": (409, b"Error 409: Conflict\nboth\r\nX-Forged: 1"),
    "/only_a_status": (503, b"Error 503: Service Unavailable\n"),
    "/redirect": (308, b""),
    "/file": (200, Path(__file__).read_bytes()),
    "/missing_file": (404, b"Error 404: Not Found\nthere is no such file"),
    "/raw": (200, b"ok"),
    "/static.txt": (200, b"from a file"),
}


@pytest.mark.parametrize("path", BODIES)
def test_the_connection_lives_on_behind_each_form_of_answer(client: Client, path: str) -> None:
    status, body = BODIES[path]
    for method in ("GET", "GET", "HEAD", "POST"):
        if method == "HEAD" and path == "/raw":
            continue  # a program that writes the framing itself has to heed the method, too
        if method == "POST" and path == "/static.txt":
            continue
        reply = client.ask(path, method, body=b"unread" if method == "POST" else b"")
        assert reply.status == status
        assert reply.body == (b"" if method == "HEAD" else body)
        if path != "/raw":
            assert reply.header("Connection") == "keep-alive"
    assert client.ask("/whole").body == b"made"


@pytest.mark.parametrize("path", BODIES)
def test_head_has_the_headers_of_get(client: Client, path: str) -> None:
    if path == "/raw":
        return
    got, head = client.ask(path), client.ask(path, "HEAD")
    for name in ("Content-Length", "Content-Type", "Transfer-Encoding", "Location", "ETag"):
        assert got.header(name) == head.header(name)


def test_headers_that_the_library_adds(client: Client) -> None:
    reply = client.ask("/whole")
    assert reply.header("Content-Type") == "text/plain"
    assert reply.header("X-Configured") == "yes"
    assert reply.header("Access-Control-Allow-Origin") is None
    date = email.utils.parsedate_to_datetime(reply.header("Date") or "")
    assert abs(date.timestamp() - time.time()) < 5
    reply = client.ask("/whole", "GET", "Origin: https://example.org")
    assert reply.header("Access-Control-Allow-Origin") == "https://example.org"
    assert client.ask("/empty").header("Content-Length") is None


def test_a_client_of_http_1_0_gets_no_chunks(server: Server) -> None:
    head, _, body = exchange(server.port, b"GET /chunks HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
    assert body == b"one \0two" + b"x" * 100_000
    assert b"Transfer-Encoding" not in head
    assert b"Connection: close" in head


def test_a_client_that_wants_the_connection_closed(client: Client) -> None:
    reply = client.ask("/whole", "GET", "Connection: close")
    assert reply.header("Connection") == "close"
    assert client.rest() == b""


FORGED = [chr(code) for code in (*range(1, 9), *range(10, 32), 127)]


@pytest.mark.parametrize("evil", FORGED, ids=lambda c: f"{ord(c):#04x}")
def test_a_control_character_never_becomes_a_header(client: Client, evil: str) -> None:
    refused = []

    def attempt(call: Callable[..., object], *arguments: object) -> None:
        with pytest.raises(InvalidArgumentError) as caught:
            call(*arguments)
        refused.append(str(caught.value))

    @page
    def forge(connection: http.Connection) -> int:
        attempt(http.respond, connection, 200, f"text/plain{evil}X-Forged: 1", "body")
        attempt(http.send_redirect, connection, f"/a{evil}X-Forged: 1", 302)
        attempt(http.send_file, connection, __file__, f"text/plain{evil}X-Forged: 1")
        http.start_response(connection, 200)
        attempt(http.add_response_header, connection, "X-A", f"a{evil}X-Forged: 1")
        attempt(http.add_response_header, connection, f"X-A{evil}X-Forged", "1")
        attempt(http.add_response_header, connection, "Connection", f"close{evil}X-Forged: 1")
        http.send_response_headers(connection)
        http.send_chunk(connection, "")
        return 200

    reply = client.ask("/forge")
    assert len(refused) == 6
    assert reply.header("X-Forged") is None
    assert reply.header("X-A") is None
    assert client.ask("/whole").status == 201


def test_nul_never_becomes_a_header(client: Client) -> None:
    @page
    def nul(connection: http.Connection) -> int:
        with pytest.raises(InvalidArgumentError, match="NUL"):
            http.respond(connection, 200, "text/plain\0X-Forged: 1", "body")
        return whole(connection)

    assert client.ask("/nul").header("Content-Type") == "text/plain"


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\t", "(x)", '"'])
def test_names_that_are_no_tokens(client: Client, name: str) -> None:
    @page
    def bad_name(connection: http.Connection) -> int:
        http.start_response(connection, 200)
        with pytest.raises(InvalidArgumentError, match="the name of a header"):
            http.add_response_header(connection, name, "value")
        http.send_response_headers(connection)
        http.send_chunk(connection, "")
        return 200

    assert client.ask("/bad_name").status == 200


def test_values_that_are_allowed(client: Client) -> None:
    @page
    def values(connection: http.Connection) -> int:
        http.start_response(connection, 200)
        for value in ("", "a\tb", "a: b", "\u00e9"):
            http.add_response_header(connection, "X-Value", value)
        http.send_response_headers(connection)
        http.send_chunk(connection, "")
        return 200

    values_seen = [value for name, value in client.ask("/values").headers if name == "X-Value"]
    assert values_seen == ["", "a\tb", "a: b", "\u00e9".encode().decode("latin-1")]


REFUSALS: dict[str, tuple[type[HttpError], str, Callable[[http.Connection], object]]] = {
    "status 99": (InvalidArgumentError, "200 to 599", lambda c: http.respond(c, 99)),
    "status 100": (InvalidArgumentError, "200 to 599", lambda c: http.start_response(c, 100)),
    "status 600": (InvalidArgumentError, "200 to 599", lambda c: http.respond(c, 600)),
    "error 200": (InvalidArgumentError, "400 to 599", lambda c: http.send_error(c, 200, "")),
    "redirect 304": (InvalidArgumentError, "303", lambda c: http.send_redirect(c, "/", 304)),
    "redirect to nothing": (
        InvalidArgumentError,
        "empty",
        lambda c: http.send_redirect(c, "", 301),
    ),
    "redirect to Arabic": (
        InvalidArgumentError,
        r"http\.encode_url\(\)",
        lambda c: http.send_redirect(c, "/سلام", 301),
    ),
    "204 with a body": (InvalidArgumentError, "no body", lambda c: http.respond(c, 204, None, "x")),
    "header first": (
        WrongStateError,
        r"http\.start_response\(\)",
        lambda c: http.add_response_header(c, "A", "b"),
    ),
    "headers of nothing": (
        WrongStateError,
        r"http\.start_response\(\)",
        http.send_response_headers,
    ),
    "chunk of nothing": (
        WrongStateError,
        r"http\.start_response\(\)",
        lambda c: http.send_chunk(c, "x"),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused_leaves_the_response_as_it_was(client: Client, name: str) -> None:
    error, words, call = REFUSALS[name]

    @page
    def refusal(connection: http.Connection) -> int:
        with pytest.raises(error, match=words):
            call(connection)
        return whole(connection)

    assert client.ask("/refusal").body == b"made"
    assert client.ask("/whole").body == b"made"


def test_a_second_answer_is_an_error(client: Client) -> None:
    @page
    def twice(connection: http.Connection) -> int:
        http.start_response(connection, 200)
        with pytest.raises(WrongStateError, match="started already"):
            http.start_response(connection, 200)
        with pytest.raises(WrongStateError, match=r"http\.send_response_headers\(\)"):
            http.send_chunk(connection, "early")
        http.add_response_header(connection, "Content-Length", "2")
        with pytest.raises(InvalidArgumentError, match="already"):
            http.add_response_header(connection, "Content-Length", "3")
        http.send_response_headers(connection)
        with pytest.raises(WrongStateError, match="have been sent"):
            http.add_response_header(connection, "X-Late", "1")
        with pytest.raises(WrongStateError, match="longer than its Content-Length"):
            http.write(connection, "abc")
        http.write(connection, "ab")
        with pytest.raises(WrongStateError, match="longer than its Content-Length"):
            http.send_chunk(connection, "c")
        for again in (
            lambda: http.respond(connection, 200, "text/plain", "again"),
            lambda: http.send_error(connection, 500, "again"),
            lambda: http.send_redirect(connection, "/", 301),
            lambda: http.send_file(connection, __file__),
        ):
            with pytest.raises(WrongStateError):
                again()
        return 200

    assert client.ask("/twice").body == b"ab"
    assert client.ask("/whole").body == b"made"


def test_write_does_not_break_chunks(client: Client) -> None:
    @page
    def mixed(connection: http.Connection) -> int:
        http.start_response(connection, 200)
        with pytest.raises(WrongStateError):
            http.write(connection, "early")
        http.send_response_headers(connection)
        with pytest.raises(WrongStateError, match=r"http\.send_chunk\(\)"):
            http.write(connection, "bare")
        http.send_chunk(connection, "framed")
        http.send_chunk(connection, "")
        return 200

    assert client.ask("/mixed").body == b"framed"


@pytest.mark.parametrize("length", ["", "-1", "1x", " 1", "+1", "9223372036854775807", "1e3"])
def test_lengths_that_are_no_numbers(client: Client, length: str) -> None:
    @page
    def bad_length(connection: http.Connection) -> int:
        http.start_response(connection, 200)
        with pytest.raises(InvalidArgumentError, match="Content-Length"):
            http.add_response_header(connection, "Content-Length", length)
        http.send_response_headers(connection)
        http.send_chunk(connection, "ok")
        http.send_chunk(connection, "")
        return 200

    assert client.ask("/bad_length").body == b"ok"


@pytest.mark.parametrize("length", [None, "10"])
def test_an_answer_that_breaks_off_ends_the_connection(client: Client, length: str | None) -> None:
    @page
    def broken_off(connection: http.Connection) -> int:
        http.start_response(connection, 200)
        if length:
            http.add_response_header(connection, "Content-Length", length)
        http.send_response_headers(connection)
        http.send_chunk(connection, "part")
        return 200

    client.send(
        b"GET /broken_off HTTP/1.1\r\nHost: x\r\n\r\nGET /whole HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    answer = client.rest()
    assert b"part" in answer
    assert b"\r\n0\r\n" not in answer
    assert b"made" not in answer


def test_what_was_only_started_is_forgotten(client: Client) -> None:
    @page
    def started(connection: http.Connection) -> int:
        http.start_response(connection, 200)
        http.add_response_header(connection, "X-Started", "1")
        return 404

    reply = client.ask("/started")
    assert (reply.status, reply.header("X-Started")) == (404, None)
    assert client.ask("/whole").status == 201


def test_a_callback_that_says_answered_and_is_silent(client: Client) -> None:
    PAGES["/silent"] = lambda connection: 200
    client.send(b"GET /silent HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.rest() == b""


def test_a_callback_that_answers_and_leaves_the_request_to_the_files(client: Client) -> None:
    @page
    def both(connection: http.Connection) -> int:
        whole(connection)
        return 0

    assert client.ask("/both").body == b"made"
    assert client.ask("/whole").body == b"made"


def serve_file(uri: str, path: str, kind: str | None = None) -> None:
    def page(connection: http.Connection) -> int:
        http.send_file(connection, path, kind)
        return 200

    PAGES[uri] = page


def test_the_type_that_send_file_is_given(client: Client) -> None:
    serve_file("/typed", __file__, "application/x-thing")
    assert client.ask("/typed").header("Content-Type") == "application/x-thing"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("{root}/pages/a.txt", 200),
        ("{root}/pages/./a.txt", 200),
        ("{root}/pages/../secret.txt", 404),
        ("{root}/pages/sub/../../secret.txt", 404),
        ("{root}/pages/..", 404),
        ("{root}/pages", 404),
        ("{root}/pages/", 404),
        ("{root}/pages/..a.txt", 200),
        ("/dev/null", 404),
    ],
)
def test_paths_for_send_file(client: Client, tmp_path: Path, path: str, status: int) -> None:
    (tmp_path / "pages/sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "pages/a.txt").write_text("a")
    (tmp_path / "pages/..a.txt").write_text("a")
    serve_file("/path", path.format(root=tmp_path))
    reply = client.ask("/path")
    assert reply.status == status
    assert b"secret" not in reply.body
    assert client.ask("/whole").status == 201


def test_send_file_takes_a_path_of_the_program_s_own(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.txt").write_text("up")
    monkeypatch.chdir(tmp_path / "inner")
    serve_file("/up", "../a.txt")
    assert client.ask("/up").body == b"up"


def test_ranges_and_conditions_of_send_file(client: Client) -> None:
    whole_file = client.ask("/file")
    reply = client.ask("/file", "GET", "Range: bytes=3-5")
    assert (reply.status, reply.body) == (206, whole_file.body[3:6])
    assert client.ask("/file", "GET", f"If-None-Match: {whole_file.header('ETag')}").status == 304


def test_a_client_that_goes_away(server: Server) -> None:
    failures: list[BaseException] = []

    @page
    def endless(connection: http.Connection) -> int:
        http.start_response(connection, 200)
        http.send_response_headers(connection)
        try:
            while True:
                http.send_chunk(connection, "x" * 65536)
        except ConnectionClosedError as error:
            failures.append(error)
        return 200

    with Client(server.port) as client:
        client.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
    end = time.monotonic() + 10
    while not failures and time.monotonic() < end:
        time.sleep(0.01)
    assert failures


def test_error_pages_of_the_program() -> None:
    def error_page(connection: http.Connection, status: int, message: str) -> int:
        if status == 409:
            http.respond(connection, 409, "text/plain", f"mine: {message}")
            return 0
        if status == 410:
            http.send_error(connection, 410, "from within")
            return 0
        if status == 411:
            return 0  # says it has, and has not
        return 1

    def request(connection: http.Connection) -> int:
        http.send_error(
            connection, int((http.get_request_info(connection).local_uri or "")[1:]), "why"
        )
        return 400

    callbacks = http.Callbacks(begin_request=request, http_error=error_page)
    with serving(callbacks, enable_keep_alive="yes") as server, Client(server.port) as client:
        assert client.ask("/409").body == b"mine: why"
        assert client.ask("/410").body == b"Error 410: Gone\nfrom within"
        assert client.ask("/411").body == b"Error 411: Length Required\nwhy"
        assert client.ask("/412").body == b"Error 412: Precondition Failed\nwhy"


def test_error_pages_from_files(tmp_path: Path) -> None:
    (tmp_path / "error404.html").write_text("<p>not here")

    def request(connection: http.Connection) -> int:
        http.send_error(connection, 404, "why")
        return 404

    with serving(request, error_pages=f"{tmp_path}/", enable_keep_alive="yes") as server:
        assert server.fetch("/").body == b"<p>not here"


@pytest.mark.parametrize("how", ["file", "error", "whole"])
def test_a_plain_answer_to_whoever_asks_for_an_upgrade(tmp_path: Path, how: str) -> None:
    def request(connection: http.Connection) -> int:
        if how == "error":
            http.send_error(connection, 404, "")
        else:
            PAGES[f"/{how}"](connection)
        return 200

    (tmp_path / "error404.html").write_text("<p>not here")
    with serving(request, error_pages=f"{tmp_path}/", enable_keep_alive="yes") as server:
        answer = exchange(
            server.port,
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 ")
    assert b"Connection: close" in head
    assert body == {"file": BODIES["/file"][1], "error": b"<p>not here", "whole": b"made"}[how]


def test_the_status_that_the_server_notes() -> None:
    noted: list[int] = []

    def request(connection: http.Connection) -> int:
        http.respond(connection, 202, "text/plain", "ok")
        return 1  # as published programs do

    callbacks = http.Callbacks(
        begin_request=request, end_request=lambda connection, status: noted.append(status)
    )
    with serving(callbacks) as server:
        server.fetch("/")
    assert noted == [202]


def test_pipelined_requests(client: Client) -> None:
    lines = (
        f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in ("/whole", "/chunks", "/counted")
    )
    client.send("".join(lines).encode())
    assert [client.receive().body for _ in range(3)] == [
        BODIES[path][1] for path in ("/whole", "/chunks", "/counted")
    ]
