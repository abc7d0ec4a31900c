"""The counters of a server's WebSockets."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from alusus_http import http
from tests.python.serving import serving, until


def test_every_counter() -> None:
    def on_data(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        if opcode == 1:
            http.write_text_to_web_socket(connection, data + data)
        return 1

    with serving() as server:
        http.set_web_socket_handler(server.context, "/echo", data_handler=on_data)
        http.set_web_socket_handler(server.context, "/no", connect_handler=lambda *_: 1)

        def statistics() -> http.WebSocketStatistics:
            return http.get_web_socket_statistics(server.context)

        with server.web_socket("/echo") as client:
            for text in ("a", "bcd"):
                client.send(text)
                assert client.recv() == text + text
            assert statistics().open == 1
        with pytest.raises(InvalidStatus):
            server.web_socket("/no").__enter__()
        with server.web_socket("/echo") as client:
            client.close(4000)
        lost = server.web_socket("/echo").__enter__()
        lost.socket.close()
        until(lambda: statistics().open == 0)

        assert statistics() == http.WebSocketStatistics(
            open=0,
            opened=3,
            refused=1,
            messages_received=2,
            messages_sent=2,
            bytes_received=4,
            bytes_sent=8,
            closed_normally=1,
            closed_going_away=0,
            closed_protocol_error=0,
            closed_invalid_data=0,
            closed_too_big=0,
            closed_abnormally=1,
            closed_otherwise=1,
        )
