"""The published vulnerabilities of CivetWeb and of Mongoose before it; docs/security.md lists them.

Each test does to the built library what the report describes. Those about memory say nothing in
themselves: `make sanitized` runs them on a server that AddressSanitizer watches, which then would
not end well.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import BUILD

from .client import ask, fetch, statuses
from .conftest import PRIVATE, TEXT, Servers

PATH_MAX = 4096


def test_cve_2018_12684_tags_of_ssi_beyond_their_buffer(servers: Servers, site: Path) -> None:
    """Reading a tag went on behind the end of the buffer."""
    server = servers(ssi_pattern="**.shtml$")
    pages = {
        "open": b"<!--#",
        "long": b'<!--#include file="' + b"a" * 20000 + b'" -->',
        "unended": b"before <!--#include file=" + b"x" * 9000,
        "brackets": b"<" * 10000 + b"!--#" * 3000,
        "dashes": b"<!--" + b"-" * 9000 + b">",
        "empty": b"",
    }
    for name, page in pages.items():
        (site / f"{name}.shtml").write_bytes(page)
        assert fetch(server.port, f"/{name}.shtml").status == 200
    assert fetch(server.port, "/ten.bin").body == b"0123456789"


@pytest.mark.parametrize("function", ["mg_handle_form_request", "mg_store_body"])
def test_cve_2020_27304_and_cve_2025_9648_are_not_in_the_library(function: str) -> None:
    """Uploads out of their folder, and a form that is read for ever: the code is left out."""
    library = BUILD / "civetweb/libalusus_http.so"
    symbols = subprocess.run(["nm", library], capture_output=True, text=True, check=True).stdout
    assert " mg_start2\n" in symbols  # it is not stripped
    assert f" {function}\n" not in symbols


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PROPFIND"])
def test_cve_2025_55763_redirects_longer_than_a_path(port: int, site: Path, method: str) -> None:
    """The query was appended to the path of a folder, whatever room was left."""
    name = "d" * 250
    depth = (PATH_MAX - len(str(site)) - 100) // (len(name) + 1)
    deep = "/".join([name] * depth)
    (site / deep).mkdir(parents=True, exist_ok=True)
    for query in ("", "?" + "q" * 200, "?" + "q" * 4000, "?" + "q" * 8000, "?" + "%41" * 3000):
        data = f"{method} /{deep}{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        answer = ask(port, data.encode())
        if method in ("GET", "HEAD"):
            assert (answer.status, answer.headers["location"]) == (301, f"/{deep}/{query}")
        assert answer.status in (301, 405)
    assert fetch(port, f"/{deep}/{'x' * 8000}").status == 404


@pytest.mark.parametrize(
    "path", ["/../private/secret.txt", "/..\\private\\secret.txt", "/" + "../" * 3000]
)
def test_mongoose_cve_2009_1354_dots(port: int, path: str) -> None:
    """They led above the root."""
    answer = fetch(port, path)
    assert answer.status in (400, 403, 404)
    assert PRIVATE not in answer.body


@pytest.mark.parametrize("path", ["/".join(["p" * 250] * 50), "p/" * 6000, "p" * 12000])
def test_mongoose_cve_2011_2900_puts_longer_than_a_path(port: int, site: Path, path: str) -> None:
    """The folders of a PUT were written into a buffer without regard to its size."""
    before = sorted(site.iterdir())
    head = f"PUT /{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"
    assert statuses(port, head.encode()) in ([404], [405])
    assert sorted(site.iterdir()) == before


@pytest.mark.parametrize(
    "suffix", ["::$DATA", "/", "%20", ".", "%00", "%2e", "+", "%5c", "\\", "%2f", ";", "~", ".bak"]
)
def test_mongoose_cve_2009_4530_and_4535_sources_of_scripts(
    servers: Servers, port: int, suffix: str
) -> None:
    """A script was sent as text when its name had an addition."""
    for server in (port, servers(cgi_pattern="**.cgi$|**.php$", cgi_interpreter="/bin/false").port):
        for script in ("script.cgi", "source.php"):
            answer = fetch(server, f"/{script}{suffix}")
            assert PRIVATE not in answer.body
            assert b"#!/bin/sh" not in answer.body
    assert fetch(port, "/text.txt").body == TEXT


@pytest.mark.parametrize("head", [b"\r\n\r\n", b"\n\n", b"\r\n\r\n\r\n\r\n", b"\n\n\r\n\r\n"])
def test_an_empty_head_is_no_request(lasting: int, head: bytes) -> None:
    """CivetWeb reads the request behind it, and then what it has read as a second one."""
    request = b"GET /ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert statuses(lasting, head + request) in ([400], [])
    assert statuses(lasting, request + head + request) in ([200, 400], [200])


def test_sizes_of_chunks_that_overflow(lasting: int) -> None:
    """CivetWeb adds the size of a chunk, any 64 bits, to a signed number."""
    head = b"POST /read HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    for size in (
        b"7FFFFFFFFFFFFFFF",
        b"FFFFFFFFFFFFFFFE",
        b"8000000000000000",
        b"4000000000000000",
    ):
        assert statuses(lasting, head + b"1\r\nx\r\n" + size + b"\r\nx\r\n0\r\n\r\n") == [400]
