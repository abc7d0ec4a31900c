"""Compiled handlers in a server of Python's, and compiling them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

import alusus_http
from alusus_http import NativeCallback, NativeHandlers, Server, WebSocket, alusus
from alusus_http.errors import InvalidArgumentError
from alusus_http.testing import Serve
from tests.support import REPLY

PACKAGE = Path(alusus_http.__file__).parent

SOURCE = """
#include <alusus_http/alusus_http.h>
#include <unistd.h>

int no_function = 7;

int32_t onData(ah_connection *connection, int32_t opcode, const char *data, size_t data_len,
               void *user_data)
{
    (void)user_data;
    ah_write_to_web_socket(connection, opcode, data, data_len);
    return 1;
}

void onReady(ah_connection *connection, void *user_data)
{
    ah_write_string_to_web_socket(connection, user_data == 0 ? "none" : user_data);
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("native") / "chat.c"
    source.write_text(SOURCE, encoding="ascii")
    built = source.with_name("libchat.so")
    command = f"cc -shared -fPIC -I{PACKAGE}/include {source} -o {built} -L{PACKAGE} -lalusus_http"
    subprocess.run(command.split(), check=True)
    return built


def test_handlers_of_both_languages_serve_side_by_side(
    library: Path, run: Serve, client: Callable[..., ClientConnection]
) -> None:
    server = Server(0)
    native = NativeHandlers.load(library, data="onData", ready="onReady")
    server.websocket("/native", native=native, subprotocols=["v1"])

    @server.websocket("/python")
    def python(ws: WebSocket) -> None:
        for message in ws:
            ws.send(message)

    run(server)
    c = client(server, "/native", subprotocols=["v1"])
    assert (c.recv(REPLY), c.subprotocol) == ("none", "v1")
    for each in (c, client(server, "/python")):
        for message in ("text", b"bytes"):
            each.send(message)
            assert each.recv(REPLY) == message
    assert len(server.connections) == 1  # those of Python's handlers


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing", "missing"),
        ("no_function", "is no function"),
        ("write", "the one of that name is"),
    ],
)
def test_what_is_no_function_of_the_library_is_refused(
    library: Path, name: str, problem: str
) -> None:
    with pytest.raises(AttributeError, match=problem):
        NativeHandlers.load(library, data=name)


def test_what_compiled_handlers_do_not_heed_is_refused(library: Path) -> None:
    native = NativeHandlers.load(library, data="onData")
    ignored: list[dict[str, Any]] = [
        {"authorize": lambda request: None},
        {"groups": ["chat"]},
        {"max_message_size": 9},
        {"origins": ["https://example.org"]},
    ]
    for given in ignored:
        with pytest.raises(InvalidArgumentError, match="native: compiled handlers decide"):
            Server(0).websocket("/", native=native, **given)


def test_handlers_without_a_function_are_refused(library: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="name at least one"):
        NativeHandlers.load(library)
    with pytest.raises(OSError, match="none"):
        NativeHandlers.load(library.with_name("none.so"), data="onData")


def test_a_path_is_one_of_a_file(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Path("./libchat.so") is written without the folder, as what a loader would search for."""
    monkeypatch.chdir(library.parent)
    of_file = NativeHandlers.load(library, data="onData")
    for path in (Path("./libchat.so"), "libchat.so"):
        assert NativeHandlers.load(path, data="onData") == of_file


# Does what alusus would: it makes an object file of what the program names.
COMPILER = """#!/bin/sh
object=$(sed -n 's/.*~ast, "\\([^"]*\\)".*/\\1/p' "$1")
if grep -q 'Broken~ast' "$1"; then echo 'ERROR SPP1: something'; exit 0; fi
grep -q 'import "{source}"' "$1" && cc -c -fPIC -I{include} -x c {c_source} -o "$object"
"""


def test_a_library_is_built_of_an_alusus_program(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "chat.alusus"
    program.touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    compiler = tmp_path / "alusus"
    compiler.write_text(
        COMPILER.format(
            source=program, include=PACKAGE / "include", c_source=library.with_name("chat.c")
        ),
        encoding="ascii",
    )
    compiler.chmod(0o755)
    assert alusus.build(program) == tmp_path / "libchat.so"
    assert (tmp_path / "libchat.so").exists()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert alusus.build(program, output="libmine.so") == elsewhere / "libmine.so"
    assert (elsewhere / "libmine.so").exists()
    with pytest.raises(alusus.BuildError, match="ERROR SPP1: something"):
        alusus.build(program, module="Broken")


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"no such program: '/no/such\.alusus'"):
        alusus.build("/no/such.alusus")


def test_an_address_is_a_number() -> None:
    with pytest.raises(TypeError, match="address: expected an int, got 'onData'"):
        NativeCallback("onData")  # type: ignore[arg-type]


def test_a_build_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "chat.alusus"
    with pytest.raises(FileNotFoundError):
        alusus.build(program)
    program.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(alusus.BuildError, match='no command "alusus"'):
        alusus.build(program)
    (tmp_path / "alusus").write_text("#!/bin/sh\n", encoding="ascii")
    (tmp_path / "alusus").chmod(0o755)
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(alusus.BuildError, match='no command "cc"'):
        alusus.build(program)
