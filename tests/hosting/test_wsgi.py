"""WSGI (PEP 3333) over real sockets, watched by wsgiref.validate where that is not in the way."""

from __future__ import annotations

import gc
import io
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from alusus_http.errors import MalformedError, TimedOutError
from tests.hosting.hosting import Served, logged, wsgi_served
from tests.http_client import Response
from tests.support import REPLY

Environ = dict[str, Any]
Page = Callable[[Environ, Any], Iterable[bytes]]

PLAIN = [("Content-Type", "text/plain")]
PAGES: dict[str, Page] = {}


def page(function: Page) -> Page:
    PAGES["/" + function.__name__] = function
    return function


def dispatch(environ: Environ, start_response: Any) -> Iterable[bytes]:
    return PAGES[environ["PATH_INFO"]](environ, start_response)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with wsgi_served(validator(dispatch)) as served:
        yield served


@pytest.fixture(scope="module")
def unwatched() -> Iterator[Served]:
    """The same pages; the validator makes iterators of their lists."""
    with wsgi_served(dispatch) as served:
        yield served


@page
def whole(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 Fine", PLAIN)
    return [b"a whole", b" body"]


@page
def pieces(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", PLAIN)
    yield b"one "
    yield b""
    yield b"two"


@page
def empty(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", PLAIN)
    return []


@page
def nothing(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("204 No Content", [])
    return []


@page
def unchanged(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("304 Not Modified", [("ETag", '"1"')])
    return []


@page
def echo(environ: Environ, start_response: Any) -> Iterable[bytes]:
    body = b"".join(iter(lambda: environ["wsgi.input"].read(10_000), b""))
    start_response("200 OK", PLAIN)
    return [body]


def test_a_whole_body_gets_its_length(unwatched: Served) -> None:
    response = unwatched.get("/whole")
    assert (response.status, response.reason, response.body) == (200, "Fine", b"a whole body")
    assert response.header("content-length") == "12"
    assert response.header("date") is not None


def test_pieces_are_sent_as_they_come(served: Served) -> None:
    response = served.get("/pieces")
    assert response.parts == [b"one ", b"two"]


@pytest.mark.parametrize("path", ["/whole", "/pieces", "/empty", "/nothing", "/unchanged"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_connection_stays_usable(served: Served, path: str, method: str) -> None:
    with served.client() as client:
        first = client.get(path, method=method)
        assert client.get("/whole").body == b"a whole body"
    assert first.body == {"/whole": b"a whole body", "/pieces": b"one two"}.get(path, b"") * (
        method == "GET"
    )


def test_no_body_means_no_framing(unwatched: Served) -> None:
    for path in ("/nothing", "/unchanged"):
        response = unwatched.get(path)
        assert response.header("content-length") is None
        assert response.header("transfer-encoding") is None
    assert unwatched.get("/empty").header("content-length") == "0"


def old(served: Served, path: str, *headers: str) -> tuple[Response, bool]:
    """Ask by HTTP/1.0; the answer, and whether the connection serves another request."""
    with served.client() as client:
        client.send("\r\n".join([f"GET {path} HTTP/1.0", *headers, "", ""]))
        response = client.receive()
        if response.header("connection") == "close":
            assert client.is_closed()
            return response, False
        return response, client.get("/whole").status == 200


def test_http_1_0_is_not_sent_chunks(unwatched: Served) -> None:
    response, stays = old(unwatched, "/pieces")
    assert (response.body, stays) == (b"one two", False)
    assert response.header("transfer-encoding") is None
    response, stays = old(unwatched, "/pieces", "Connection: keep-alive")
    assert (response.body, stays) == (b"one two", False)
    response, stays = old(unwatched, "/whole", "Connection: keep-alive")
    assert (response.body, stays) == (b"a whole body", True)
    assert response.header("connection") == "keep-alive"


def test_the_client_may_close(served: Served) -> None:
    with served.client() as client:
        assert client.get("/whole", "Connection: close").header("connection") == "close"
        assert client.is_closed()


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@pytest.mark.parametrize("method", ["QUERY", "M-SEARCH", "TRACE", "get"])
def test_the_application_decides_about_methods(served: Served, method: str) -> None:
    @page
    def names_method(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        return [environ["REQUEST_METHOD"].encode() + environ["wsgi.input"].read(8)]

    with served.client() as client:
        response = client.ask("/names_method", method, body=b" content")
        assert response.body == method.encode() + b" content"
        assert client.get("/whole").status == 200


def test_environ(served: Served) -> None:
    seen: list[Environ] = []

    @page
    def look(environ: Environ, start_response: Any) -> Iterable[bytes]:
        seen.append(dict(environ))
        start_response("200 OK", PLAIN)
        return [b""]

    PAGES["/l\xc3\xb6ok/a b"] = look
    with served.client() as client:
        address = client.socket.getsockname()
        client.send(
            b"POST /l%C3%B6ok/%61%20b?q=%201&r HTTP/1.1\r\nHost: example.org\r\nX-Twice: 1\r\n"
            b"X-Twice: 2\r\nX_Twice: 3\r\nCookie: a=1\r\nCookie: b=2\r\nX-Latin: caf\xe9\r\n"
            b"Content-Type: text/x\r\nContent-Length: 2\r\n\r\nhi"
        )
        assert client.receive().status == 200
    environ = {k: v for k, v in seen[0].items() if isinstance(v, (str, bool, tuple))}
    assert environ == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/l\xc3\xb6ok/a b",
        "QUERY_STRING": "q=%201&r",
        "REQUEST_URI": "/l%C3%B6ok/%61%20b?q=%201&r",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(served.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": str(address[1]),
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "2",
        "HTTP_HOST": "example.org",
        "HTTP_X_TWICE": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_LATIN": "caf\xe9",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def test_script_name() -> None:
    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']}".encode()]

    with wsgi_served(validator(application), root_path="/mounted") as served:
        assert served.get("/page").body == b"/mounted /page"


BODY = bytes(range(256)) * 1000


@pytest.mark.parametrize("early", [0, 100, len(BODY)])
def test_a_body_with_a_length(served: Served, early: int) -> None:
    with served.client() as client:
        client.send(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n")
        client.send(BODY[:early])
        client.send(BODY[early:])
        assert client.receive().body == BODY
        assert client.get("/whole").status == 200


def chunks(body: bytes, size: int, extension: bytes = b"") -> bytes:
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return (
        b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in parts)
        + b"0\r\nX-Trailer: 1\r\n\r\n"
    )


@pytest.mark.parametrize("size", [1000, 65536, 200_000])
def test_a_chunked_body(served: Served, size: int) -> None:
    with served.client() as client:
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(chunks(BODY, size))
        assert client.receive().body == BODY
        assert client.get("/whole").status == 200


def test_chunk_extensions_are_skipped_and_end_the_connection(served: Served) -> None:
    with served.client() as client:
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(chunks(BODY, 10_000, b";x=1"))
        assert client.receive().body == BODY
        assert client.is_closed()


UNREADABLE = pytest.mark.parametrize(
    ("framing", "body", "status"),
    [
        ("Transfer-Encoding: chunked", b"3\r\nabc\r\nx\r\n", 400),
        ("Transfer-Encoding: chunked", b"3\r\nabcdef", 400),
        ("Transfer-Encoding: chunked", b"3\r\nabc\r\n", 408),
        ("Content-Length: 9", b"abc", 408),
    ],
)


@UNREADABLE
def test_a_body_that_does_not_come_to_its_end(
    framing: str, body: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the client's fault, and nothing that the application is to be told of."""
    with wsgi_served(dispatch, request_timeout_ms="300") as served, served.client() as client:
        client.send(f"POST /echo HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode() + body)
        answer = client.receive()
        assert (answer.status, answer.header("Connection")) == (status, "close")
        assert client.is_closed()
    gc.collect()  # the error's traceback, which has had the memory that was to be read into
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_an_application_may_answer_for_its_input() -> None:
    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        try:
            environ["wsgi.input"].read()
        except MalformedError:
            start_response("422 Unprocessable Content", PLAIN)
        return []

    with wsgi_served(application) as served, served.client() as client:
        client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
        assert client.receive().status == 422


def test_a_failure_of_another_connection_is_the_application_s(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What it raises may look like that of a body, and be nothing of its client's doing."""

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        raise TimedOutError("another server")

    with wsgi_served(application) as served:
        assert served.get().status == 500
    assert "another server" in logged(caplog)


def test_an_unread_body_is_skipped(served: Served) -> None:
    with served.client() as client:
        client.send(b"POST /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 256000\r\n\r\n" + BODY)
        assert client.receive().status == 200
        assert client.get("/whole").status == 200


def test_input_has_every_way_of_reading(served: Served) -> None:
    @page
    def read(environ: Environ, start_response: Any) -> Iterable[bytes]:
        stream = environ["wsgi.input"]
        found = [stream.read(2), stream.readline(), stream.readline(3), *stream.readlines(5)]
        found += list(stream)
        start_response("200 OK", PLAIN)
        return [b"|".join(found)]

    with served.client() as client:
        client.send("POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(chunks(b"abcd\nefghi\njk\nlm\nno\np", 3))
        assert client.receive().body == b"ab|cd\n|efg|hi\n|jk\n|lm\n|no\n|p"


def test_reading_does_not_wait_for_more_than_was_asked(served: Served) -> None:
    @page
    def talk(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        for _ in range(3):
            yield b"heard " + environ["wsgi.input"].read(3)

    with served.client() as client:
        client.send("POST /talk HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        for word in (b"one", b"two", b"six"):
            client.send(word)
            while not (line := client.file.readline()).startswith(b"heard"):
                assert line
            assert line == b"heard " + word + b"\r\n"


def test_100_continue_comes_when_the_body_is_read(served: Served) -> None:
    with served.client() as client:
        client.send(
            "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert client.receive().status == 100
        client.send("hi")
        assert client.receive().body == b"hi"
        assert client.get("/whole").status == 200


def test_without_reading_there_is_no_100_continue(served: Served) -> None:
    with served.client() as client:
        client.send(
            "POST /whole HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        response = client.receive()
        assert (response.status, response.header("connection")) == (200, "close")
        assert client.is_closed()


def test_write(served: Served) -> None:
    @page
    def writes(environ: Environ, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", PLAIN)
        write(b"written ")
        return [b"returned"]

    assert served.get("/writes").parts == [b"written ", b"returned"]


def test_exc_info_replaces_what_has_not_been_sent(served: Served) -> None:
    @page
    def replaces(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [*PLAIN, ("Content-Length", "7")])
        try:
            raise KeyError("lost")
        except KeyError:
            start_response("503 Sorry", PLAIN, sys.exc_info())
        return [b"sorry"]

    response = served.get("/replaces")
    assert (response.status, response.body) == (503, b"sorry")


def test_exc_info_raises_what_comes_too_late(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    @page
    def late(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"begun"
        try:
            raise KeyError("too late")
        except KeyError:
            start_response("503 Sorry", PLAIN, sys.exc_info())
        yield b"never"

    with served.client() as client, pytest.raises(AssertionError, match="breaks off"):
        client.get("/late")
    assert "too late" in logged(caplog)


def failing(start: Any, body: Any, status: Any = "200 OK") -> Page:
    def application(environ: Environ, start_response: Any) -> Any:
        start_response(status, start)
        return body

    return application


@pytest.mark.parametrize(
    ("application", "message"),
    [
        (lambda environ, start_response: 1 // 0, "division"),
        (lambda environ, start_response: [b"x"], "has not called start_response"),
        (failing([], None), "has returned None: return a list of bytes"),
        (failing([], 5), "has returned 5: return a list of bytes"),
        (failing([], ["text"]), "of the type str: return a list of bytes"),
        (failing([], [b"x", None]), "of the type NoneType: return a list of bytes"),
        (failing([], iter(["text"])), "of the type str: return a list of bytes"),
        (failing([], "text"), "of the type str: return a list of bytes"),
        (failing([], b"text"), "of the type int: return a list of bytes"),
        (failing([], [b"x"], status=200), "such as '200 OK', and not as 200"),
        (failing([], [b"x"], status="OK"), "as in '200 OK': it must not be 'OK'"),
        (failing([], [b"x"], status="200"), "a space and a reason"),
        (failing([], [b"x"], status="2000 OK"), "a space and a reason"),
        (failing([], [b"x"], status="103 Early Hints"), "103 is no status of an answer"),
        (failing([(b"X", "a")], [b"x"]), "pairs of str"),
        (failing([("X", 5)], [b"x"]), "and not as ('X', 5)"),
        (failing({"Content-Type": "text/plain"}, [b"x"]), "and not as 'Content-Type'"),
        (failing(None, [b"x"]), "and not as None"),
        (failing([("X", "a\r\nInjected: 1")], [b""]), "line break"),
        (failing([("X", "ماء")], [b"x"]), "sends them as UTF-8"),
        (failing([], [b"x"], status="200 ماء"), "sends them as UTF-8"),
        (failing([("X\n", "a")], [b""]), "no name of a header"),
        (failing([("Content-Length", "x")], [b""]), "no number"),
        (failing([("Content-Length", "1")], [b"too long"]), "it is longer"),
        (failing([("Content-Length", "9")], [b"short"]), "4 bytes are missing"),
    ],
)
def test_a_failing_application_gets_500(
    application: Page, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with wsgi_served(application) as served, served.client() as client:
        response = client.get("/")
        assert (response.status, response.body) == (500, b"Internal Server Error")
        assert client.is_closed()
    assert message in logged(caplog)


def test_start_response_twice(caplog: pytest.LogCaptureFixture) -> None:
    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        start_response("200 OK", PLAIN)
        return [b"x"]

    with wsgi_served(application) as served:
        assert served.get("/").status == 500
    assert "twice" in logged(caplog)


class Closing:
    """An iterable that notes that it was closed."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.closed = threading.Event()
        self._pieces = iter(pieces)

    def __iter__(self) -> Closing:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        self.closed.set()


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(100_000)


def fails_midway() -> Iterator[bytes]:
    yield b"x"
    raise OSError("midway")


@pytest.mark.parametrize("pieces", [endless, fails_midway, lambda: [b"x"]])
def test_the_iterable_is_closed(pieces: Callable[[], Iterable[bytes]]) -> None:
    result = Closing(pieces())

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        return result

    with wsgi_served(application) as served:
        with served.client() as client:
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            client.socket.recv(1000)
        assert result.closed.wait(REPLY)


def test_a_client_may_take_its_time(served: Served) -> None:
    @page
    def large(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        return [BODY * 40]

    with served.client() as client:
        client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert served.get("/whole").status == 200  # meanwhile others are served
        assert client.receive().body == BODY * 40
        assert client.get("/whole").status == 200


def test_file_wrapper(served: Served) -> None:
    @page
    def file(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(BODY), 10_000)
        return wrapped

    assert served.get("/file").body == BODY


def test_stopping_waits_for_what_has_begun() -> None:
    began, release = threading.Event(), threading.Event()

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        began.set()
        assert release.wait(REPLY)
        start_response("200 OK", PLAIN)
        return [b"finished"]

    with wsgi_served(application) as served:
        client = served.client()
        connection = client.__enter__()
        connection.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert began.wait(REPLY)
        threading.Timer(0.3, release.set).start()
    assert connection.receive().body == b"finished"
    client.__exit__(None, None, None)
