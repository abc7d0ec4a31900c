"""What clients get of a document root, and what they do not."""

from __future__ import annotations

import itertools
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import REPLY, built, free_port, running

from .client import ask, fetch
from .conftest import PRIVATE, TEXT, Servers


def test_a_file(port: int) -> None:
    answer = fetch(port, "/text.txt")
    assert (answer.status, answer.body) == (200, TEXT)
    assert answer.headers["content-type"] == "text/plain"
    assert fetch(port, "/a%20b/text.txt").body == b"a b"
    assert fetch(port, "/folder/../text.txt").body == TEXT
    assert fetch(port, "/pages/").body == b"<p>index</p>"
    assert fetch(port, "/inner").body == TEXT
    assert fetch(port, "/.well-known/public.txt").body == b"public"


@pytest.mark.parametrize(
    "path",
    [
        "/../private/secret.txt",
        "/folder/../../private/secret.txt",
        "/%2e%2e/private/secret.txt",
        "/%2e%2e%2fprivate%2fsecret.txt",
        "/..%2fprivate/secret.txt",
        "/..%5cprivate%5csecret.txt",
        "/..\\private\\secret.txt",
        "/folder/..%2f..%2fprivate/secret.txt",
        "/folder/....//....//private/secret.txt",
        "/%252e%252e/private/secret.txt",
        "/%c0%ae%c0%ae/private/secret.txt",
        "/%e0%80%ae%e0%80%ae/private/secret.txt",
        "/%uff0e%uff0e/private/secret.txt",
        "//../private/secret.txt",
        "/./../private/secret.txt",
        "/%00/../../private/secret.txt",
        "/text.txt/../../private/secret.txt",
    ],
)
def test_no_path_leads_out_of_the_root(port: int, path: str) -> None:
    answer = fetch(port, path)
    assert answer.status in (400, 404)
    assert PRIVATE not in answer.body


@pytest.mark.parametrize("path", ["/text.txt%00.html", "/text.txt%0d%0aX: y", "/%7f", "/%09"])
def test_control_characters_in_a_path_are_refused(port: int, path: str) -> None:
    assert fetch(port, path.replace(" ", "%20")).status == 400


@pytest.mark.parametrize(
    "path",
    ["/.env", "/.git/config", "/%2egit/config", "/.git/", "/.git", "/folder/../.env"],
)
def test_hidden_files_do_not_exist(port: int, path: str) -> None:
    assert fetch(port, path).status == 404


def test_hidden_files_are_served_on_request(servers: Servers) -> None:
    assert fetch(servers(serve_hidden_files="yes").port, "/.env").body == PRIVATE


@pytest.mark.parametrize(
    "path", ["/outer", "/outer_folder/secret.txt", "/outer_folder/", "/outer_folder"]
)
def test_links_out_of_the_root_do_not_exist(port: int, path: str) -> None:
    answer = fetch(port, path)
    assert (answer.status, PRIVATE in answer.body) == (404, False)


def test_links_are_followed_on_request(servers: Servers) -> None:
    assert fetch(servers(follow_symlinks="yes").port, "/outer").body == PRIVATE
    assert fetch(servers(follow_symlinks="yes").port, "/outer_folder/secret.txt").body == PRIVATE


def test_a_link_that_changes_under_way_leads_nowhere(port: int, site: Path) -> None:
    """What is opened is what was checked: the link is turned round as fast as can be."""
    turn = (
        "import itertools, os, sys\n"
        "for target in itertools.cycle(sys.argv[2:]):\n"
        "    os.symlink(target, sys.argv[1] + '~')\n"
        "    os.replace(sys.argv[1] + '~', sys.argv[1])\n"
    )
    targets = ["text.txt", str(site.parent / "private/secret.txt")]
    turner = subprocess.Popen(["python3", "-c", turn, site / "turning", *targets])
    try:
        answers: set[tuple[int, bytes]] = set()
        end = time.monotonic() + REPLY
        for number in itertools.count():
            answer = fetch(port, "/turning")
            answers.add((answer.status, answer.body[:15]))
            if (number > 300 and (200, TEXT[:15]) in answers) or time.monotonic() > end:
                break
    finally:
        turner.kill()
        turner.wait()
        (site / "turning").unlink(missing_ok=True)
        (site / "turning~").unlink(missing_ok=True)
    assert {answer for answer in answers if answer[0] == 200} == {(200, TEXT[:15])}


def test_what_is_no_file_holds_nobody_up(port: int) -> None:
    assert fetch(port, "/pipe").status == 404


def test_folders_are_listed_on_request_only(port: int, servers: Servers) -> None:
    assert fetch(port, "/folder/").status == 403
    listing = fetch(servers(enable_directory_listing="yes").port, "/")
    assert listing.status == 200
    assert b"text.txt" in listing.body
    for name in (b".env", b".git", b".htpasswd"):
        assert name not in listing.body


