"""Files as RFC 9110 has them sent: in part, on conditions, compressed."""

from __future__ import annotations

import gzip
import os
import subprocess
import zlib
from pathlib import Path

import pytest

from .client import fetch
from .conftest import TEXT, Servers

MODIFIED = 1_000_000_000  # Sun, 09 Sep 2001 01:46:40 GMT


@pytest.fixture(autouse=True, scope="module")
def times(site: Path) -> None:
    os.utime(site / "text.txt", (MODIFIED, MODIFIED))


@pytest.mark.parametrize(
    ("ranges", "part"),
    [
        ("bytes=0-0", "0-0"),
        ("bytes=2-4", "2-4"),
        ("bytes=7-", "7-9"),
        ("bytes=-3", "7-9"),
        ("bytes=-99", "0-9"),
        ("bytes=0-99", "0-9"),
        ("bytes=9-9223372036854775807", "9-9"),
        ("bytes=9-99999999999999999999999", "9-9"),
        ("Bytes=1-1", "1-1"),
    ],
)
def test_a_range(port: int, ranges: str, part: str) -> None:
    answer = fetch(port, "/ten.bin", f"Range: {ranges}")
    first, last = map(int, part.split("-"))
    assert (answer.status, answer.headers["content-range"]) == (206, f"bytes {part}/10")
    assert answer.body == b"0123456789"[first : last + 1]


@pytest.mark.parametrize(
    "ranges", ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999-"]
)
def test_a_range_outside_of_the_file(port: int, ranges: str) -> None:
    answer = fetch(port, "/ten.bin", f"Range: {ranges}")
    assert (answer.status, answer.headers["content-range"], answer.body) == (416, "bytes */10", b"")


@pytest.mark.parametrize(
    "ranges",
    [
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=4-2",
        "bytes=--1",
        "bytes=1",
        "bytes=1-2x",
        "lines=1-2",
        "bytes=0-1,3-4",
    ],
)
def test_a_range_that_is_none_of_ours(port: int, ranges: str) -> None:
    """Malformed, of another unit, or several: a server may send the whole (RFC 9110, 14.2)."""
    answer = fetch(port, "/ten.bin", f"Range: {ranges}")
    assert (answer.status, answer.body) == (200, b"0123456789")


def test_ranges_of_an_empty_file(port: int) -> None:
    assert fetch(port, "/empty.txt").headers["content-length"] == "0"
    assert fetch(port, "/empty.txt", "Range: bytes=0-").status == 416
    assert fetch(port, "/empty.txt", "Range: bytes=-1").status == 416


def test_a_range_on_condition(port: int) -> None:
    whole = fetch(port, "/text.txt")
    for condition, status in {
        whole.headers["etag"]: 206,
        whole.headers["last-modified"]: 206,
        '"other"': 200,
        f"W/{whole.headers['etag']}": 200,
        "Sun, 09 Sep 2001 01:46:41 GMT": 200,
        "nonsense": 200,
    }.items():
        answer = fetch(port, "/text.txt", "Range: bytes=0-3", f"If-Range: {condition}")
        assert (answer.status, condition) == (status, condition)


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("If-None-Match: {tag}", 304),
        ("If-None-Match: W/{tag}", 304),
        ('If-None-Match: "a", {tag}', 304),
        ('If-None-Match: "a",W/"b" , {tag}, "c"', 304),
        ("If-None-Match: *", 304),
        ('If-None-Match: "a"', 200),
        ("If-None-Match: nonsense", 200),
        ("If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT", 304),
        ("If-Modified-Since: Sunday, 09-Sep-01 01:46:40 GMT", 304),
        ("If-Modified-Since: Sun Sep  9 01:46:40 2001", 304),
        ("If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT", 200),
        ("If-Modified-Since: Sun, 09 Sep 2991 01:46:39 GMT", 200),
        ("If-Modified-Since: nonsense", 200),
        ('If-None-Match: "a"\r\nIf-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT', 200),
        ("If-Match: {tag}", 200),
        ("If-Match: *", 200),
        ('If-Match: "a"', 412),
        ("If-Match: W/{tag}", 412),
        ("If-Unmodified-Since: Sun, 09 Sep 2001 01:46:40 GMT", 200),
        ("If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT", 412),
        ("If-Unmodified-Since: nonsense", 200),
    ],
)
def test_a_condition(port: int, condition: str, status: int) -> None:
    tag = fetch(port, "/text.txt").headers["etag"]
    for method in ("GET", "HEAD"):
        answer = fetch(port, "/text.txt", condition.format(tag=tag), method=method)
        assert answer.status == status
        assert answer.body == (TEXT if (method, status) == ("GET", 200) else b"")
        if status == 304:
            assert answer.headers["etag"] == tag
            assert "content-length" not in answer.headers


