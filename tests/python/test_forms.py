"""Forms and uploads: from curl, from raw sockets, broken, too large, and cut off."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alusus_http import http
from alusus_http.errors import (
    AccessDeniedError,
    ConnectionClosedError,
    HttpError,
    InvalidArgumentError,
    MalformedError,
    MissingFileError,
    TimedOutError,
    TooLargeError,
    WrongStateError,
)
from tests.http_client import Client
from tests.python.serving import Server, serving, until
from tests.support import curl

Field = tuple[str, str | None, str | None, bytes]


@dataclass
class Seen:
    """What the last form had, and how its reading ended."""

    fields: list[Field] = field(default_factory=list)
    error: HttpError | None = None
    done: threading.Event = field(default_factory=threading.Event)


SEEN = Seen()
PIECE = 7  # bytes read at once: pieces and boundaries meet in every way
LIMITS = {"fields": 50, "field": 100_000, "file": 300_000, "all": 400_000}
Handler = Callable[[http.Connection], None]
HANDLERS: dict[str, Handler] = {}


def read_field(connection: http.Connection, piece: int = PIECE) -> bytes:
    data = b""
    while part := http.read_form_field(connection, piece):
        assert len(part) <= piece
        data += part
    return data


def collect(connection: http.Connection, piece: int = PIECE) -> None:
    while (found := http.next_form_field(connection)) is not None:
        data = read_field(connection, piece)
        assert http.read_form_field(connection, piece) == b""
        SEEN.fields.append((found.name, found.file_name, found.mime_type, data))
    assert http.next_form_field(connection) is None


STATUS = {TooLargeError: 413, MalformedError: 400, TimedOutError: 408}


def dispatch(connection: http.Connection) -> int:
    http.set_form_limits(connection, *LIMITS.values())
    path = http.get_request_info(connection).local_uri or ""
    status = 200
    try:
        HANDLERS.get(path, collect)(connection)
    except HttpError as error:
        SEEN.error = error
        status = STATUS.get(type(error), 500)
        with pytest.raises(WrongStateError):
            http.next_form_field(connection)
    with suppress(ConnectionClosedError):
        http.respond(connection, status, "text/plain", "done")
    SEEN.done.set()
    return status


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(dispatch, enable_keep_alive="yes", request_timeout_ms="700") as server:
        yield server


@pytest.fixture(autouse=True)
def fresh() -> None:
    SEEN.__init__()  # type: ignore[misc]


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client


def part(name: str, data: bytes, *more: str, boundary: str = "B") -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
    return (
        "\r\n".join((head + (more[0] if more else ""), *more[1:], "", "")).encode() + data + b"\r\n"
    )


MULTIPART = "Content-Type: multipart/form-data; boundary=B"
URLENCODED = "Content-Type: application/x-www-form-urlencoded"


def send(client: Client, kind: str, body: bytes, path: str = "/") -> int:
    return client.ask(path, "POST", kind, body=body).status


# Urlencoded


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"a=1&b=2", [("a", b"1"), ("b", b"2")]),
        (b"a=1", [("a", b"1")]),
        (b"a", [("a", b"")]),
        (b"a=&&b", [("a", b""), ("b", b"")]),
        (b"&a=1&", [("a", b"1")]),
        (b"a=b=c", [("a", b"b=c")]),
        (b"a+b=c+d%2B", [("a b", b"c d+")]),
        (b"%61=%C3%A9%00x", [("a", b"\xc3\xa9\0x")]),
        (b"a=%", [("a", b"%")]),
        (b"a=%4&b=%4g", [("a", b"%4"), ("b", b"%4g")]),
        (b"=x", [("", b"x")]),
        (b"a=" + b"x" * 40_000 + b"&b=1", [("a", b"x" * 40_000), ("b", b"1")]),
    ],
)
def test_urlencoded(client: Client, body: bytes, fields: list[tuple[str, bytes]]) -> None:
    assert send(client, URLENCODED, body) == 200
    assert SEEN.fields == [(name, None, None, data) for name, data in fields]
    assert send(client, URLENCODED, b"x=1") == 200  # the connection lives on


def test_an_empty_form(client: Client) -> None:
    assert client.ask("/", "POST", URLENCODED, "Content-Length: 0").status == 200
    assert SEEN.fields == []


def test_the_form_of_a_query(client: Client) -> None:
    assert client.ask("/?a=1%202&b=%").status == 200
    assert SEEN.fields == [("a", None, None, b"1 2"), ("b", None, None, b"%")]
    assert client.ask("/").status == 200


def test_a_chunked_form(client: Client) -> None:
    client.send(
        f"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{URLENCODED}\r\n\r\n".encode()
    )
    for chunk in (b"na", b"me=v", b"al%", b"2", b"0ue&", b"b"):
        client.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    client.send(b"0\r\n\r\n")
    assert client.receive().status == 200
    assert SEEN.fields == [("name", None, None, b"val ue"), ("b", None, None, b"")]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
            st.binary(),
        ),
        max_size=8,
    )
)
def test_urlencoded_as_urllib_writes_it(server: Server, fields: list[tuple[str, bytes]]) -> None:
    SEEN.__init__()  # type: ignore[misc]
    with Client(server.port) as client:
        body = urlencode(fields).encode()
        headers = () if body else ("Content-Length: 0",)
        assert client.ask("/", "POST", URLENCODED, *headers, body=body).status == 200
    assert SEEN.fields == [(name, None, None, data) for name, data in fields]


# Multipart


def test_curl_s_forms(server: Server, tmp_path: Path) -> None:
    data = bytes(range(256)) * 300
    (tmp_path / "upload.png").write_bytes(data)
    named = f'named=@{tmp_path}/upload.png;filename="a\\"b\\\\c.txt";type=text/x-thing'
    given = ("text=سلام", f"file=@{tmp_path}/upload.png", 'quoted"name=1', named, "empty=")
    assert curl(server.port, "/", *(word for text in given for word in ("-F", text))) == "done|200"
    text, file, quoted, named_file, empty = SEEN.fields
    assert text == ("text", None, None, "سلام".encode())
    assert file == ("file", "upload.png", "image/png", data)
    assert quoted[0] in ('quoted"name', "quoted%22name")  # older versions of curl, newer ones
    assert named_file[1] in ('a"b\\c.txt', "a%22b\\c.txt")
    assert named_file[2:] == ("text/x-thing", data)
    assert empty == ("empty", None, None, b"")


NASTY = [
    b"",
    b"\r\n",
    b"\r\n--",
    b"\r\n--B"[:-1],
    b"--B",
    b"--B--",
    b"\r\r\n--\r\n--",
    b"\r\n\r\n--C\r\n",
    b"x" * 20_000,
    b"\r\n-" * 9_000,
    b"\0" * 17_000,
]


@pytest.mark.parametrize("piece", [1, PIECE, 100_000])
def test_data_that_looks_like_a_boundary(client: Client, piece: int) -> None:
    HANDLERS["/pieces"] = lambda connection: collect(connection, piece)
    nasty = NASTY if piece > 1 else NASTY[:-3]
    body = (
        b"preamble\r\n" + b"".join(part(f"f{i}", data) for i, data in enumerate(nasty)) + b"--B--"
    )
    assert send(client, MULTIPART, body, "/pieces") == 200
    assert [data for *_, data in SEEN.fields] == nasty
    assert send(client, MULTIPART, body + b"\r\nepilogue" * 5000, "/pieces") == 200


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--B", b"\r\n--", b"x"]), max_size=30).map(
            b"".join
        ),
        max_size=4,
    )
)
def test_any_data_comes_through(server: Server, parts: list[bytes]) -> None:
    data = [p for p in parts if b"\r\n--B" not in b"\r\n" + p]
    SEEN.__init__()  # type: ignore[misc]
    with Client(server.port) as client:
        body = b"".join(part("f", d) for d in data) + b"--B--\r\n"
        assert send(client, MULTIPART, body) == 200
    assert [d for *_, d in SEEN.fields] == data


def test_what_is_not_read_is_skipped(client: Client) -> None:
    names = []

    def skip(connection: http.Connection) -> None:
        while (found := http.next_form_field(connection)) is not None:
            names.append(found.name)
            http.read_form_field(connection, 3)

    HANDLERS["/skip"] = skip
    body = part("a", b"x" * 50_000) + part("b", b"y") + part("c", b"z" * 50_000) + b"--B--\r\n"
    assert send(client, MULTIPART, body, "/skip") == 200
    assert names == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("disposition", "name", "file_name"),
    [
        ("form-data; name=plain", "plain", None),
        ('FORM-DATA; NAME="a"', "a", None),
        ('form-data; name="a;b=c"; filename="d;e"', "a;b=c", "d;e"),
        ('form-data; filename="first"; name="a"', "a", "first"),
        ('form-data; name="a"; filename=""', "a", ""),
        ('form-data; name=""', "", None),
        ('form-data; xname="b"; name="a"', "a", None),
        (r'form-data; name="a"; filename="C:\dir\x.txt"', "a", r"C:\dir\x.txt"),
        (r'form-data; name="a\"b"', 'a"b', None),
        ('form-data; name="a"; filename="../../etc/passwd"', "a", "../../etc/passwd"),
        ('form-data ;  name = x; name="a" ; filename="f" ', "a", "f"),
        ('form-data; name="unclosed', "unclosed", None),
    ],
)
def test_dispositions(client: Client, disposition: str, name: str, file_name: str | None) -> None:
    body = f"--B\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--B--\r\n".encode()
    assert send(client, MULTIPART, body) == 200
    assert SEEN.fields == [(name, file_name, None, b"x")]


def test_a_boundary_in_quotes_and_padding(client: Client) -> None:
    kind = 'Content-Type: Multipart/Form-Data; charset=utf-8; boundary="a b:c"'
    body = part("a", b"1", boundary="a b:c").replace(b"c\r\n", b"c \t \r\n", 1) + b"--a b:c--"
    assert send(client, kind, body) == 200
    assert SEEN.fields == [("a", None, None, b"1")]


BROKEN = {
    "nothing": b"",
    "no boundary": b"just text",
    "cut in the data": part("a", b"12345")[:-4],
    "cut in the headers": b"--B\r\nContent-Disposition: form-data; na",
    "cut behind the headers": b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n',
    "cut in the last boundary": part("a", b"1") + b"--B",
    "cut in its end": part("a", b"1") + b"--B-",
    "not the boundary": part("a", b"1") + b"--Bx\r\n",
    "no name": b"--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--",
    "no disposition": b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n--B--",
    "no headers": b"--B\r\n\r\nx\r\n--B--",
    "not form-data": b'--B\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n--B--',
    "no header line": b"--B\r\nnonsense\r\n\r\nx\r\n--B--",
    "bare line ends": b'--B\nContent-Disposition: form-data; name="a"\n\nx\n--B--',
    "NUL in a header": b'--B\r\nContent-Disposition: form-data; name="a\0"\r\n\r\nx\r\n--B--',
    "many headers": b"--B\r\n" + b"X: 1\r\n" * 40 + b"\r\nx\r\n--B--",
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_multiparts(client: Client, case: str) -> None:
    headers = (MULTIPART,) if BROKEN[case] else (MULTIPART, "Content-Length: 0")
    reply = client.ask("/", "POST", *headers, body=BROKEN[case])
    assert isinstance(SEEN.error, MalformedError), SEEN
    assert (reply.status, reply.header("Connection")) == (400, "close")
    assert client.rest() == b""


@pytest.mark.parametrize(
    "kind",
    [
        "X-No: type",
        "Content-Type: application/json",
        "Content-Type: multipart/mixed; boundary=B",
        "Content-Type: multipart/form-data",
        "Content-Type: multipart/form-data; boundary=",
        'Content-Type: multipart/form-data; boundary=""',
        "Content-Type: multipart/form-data; boundary=" + "x" * 71,
        'Content-Type: multipart/form-data; boundary="a*b"',
        "Content-Type: application/x-www-form-urlencodedness",
    ],
)
def test_types_that_are_no_forms(client: Client, kind: str) -> None:
    assert send(client, kind, part("a", b"1") + b"--B--") == 400
    assert isinstance(SEEN.error, MalformedError)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MULTIPART, b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"\r\n--" * 3000),
        (MULTIPART, b"--B" * 8000),
        (MULTIPART, b"\r\n--B\r\n" * 3000),
        (URLENCODED, b"%" * 16_385),
        (URLENCODED, b"a" * 16_385),
        (URLENCODED, b"=&" * 30),
        (URLENCODED, b"a" + b"\0" * 9000 + b"=%"),
        (URLENCODED, b"&" * 50_000),
    ],
)
def test_bodies_made_to_keep_a_parser_busy(client: Client, kind: str, body: bytes) -> None:
    """CivetWeb looped for ever on a form with NUL in it (CVE-2025-9648)."""
    began = time.monotonic()
    assert send(client, kind, body) in (200, 400, 413)
    assert time.monotonic() - began < 3


# Limits


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (URLENCODED, b"&".join([b"a=1"] * 51), "too many fields: the limit is 50"),
        (MULTIPART, part("a", b"1") * 51 + b"--B--", "too many fields"),
        (URLENCODED, b"a=" + b"x" * 100_001, "a field is too large: the limit is 100000"),
        (MULTIPART, part("a", b"x" * 100_001) + b"--B--", "a field is too large"),
        (MULTIPART, part("a", b"x" * 300_001, '; filename="f"') + b"--B--", "a file is too large"),
        (MULTIPART, part("a", b"x" * 290_000, '; filename="f"') * 2 + b"--B--", "too many bytes"),
        (URLENCODED, b"n" * 20_000 + b"=1", "the name of a field is too long"),
        (MULTIPART, part("n" * 20_000, b"1") + b"--B--", "the headers of a part are too long"),
    ],
)
def test_limits(client: Client, kind: str, body: bytes, words: str) -> None:
    reply = client.ask("/", "POST", kind, body=body)
    assert (reply.status, reply.header("Connection")) == (413, "close")
    assert words in str(SEEN.error)
    assert client.rest() == b""


def test_what_is_just_within_the_limits(client: Client) -> None:
    body = part("a", b"x" * 100_000) + part("b", b"y" * 298_000, '; filename="f"') + b"--B--"
    HANDLERS["/large"] = lambda connection: collect(connection, 100_000)
    assert send(client, MULTIPART, body, "/large") == 200
    assert [len(data) for *_, data in SEEN.fields] == [100_000, 298_000]


def test_a_form_without_a_length_is_limited_as_well(client: Client) -> None:
    client.send(
        f"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{MULTIPART}\r\n\r\n".encode()
    )
    client.send(b"f4240\r\n" + (part("a", b"x" * 290_000, '; filename="f"') * 4)[:1_000_000])
    assert client.receive().status == 413
    assert "too many bytes" in str(SEEN.error)


def test_limits_are_set_before_the_first_field(client: Client) -> None:
    failures = []

    def late(connection: http.Connection) -> None:
        with pytest.raises(InvalidArgumentError):
            http.set_form_limits(connection, 1, 1, -1, 1)
        with pytest.raises(WrongStateError, match=r"http\.next_form_field\(\)"):
            http.read_form_field(connection, 1)
        http.next_form_field(connection)
        with pytest.raises(WrongStateError):
            http.set_form_limits(connection, 1, 1, 1, 1)
        failures.append(True)

    HANDLERS["/late"] = late
    assert send(client, URLENCODED, b"a=1", "/late") == 200
    assert failures == [True]


# Files


def store(directory: Path, name: str | None = None) -> Handler:
    def handler(connection: http.Connection) -> None:
        while (found := http.next_form_field(connection)) is not None:
            size = http.store_form_field(connection, str(directory), name or found.file_name or "")
            SEEN.fields.append((found.name, found.file_name, None, str(size).encode()))

    return handler


def test_a_file_is_stored(server: Server, tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    (tmp_path / "source.bin").write_bytes(data)
    target = tmp_path / "target"
    target.mkdir()
    HANDLERS["/store"] = store(target)
    assert (
        curl(server.port, "/store", "-F", f"f=@{tmp_path}/source.bin;filename=stored") == "done|200"
    )
    assert SEEN.fields[0][3] == b"256000"
    (stored,) = target.iterdir()
    assert (stored.name, stored.read_bytes()) == ("stored", data)
    assert stored.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "/etc/x", "a/b", ".htpasswd", "x" * 256])
def test_names_that_leave_the_directory(client: Client, tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    target.mkdir()
    HANDLERS["/store"] = store(target)

    def attempt(connection: http.Connection) -> None:
        assert http.next_form_field(connection) is not None
        with pytest.raises(InvalidArgumentError):
            http.store_form_field(connection, str(target), name)
        SEEN.fields.append(("", None, None, b""))

    HANDLERS["/attempt"] = attempt
    assert send(client, MULTIPART, part("a", b"1", '; filename="f"') + b"--B--", "/attempt") == 200
    assert SEEN.fields
    assert list(tmp_path.rglob("*")) == [target]


def test_what_is_there_is_left_alone(client: Client, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    refused = []

    def attempt(connection: http.Connection) -> None:
        for name in ("there", "link"):
            assert http.next_form_field(connection) is not None
            with pytest.raises(InvalidArgumentError, match="exists"):
                http.store_form_field(connection, str(tmp_path), name)
            refused.append(name)

    HANDLERS["/attempt"] = attempt
    assert send(client, MULTIPART, part("a", b"1") * 2 + b"--B--", "/attempt") == 200
    assert refused == ["there", "link"]
    assert (tmp_path / "there").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "there"]


def test_folders_that_cannot_be_written_to(client: Client, tmp_path: Path) -> None:
    refused = []

    def attempt(connection: http.Connection) -> None:
        assert http.next_form_field(connection) is not None
        with pytest.raises(MissingFileError):
            http.store_form_field(connection, str(tmp_path / "missing"), "a")
        with pytest.raises((AccessDeniedError, MissingFileError)):
            http.store_form_field(connection, "/proc/self", "a")
        assert read_field(connection) == b"still here"
        refused.append(True)

    HANDLERS["/attempt"] = attempt
    assert send(client, MULTIPART, part("a", b"still here") + b"--B--", "/attempt") == 200
    assert refused


@pytest.mark.parametrize(
    "end",
    [b"", b"\r\n--", b"x" * 400_000 + b"\r\n--B--"],
    ids=["gone", "at a boundary", "too large"],
)
def test_no_half_written_files_are_left(server: Server, tmp_path: Path, end: bytes) -> None:
    HANDLERS["/store"] = store(tmp_path, "stored")
    began = threading.Event()
    watched = HANDLERS["/store"]

    def handler(connection: http.Connection) -> None:
        began.set()
        watched(connection)

    HANDLERS["/store"] = handler
    with Client(server.port) as client:
        head = f"POST /store HTTP/1.1\r\nHost: x\r\n{MULTIPART}\r\nContent-Length: 390000"
        client.send(f"{head}\r\n\r\n".encode())
        client.send(part("a", b"y" * 50_000, '; filename="f"')[:-2])
        assert began.wait(10)
        until(
            lambda: any(
                p.name.startswith(".part-") and p.stat().st_size for p in tmp_path.iterdir()
            )
        )
        if end:
            client.send(end[:330_000])
    assert SEEN.done.wait(10)
    assert isinstance(SEEN.error, ConnectionClosedError | TooLargeError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"3\r\na=b\r\nx\r\n", MalformedError, 400),
        (b"3\r\na=b\r\n", TimedOutError, 408),
    ],
)
def test_a_form_whose_body_does_not_end(
    client: Client, body: bytes, kind: type[HttpError], status: int
) -> None:
    head = f"POST / HTTP/1.1\r\nHost: x\r\n{URLENCODED}\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send(head.encode() + body)
    assert client.receive().status == status
    assert type(SEEN.error) is kind


def test_a_big_upload(server: Server, tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    with source.open("wb") as file:
        file.truncate(200 << 20)
        file.seek(123 << 20)
        file.write(b"mark")
    target = tmp_path / "target"
    target.mkdir()

    def big(connection: http.Connection) -> None:
        http.set_form_limits(connection, 1, 0, 200 << 20, 201 << 20)
        store(target)(connection)

    HANDLERS["/big"] = big
    assert curl(server.port, "/big", "-F", f"f=@{source};filename=stored") == "done|200"
    assert subprocess.run(["cmp", source, target / "stored"], check=False).returncode == 0


def test_a_refused_upload_gets_its_answer(server: Server, tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    with source.open("wb") as file:
        file.truncate(50 << 20)
    assert curl(server.port, "/", "-F", f"f=@{source}") == "done|413"  # curl waits for 100-continue
    assert curl(server.port, "/", "-H", "Expect:", "-F", f"f=@{source}").endswith("413")
