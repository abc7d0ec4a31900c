"""What happens when a callable raises: the failure value, the log, and raising it again."""

from __future__ import annotations

import logging
import socket
import threading

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

import alusus_http
from alusus_http import http
from tests.python.serving import Server, respond, serving, start, until
from tests.support import REPLY


class Bug(Exception):
    """What the callables of these tests raise."""


def fail(*arguments: object) -> int:
    raise Bug("it was I")


def fail_and_return_nothing(*arguments: object) -> None:
    fail()


def stop_raises(server: Server, error: type[BaseException] = Bug) -> BaseException:
    with pytest.raises(error) as caught:
        http.stop_server(server.context)
    return caught.value


def test_a_failing_request_gets_500_and_the_error_is_raised_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = start(fail)
    assert server.fetch().status == 500
    (record,) = [r for r in caplog.records if r.name == "alusus_http"]
    assert record.levelno == logging.ERROR
    assert "request" in record.getMessage() and "500" in record.getMessage()
    assert "it was I" in caplog.text and "in fail" in caplog.text  # the traceback
    error = stop_raises(server)
    traceback = []
    step = error.__traceback__
    while step:
        traceback.append(step.tb_frame.f_code.co_name)
        step = step.tb_next
    assert traceback[-1] == "fail"


def test_a_failing_connect_callback_rejects() -> None:
    server = start()
    http.set_web_socket_handler(server.context, "/", connect_handler=fail)
    with pytest.raises(InvalidStatus) as caught, server.web_socket("/"):
        pass
    assert caught.value.response.status_code == 403
    stop_raises(server)


def test_a_failing_ready_callback_leaves_the_connection_open() -> None:
    server = start()
    http.set_web_socket_handler(
        server.context,
        "/",
        ready_handler=fail_and_return_nothing,
        data_handler=lambda c, opcode, data, _: http.write_to_web_socket(c, opcode, data),
    )
    with server.web_socket("/") as client:
        client.send("x")
        assert client.recv(REPLY) == "x"
    stop_raises(server)


def test_a_failing_message_callback_closes() -> None:
    server = start()
    http.set_web_socket_handler(server.context, "/", data_handler=fail)
    with server.web_socket("/") as client:
        client.send("x")
        with pytest.raises(ConnectionClosed):
            client.recv(REPLY)
        assert client.close_code == 1000
    stop_raises(server)


def test_a_failing_close_callback_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    server = start()
    http.set_web_socket_handler(server.context, "/", close_handler=fail_and_return_nothing)
    with server.web_socket("/"):
        pass
    until(lambda: "web_socket_close" in caplog.text)
    stop_raises(server)


@pytest.mark.parametrize("member", ["end_request", "connection_close", "init_thread"])
def test_failing_members_of_the_table_leave_the_server_serving(member: str) -> None:
    callbacks = http.Callbacks(begin_request=lambda connection: respond(connection, "ok"))
    setattr(callbacks, member, fail_and_return_nothing)
    server = start(callbacks)
    assert server.fetch().body == b"ok"
    assert server.fetch().body == b"ok"
    stop_raises(server)


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (None, TypeError, "returned None where an int is expected"),
        ("200", TypeError, "returned '200' where an int is expected"),
        (2**31, OverflowError, "outside 32 bits"),
    ],
)
def test_a_wrong_result_counts_as_a_failure(
    result: object, error: type[Exception], message: str
) -> None:
    server = start(lambda connection: result)  # type: ignore[arg-type, return-value]
    assert server.fetch().status == 500
    assert message in str(stop_raises(server, error))


def test_leaving_the_program_in_a_callback_is_a_failure_too() -> None:
    def leave(connection: http.Connection) -> int:
        raise SystemExit(3)

    server = start(leave)
    assert server.fetch().status == 500
    stop_raises(server, SystemExit)


def test_the_first_error_is_raised_and_the_others_are_counted() -> None:
    def on_request(connection: http.Connection) -> int:
        raise Bug(http.get_request_info(connection).query_string)

    server = start(on_request)
    for i in range(3):
        server.fetch(f"/?{i}")
    error = stop_raises(server)
    assert str(error) == "0"
    assert "2 more" in error.__notes__[0]


def test_waiting_raises_it_as_well() -> None:
    server = start(fail)
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            alusus_http.wait(server.context)
        except Bug as error:
            caught.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert server.fetch().status == 500
    assert waiting.is_alive()  # the server goes on
    error = stop_raises(server)
    waiting.join(REPLY)
    assert caught == [error]


def test_a_server_that_stopped_well_raises_nothing() -> None:
    server = start(lambda connection: respond(connection, "ok"))
    assert server.fetch().body == b"ok"
    http.stop_server(server.context)
    alusus_http.wait(server.context)


def test_writing_to_a_client_that_has_gone_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    ready = threading.Event()
    gone = threading.Event()

    def on_ready(connection: http.Connection, user_data: object) -> None:
        ready.set()
        assert gone.wait(REPLY)
        until(lambda: not http.is_web_socket_open(connection))
        http.write_text_to_web_socket(connection, "too late")

    with serving() as server:
        http.set_web_socket_handler(server.context, "/late", ready_handler=on_ready)
        with server.web_socket("/late") as client:
            assert ready.wait(REPLY)
            client.socket.shutdown(socket.SHUT_RDWR)
            gone.set()
    assert "failed" not in caplog.text
