"""HTTP handlers, by independent clients: curl, and bytes on a socket."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from alusus_http import BadRequest, Reject, Request, Response, Server, WebSocket
from alusus_http.errors import InvalidArgumentError
from alusus_http.testing import Serve
from tests.support import REPLY, exchange, get


def curl(*arguments: str, data: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    """Fetch; return the status, the headers and the body."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--include", "--max-time", str(REPLY), *arguments],
        input=data,
        capture_output=True,
        check=True,
    )
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    while head.split()[1] == b"100":
        head, _, body = body.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), headers, body


def both(handler: Callable[[Request], Any]) -> list[Any]:
    """A handler, and an async one that does the same."""

    async def async_handler(request: Request) -> Any:
        await asyncio.sleep(0)
        return handler(request)

    return [handler, async_handler]


@pytest.fixture(params=["sync", "async"])
def site(request: pytest.FixtureRequest, run: Serve, tmp_path: Path) -> Server:
    """A server with a page of every kind."""
    (tmp_path / "page.txt").write_text("static", encoding="ascii")
    server = Server(0, document_root=tmp_path, max_body_size=1000)
    wanted = ["sync", "async"].index(request.param)

    def add(path: str, handler: Callable[[Request], Any], *methods: str, **options: Any) -> None:
        chosen = both(handler)[wanted]
        server.route(path, methods=methods or ("GET",), **options)(chosen)

    def boom(request: Request) -> Response:
        raise LookupError("the secret")

    def cookie(request: Request) -> Response:
        response = Response("kept", headers=[("X-A", "1"), ("X-A", "2")])
        response.set_cookie("id", "7", max_age=60, secure=True)
        return response

    def broken(request: Request) -> Response:
        def parts() -> Iterator[str]:
            yield "begin"
            raise LookupError("the secret")

        return Response(parts())

    add("/", lambda r: Response("hello"))
    add("/text", lambda r: "نص")
    add("/bytes", lambda r: b"\0\1")
    add("/json", lambda r: Response.json({"path": r.path, "q": r.query.all("q")}))
    add("/echo", lambda r: Response(r.body, content_type=r.content_type), "POST", "put", "QUERY")
    add("/parse", lambda r: Response.json(r.json()), "POST")
    add("/bad", lambda r: (_ for _ in ()).throw(BadRequest("no such thing")))
    add("/boom", boom)
    add("/none", lambda r: None)
    add("/cookie", cookie)
    add("/parts", lambda r: Response(["0", "1", "2"]))
    add("/broken", broken)
    add("/file", lambda r: Response.file(tmp_path / "page.txt"))
    add("/missing", lambda r: Response.file(tmp_path / "none.txt"))
    add("/empty", lambda r: Response(status=204))
    add("/moved", lambda r: Response.redirect("/text"))
    add("/tree/**", lambda r: r.path)
    add("/tree/deep/**", lambda r: "deep")
    add("/page", lambda r: Response.html(f"<p>{r.raw_path}"))
    add("/who", lambda r: f"{r.peer[0]} {r.headers['X-NAME']} {r.cookies['a']} {r.user}")

    def form(request: Request) -> Response:
        files = {n: [f.filename, f.content_type, len(f.data)] for n, f in request.files().items()}
        return Response.json({"fields": dict(request.form()), "files": files})

    add("/upload", form, "POST", max_body_size=100_000)
    add("/form", lambda r: Response.json(list(r.form().pairs())), "POST")

    if wanted == 0:

        @server.route("/count", methods=["POST"], stream=True, max_body_size=10 << 20)
        def count(request: Request) -> str:
            return str(sum(len(chunk) for chunk in request.stream))

        @server.route("/slow")
        def slow(request: Request) -> Response:
            return Response(iter([b"a", b"", b"b"]))
    else:

        @server.route("/count", methods=["POST"], stream=True, max_body_size=10 << 20)
        async def count_async(request: Request) -> str:
            return str(sum([len(chunk) async for chunk in request.astream]))

        @server.route("/slow")
        async def slow_async(request: Request) -> Response:
            async def parts() -> AsyncIterator[str | bytes]:
                yield "a"
                await asyncio.sleep(0.01)
                yield b""
                yield "b"

            return Response(parts())

    return run(server)


