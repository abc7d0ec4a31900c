"""Handlers, responses, forms and passwords from C, with the clients of others."""

from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support import REPLY, curl, exchange

from .conftest import Serve


def test_many_answers_on_one_connection(shared: Serve) -> None:
    client = HTTPConnection("127.0.0.1", shared("site").port, timeout=REPLY)
    client.connect()
    first = client.sock

    def ask(path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
        client.request(method, path, body)
        response = client.getresponse()
        return response.status, response.read()

    for body in (b"x", b"0123456789" * 999, b""):
        assert ask("/echo", "POST", body) == (200, body)
        assert ask("/gone", "POST", body) == (410, b"Error 410: Gone\nno more")
        assert ask("/moved?to=a/b%20c", "HEAD") == (307, b"")
        assert ask("/form?a=1&b") == (200, b"[a|-|-]1[b|-|-]")
        assert ask("/private", "POST", body) == (401, b"")
    assert client.sock is first  # http.client would have connected again
    client.close()


def test_a_redirection(shared: Serve) -> None:
    assert (
        curl(shared("site").port, "/moved?to=a/b%20c%0D%0A", "-L") == "[to|-|-]a/b c\n|200"
    )  # text mode made one of two


def test_a_form_of_curl(shared: Serve, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("from a file")
    answer = curl(shared("site").port, "/form", "-F", "text=سلام", "-F", f"f=@{tmp_path}/a.txt")
    assert answer == "[text|-|-]سلام[f|a.txt|text/plain]from a file|200"
    answer = curl(shared("site").port, "/form", "--data-urlencode", "a=1 & 2", "-d", "b=x%")
    assert answer == "[a|-|-]1 & 2[b|-|-]x%|200"


def test_a_file_comes_and_goes(shared: Serve, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("stored " * 10_000)
    answer = curl(shared("site").port, "/store", "-F", f"f=@{tmp_path}/a.txt")
    assert answer == "stored " * 10_000 + "|200"
    answer = curl(shared("site").port, "/store", "-F", f"f=@{tmp_path}/a.txt;filename=passwords")
    assert answer.endswith("|400")
    answer = curl(shared("site").port, "/store", "-F", f"f=@{tmp_path}/a.txt;filename=.hidden")
    assert answer.endswith("|400")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=B", b'--B\r\nContent-Disposition: form-data; name="a'),
        ("multipart/form-data; boundary=B", b"--B\r\n" + b"\r\n--" * 20_000),
        ("multipart/form-data; boundary=B", b"--B\r\n:\r\n\r\n"),
        ("multipart/form-data; boundary=B", b"--B\r\n" + b"A" * 70_000),
        ("multipart/form-data; boundary=B", b'--B\r\nContent-Disposition: form-data; name="\\'),
        ("multipart/form-data", b"--B--"),
        ("application/x-www-form-urlencoded", b"%" * 20_000),
        ("application/x-www-form-urlencoded", b"a=1&b=%00&%00=1"),
        ("text/plain", b"a=1"),
    ],
)
def test_malformed_forms(shared: Serve, kind: str, body: bytes) -> None:
    head = f"POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    answer = exchange(shared("site").port, f"{head}\r\n\r\n".encode() + body)
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_passwords(shared: Serve) -> None:
    server = shared("site")
    assert curl(server.port, "/private", "--digest", "-u", "amal:secret") == "hello amal|200"
    answer = curl(
        server.port, "/private/x", "--digest", "-u", "amal:secret", "-b", "x=1; greeting=hi"
    )
    assert answer == "hi amal|200"
    assert curl(server.port, "/private", "--digest", "-u", "amal:wrong") == "|401"
