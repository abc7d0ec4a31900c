"""The programs of README.md run as they are printed, but for their port."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.support import REPLY, ROOT, Program, built, free_port, running, web_socket


def program(language: str, port: int) -> str:
    """Return the README's one program in a language, moved to a port."""
    tokens = MarkdownIt().parse((ROOT / "README.md").read_text(encoding="utf-8"))
    (text,) = [token.content for token in tokens if token.info == language]
    assert text.count("8080") == 1, "the program names its port once"
    return text.replace("8080", str(port))


def check(server: Program) -> None:
    with web_socket(server, "/echo") as client:
        for text in ("hello", "مرحبا"):
            client.send(text)
            assert client.recv(REPLY) == text


def test_python(tmp_path: Path) -> None:
    port = free_port()
    source = tmp_path / "echo.py"
    source.write_text(program("python", port), encoding="utf-8")
    with running([sys.executable, source], port, interrupt=True) as server:
        check(server)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_c(tmp_path: Path, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed: apt-get install {compiler}")
    port = free_port()
    source, binary = tmp_path / "echo.c", tmp_path / "echo"
    source.write_text(program("c", port), encoding="utf-8")
    library = built("civetweb/libalusus_http.so")
    options = ["-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'civetweb' / 'include'}"]
    run_path = f"-Wl,-rpath,{library.parent}"
    subprocess.run([compiler, *options, run_path, source, library, "-o", binary], check=True)
    with running([binary], port) as server:
        check(server)
