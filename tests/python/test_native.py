"""Handlers compiled from C, in a server that Python runs."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

import alusus_http
from alusus_http import http, native
from tests.python.serving import TEXT, respond, serving, until
from tests.support import REPLY

PACKAGE = Path(alusus_http.__file__).parent
SOURCE = Path(__file__).parent / "native/handlers.c"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("native") / "handlers.so"
    subprocess.run(
        [
            os.environ.get("CC", "cc"),
            *("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"),
            f"-I{PACKAGE / 'include'}",
            str(SOURCE),
            *("-o", str(built), f"-L{PACKAGE}", "-lalusus_http"),
        ],
        check=True,
    )
    return built


class Room(ctypes.Structure):
    """What handlers.c calls struct room."""

    _fields_ = (
        ("greeting", ctypes.c_char_p),
        ("messages", ctypes.c_int),
        ("closed", ctypes.c_int),
    )


def test_one_server_has_handlers_of_two_languages(library: Path) -> None:
    room = Room.in_dll(ctypes.CDLL(str(library)), "room")
    python: list[bytes] = []

    def on_message(c: http.Connection, opcode: int, data: bytes, _: object) -> int:
        if opcode == TEXT:
            python.append(data)
            http.write_text_to_web_socket(c, b"Python: " + data)
        return 1

    with serving(lambda connection: respond(connection, "Python's page")) as server:
        http.set_web_socket_handler(server.context, "/python", data_handler=on_message)
        http.set_web_socket_handler(
            server.context,
            "/native",
            native(library, "on_connect"),
            native(library, "on_ready"),
            native(library, "on_message"),
            native(library, "on_close"),
            ctypes.addressof(room),
        )
        with server.web_socket("/native") as c, server.web_socket("/python") as other:
            assert c.recv(REPLY) == "welcome to C"
            c.send("سلام" * 1000)
            assert c.recv(REPLY) == "سلام" * 1000
            c.send(b"\x00\x01")
            assert c.recv(REPLY) == b"\x00\x01"
            other.send("hello")
            assert other.recv(REPLY) == "Python: hello"
        with (
            pytest.raises(InvalidStatus),
            server.web_socket("/native", additional_headers={"X-Refuse": "yes"}),
        ):
            pass
        assert server.fetch("/native").body == b"Python's page"
        until(lambda: room.closed == 1)
    assert room.messages == 2
    assert python == [b"hello"]


def test_a_server_without_any_python_behind_it(library: Path) -> None:
    room = Room.in_dll(ctypes.CDLL(str(library)), "room")
    address = ctypes.addressof(room)
    with serving(http.Callbacks(native(library, "on_request")), address) as server:
        assert server.fetch("/x").body == b"C at /x, data 1"


def test_what_a_library_does_not_have(library: Path, tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="on_nothing"):
        native(library, "on_nothing")
    with pytest.raises(OSError, match=r"none\.so"):
        native(tmp_path / "none.so", "on_message")
