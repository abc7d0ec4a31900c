"""Hosts that are started, stopped and made in other ways than they are meant to be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from alusus_http import asgi, http, wsgi
from alusus_http.errors import NoMemoryError, UnknownOptionError, WrongStateError
from tests.hosting.hosting import Client
from tests.python.serving import until
from tests.support import REPLY, get

OPTIONS = {"listening_ports": "127.0.0.1:0"}


async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})


def wsgi_application(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"here"]


def test_wsgi_starts_and_stops_more_than_once() -> None:
    server = wsgi.Server(wsgi_application, OPTIONS)
    server.stop()
    for _ in range(2):
        server.start()
        with pytest.raises(WrongStateError, match="runs already"):
            server.start()
        assert get(server.ports[0]) == (200, "here")
        server.stop()
        server.stop()
        assert server.ports == []


def test_asgi_starts_and_stops_more_than_once() -> None:
    async def main() -> None:
        server = asgi.Server(asgi_application, OPTIONS)
        await server.stop()
        for _ in range(2):
            await server.start()
            with pytest.raises(WrongStateError, match="runs already"):
                await server.start()
            assert await asyncio.to_thread(get, server.ports[0]) == (200, "here")
            await server.stop()
            await server.stop()
            assert server.ports == []

    asyncio.run(main())


class Lifespan:
    """An application that takes its time to start and to end, and notes what happens."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await asyncio.sleep(0.1)
            await asgi_application(scope, receive, send)
            self.events.append("request")
            return
        for _ in range(2):
            event = (await receive())["type"]
            await asyncio.sleep(0.1)
            self.events.append(event)
            await send({"type": event + ".complete"})


def test_asgi_starts_and_stops_at_the_same_time() -> None:
    async def main() -> None:
        application = Lifespan()
        server = asgi.Server(application, OPTIONS)
        for _ in range(2):
            starts = [asyncio.create_task(server.start()) for _ in range(3)]
            results = await asyncio.gather(*starts, return_exceptions=True)
            assert [type(result) for result in results] == [type(None), *[WrongStateError] * 2]
            request = asyncio.create_task(asyncio.to_thread(get, server.ports[0]))
            while not server._requests:
                await asyncio.sleep(0.01)
            stops = [asyncio.create_task(server.stop()) for _ in range(3)]
            await asyncio.wait(stops, return_when=asyncio.FIRST_COMPLETED)
            assert application.events == ["lifespan.startup", "request", "lifespan.shutdown"]
            assert await request == (200, "here")
            await asyncio.gather(*stops)
            application.events.clear()

    asyncio.run(main())


def test_asgi_is_stopped_while_it_starts() -> None:
    async def main() -> None:
        application = Lifespan()
        server = asgi.Server(application, OPTIONS)
        starting = asyncio.create_task(server.start())
        await asyncio.sleep(0)
        await server.stop()
        assert starting.done()
        assert server.ports == []
        assert application.events == ["lifespan.startup", "lifespan.shutdown"]

    asyncio.run(main())


