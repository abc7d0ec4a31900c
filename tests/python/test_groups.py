"""Groups of WebSockets, and what a program can ask of one."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from socket import SHUT_RDWR

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from alusus_http import http
from alusus_http.errors import (
    InvalidArgumentError,
    InvalidHandleError,
    WrongStateError,
)
from tests.python.serving import Server, serving, until
from tests.support import REPLY

TEXT = 1


class Room:
    """A server whose WebSockets join the groups that their first message names."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.connections: list[http.Connection] = []
        http.set_web_socket_handler_with_subprotocols(
            server.context,
            "/room",
            ["chat"],
            ready_handler=lambda connection, _: self.connections.append(connection),
            data_handler=self.on_data,
        )

    def on_data(self, connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        if opcode == TEXT:
            for name in data.decode().split():
                http.join_group(connection, name)
            http.write_text_to_web_socket(connection, "joined")
        return 1


@pytest.fixture
def room() -> Iterator[Room]:
    with serving() as server:
        yield Room(server)


@pytest.fixture
def clients(room: Room) -> Iterator[list[ClientConnection]]:
    """Three members: of a, of a and b, and of b; in the order of `room.connections`."""
    with ExitStack() as stack:
        members = []
        for groups in ("a", "a b", "b"):
            client = stack.enter_context(room.server.web_socket("/room"))
            client.send(groups)
            assert client.recv() == "joined"
            members.append(client)
        yield members


def test_every_member_gets_what_is_written(room: Room, clients: list[ClientConnection]) -> None:
    context = room.server.context
    assert http.write_text_to_group(context, "a", "to a") == 2
    assert http.write_binary_to_group(context, "b", b"\x00b") == 2
    assert http.write_to_group(context, "nobody", TEXT, "?") == 0
    assert clients[0].recv() == "to a"
    assert [clients[1].recv(), clients[1].recv()] == ["to a", b"\x00b"]
    assert clients[2].recv() == b"\x00b"


def test_the_sender_can_be_left_out(room: Room, clients: list[ClientConnection]) -> None:
    assert http.write_to_others_in_group(room.connections[0], "a", TEXT, "hello") == 1
    assert clients[1].recv() == "hello"
    http.write_text_to_web_socket(room.connections[0], "next")
    assert clients[0].recv() == "next"


def test_leaving_and_joining_twice(room: Room, clients: list[ClientConnection]) -> None:
    http.join_group(room.connections[0], "a")
    http.leave_group(room.connections[1], "a")
    http.leave_group(room.connections[1], "never joined")
    assert http.write_text_to_group(room.server.context, "a", "once") == 1
    assert clients[0].recv() == "once"
    http.write_text_to_web_socket(room.connections[0], "next")
    assert clients[0].recv() == "next"


def is_known(connection: http.Connection) -> bool:
    try:
        http.get_request_info(connection)
    except InvalidHandleError:
        return False
    return True


def test_an_ended_member_is_none_any_more(room: Room, clients: list[ClientConnection]) -> None:
    clients[0].close()
    until(lambda: http.write_text_to_group(room.server.context, "a", "x") == 1)
    until(lambda: not is_known(room.connections[0]))
    with pytest.raises(InvalidHandleError):
        http.join_group(room.connections[0], "a")
    assert not http.is_web_socket_open(room.connections[0])
    assert http.is_web_socket_open(room.connections[1])


def test_many_groups_and_many_members(room: Room) -> None:
    names = [f"group {i}" for i in range(200)]
    with ExitStack() as stack:
        clients = [stack.enter_context(room.server.web_socket("/room")) for _ in range(20)]
        until(lambda: len(room.connections) == len(clients))
        for name in names:
            for connection in room.connections:
                http.join_group(connection, name)
        for name in names:
            assert http.write_text_to_group(room.server.context, name, name) == len(clients)
        for client in clients:
            assert [client.recv() for _ in names] == names


def test_a_slow_member_holds_up_nobody() -> None:
    with serving(websocket_queue_policy="drop", websocket_close_timeout_ms="200") as server:
        room = Room(server)
        with server.web_socket("/room") as slow, server.web_socket("/room") as quick:
            for client in (slow, quick):
                client.send("all")
                assert client.recv() == "joined"
            message = b"x" * 500_000
            counts: list[int] = []
            while 1 not in counts:  # the system keeps much for the slow one, too
                counts.append(http.write_binary_to_group(server.context, "all", message))
                assert quick.recv() == message
                assert len(counts) < 200, "the queue of the slow one has no bound"
            assert counts[0] == 2
            assert http.get_queued_bytes(room.connections[0]) > 0
            assert http.get_queued_bytes(room.connections[1]) == 0
            slow.socket.shutdown(SHUT_RDWR)  # it would not notice the server's farewell either


def test_close_with_code_and_reason(room: Room) -> None:
    with room.server.web_socket("/room") as client:
        until(lambda: room.connections != [])
        connection = room.connections[0]
        for code in (999, 1005, 1006, 2000, 5000, -1):
            with pytest.raises(InvalidArgumentError):
                http.close_web_socket_with_reason(connection, code, "no")
        with pytest.raises(InvalidArgumentError):
            http.close_web_socket_with_reason(connection, 4000, "x" * 124)
        http.close_web_socket_with_reason(connection, 4321, "وداعا")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4321, "وداعا")