READS: dict[str, Callable[[Request], object]] = {
    "body": lambda request: request.body,
    "text": lambda request: request.text,
    "json": lambda request: request.json(),
    "form": lambda request: request.form(),
    "files": lambda request: request.files(),
    "stream": lambda request: request.stream,
    "astream": lambda request: request.astream,
}


@pytest.mark.parametrize(
    ("stream", "is_async", "read", "message"),
    [
        *((True, False, read, "read its body with stream,") for read in list(READS)[:5]),
        (True, True, "text", "read its body with astream,"),
        (True, False, "astream", "the handler is sync: read the body with stream$"),
        (True, True, "stream", "the handler is async: read the body with astream$"),
        (False, False, "stream", "^give the route stream=True$"),
        (False, True, "stream", "^give the route stream=True$"),
        (False, False, "astream", "^give the route stream=True$"),
        (False, True, "astream", "^give the route stream=True$"),
    ],
)
def test_a_body_is_read_in_the_way_of_its_route(
    serve: Serve, stream: bool, is_async: bool, read: str, message: str
) -> None:
    def handler(request: Request) -> str:
        with pytest.raises(RuntimeError, match=message):
            READS[read](request)
        return "told"

    server = Server(0)
    server.route("/", methods=["POST"], stream=stream)(both(handler)[is_async])
    serve(server)
    kind = "multipart/form-data; boundary=x" if read == "files" else None
    headers = ["--header", f"Content-Type: {kind}"] if kind else []
    assert curl("--data", "a=1", *headers, server.url)[2] == b"told"


def test_what_a_handler_returns_is_what_the_client_gets(site: Server) -> None:
    status, headers, body = curl(f"{site.url}/")
    assert (status, body) == (200, b"hello")
    assert headers["content-length"] == "5"
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert "date" in headers
    assert curl(f"{site.url}/text")[2].decode() == "نص"
    status, headers, body = curl(f"{site.url}/bytes")
    assert (body, headers["content-type"]) == (b"\0\1", "application/octet-stream")
    status, headers, body = curl("--path-as-is", f"{site.url}/%D8%A8/../page?q")
    assert (body.decode(), headers["content-type"]) == ("<p>/ب/../page", "text/html; charset=utf-8")
    assert curl(f"{site.url}/json?q=1&q=%D8%A8&x=")[2].decode() == '{"path":"/json","q":["1","ب"]}'
    assert curl(f"{site.url}/empty")[::2] == (204, b"")
    status, headers, _ = curl(f"{site.url}/moved")
    assert (status, headers["location"]) == (303, "/text")


def test_static_files_are_served_where_no_handler_is(site: Server) -> None:
    assert curl(f"{site.url}/page.txt")[::2] == (200, b"static")
    assert curl(f"{site.url}/nothing")[0] == 404
    assert curl(f"{site.url}/text/below")[0] == 404


def test_a_tree_serves_all_below_and_the_longest_goes_first(site: Server) -> None:
    assert curl(f"{site.url}/tree/a/b")[2] == b"/tree/a/b"
    assert curl(f"{site.url}/tree/deep/er")[2] == b"deep"


def test_methods(site: Server) -> None:
    status, headers, _ = curl("--request", "DELETE", f"{site.url}/")
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    for path in ("/", "/slow", "/parts"):
        status, headers, body = curl("--head", f"{site.url}{path}")
        assert (status, body) == (200, b"")
    assert curl("--data", "x", f"{site.url}/echo")[2] == b"x"
    assert curl("--request", "PUT", "--data", "x", f"{site.url}/echo")[2] == b"x"
    assert curl("--request", "QUERY", "--data", "x", f"{site.url}/echo")[2] == b"x"
    assert curl("--request", "BREW", f"{site.url}/echo")[0] == 405
    assert curl("--request", "BREW", f"{site.url}/page.txt")[0] == 501


