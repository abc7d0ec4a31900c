"""The names published since the document, and what the library refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support import REPLY, Program, get

from .conftest import Serve


@contextmanager
def join(server: Program) -> Iterator[ClientConnection]:
    with connect(f"ws://{server.address}/chat") as client:
        assert client.recv(REPLY) == "welcome to the chat"
        yield client


def test_everybody_gets_each_message(serve: Serve) -> None:
    server = serve("published_chat")
    with join(server) as one, join(server) as two:
        one.send("سلام")
        assert one.recv(REPLY) == "سلام"
        assert one.recv(REPLY) == "reached 2 of 2"
        assert two.recv(REPLY) == "سلام"


def test_a_member_who_has_left_is_not_written_to(serve: Serve) -> None:
    server = serve("published_chat")
    with join(server) as one:
        with join(server):
            pass
        with join(server) as three:
            one.send("hello")
            assert one.recv(REPLY) == "hello"
            assert one.recv(REPLY) == "reached 2 of 3", "the second of three has left"
            assert three.recv(REPLY) == "hello"
            three.send("again")
            assert three.recv(REPLY) == "again", "the old handle was no way to write twice"


def test_binary_messages(shared: Serve) -> None:
    server = shared("published_chat")
    with join(server) as client:
        data = bytes(range(256)) * 300  # longer than 16 bits count
        client.send(data)
        assert client.recv(REPLY) == data


def test_a_data_callback_that_returns_0_closes(shared: Serve) -> None:
    server = shared("published_chat")
    with join(server) as client:
        client.send("/quit")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(REPLY)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000


def test_close_web_socket(shared: Serve) -> None:
    server = shared("published_chat")
    with join(server) as client:
        client.send("/close")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(REPLY)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000


def test_an_error_status_with_nothing_written_is_answered(shared: Serve) -> None:
    server = shared("published_chat")
    status, _ = get(server.port, "/")
    assert status == 404


def test_ended_connections_are_refused_by_every_function(serve: Serve) -> None:
    server = serve("ended_connection")
    with connect(f"ws://{server.address}/ws") as first:
        assert first.recv(REPLY) == "ready"
    with connect(f"ws://{server.address}/ws") as second:
        assert second.recv(REPLY) == "ready"
        second.send("try the old handle")
        assert second.recv(REPLY) == "same handle: 0, not refused: 0", server.output
        assert second.ping().wait(REPLY), "nothing strange is in the stream, and it is still open"
    assert get(server.port) == (200, "same handle: 0, not refused: 0"), server.output


@pytest.mark.parametrize(
    ("path", "offered", "chosen", "greeting"),
    [
        ("/int", ["chat.v1"], "chat.v1", "int"),
        ("/int", ["unknown", "chat.v2"], "chat.v2", "int"),
        ("/arch_word", ["json", "other"], "json", "arch word"),
        ("/any", ["anything"], None, "any"),
        ("/any", None, None, "any"),
    ],
)
def test_subprotocols_need_not_outlive_the_call(
    shared: Serve, path: str, offered: list[str] | None, chosen: str | None, greeting: str
) -> None:
    server = shared("subprotocols")
    # The types of websockets are stricter than what it takes: its own Subprotocol is a str.
    with connect(f"ws://{server.address}{path}", subprotocols=offered) as client:  # type: ignore[arg-type]
        assert client.subprotocol == chosen
        assert client.recv(REPLY) == greeting
        client.send("text")
        assert client.recv(REPLY) == "text"


@pytest.mark.parametrize("check", ["negative lengths", "missing data", "opcodes", "http functions"])
def test_wrong_arguments_are_refused(shared: Serve, check: str) -> None:
    server = shared("arguments")
    with connect(f"ws://{server.address}/arguments") as client:
        client.send(check)
        assert client.recv(REPLY) == "passed", server.output


def test_the_upper_half_of_a_register_is_not_read(shared: Serve) -> None:
    server = shared("arguments")
    with connect(f"ws://{server.address}/arguments") as client:
        client.send("upper halves")
        assert client.recv(REPLY) == "lower half"
        assert client.recv(REPLY) == "passed", server.output


def test_wrong_arguments_in_a_request_are_refused(shared: Serve) -> None:
    server = shared("arguments")
    assert get(server.port) == (200, "0 failed"), server.output