def test_head_is_get_without_content(port: int) -> None:
    for path in ("/text.txt", "/picture.png", "/pages/", "/ten.bin"):
        get, head = fetch(port, path), fetch(port, path, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
    assert fetch(port, "/ten.bin", "Range: bytes=1-2", method="HEAD").status == 200


def unchunked(body: bytes) -> bytes:
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        content += body[:length]
        assert body[length : length + 2] == b"\r\n"
        body = body[length + 2 :]
    return content


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "*", "GZIP"])
def test_text_is_compressed(port: int, accepted: str) -> None:
    answer = fetch(port, "/text.txt", f"Accept-Encoding: {accepted}")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["etag"] != fetch(port, "/text.txt").headers["etag"]
    assert zlib.decompress(unchunked(answer.body), wbits=31) == TEXT


@pytest.mark.parametrize("accepted", ["gzip;q=0", "br", "identity", "xgzip", "gzip;q=0.000, br"])
def test_text_is_not_compressed_unasked(port: int, accepted: str) -> None:
    answer = fetch(port, "/text.txt", f"Accept-Encoding: {accepted}")
    assert (answer.body, answer.headers.get("content-encoding")) == (TEXT, None)
    assert answer.headers["vary"] == "Accept-Encoding"


def test_what_compression_does_not_suit(port: int) -> None:
    for path, *headers in (("/picture.png",), ("/ten.bin",), ("/text.txt", "Range: bytes=0-3")):
        answer = fetch(port, path, "Accept-Encoding: gzip", *headers)
        assert "content-encoding" not in answer.headers


def test_a_precompressed_file(port: int, site: Path) -> None:
    answer = fetch(port, "/precompressed.css", "Accept-Encoding: gzip")
    assert answer.body == (site / "precompressed.css.gz").read_bytes()
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "text/css"
    assert fetch(port, "/precompressed.css").body == gzip.decompress(answer.body)
    part = fetch(port, "/precompressed.css", "Accept-Encoding: gzip", "Range: bytes=0-3")
    assert (part.status, part.body) == (206, b"body")


def test_a_file_that_is_precompressed_only(port: int) -> None:
    answer = fetch(port, "/only.svg", "Accept-Encoding: gzip")
    assert (gzip.decompress(answer.body), answer.headers["content-type"]) == (
        b"<svg/>",
        "image/svg+xml",
    )
    assert fetch(port, "/only.svg").status == 404
    assert fetch(port, "/only.svg", "Accept-Encoding: gzip", "Range: bytes=0-3").status == 200


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "text/html"),
        ("a.JS", "application/javascript"),
        ("a.png", "image/png"),
        ("a.unknown", "text/plain"),
    ],
)
def test_media_types(port: int, site: Path, name: str, kind: str) -> None:
    (site / name).write_bytes(b"x")
    assert fetch(port, f"/{name}").headers["content-type"] == kind


def test_own_media_types_and_index_files(servers: Servers) -> None:
    server = servers(extra_mime_types=".bin=application/x-ten", index_files="ten.bin")
    answer = fetch(server.port, "/")
    assert (answer.body, answer.headers["content-type"]) == (b"0123456789", "application/x-ten")


@pytest.mark.parametrize("sendfile", ["yes", "no"])
def test_a_big_file_for_a_slow_client(servers: Servers, site: Path, sendfile: str) -> None:
    """More than the socket takes at once, with curl as the client."""
    content = os.urandom(8 << 20)
    (site / "big.bin").write_bytes(content)
    address = servers(allow_sendfile_call=sendfile).address
    command = ["curl", "-s", "--limit-rate", "32M", "-o", "-", f"http://{address}/big.bin"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == content
    command[1:1] = ["-r", "1000000-"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == content[1000000:]