def test_bodies_are_read_up_to_their_limit(site: Server) -> None:
    assert curl("--data-binary", "@-", f"{site.url}/echo", data=b"x" * 1000)[2] == b"x" * 1000
    assert curl("--data-binary", "@-", f"{site.url}/echo", data=b"x" * 1001)[0] == 413
    chunked = ("--header", "Transfer-Encoding: chunked", "--data-binary", "@-")
    assert curl(*chunked, f"{site.url}/echo", data=b"x" * 1000)[2] == b"x" * 1000
    assert curl(*chunked, f"{site.url}/echo", data=b"x" * 1001)[0] == 413
    large = b"x" * (3 << 20)
    assert curl("--data-binary", "@-", f"{site.url}/count", data=large)[2] == b"%d" % len(large)
    assert curl("--data-binary", "@-", f"{site.url}/count", data=b"x" * (11 << 20))[0] == 413


def test_a_body_that_is_not_what_the_handler_reads_is_400(site: Server) -> None:
    assert curl("--data", '{"a": 1}', f"{site.url}/parse")[2] == b'{"a":1}'
    status, _, body = curl("--data", "{", f"{site.url}/parse")
    assert (status, body) == (400, b"the body is not JSON\n")
    assert curl(f"{site.url}/bad")[::2] == (400, b"no such thing\n")


def test_forms(site: Server, tmp_path: Path) -> None:
    fields = ("--data-urlencode", "a=b c&d", "--data-urlencode", "a=ب", "--data", "e=")
    assert json.loads(curl(*fields, f"{site.url}/form")[2]) == [
        ["a", "b c&d"],
        ["a", "ب"],
        ["e", ""],
    ]
    assert curl("--json", "{}", f"{site.url}/form")[0] == 400
    assert curl(f"{site.url}/json?{'&' * 1001}")[0] == 400
    every = tmp_path / "every byte.bin"
    every.write_bytes(bytes(range(256)) * 100 + b"\r\n--")
    upload = ("--form", "name=هدى", "--form", f"file=@{every};type=image/png")
    assert json.loads(curl(*upload, f"{site.url}/upload")[2]) == {
        "fields": {"name": "هدى"},
        "files": {"file": ["every byte.bin", "image/png", 25604]},
    }


def test_exceptions_are_500_and_logged_and_not_told(
    site: Server, caplog: pytest.LogCaptureFixture
) -> None:
    status, _, body = curl(f"{site.url}/boom")
    assert (status, body) == (500, b"internal server error\n")
    assert "the secret" in caplog.text
    caplog.clear()
    assert curl(f"{site.url}/none")[0] == 500
    assert "give a Response, str or bytes" in caplog.text


