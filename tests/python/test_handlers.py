"""Handlers of URIs: which one is asked, who may ask, and what happens when they change."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from alusus_http import http
from alusus_http.errors import InvalidArgumentError, InvalidHandleError
from tests.http_client import Client
from tests.python.serving import Server, serving


def named(name: str) -> http.RequestHandlerCallback:
    """A handler that answers with its name."""

    def handler(connection: http.Connection, user_data: object) -> int:
        http.respond(connection, 200, "text/plain", name)
        return 200

    return handler


def refuse(connection: http.Connection, user_data: object) -> int:
    return 0


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(enable_keep_alive="yes") as server:
        yield server


def answer(server: Server, path: str) -> str:
    with Client(server.port) as client:  # CivetWeb ends the connection behind its own 404
        reply = client.ask(path)
    return reply.body.decode() if reply.status == 200 else str(reply.status)


def answers(server: Server, *paths: str) -> list[str]:
    return [answer(server, path) for path in paths]


def test_the_uri_itself_then_the_nearest_above_it_then_patterns(server: Server) -> None:
    for uri in ("/", "/a", "/a/b", "/slash/", "**.txt$", "/*/c/d"):
        http.set_request_handler(server.context, uri, named(uri))
    expected = {
        "/a": "/a",
        "/a/": "/a",
        "/a/x/y": "/a",
        "/a/b": "/a/b",
        "/a/b/c": "/a/b",
        "/ab": "/",
        "/": "/",
        "/slash/x": "/slash/",
        "/a/b/../b/./c?/q": "/a/b",
        "/%61/x": "/a",
        "/other": "/",
    }
    assert answers(server, *expected) == list(expected.values())
    http.set_request_handler(server.context, "/", None)
    expected |= {
        "/ab": "404",
        "/": "404",
        "/other": "404",
        "/other.txt": "**.txt$",
        "/x/y.TXT": "**.txt$",
        "/x.txt/y": "404",
        "/x/c/d": "/*/c/d",
        "/x/y/c/d": "404",
        "/x/c/de": "404",
        "/a/b.txt": "/a",
    }
    assert answers(server, *expected) == list(expected.values())


def test_a_handler_gets_its_user_data_and_may_leave_the_request(server: Server) -> None:
    seen: list[object] = []

    def handler(connection: http.Connection, user_data: object) -> int:
        seen.append(user_data)
        return 0

    data = {"any": "object"}
    http.set_request_handler(server.context, "/h", handler, data)
    assert answers(server, "/h") == ["404"]
    assert seen[0] is data


def test_a_handler_that_fails(server: Server) -> None:
    def handler(connection: http.Connection, user_data: object) -> int:
        raise RuntimeError("on purpose")

    http.set_request_handler(server.context, "/h", handler)
    assert answers(server, "/h", "/h") == ["500", "500"]
    with pytest.raises(RuntimeError, match="on purpose"):
        http.stop_server(server.context)


def test_the_callback_for_all_requests_comes_first() -> None:
    def first(connection: http.Connection) -> int:
        if http.get_request_info(connection).local_uri == "/mine":
            http.respond(connection, 200, "text/plain", "callback")
            return 200
        return 0

    with serving(first) as server:
        http.set_request_handler(server.context, "/", named("handler"))
        assert server.fetch("/mine").body == b"callback"
        assert server.fetch("/other").body == b"handler"


def test_files_are_behind_the_handlers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("file")
    with serving(document_root=str(tmp_path), enable_keep_alive="yes") as server:
        http.set_request_handler(server.context, "/b", named("handler"))
        assert answers(server, "/a.txt", "/b") == ["file", "handler"]


@pytest.mark.parametrize("uri", ["", "relative", "?"])
def test_uris_that_are_none(server: Server, uri: str) -> None:
    with pytest.raises(InvalidArgumentError, match="slash"):
        http.set_request_handler(server.context, uri, named("x"))
    with pytest.raises(InvalidArgumentError, match="slash"):
        http.set_auth_handler(server.context, uri, refuse)


def test_a_stopped_server() -> None:
    with serving() as server:
        pass
    with pytest.raises(InvalidHandleError):
        http.set_request_handler(server.context, "/", named("x"))
    with pytest.raises(InvalidHandleError):
        http.set_auth_handler(server.context, "/", None)


# Replacing


def test_a_handler_is_replaced_while_it_runs(server: Server) -> None:
    entered, go_on = threading.Event(), threading.Event()
    seen: list[object] = []

    def old(connection: http.Connection, user_data: object) -> int:
        entered.set()
        assert go_on.wait(10)
        seen.append(user_data)
        return named("old")(connection, user_data)

    http.set_request_handler(server.context, "/h", old, "the old one's")
    with Client(server.port) as slow:
        slow.send(b"GET /h HTTP/1.1\r\nHost: x\r\n\r\n")
        assert entered.wait(10)
        http.set_request_handler(server.context, "/h", named("new"))  # does not wait for the old
        assert answers(server, "/h") == ["new"]
        http.set_request_handler(server.context, "/h", None)
        assert answers(server, "/h") == ["404"]
        go_on.set()
        assert slow.receive().body == b"old"
        assert seen == ["the old one's"]
        assert slow.ask("/h").status == 404


def test_a_handler_takes_itself_away(server: Server) -> None:
    def once(connection: http.Connection, user_data: object) -> int:
        http.set_request_handler(server.context, "/once", None)
        return named("once")(connection, user_data)

    http.set_request_handler(server.context, "/once", once)
    assert answers(server, "/once", "/once") == ["once", "404"]


def test_replacing_under_load(server: Server) -> None:
    end = time.monotonic() + 1
    seen: set[str] = set()

    def ask() -> None:
        while time.monotonic() < end:
            seen.add(answer(server, "/h"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    rounds = 0
    while time.monotonic() < end:
        for handler in (named("a"), named("b"), None):
            http.set_request_handler(server.context, "/h", handler)
            time.sleep(0.001)
        rounds += 1
    for thread in threads:
        thread.join(10)
    assert rounds > 10
    assert seen == {"a", "b", "404"}


# Authorization


def test_who_is_refused_gets_403_and_the_connection_lives_on(server: Server) -> None:
    http.set_request_handler(server.context, "/", named("open"))
    http.set_auth_handler(server.context, "/private", refuse)
    with Client(server.port) as client:
        for body in (b"", b"a body that nobody reads"):
            reply = client.ask("/private/x", "POST", body=body)
            assert (reply.status, reply.header("Connection")) == (403, "keep-alive")
            assert client.ask("/privateer").body == b"open"


def test_an_authorization_handler_answers_itself(server: Server) -> None:
    def login(connection: http.Connection, user_data: object) -> int:
        assert user_data == "secret"
        if http.get_header(connection, "X-Password") == user_data:
            http.start_response(connection, 200)  # and leaves it: that is forgotten
            return 1
        http.send_redirect(connection, "/login", 303)
        return 0

    http.set_request_handler(server.context, "/private", named("private"))
    http.set_auth_handler(server.context, "/private", login, "secret")
    with Client(server.port) as client:
        reply = client.ask("/private")
        assert (reply.status, reply.header("Location")) == (303, "/login")
        assert client.ask("/private", "GET", "X-Password: secret").body == b"private"
        http.set_auth_handler(server.context, "/private", None)
        assert client.ask("/private").body == b"private"


@pytest.mark.parametrize("answer", [2, -1, 200, "raise"])
def test_only_1_allows(answer: int | str) -> None:
    def handler(connection: http.Connection, user_data: object) -> int:
        if isinstance(answer, str):
            raise RuntimeError("on purpose")
        return answer

    with serving(enable_keep_alive="yes") as server:
        http.set_request_handler(server.context, "/", named("open"))
        http.set_auth_handler(server.context, "/", handler)
        assert answers(server, "/", "/") == ["403", "403"]
        if answer == "raise":
            with pytest.raises(RuntimeError):
                http.stop_server(server.context)


def test_what_an_authorization_handler_guards(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("file")
    asked: list[str] = []

    def first(connection: http.Connection) -> int:
        asked.append("callback")
        return 0

    with serving(first, document_root=str(tmp_path)) as server:
        http.set_request_handler(server.context, "/h", named("handler"))
        http.set_web_socket_handler(server.context, "/ws", ready_handler=lambda c, u: None)
        with server.web_socket("/ws"):
            pass
        http.set_auth_handler(server.context, "/", refuse)
        for path in ("/a.txt", "/h", "/nowhere", "/%61.txt", "/x/../a.txt"):
            assert server.fetch(path).status == 403
        with pytest.raises(InvalidStatus) as caught, server.web_socket("/ws"):
            pass
        assert caught.value.response.status_code == 403
    assert asked == []


def test_a_stop_waits_for_the_handlers() -> None:
    entered, done = threading.Event(), threading.Event()

    def slow(connection: http.Connection, user_data: object) -> int:
        entered.set()
        time.sleep(0.2)
        done.set()
        return named("slow")(connection, user_data)

    with serving() as server:
        http.set_request_handler(server.context, "/h", slow)
        with Client(server.port) as client:
            client.send(b"GET /h HTTP/1.1\r\nHost: x\r\n\r\n")
            assert entered.wait(10)
            http.stop_server(server.context)
            assert done.is_set()