def test_the_agreed_subprotocol(room: Room) -> None:
    with (
        room.server.web_socket("/room", subprotocols=["other", "chat"]),
        room.server.web_socket("/room"),
    ):
        until(lambda: len(room.connections) == 2)
        assert [http.get_subprotocol(c) for c in room.connections] == ["chat", None]


def test_a_request_is_no_member() -> None:
    errors: list[type[BaseException]] = []

    def on_request(connection: http.Connection) -> int:
        for call in (
            lambda: http.join_group(connection, "a"),
            lambda: http.get_queued_bytes(connection),
            lambda: http.get_subprotocol(connection),
        ):
            try:
                call()
            except WrongStateError as error:
                errors.append(type(error))
        assert not http.is_web_socket_open(connection)
        return 404

    with serving(on_request) as server:
        server.fetch("/")
    assert errors == [WrongStateError] * 3


def test_close_callbacks_write_to_groups_while_the_server_stops() -> None:
    """Nobody gets it any more, and it is no error: each member has been said goodbye to."""
    written: list[int] = []

    def on_ready(connection: http.Connection, _: object) -> None:
        http.join_group(connection, "all")

    def on_close(_connection: http.Connection, _: object) -> None:
        written.append(http.write_text_to_group(server.context, "all", "somebody has left"))

    with ExitStack() as stack:
        server = stack.enter_context(serving())
        http.set_web_socket_handler(
            server.context,
            "/",
            ready_handler=on_ready,
            close_handler=on_close,
        )
        clients = [stack.enter_context(server.web_socket("/")) for _ in range(3)]
        until(lambda: http.get_web_socket_statistics(server.context).open == 3)
        clients.pop().close()
        until(lambda: len(written) == 1)
        http.stop_server(server.context)
        assert len(written) == 3
        for client in clients:
            with suppress(ConnectionClosed):
                assert client.recv() == "somebody has left"
                client.recv()
            assert client.protocol.close_code == 1001


@pytest.mark.parametrize("place", ["ready", "data", "close"])
def test_a_callback_that_stops_its_server_may_still_use_it(place: str) -> None:
    results: queue.Queue[object] = queue.Queue()

    def stop(in_place: str) -> None:
        if place == in_place:
            http.stop_server(server.context)
            results.put(http.write_text_to_group(server.context, "all", "bye"))

    def on_data(*_: object) -> int:
        stop("data")
        return 1

    with serving() as server:
        http.set_web_socket_handler(
            server.context,
            "/",
            ready_handler=lambda *_: stop("ready"),
            data_handler=on_data,
            close_handler=lambda *_: stop("close"),
        )
        with server.web_socket("/") as client, suppress(ConnectionClosed):
            client.send("stop")
            client.close()
        assert results.get(timeout=REPLY) == 0
        until(lambda: has_ended(server.context))


def has_ended(context: http.Context) -> bool:
    try:
        http.get_server_port(context)
    except InvalidHandleError:
        return True
    return False
