"""The programs of docs/python.md: each is run, and does what the page says."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

import alusus_http
from alusus_http import http
from tests.deployment import check_unit, nginx
from tests.support import REPLY, ROOT, Program, curl, eventually, free_port, get, running

GUIDE = (ROOT / "docs/python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def find(*marks: str, kind: str = "python") -> str:
    """The one program that has all of these in it."""
    (found,) = (t for k, t in BLOCKS if k == kind and all(mark in t for mark in marks))
    return str(found)


@contextmanager
def serving(text: str, folder: Path) -> Iterator[Program]:
    port = free_port()
    program = folder / "program.py"
    program.write_text(text.replace("8080", str(port)), encoding="utf-8")
    with running([sys.executable, program], port, interrupt=True, cwd=folder) as run:
        yield run


def ask(url: str, *messages: str) -> str | bytes:
    with connect(url, open_timeout=REPLY, close_timeout=REPLY) as client:
        for message in messages:
            client.send(message)
        return client.recv(REPLY)


def hello(server: Program) -> None:
    eventually(rf"serving at http://{server.address}$", server)
    greet(server)


def greet(server: Program) -> None:
    assert get(server.port) == (200, "Hello, world!")
    assert ask(f"ws://{server.address}/echo", "x") == "x"


def hello_asyncio(server: Program) -> None:
    assert ask(f"ws://{server.address}/echo", "x") == "x"


def functions(server: Program) -> None:
    assert ask(f"ws://{server.address}/sum", "2", "3") == "5"


def objects(server: Program) -> None:
    url = f"ws://{server.address}/chat"
    with pytest.raises(InvalidStatus) as raised:
        connect(url).__enter__()
    assert raised.value.response.status_code == 400
    with connect(f"{url}?name=Huda") as first:
        first.send("hello")
        assert first.recv(REPLY) == "Huda: hello"
        with connect(f"{url}?name=Zaid", subprotocols=[Subprotocol("chat.v1")]) as second:
            assert second.subprotocol == "chat.v1"
            assert first.recv(REPLY) == "Zaid is here"
        assert first.recv(REPLY) == "Zaid has left"


def clock(server: Program) -> None:
    with connect(f"ws://{server.address}/clock") as client:
        assert client.recv(REPLY) == "the time, every second:"
        assert re.fullmatch(r"\d\d:\d\d:\d\d", str(client.recv(REPLY)))


def private(server: Program) -> None:
    url = f"ws://{server.address}/private"
    token = {"Authorization": "Bearer 7f3a"}
    with connect(url, additional_headers=token, origin=Origin("https://example.org")) as client:
        assert client.recv(REPLY) == "Hello, huda"
        with pytest.raises(ConnectionClosed):
            client.recv(REPLY)
    for headers, origin in (({}, "https://example.org"), (token, "https://example.com")):
        with pytest.raises(InvalidStatus):
            connect(url, additional_headers=headers, origin=Origin(origin)).__enter__()


def requests(server: Program) -> None:
    put = ["curl", "--silent", "--upload-file", "-", f"http://{server.address}/items/one"]
    subprocess.run(put, input=b"1", check=True)
    assert get(server.port, "/items/one") == (200, '{"name":"one","value":"1"}')
    assert get(server.port, "/items/two")[0] == 404
    assert "0\n" in get(server.port, "/count?to=1")[1]
    assert "|405" in curl(server.port, "/count", "--request", "POST")


def digest(server: Program) -> None:
    body = b"x" * (3 << 20)  # more than routes take otherwise
    put = ["curl", "--silent", "--upload-file", "-", f"http://{server.address}/digest"]
    done = subprocess.run(put, input=body, check=True, capture_output=True)
    assert done.stdout.decode() == f"{hashlib.sha256(body).hexdigest()}\n"


def native(server: Program) -> None:
    assert ask(f"ws://{server.address}/fast", "x") == "x"


CASES: dict[str, tuple[tuple[str, ...], Callable[[Program], None]]] = {
    "hello": (("Hello, world!",), hello),
    "asyncio": (("asyncio.run",), hello_asyncio),
    "functions": (('"/sum"',), functions),
    "objects": (("class Chat",), objects),
    "private": (("authorize=authorize",), private),
    "clock": (("server.wait()",), clock),
    "requests": (('"/items/**"',), requests),
    "digest": (("request.stream",), digest),
    "native": (("NativeHandlers.load",), native),
}


@pytest.mark.parametrize("case", CASES)
def test_the_programs_of_the_guide_run(case: str, tmp_path: Path) -> None:
    marks, use = CASES[case]
    if case == "native":
        (tmp_path / "echo.c").write_text(find(kind="c"), encoding="ascii")
        command = tmp_path / "alusus-http"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m alusus_http "$@"\n', "ascii")
        command.chmod(0o755)
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        script = find("libecho.so", kind="sh")
        subprocess.run(
            script, shell=True, cwd=tmp_path, env={**os.environ, "PATH": path}, check=True
        )
    with serving(find(*marks), tmp_path) as server:
        use(server)


def test_the_server_behind_the_proxy_of_the_guide(tmp_path: Path) -> None:
    inside = find(kind="nginx").replace("server {", "server { listen 127.0.0.1:PORT;")
    with (
        serving(find("Hello, world!"), tmp_path) as server,
        nginx(tmp_path, inside.replace("8080", str(server.port))) as proxy,
    ):
        greet(proxy)


def test_the_unit_of_the_guide(tmp_path: Path) -> None:
    check_unit(find(kind="ini"), tmp_path)


def test_the_test_of_the_guide_passes(tmp_path: Path) -> None:
    (tmp_path / "test_upper.py").write_text(find("pytest"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_upper.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_no_program_of_the_guide_is_left_out() -> None:
    programs = Counter(language for language, _ in BLOCKS)
    assert programs == {"python": len(CASES) + 1, "c": 1, "sh": 1, "nginx": 1, "ini": 1}


def test_the_limits_of_the_guide_are_those_of_the_server() -> None:
    documented = (alusus_http.Server.__doc__ or "") + GUIDE
    for name, value in (alusus_http.Server.__init__.__kwdefaults__ or {}).items():
        assert name in documented, name
        if name in ("max_connections", "workers"):
            assert re.search(rf"`{name}` \| {value} ", GUIDE), name
    defaults = {option.name: option.default_value for option in http.get_valid_options()}
    assert f'"num_threads": ...}}` | {defaults["num_threads"]} ' in GUIDE