def test_headers_and_cookies(site: Server) -> None:
    answer = exchange(
        site.ports[0], b"GET /cookie HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert b"X-A: 1\r\nX-A: 2\r\n" in answer
    assert b"Set-Cookie: id=7; Max-Age=60; Path=/; SameSite=Lax; Secure; HttpOnly\r\n" in answer
    options = ("--header", "X-Name: Huda", "--cookie", "a=1; b=2")
    assert curl(*options, f"{site.url}/who")[2] == b"127.0.0.1 Huda 1 None"


def test_a_body_in_parts_is_chunked(site: Server) -> None:
    request = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = exchange(site.ports[0], request % b"/parts")
    assert answer.endswith(b"\r\n\r\n1\r\n0\r\n1\r\n1\r\n1\r\n2\r\n0\r\n\r\n")
    assert exchange(site.ports[0], request % b"/slow").endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")
    answer = exchange(site.ports[0], b"GET /parts HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n012")


def test_an_async_iterable_needs_an_async_handler(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def numbers() -> AsyncIterator[str]:
        yield "1"

    server = serve(Server(0))
    server.route("/")(lambda request: Response(numbers()))
    assert get(server.ports[0])[0] == 500
    assert "needs an async handler" in caplog.text


def test_a_response_that_breaks_off_is_no_whole_one(
    site: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", site.ports[0]), timeout=REPLY) as connection:
        connection.sendall(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while part := connection.recv(4096):  # to the end of the connection, which the server ends
            answer += part
    assert b"begin" in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert "failed half-way" in caplog.text


def test_files_come_with_their_type_and_in_ranges(site: Server) -> None:
    status, headers, body = curl(f"{site.url}/file")
    assert (status, body) == (200, b"static")
    assert headers["content-type"].startswith("text/plain")
    assert curl("--range", "2-3", f"{site.url}/file")[::2] == (206, b"at")
    assert curl(f"{site.url}/missing")[0] == 404


def test_connections_are_kept_alive(site: Server) -> None:
    with closing(HTTPConnection("127.0.0.1", site.ports[0], timeout=REPLY)) as connection:
        connection.connect()
        first = connection.sock
        for path in ("/", "/text", "/parts", "/"):
            connection.request("GET", path)
            assert connection.getresponse().read()
        assert connection.sock is first


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X\r\nY", "1"),
        ("X Y", "1"),
        ("", "1"),
        ("X", "1\r\nY: 2"),
        ("X", "1\n"),
        ("X", "\0"),
        ("Content-Length", "1"),
        ("Transfer-Encoding", "chunked"),
    ],
)
def test_headers_that_are_more_than_one_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"header"):
        Response(headers={name: value})


def test_a_reject_is_the_answer(run: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def check(request: Request) -> None:
        if "Authorization" not in request.headers:
            raise Reject(401, {"WWW-Authenticate": "Bearer"}, "who are you?")

    server = Server(0)

    @server.route("/sync")
    def sync(request: Request) -> str:
        check(request)
        return "come in"

    @server.route("/async")
    async def in_a_task(request: Request) -> str:
        return sync(request)

    run(server)
    for path in ("/sync", "/async"):
        status, headers, body = curl(f"{server.url}{path}")
        assert (status, headers["www-authenticate"], body) == (401, "Bearer", b"who are you?")
        assert curl(f"{server.url}{path}", "--oauth2-bearer", "7f3a")[2] == b"come in"
    assert not caplog.records


def test_a_reject_refuses() -> None:
    with pytest.raises(ValueError, match="status: 200 does not refuse"):
        Reject(200)


def hides(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate as if there were no async functions."""

    @functools.wraps(function)
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapper


def test_an_async_handler_behind_a_sync_decorator_is_told(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(0)

    @server.route("/")
    @hides
    async def hidden(request: Request) -> str:
        return "never"

    @server.websocket("/")
    @hides
    async def hidden_web_socket(ws: WebSocket) -> None: ...

    assert get(serve(server).ports[0])[0] == 500
    with connect(server.ws_url) as client, pytest.raises(ConnectionClosedError) as closed:
        client.recv(timeout=REPLY)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    assert caplog.text.count("the decorator of an async function has to make one, too") == 2


def test_what_is_no_body_or_header_is_refused() -> None:
    bodies: list[Any] = [{"a": 1}, None, 5]
    for body in bodies:
        with pytest.raises(TypeError, match=r"body: expected str.*; Response\.json makes one"):
            Response(body)
    several: list[Any] = ["no such item", ["ab"], [("a", "b", "c")], 5, None]
    for headers in several:
        with pytest.raises(TypeError, match="headers: expected a mapping"):
            Response("", 200, headers)
    with pytest.raises(TypeError, match="the name of a header: expected a str, got 5"):
        Response(headers={5: "x"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="X-Count: expected a str"):
        Response(headers={"X-Count": 5})  # type: ignore[arg-type]


def test_cookies_that_browsers_drop_are_refused() -> None:
    with pytest.raises(ValueError, match='none of "Lax", "Strict", "None"'):
        Response().set_cookie("id", "7", same_site="lax")
    with pytest.raises(ValueError, match="needs secure=True"):
        Response().set_cookie("id", "7", same_site="None")
    with pytest.raises(TypeError, match="id: expected a str"):
        Response().set_cookie("id", 7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="name of a cookie: expected a str"):
        Response().set_cookie(7, "id")  # type: ignore[arg-type]
    wrong: list[tuple[type[Exception], dict[str, Any]]] = [
        (TypeError, {"max_age": "x"}),
        (TypeError, {"max_age": 1.5}),
        (TypeError, {"max_age": True}),
        (ValueError, {"max_age": -1}),
        (TypeError, {"path": None}),
        (ValueError, {"path": "private"}),
        (TypeError, {"domain": 7}),
        (TypeError, {"secure": "no"}),
        (TypeError, {"http_only": 0}),
        (ValueError, {"same_site": None}),
    ]
    for error, given in wrong:
        with pytest.raises(error, match=f"^{next(iter(given))}: "):
            Response().set_cookie("id", "7", **given)


def test_arguments_of_a_route_are_checked() -> None:
    server = Server(0)
    wrong: list[dict[str, Any]] = [
        {"methods": "POST"},
        {"methods": []},
        {"methods": None},
        {"methods": ["GE T"]},
        {"methods": [b"GET"]},
        {"stream": "yes"},
        {"max_body_size": 0},
        {"max_body_size": "1k"},
    ]
    for given in wrong:
        with pytest.raises((TypeError, InvalidArgumentError), match=next(iter(given))):
            server.route("/", **given)


def test_methods_may_come_from_anything() -> None:
    server = Server(0)
    server.route("/", methods=(m for m in ("put", "get")))(lambda request: "")  # type: ignore[arg-type]
    assert server._routes["/"].methods == ("PUT", "GET", "HEAD")


def test_a_path_has_one_handler(serve: Serve) -> None:
    server = Server(0, metrics="/metrics")
    for path in ("/", "/files/**"):
        server.route(path)(lambda request: "first")
        server.websocket(path)(lambda ws: None)
    for path in ("/", "/files/**", "/metrics"):
        with pytest.raises(InvalidArgumentError, match=rf"^{re.escape(path)} has a handler"):
            server.route(path, methods=["POST"])(lambda request: "second")
    for path in ("/", "/files/**"):
        with pytest.raises(InvalidArgumentError, match=rf"^{re.escape(path)} has a handler"):
            server.websocket(path)(lambda ws: None)
    port = serve(server).ports[0]
    assert get(port) == get(port, "/files/x") == (200, "first")


def takes_two(request: Request, item: str) -> str:
    return item


def yields(request: Request) -> Any:
    yield "x"


class Page:
    """Made without arguments, and called with a request."""

    def __call__(self, request: Request) -> str:
        return "page"

    def method(self, request: Request) -> str:
        return "method"

    def none(self) -> str:
        return "none"


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        ("page", "give a function of one argument, the request"),
        (takes_two, r"takes .*, but is called with \(request\): missing .* 'item'"),
        (lambda: "", r"called with \(request\): too many"),
        (lambda *, request: "", r"called with \(request\)"),
        (functools.partial(takes_two), "missing .* 'item'"),
        (functools.partial(takes_two, Page(), "x"), "too many"),  # type: ignore[arg-type]
        (Page().none, "too many"),
        (Page, "too many"),
        (hides(yields), None),
        (yields, r"is a generator, .*: return Response\(a generator\) instead"),
        (print, None),
        (functools.partial(takes_two, item="x"), None),
        (Page(), None),
        (Page().method, None),
        (lambda *arguments: "", None),
    ],
)
def test_a_route_s_function_is_checked(handler: Any, error: str | None) -> None:
    if error is None:
        assert Server(0).route("/")(handler) is handler
    else:
        with pytest.raises(TypeError, match=error):
            Server(0).route("/")(handler)


def test_redirects_lead_elsewhere() -> None:
    for status in (200, 304, 404, "303"):
        with pytest.raises(ValueError, match=f"status: {status!r} leads nowhere"):
            Response.redirect("/", status)  # type: ignore[arg-type]
    for location in ("", "/a b", "/دردشة", "/a\n"):
        with pytest.raises(ValueError, match="is no URI or path; escape"):
            Response.redirect(location)
    with pytest.raises(TypeError, match="location: expected a str"):
        Response.redirect(None)  # type: ignore[arg-type]
    for status in (301, 302, 303, 307, 308):
        assert Response.redirect("/", status).headers == [("Location", "/")]


def test_a_file_has_a_path() -> None:
    for path in (None, 5, b"site/index.html"):
        with pytest.raises(TypeError, match="path: expected the path of a file"):
            Response.file(path)  # type: ignore[arg-type]


def test_json_has_no_infinity() -> None:
    with pytest.raises(ValueError, match="JSON"):
        Response.json({"value": float("nan")})


def test_impossible_responses_are_refused() -> None:
    with pytest.raises(ValueError, match="status"):
        Response(status=101)
    for name, value, path in (("a b", "1", "/"), ("a", "1;2", "/"), ("a", "1", "/;Secure")):
        with pytest.raises(ValueError, match=r"cookie|encode|semicolon"):
            Response().set_cookie(name, value, path=path)
    with pytest.raises(ValueError, match="no others"):
        Response.file("x").add_header("X-A", "1")