def test_asgi_goes_on_stopping_when_nobody_waits_for_it() -> None:
    async def main() -> None:
        application = Lifespan()
        server = asgi.Server(application, OPTIONS)
        await server.start()
        request = asyncio.create_task(asyncio.to_thread(get, server.ports[0]))
        while not server._requests:
            await asyncio.sleep(0.01)
        # Once while the request is answered, and once while the application ends.
        for patience, events in (0.01, 1), (0.15, 2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(server.stop(), patience)
            assert len(application.events) == events
            with pytest.raises(WrongStateError, match="runs already"):
                await server.start()
        await server.stop()
        assert await request == (200, "here")
        assert application.events == ["lifespan.startup", "request", "lifespan.shutdown"]

    asyncio.run(main())


def test_a_loop_that_ends_stops_asgi_to_the_end(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        await server.start()
        with Client(server.ports[0]) as client:
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while not server._requests:
                await asyncio.sleep(0.01)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(server.stop(), 0.01)
            assert server.ports != []

    server = asgi.Server(Lifespan(), OPTIONS)
    asyncio.run(main())
    assert server.ports == []
    assert not caplog.records
    asyncio.run(main())


@pytest.mark.parametrize("kind", ["http", "lifespan"])
def test_asgi_is_stopped_by_its_application(kind: str) -> None:
    async def main() -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                if kind == "http":
                    await server.stop()
                await asgi_application(scope, receive, send)
                return
            await receive()
            await send({"type": "lifespan.startup.complete"})
            if kind == "lifespan":
                while not server.ports:
                    await asyncio.sleep(0.01)
                answers.append(await asyncio.to_thread(get, server.ports[0]))
                await server.stop()
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

        answers: list[tuple[int, str]] = []
        server = asgi.Server(application, OPTIONS)
        await server.start()
        if kind == "http":
            answers.append(await asyncio.to_thread(get, server.ports[0]))
        while server.ports:
            await asyncio.sleep(0.01)
        await server.stop()
        assert answers == [(200, "here")]

    asyncio.run(asyncio.wait_for(main(), REPLY))


def test_wsgi_is_stopped_by_its_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alusus_http._hosting.GRACE", 2 * REPLY)  # no call waits for itself

    def application(environ: Any, start_response: Any) -> list[bytes]:
        server.stop()
        return wsgi_application(environ, start_response)

    server = wsgi.Server(application, OPTIONS)
    server.start()
    assert get(server.ports[0]) == (200, "here")
    until(lambda: not server.ports)
    server.stop()  # when the other stop has ended


def test_wsgi_finishes_what_begins_while_its_ports_close(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/held":
            begun.set()
            let_go.wait(REPLY)
        return wsgi_application(environ, start_response)

    def stop_listening(context: http.Context) -> None:
        assert first.ask("/").body == b"here"
        until(lambda: not server._running)
        second.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        assert begun.wait(REPLY)
        threading.Timer(1, let_go.set).start()  # workers look for a stop twice a second

    monkeypatch.setattr("alusus_http._hosting.stop_listening", stop_listening)
    server = wsgi.Server(application, OPTIONS)
    server.start()
    with Client(server.ports[0]) as first, Client(server.ports[0]) as second:
        server.stop()
        assert second.receive().body == b"here"


def test_wsgi_starts_and_stops_at_the_same_time() -> None:
    server = wsgi.Server(wsgi_application, OPTIONS)
    barrier = threading.Barrier(8)

    def together(function: Callable[[], None]) -> BaseException | None:
        barrier.wait()
        try:
            function()
        except BaseException as error:
            return error
        return None

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            errors = [*pool.map(together, [server.start] * 8)]
            assert errors.count(None) == 1
            assert sum(isinstance(error, WrongStateError) for error in errors) == 7
            assert get(server.ports[0]) == (200, "here")
            assert [*pool.map(together, [server.stop] * 8)] == [None] * 8
            assert server.ports == []


def test_an_asgi_server_that_fails_to_start_serves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **handlers: object) -> None:
        raise NoMemoryError

    async def main() -> None:
        server = asgi.Server(asgi_application, OPTIONS)
        with monkeypatch.context() as patch:
            patch.setattr(http, "set_web_socket_handler", fail)
            with pytest.raises(NoMemoryError):
                await server.start()
        assert server.ports == []
        await server.start()
        await server.stop()

    asyncio.run(main())


@pytest.mark.parametrize("make", [asgi.Server, wsgi.Server])
def test_arguments_are_checked(make: Any) -> None:
    with pytest.raises(TypeError, match=r"^5 is no application: it cannot be called"):
        make(5, OPTIONS)
    with pytest.raises(TypeError, match=r"^options: expected a dict, .*, got 8080"):
        make(wsgi_application, 8080)
    with pytest.raises(TypeError, match=r"^options: num_threads: expected a str, number or bool"):
        make(wsgi_application, {"num_threads": None})


def test_options_may_be_numbers_and_bools() -> None:
    options: dict[str, str | int | bool] = {**OPTIONS, "num_threads": 2, "enable_keep_alive": False}
    server = wsgi.Server(wsgi_application, options)
    server.start()
    server.stop()
    with pytest.raises(UnknownOptionError):
        wsgi.Server(wsgi_application, {"nonsense": "1"}).start()
