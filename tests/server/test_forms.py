"""Forms that handlers take apart, as browsers send them and as nobody should."""

from __future__ import annotations

import json

import pytest

from alusus_http import Request, Response, Server
from alusus_http.testing import Serve, serve
from tests import http_client

__all__ = ["serve"]

TYPE = "multipart/form-data; boundary=B"
LIMIT = 1 << 20  # the server's, of a body
FIELD = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


@pytest.fixture
def site(serve: Serve) -> Server:
    server = Server(0)

    @server.route("/form", methods=["POST"])
    def form(request: Request) -> Response:
        files = {
            name: [file.filename, file.content_type, file.data.decode()]
            for name, file in request.files().items()
        }
        return Response.json([request.form().pairs(), files])

    @server.route("/json", methods=["POST"])
    def read_json(request: Request) -> Response:
        return Response.json(request.json())

    return serve(server)


def send(server: Server, path: str, content_type: str, body: bytes) -> tuple[int, str]:
    """Return the status and the body of the answer."""
    with http_client.Client(server.ports[0]) as client:
        answer = client.ask(path, "POST", f"Content-Type: {content_type}", body=body)
        return answer.status, answer.body.decode()


def part(head: bytes, content: bytes = b"1") -> bytes:
    return b"--B\r\n" + head + b"\r\n\r\n" + content + b"\r\n--B--\r\n"


def test_fields_and_files(site: Server) -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\ntwo\r\n'
        b"--B\r\ncontent-disposition: form-data;name=a\r\n\r\n\r\n"
        b'--B\r\nContent-Disposition: form-data; name="f"; filename="say \\"hi\\" C:\\x.txt"'
        b"\r\nContent-Type: Text/CSV; charset=utf-8\r\n\r\n\xd9\x86\r\n"
        b'--B\r\nContent-Disposition: form-data; filename="\xd9\x86"; name=g\r\n\r\n\r\n'
        b"--B--\r\nbehind"
    )
    status, answer = send(site, "/form", TYPE, body)
    assert (status, json.loads(answer)) == (
        200,
        [
            [["a", "one\r\ntwo"], ["a", ""]],
            {"f": ['say "hi" C:\\x.txt', "text/csv", "ن"], "g": ["ن", "text/plain", ""]},
        ],
    )
    assert send(site, "/form", 'multipart/form-data; boundary="B"', b"--B--\r\n") == (
        200,
        "[[],{}]",
    )


@pytest.mark.parametrize("boundary", ["€", "B; x=€"])
def test_a_type_that_is_not_in_latin_letters(site: Server, boundary: str) -> None:
    delimiter = b"--" + boundary.partition(";")[0].encode()
    body = FIELD.replace(b"--B", delimiter) + delimiter + b"--"
    answer = send(site, "/form", f"multipart/form-data; boundary={boundary}", body)
    assert answer == (200, '[[["a","1"]],{}]')


@pytest.mark.parametrize(
    ("content_type", "body", "complaint"),
    [
        ("multipart/form-data", FIELD, "has no boundary"),
        ("multipart/form-data; boundary=", FIELD, "has no boundary"),
        ("multipart/form-data; boundary=" + "B" * 257, FIELD, "the form is malformed"),
        ('multipart/form-data; boundary="B', FIELD, "the form is malformed"),
        (TYPE, b"", "the form has no end"),
        (TYPE, FIELD, "the form has no end"),
        (TYPE, b"--B", "the form has no end"),
        (TYPE, b"--Bx" + FIELD[3:], "the form is malformed"),
        (TYPE, part(b"A: " + b"b" * 10_000), "the form is malformed"),
        (TYPE, part(b"A: b"), "a part of the form has no name"),
        (TYPE, part(b"Content-Disposition: form-data"), "a part of the form has no name"),
        (TYPE, part(b"Content-Disposition: file; name=a"), "a part of the form has no name"),
        (TYPE, FIELD * 1001 + b"--B--", "the form has more than 1000 parts"),
        ("text/plain", FIELD, "the body is no form: its type is text/plain"),
    ],
)
def test_what_is_no_form_is_answered_with_400(
    site: Server,
    content_type: str,
    body: bytes,
    complaint: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, answer = send(site, "/form", content_type, body)
    assert status == 400
    assert complaint in answer
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]


@pytest.mark.parametrize(
    "piece", [b'"a"', b";a", b"; a=b", b'\\";a="', b"=?utf-8?q?", b"(", b"\r\n "]
)
def test_a_hostile_head_is_answered_like_any_other(site: Server, piece: bytes) -> None:
    head = b"Content-Disposition: form-data; name=a; filename="
    body = part(head + piece * ((LIMIT - 100) // len(piece)))
    assert send(site, "/form", TYPE, body)[0] in (200, 400)


def test_as_many_fields_as_there_may_be(site: Server) -> None:
    status, answer = send(site, "/form", TYPE, FIELD * 1000 + b"--B--")
    assert (status, len(json.loads(answer)[0])) == (200, 1000)


def test_json_that_is_nested_too_deeply_is_none(site: Server) -> None:
    body = b"[" * 500_000 + b"]" * 500_000
    assert send(site, "/json", "application/json", body) == (400, "the body is not JSON\n")
