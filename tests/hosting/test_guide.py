"""Every program of docs/hosting.md, as it is printed."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.deployment import check_unit, nginx
from tests.support import ROOT, free_port, get, running

GUIDE = (ROOT / "docs/hosting.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return [token.content for token in MarkdownIt().parse(GUIDE) if token.info == language]


HELLO, *PROGRAMS, FASTAPI, FLASK = blocks("python")


@pytest.mark.parametrize("program", PROGRAMS, ids=["wsgi", "asgi"])
def test_programs(program: str, tmp_path: Path) -> None:
    port = free_port()
    assert "127.0.0.1:8000" in program
    path = tmp_path / "program.py"
    path.write_text(program.replace(":8000", f":{port}"), encoding="utf-8")
    with running([sys.executable, path], port, ready="Press Enter"):
        assert get(port)[1].startswith("Hello from ")


def test_command(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(HELLO, encoding="utf-8")
    name, *arguments = shlex.split(blocks("sh")[0])
    assert name == "alusus-http"
    port = free_port()
    command = [sys.executable, "-m", "alusus_http", *arguments, "--port", str(port)]
    with running(command, port, interrupt=True, ready="Listening", cwd=tmp_path):
        assert get(port)[1] == "Hello, world!"


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        pytest.param(HELLO, "Hello, world!", id="hello"),
        pytest.param(FASTAPI, '"http from 127.0.0.1"', id="fastapi"),
        pytest.param(FLASK, "http from 127.0.0.1", id="flask"),
    ],
)
def test_behind_the_proxy(program: str, answer: str, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(program, encoding="utf-8")
    path = tmp_path / "socket"
    (configuration,) = blocks("nginx")
    inside = configuration.replace("server {", "server { listen 127.0.0.1:PORT;")
    inside = inside.replace("/run/hello/socket", str(path))
    command: list[str | Path] = [sys.executable, "-m", "alusus_http", "serve"]
    command += ["hello:app", "--unix", path]
    with (
        nginx(tmp_path, inside) as proxy,
        # There is no port to wait for but the proxy's, which is open already.
        running(command, proxy.port, interrupt=True, ready="Listening", cwd=tmp_path),
    ):
        # What a client claims to be is not believed.
        assert get(proxy.port, "/", "X-Forwarded-For: 10.0.0.1") == (200, answer)


def test_unit(tmp_path: Path) -> None:
    (unit,) = blocks("ini")
    check_unit(unit, tmp_path)


def test_options_exist() -> None:
    from alusus_http.cli import _parser

    table = re.findall(r"^\| (`--.*?) \|", GUIDE, re.MULTILINE)
    commands = [*blocks("sh"), *re.findall(r"alusus-http serve .*", blocks("ini")[0])]
    named = set(re.findall(r"--[a-z-]+", " ".join([*table, *commands])))
    for name in sorted(
        named - {"--factory", "--reload", "--access-log", "--log-level", "--loop", "--option"}
    ):
        value = "/api" if name == "--root-path" else "1"
        _parser().parse_args(["serve", "hello:app", name, value])
    for command in commands:
        _parser().parse_args(shlex.split(command)[1:])
