"""Servers of files for hostile and of curious clients; see tests/native/servers/web_root.c."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from tests.support import Program, built, free_port, one_of_each, running

TEXT = b"".join(b"line %05d\n" % number for number in range(200))
PRIVATE = b"not for clients"


class Servers(Protocol):
    def __call__(self, **options: str | int) -> Program: ...


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a document root with files of all kinds, and private ones beside it."""
    outside = tmp_path_factory.mktemp("files")
    root = outside / "root"
    (outside / "private").mkdir()
    (outside / "private/secret.txt").write_bytes(PRIVATE)
    for folder in ("folder", "pages", "closed", ".git", ".well-known", "a b"):
        (root / folder).mkdir(parents=True)
    files = {
        "text.txt": TEXT,
        "picture.png": bytes(range(256)) * 40,
        "empty.txt": b"",
        "ten.bin": b"0123456789",
        "pages/index.html": b"<p>index</p>",
        "folder/inside.txt": b"inside",
        "precompressed.css": b"body { color: red }\n" * 100,
        "only.svg.gz": gzip.compress(b"<svg/>"),
        ".env": PRIVATE,
        ".git/config": PRIVATE,
        ".well-known/public.txt": b"public",
        "script.cgi": b"#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nrun'\n",
        "source.php": PRIVATE,
        "page.shtml": b'<!--#exec "echo run" -->',
        "closed/.htpasswd": b"user:mydomain.com:0cf722ef3dd136b48da83758c5d855f8\n",
        "closed/text.txt": PRIVATE,
        "a b/text.txt": b"a b",
    }
    for name, content in files.items():
        (root / name).write_bytes(content)
    (root / "precompressed.css.gz").write_bytes(gzip.compress(files["precompressed.css"]))
    (root / "script.cgi").chmod(0o755)
    (root / "inner").symlink_to("text.txt")
    (root / "outer").symlink_to(outside / "private/secret.txt")
    (root / "outer_folder").symlink_to(outside / "private")
    os.mkfifo(root / "pipe")
    return root


def web_root(site: Path, options: dict[str, str | int]) -> AbstractContextManager[Program]:
    port = free_port()
    command: list[str | Path] = [built("tests/native/web_root"), f"127.0.0.1:{port}"]
    for name, value in {"document_root": site, **options}.items():
        command += [name, str(value)]
    return running(command, port, ready="^serving$")


@pytest.fixture(scope="session")
def servers(site: Path) -> Iterator[Servers]:
    """Start servers by their options, one of each for all tests."""
    with one_of_each(lambda **options: web_root(site, options)) as get:
        yield get


@pytest.fixture(scope="session")
def port(servers: Servers) -> int:
    """Return the port of a server with the default options."""
    return servers().port


@pytest.fixture(scope="session")
def lasting(servers: Servers) -> int:
    """Return the port of a server that keeps connections alive."""
    return servers(enable_keep_alive="yes").port
