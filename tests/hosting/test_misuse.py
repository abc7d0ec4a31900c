"""Hosts that are started, stopped and made in other ways than they are meant to be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from alusus_http import asgi, http, wsgi
from alusus_http.errors import NoMemoryError, UnknownOptionError, WrongStateError
from tests.support import get

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
