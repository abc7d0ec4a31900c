"""ASGI 3 over real sockets: HTTP and lifespan."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from alusus_http import asgi
from tests.hosting.hosting import Client, Loop, Served, asgi_served, http_only, logged, options
from tests.support import REPLY, free_port

Message = dict[str, Any]

PAGES: dict[str, Any] = {}
BODY = bytes(range(256)) * 1000


def page(function: Any) -> Any:
    PAGES["/" + function.__name__] = function
    return function


@http_only
async def dispatch(scope: Any, receive: Any, send: Any) -> None:
    await PAGES[scope["path"]](scope, receive, send)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with asgi_served(dispatch) as served:
        yield served


async def start(send: Any, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def body(send: Any, data: bytes, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def read(receive: Any) -> bytes:
    data, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        data += message["body"]
        more = message["more_body"]
    return data


@page
async def whole(scope: Any, receive: Any, send: Any) -> None:
    await start(send)
    await body(send, b"a whole body")


@page
async def pieces(scope: Any, receive: Any, send: Any) -> None:
    await start(send)
    await body(send, b"one ", True)
    await body(send, b"", True)
    await body(send, b"two", True)
    await send({"type": "http.response.body"})


@page
async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await start(send, status=204)
    await body(send, b"")


@page
async def echo(scope: Any, receive: Any, send: Any) -> None:
    data = await read(receive)
    await start(send)
    await body(send, data)


def test_a_whole_body_gets_its_length(served: Served) -> None:
    response = served.get("/whole")
    assert (response.status, response.reason, response.body) == (200, "OK", b"a whole body")
    assert response.header("content-length") == "12"
    assert response.header("date") is not None


def test_pieces_are_sent_as_they_come(served: Served) -> None:
    assert served.get("/pieces").parts == [b"one ", b"two"]


@pytest.mark.parametrize("path", ["/whole", "/pieces", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_connection_stays_usable(served: Served, path: str, method: str) -> None:
    with served.client() as client:
        client.get(path, method=method)
        assert client.get("/whole").body == b"a whole body"


@pytest.mark.parametrize("method", ["QUERY", "M-SEARCH", "TRACE", "get"])
def test_the_application_decides_about_methods(served: Served, method: str) -> None:
    @page
    async def names_method(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await body(send, scope["method"].encode())

    with served.client() as client:
        assert client.get("/names_method", method=method).body == method.encode()
        assert client.ask("/echo", method, body=b"content").body == b"content"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-one", b"1"), (b"x-two", b"2")],
        [[b"x-one", b"1"], [b"x-two", b"2"]],
        ((b"x-one", bytearray(b"1")), (b"x-two", memoryview(b"2"))),
    ],
)
@pytest.mark.parametrize("kind", [list, iter])
def test_headers_are_any_iterable_of_pairs(served: Served, headers: Any, kind: Any) -> None:
    @page
    async def lists(scope: Any, receive: Any, send: Any) -> None:
        message = {"type": "http.response.start", "status": 200, "headers": kind(headers)}
        await send(message)
        await body(send, b"x")

    for _ in range(2):
        response = served.get("/lists")
        assert (response.header("x-one"), response.header("x-two")) == ("1", "2")


def test_a_pause_between_requests(served: Served) -> None:
    with served.client() as client:
        for _ in range(2):
            assert client.get("/whole").status == 200
            threading.Event().wait(0.7)  # longer than a worker lingers


def test_scope() -> None:
    seen: list[Any] = []

    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await whole(scope, receive, send)

    with asgi_served(application, root_path="/r\u00f6ot") as served, served.client() as client:
        address = client.socket.getsockname()
        client.send(
            b"POST /l%C3%B6ok/%61?q=%201&r HTTP/1.1\r\nHost: example.org\r\nX-Twice: 1\r\n"
            b"x-twice: 2\r\nX_Odd: 3\r\nX-Latin: caf\xe9\r\nContent-Length: 2\r\n\r\nhi"
        )
        assert client.receive().status == 200
    assert seen[0] == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/r\u00f6ot/l\u00f6ok/a",
        "raw_path": "/r\u00f6ot".encode() + b"/l%C3%B6ok/%61",
        "query_string": b"q=%201&r",
        "root_path": "/r\u00f6ot",
        "headers": [
            (b"host", b"example.org"),
            (b"x-twice", b"1"),
            (b"x-twice", b"2"),
            (b"x_odd", b"3"),
            (b"x-latin", b"caf\xe9"),
            (b"content-length", b"2"),
        ],
        "client": address,
        "server": ("127.0.0.1", served.port),
        "state": {},
    }


def test_http_1_0(served: Served) -> None:
    with served.client() as client:
        client.send("GET /pieces HTTP/1.0\r\n\r\n")
        response = client.receive()
        assert (response.body, response.header("connection")) == (b"one two", "close")


@pytest.mark.parametrize("early", [0, 100, len(BODY)])
def test_a_body_with_a_length(served: Served, early: int) -> None:
    with served.client() as client:
        client.send(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n")
        client.send(BODY[:early])
        client.send(BODY[early:])
        assert client.receive().body == BODY
        assert client.get("/whole").status == 200


def test_a_chunked_body(served: Served) -> None:
    def parts() -> Iterator[bytes]:
        for i in range(0, len(BODY), 10_000):
            yield BODY[i : i + 10_000]

    with httpx.Client() as client:
        for _ in range(2):
            assert client.post(served.url + "/echo", content=parts()).content == BODY


def test_both_ways_at_once(served: Served) -> None:
    @page
    async def talk(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await body(send, b"heard " + message["body"], more)

    with served.client() as client:
        client.send("POST /talk HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        heard = b""
        for word in (b"one", b"two", b"six"):
            client.send(word)
            while word not in heard:
                heard += client.file.readline()
        assert b"heard one\r\n" in heard


def test_100_continue(served: Served) -> None:
    head = "HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with served.client() as client:
        client.send("POST /echo " + head)
        assert client.receive().status == 100
        client.send("hi")
        assert client.receive().body == b"hi"
        assert client.get("/whole").status == 200
        client.send("POST /whole " + head)
        assert client.receive().header("connection") == "close"
        assert client.is_closed()


def test_a_slow_client_holds_up_the_application(served: Served) -> None:
    sent = 0

    @page
    async def endless(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await start(send)
        for _ in range(1000):
            await body(send, bytes(100_000), True)
            sent += 1
        await body(send, b"")

    with served.client() as client:
        client.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        threading.Event().wait(0.5)
        assert sent < 200
        assert served.get("/whole").status == 200
        assert len(client.receive().body) == 100_000_000


def test_a_client_that_goes(served: Served) -> None:
    told = threading.Event()
    errors: list[BaseException] = []

    @page
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        assert (await receive())["type"] == "http.disconnect"
        try:
            await start(send)
            for _ in range(100):
                await body(send, bytes(1000), True)
                await asyncio.sleep(0.01)
        except OSError as error:
            errors.append(error)
        told.set()

    with served.client() as client:
        client.send("GET /waits HTTP/1.1\r\nHost: x\r\n\r\n")
    assert told.wait(REPLY)
    assert len(errors) == 1


@pytest.mark.parametrize(
    ("framing", "part", "status"),
    [
        ("Transfer-Encoding: chunked", b"3\r\nabc\r\nx\r\n", 400),
        ("Transfer-Encoding: chunked", b"3\r\nabcdef", 400),
        ("Transfer-Encoding: chunked", b"3\r\nabc\r\n", 408),
        ("Transfer-Encoding: chunked", b"3\r\na", 408),
        ("Content-Length: 9", b"abc", 408),
    ],
)
@pytest.mark.parametrize("answers", [True, False])
def test_a_body_that_does_not_come_to_its_end(
    framing: str, part: bytes, status: int, answers: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """For the application the client has gone; the server answers, unless it has begun to."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if answers:
            await start(send)
            await body(send, b"begin", True)
        while (await receive())["type"] != "http.disconnect":
            pass

    with (
        asgi_served(http_only(application), request_timeout_ms="300") as served,
        served.client() as client,
    ):
        client.send(f"POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode() + part)
        if answers:
            head, _, rest = client.rest().partition(b"\r\n\r\n")
            assert (head[9:12], rest) == (b"200", b"5\r\nbegin\r\n")
        else:
            answer = client.receive()
            assert (answer.status, answer.header("Connection")) == (status, "close")
            assert client.is_closed()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    ("framing", "part"),
    [
        ("Content-Length: 9", b"abc"),
        ("Transfer-Encoding: chunked", b"3\r\nabc\r\n"),
        ("Transfer-Encoding: chunked", b"3\r\nabc\r\n5"),
    ],
)
@pytest.mark.parametrize("secure", [True, False])
def test_an_answer_does_not_wait_for_a_body_that_stalls(
    framing: str, part: bytes, secure: bool, certificate: Path
) -> None:
    """Its pieces are sent while the rest of the body is waited for."""
    begun = threading.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await read(receive)
        await start(send)
        await body(send, b"begin", True)
        await asyncio.to_thread(begun.wait, REPLY)
        await body(send, b"end")

    port = free_port()
    given = {"listening_ports": f"127.0.0.1:{port}"}
    if secure:
        given = {"listening_ports": f"127.0.0.1:{port}s", "ssl_certificate": str(certificate)}
    with (
        asgi_served(http_only(application), **given),
        Client(port, certificate if secure else None) as client,
    ):
        client.send(f"POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode() + part)
        assert b"begin\r\n" in (client.file.readline() for _ in range(10))
        begun.set()
        end = b"3\r\nend\r\n0\r\n\r\n"
        assert client.file.read(len(end)) == end


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_ends_with_its_client(
    served: Served, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Frameworks make an exception of their own of it, which is no error of the application's."""
    ended = threading.Event()

    @page
    async def events(scope: Any, receive: Any, send: Any) -> None:
        try:
            await start(send)
            while True:
                await body(send, b"data: x\n\n", True)
                await asyncio.sleep(0.01)
        except OSError:
            raise RuntimeError("the framework's own")  # noqa: B904 - as frameworks do
        finally:
            ended.set()

    with served.client() as client:
        client.send(f"{method} /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.socket.recv(1)
    assert ended.wait(REPLY)
    assert served.get("/whole").status == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_receive_after_the_answer_is_a_disconnect(served: Served) -> None:
    received: list[str] = []
    done = threading.Event()

    @page
    async def after(scope: Any, receive: Any, send: Any) -> None:
        async def listen() -> None:
            await receive()
            received.append((await receive())["type"])

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0)
        await whole(scope, receive, send)
        await listening
        received.append((await receive())["type"])
        done.set()

    with served.client() as client:
        assert client.get("/after").body == b"a whole body"
        assert done.wait(REPLY)
        assert client.get("/whole").status == 200
    assert received == ["http.disconnect"] * 2


@http_only
async def raises(scope: Any, receive: Any, send: Any) -> None:
    raise KeyError("raised")


@http_only
async def returns(scope: Any, receive: Any, send: Any) -> None:
    return


@http_only
async def starts_twice(scope: Any, receive: Any, send: Any) -> None:
    await start(send)
    await start(send)


@http_only
async def forgets_to_start(scope: Any, receive: Any, send: Any) -> None:
    await body(send, b"x")


@http_only
async def injects(scope: Any, receive: Any, send: Any) -> None:
    await start(send, (b"x", b"a\r\ninjected: 1"))


@http_only
async def unknown(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.nonsense"})


START = {"type": "http.response.start", "status": 200}


def sends(*messages: Any) -> asgi.Application:
    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return application


@pytest.mark.parametrize(
    ("application", "message"),
    [
        (raises, "raised"),
        (returns, "before its answer was complete"),
        (starts_twice, "twice"),
        (forgets_to_start, "before http.response.start"),
        (injects, "line break"),
        (unknown, "http.response.nonsense"),
        (sends("x"), "send takes a dict whose 'type'"),
        (sends({"status": 200}), "send takes a dict whose 'type'"),
        (sends({**START, "status": "200"}), "as an int, such as 200, and not as '200'"),
        (sends({"type": START["type"]}), "as an int, such as 200, and not as None"),
        (sends({**START, "status": 20}), "20 is no status"),
        (sends({**START, "status": 103}), "103 is no status of an answer"),
        (sends({**START, "status": 1000}), "1000 is no status"),
        (sends({**START, "headers": [(b"a", b"b"), ("a", b"b")]}), "and not as ('a', b'b')"),
        (sends({**START, "headers": [(b"a", "b")]}), "pairs of bytes, such as"),
        (sends({**START, "headers": [(b"connection", 5)]}), "pairs of bytes, such as"),
        (sends({**START, "headers": {"content-type": "text/plain"}}), "not as 'content-type'"),
        (sends({**START, "headers": None}), "and not as None"),
        (sends(START, {"type": "http.response.body", "body": "text"}), "not as str"),
        (
            sends(START, {"type": "http.response.body", "body": "x", "more_body": True}),
            "not as str",
        ),
        (sends(START, {"type": "http.response.body", "body": None}), "not as NoneType"),
    ],
)
def test_a_failing_application_gets_500(
    application: asgi.Application, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with asgi_served(application) as served, served.client() as client:
        response = client.get()
        assert (response.status, response.body) == (500, b"Internal Server Error")
        assert client.is_closed()
    assert message in logged(caplog)


def test_failing_midway_breaks_off(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    @page
    async def midway(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"begun", True)
        raise KeyError("midway")

    with served.client() as client, pytest.raises(AssertionError, match="breaks off"):
        client.get("/midway")
    assert "midway" in logged(caplog)


def test_many_at_once(served: Served) -> None:
    gate = asyncio.Event()
    waiting = 0

    @page
    async def together(scope: Any, receive: Any, send: Any) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 10:
            gate.set()
        await gate.wait()
        await whole(scope, receive, send)

    async def ask() -> list[int]:
        async with httpx.AsyncClient() as client:
            asked = (client.get(served.url + "/together") for _ in range(10))
            return [response.status_code for response in await asyncio.gather(*asked)]

    assert asyncio.run(ask()) == [200] * 10


# Lifespan


class Lifespan:
    """An application that notes what it is told."""

    def __init__(self, *answers: Message) -> None:
        self.told: list[str] = []
        self._answers = answers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            assert scope["state"] == {"made": "at the start"}
            scope["state"]["kept"] = "for this request only"
            await whole(scope, receive, send)
            return
        assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
        scope["state"]["made"] = "at the start"
        for answer in self._answers:
            self.told.append((await receive())["type"])
            await send(answer)


def test_lifespan() -> None:
    application = Lifespan(
        {"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}
    )
    with asgi_served(application) as served:
        assert application.told == ["lifespan.startup"]
        assert served.get().status == 200
        assert served.get().status == 200
    assert application.told == ["lifespan.startup", "lifespan.shutdown"]


def test_a_failed_startup_is_reported() -> None:
    application = Lifespan({"type": "lifespan.startup.failed", "message": "no database"})
    with pytest.raises(asgi.LifespanError, match="no database"), asgi_served(application):
        pass


def test_a_startup_that_is_given_up_ends_in_the_application_too() -> None:
    ended = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def start() -> None:
        server = asgi.Server(slow, options(0, {}))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.start(), 0.1)
        await asyncio.wait_for(ended.wait(), REPLY)
        assert server.ports == []

    asyncio.run(start())


def test_a_failed_shutdown_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    application = Lifespan(
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.failed", "message": "not all was saved"},
    )
    with asgi_served(application):
        pass
    assert "not all was saved" in logged(caplog)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([{"type": "lifespan.shutdown.complete"}], "where lifespan.startup.complete or"),
        ([{"type": "lifespan.startup.complete"}] * 2, "where lifespan.shutdown.complete or"),
        ([{"type": "lifespan.startup.complete"}, {}], "whose 'type' says"),
        (
            [{"type": "lifespan.startup.complete"}, {"type": "http.response.start"}],
            "where lifespan.shutdown.complete or",
        ),
    ],
)
def test_a_wrong_lifespan_event_is_an_error(
    answers: list[Message], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with asgi_served(Lifespan(*answers)):
        pass
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert message in str(record.exc_info)


@pytest.mark.parametrize("answer", ["startup.failed", "shutdown.complete", "shutdown.failed"])
def test_an_application_that_asks_for_more_than_its_lifespan_has_is_cancelled(answer: str) -> None:
    ended = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        try:
            while True:
                event = (await receive())["type"].removeprefix("lifespan.")
                kind = answer if answer.startswith(event) else f"{event}.complete"
                await send({"type": f"lifespan.{kind}"})
        finally:
            ended.set()

    async def run() -> None:
        server = asgi.Server(application, options(0, {}))
        if answer == "startup.failed":
            with pytest.raises(asgi.LifespanError):
                await server.start()
        else:
            await server.start()
            await server.stop()
        assert ended.is_set()

    asyncio.run(asyncio.wait_for(run(), REPLY))


def test_an_application_without_lifespan_is_nothing_to_speak_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for application in (http_only(whole), whole):  # whole sends HTTP's messages, whatever is asked
        with asgi_served(application) as served:
            assert served.get().status == 200
        assert caplog.records == []


# Stopping


def test_stopping_waits_for_what_has_begun() -> None:
    loop = Loop()
    began = threading.Event()

    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        began.set()
        await asyncio.sleep(0.5)
        await whole(scope, receive, send)

    port = free_port()
    server = asgi.Server(application, options(port, {}))
    loop.run(server.start())
    with Client(port) as client:
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert began.wait(REPLY)
        loop.run(server.stop(), 20)
        assert client.receive().body == b"a whole body"
    loop.close()


def test_what_clients_ask_is_answered_while_a_stop_waits_for_work_after_an_answer() -> None:
    loop = Loop()
    working, asked = asyncio.Event(), asyncio.Event()

    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/late":
            asked.set()
            await asyncio.sleep(0.7)  # workers look for a stop twice a second
        await whole(scope, receive, send)
        if scope["path"] == "/work":
            working.set()
            await asked.wait()

    server = asgi.Server(application, {"listening_ports": "127.0.0.1:0"})
    loop.run(server.start())
    with Client(server.ports[0]) as first, Client(server.ports[0]) as second:
        assert second.get("/").status == 200
        first.get("/work")
        loop.run(working.wait())
        stopped = asyncio.run_coroutine_threadsafe(server.stop(), loop.loop)
        with pytest.raises(TimeoutError):
            stopped.result(0.3)
        assert second.get("/late").body == b"a whole body"
        stopped.result(REPLY)
    loop.close()


def test_an_eager_task_may_stop_its_server() -> None:
    eager = vars(asyncio).get("eager_task_factory")
    if eager is None:
        pytest.skip("eager tasks came with Python 3.12")

    @http_only
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await server.stop()
        await whole(scope, receive, send)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(eager)
        await server.start()
        async with httpx.AsyncClient() as client:
            response = await client.get(f"http://127.0.0.1:{server.ports[0]}")
            assert response.content == b"a whole body"
        await server.stop()

    server = asgi.Server(application, {"listening_ports": "127.0.0.1:0"})
    asyncio.run(main())


def test_serve_ends_when_it_is_cancelled() -> None:
    port = free_port()

    async def main() -> None:
        serving = asyncio.create_task(asgi.serve(dispatch, options(port, {})))
        async with httpx.AsyncClient() as client:
            for _ in range(100):
                try:
                    assert (await client.get(f"http://127.0.0.1:{port}/whole")).status_code == 200
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://127.0.0.1:{port}/whole")

    asyncio.run(main())