@pytest.mark.parametrize("path", ["/closed/text.txt", "/closed/.htpasswd", "/closed/%2ehtpasswd"])
def test_a_password_protects_a_folder(port: int, path: str) -> None:
    answer = fetch(port, path)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Digest ")
    assert PRIVATE not in answer.body


def test_a_password_opens_a_folder_but_not_its_password_file(port: int) -> None:
    command = ["curl", "-s", "--digest", "-u", "user:password", "-w", "%{http_code}"]
    for path, output in {"text.txt": PRIVATE + b"200", ".htpasswd": b"404"}.items():
        address = f"http://127.0.0.1:{port}/closed/{path}"
        done = subprocess.run([*command, address], capture_output=True, check=True)
        assert done.stdout.endswith(output)


@pytest.mark.parametrize("path", ["/script.cgi", "/source.php", "/page.shtml", "/script.cgi/more"])
def test_scripts_neither_run_nor_show_their_source(port: int, path: str) -> None:
    answer = fetch(port, path)
    assert answer.status == 404
    assert b"run" not in answer.body


def test_scripts_run_on_request(servers: Servers) -> None:
    assert b"run" in fetch(servers(cgi_pattern="**.cgi$").port, "/script.cgi").body


@pytest.mark.parametrize(
    "method",
    ["PUT", "DELETE", "MKCOL", "MOVE", "COPY", "LOCK", "UNLOCK", "PROPPATCH", "PROPFIND", "PATCH"],
)
def test_nothing_is_written(port: int, site: Path, method: str) -> None:
    before = sorted(site.rglob("*"))
    headers = ("Content-Length: 3", "Destination: /new.txt")
    for path in ("/text.txt", "/new.txt", "/folder/"):
        lines = (f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", "abc")
        assert ask(port, "\r\n".join(lines).encode()).status == 405
    assert sorted(site.rglob("*")) == before
    assert (site / "text.txt").read_bytes() == TEXT


@pytest.mark.parametrize("path", ["/text.txt", "/none", "/folder/", "/script.cgi"])
@pytest.mark.parametrize("method", ["TRACE", "get", "QUERY", "M-SEARCH", "PRI", "!#$%&'*+.^_`|~"])
def test_methods_that_nobody_knows_are_not_implemented(port: int, path: str, method: str) -> None:
    assert fetch(port, path, method=method).status == 501


def test_connecting_is_not_for_files(port: int) -> None:
    assert fetch(port, "/text.txt", method="CONNECT").status == 405


def test_other_sites_get_no_permissions(port: int) -> None:
    headers = ("Origin: https://example.org", "Access-Control-Request-Method: PUT")
    for method in ("GET", "OPTIONS"):
        answer = fetch(port, "/text.txt", *headers, method=method)
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_folder_without_its_slash_is_redirected_within_the_server(port: int) -> None:
    for path, location in {
        "/pages": "/pages/",
        "/pages?a=%0d%0ab": "/pages/?a=%0d%0ab",
        "/a%20b": "/a%20b/",
        "//pages": "/pages/",
        "///example.org/../pages": "/pages/",
    }.items():
        answer = fetch(port, path)
        assert (answer.status, answer.headers["location"]) == (301, location)


def test_a_port_that_redirects_to_tls_adds_no_lines(site: Path, certificate: Path) -> None:
    port, secure = free_port(), free_port()
    arguments = [f"127.0.0.1:{port}r,127.0.0.1:{secure}s", "ssl_certificate", str(certificate)]
    program = built("tests/native/web_root")
    with running([program, *arguments, "document_root", site], port, ready="^serving$"):
        request = b"GET /a%0d%0aX:%20y?q=%0d%0aX: HTTP/1.1\r\nHost: evil.example\r\n\r\n"
        answer = ask(port, request)
        assert answer.status == 308
        assert answer.headers["location"].startswith(f"https://127.0.0.1:{secure}/a")
        assert "x" not in answer.headers
        address = f"https://127.0.0.1:{secure}/text.txt"
        done = subprocess.run(["curl", "-sk", address], capture_output=True, check=True)
        assert done.stdout == TEXT


def test_errors_name_no_path_of_the_server(port: int, site: Path) -> None:
    for path in ("/missing", "/pipe", "/outer", "/folder/"):
        assert str(site).encode() not in fetch(port, path).body


def test_an_answer_is_one_write(port: int) -> None:
    """Neither the client nor Nagle's algorithm is to wait for a head that comes in pieces."""
    with socket.create_connection(("127.0.0.1", port), timeout=REPLY) as connection:
        connection.sendall(b"GET /ten.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"\r\n\r\n" in connection.recv(65536)
