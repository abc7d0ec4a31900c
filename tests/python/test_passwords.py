"""Digest access authentication, with curl as the client, and password files."""

from __future__ import annotations

import hashlib
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from alusus_http import http
from alusus_http.errors import InvalidArgumentError, MissingFileError, WrongStateError
from tests.http_client import Client
from tests.python.serving import Server, serving
from tests.support import REPLY

REALM = "the realm"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def whoami(connection: http.Connection, user_data: object) -> int:
    user = http.get_request_info(connection).remote_user
    http.respond(connection, 200, "text/plain", f"hello {user}")
    return 200


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    path = tmp_path / "passwords"
    http.set_password(str(path), REALM, "amal", "open sesame")
    http.set_password(str(path), REALM, "سمير", "كلمة")
    return path


@pytest.fixture
def server(passwords: Path) -> Iterator[Server]:
    def guard(connection: http.Connection, user_data: object) -> int:
        assert isinstance(user_data, str)
        if http.check_authentication(connection, REALM, user_data) == 1:
            return 1
        assert http.get_request_info(connection).remote_user is None
        http.send_authentication_request(connection, REALM)
        return 0

    with serving(enable_keep_alive="yes") as server:
        http.set_request_handler(server.context, "/", whoami)
        http.set_auth_handler(server.context, "/private", guard, str(passwords))
        http.set_web_socket_handler(server.context, "/private/ws", ready_handler=lambda c, u: None)
        yield server


def curl(server: Server, path: str, *arguments: str) -> str:
    url = f"http://127.0.0.1:{server.port}{path}"
    command = [
        "curl",
        "--silent",
        "--max-time",
        "10",
        "--write-out",
        " %{http_code}",
        *arguments,
        url,
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_right_password(server: Server) -> None:
    assert curl(server, "/private", "--digest", "-u", "amal:open sesame") == "hello amal 200"
    assert curl(server, "/private?q=1", "--digest", "-u", "سمير:كلمة") == "hello سمير 200"
    assert (
        curl(server, "/private", "--digest", "-u", "amal:open sesame", "-d", "body")
        == "hello amal 200"
    )
    assert curl(server, "/open") == "hello None 200"


@pytest.mark.parametrize(
    "user", ["amal:wrong", "nobody:open sesame", "amal:", ":", "سمير:open sesame"]
)
def test_the_wrong_password(server: Server, user: str) -> None:
    assert curl(server, "/private", "--digest", "-u", user) == " 401"


def test_no_password(server: Server) -> None:
    with Client(server.port) as client:
        reply = client.ask("/private", "POST", body=b"skipped")
        assert (reply.status, reply.header("Connection")) == (401, "keep-alive")
        challenge = reply.header("WWW-Authenticate") or ""
        assert re.fullmatch(
            r'Digest realm="the realm", qop="auth", algorithm=MD5, nonce="\d+"', challenge
        )
        assert client.ask("/open").body == b"hello None"
        assert client.ask("/private").header("WWW-Authenticate") != challenge


def proof(challenge: str, uri: str = "/private", nc: str = "00000001", method: str = "GET") -> str:
    """What a client answers to a challenge (RFC 7616 section 3.4.1)."""
    found = re.search(r'nonce="(\d+)"', challenge)
    assert found
    nonce = found[1]
    ha1, ha2 = md5(f"amal:{REALM}:open sesame"), md5(f"{method}:{uri}")
    response = md5(f"{ha1}:{nonce}:{nc}:cnonce:auth:{ha2}")
    return (
        f'Authorization: Digest username="amal", realm="{REALM}", nonce="{nonce}", uri="{uri}", '
        f'qop=auth, nc={nc}, cnonce="cnonce", response="{response}"'
    )


def test_nonces(server: Server) -> None:
    with Client(server.port) as client:
        challenge = client.ask("/private").header("WWW-Authenticate") or ""
        assert client.ask("/private", "GET", proof(challenge)).body == b"hello amal"
        # As the reference says, CivetWeb counts no uses: the same proof is good again ...
        assert client.ask("/private", "GET", proof(challenge)).status == 200
        # ... but not for another method, with a nonce of nobody's, or from before the server.
        assert client.ask("/private", "POST", proof(challenge), body=b"x").status == 401
        for nonce in ("1", "0", "18446744073709551615", ""):
            forged = re.sub(r'nonce="\d+"', f'nonce="{nonce or 7}"', challenge)
            assert client.ask("/private", "GET", proof(forged)).status == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Digest",
        "Digest x",
        'Digest username="amal"',
        'Digest username="amal", nonce="1"',
        "Basic",
        "Basic !!!",
        "Basic YW1hbA==",
        "Bearer x",
        'Digest username="' + "a" * 5000,
    ],
)
def test_malformed_proofs(server: Server, header: str) -> None:
    with Client(server.port) as client:
        assert client.ask("/private", "GET", f"Authorization: {header}").status == 401
        assert client.ask("/open").body == b"hello None"


def test_web_sockets_are_guarded_as_well(server: Server) -> None:
    with pytest.raises(InvalidStatus) as caught, server.web_socket("/private/ws"):
        pass
    assert caught.value.response.status_code == 401
    assert "Digest" in caught.value.response.headers["WWW-Authenticate"]


def test_what_is_refused(server: Server) -> None:
    all_refused = threading.Event()  # the answer may arrive before

    def handler(connection: http.Connection, user_data: object) -> int:
        for realm in ('a"b', "a\\b", "a\r\nX-Forged: 1", "", "x" * 256):
            with pytest.raises(InvalidArgumentError, match="realm"):
                http.send_authentication_request(connection, realm)
        with pytest.raises(MissingFileError):
            http.check_authentication(connection, REALM, "/nowhere/passwords")
        http.send_authentication_request(connection)
        with pytest.raises(WrongStateError):
            http.send_authentication_request(connection)
        all_refused.set()
        return 401

    http.set_request_handler(server.context, "/refused", handler)
    with Client(server.port) as client:
        reply = client.ask("/refused")
    assert all_refused.wait(REPLY)
    assert reply.header("X-Forged") is None
    assert 'realm="mydomain.com"' in (reply.header("WWW-Authenticate") or "")


# Protection by options and files


@pytest.mark.parametrize("option", ["protect_uri", "global_auth_file"])
def test_options_guard_handlers(passwords: Path, option: str) -> None:
    value = f"/private={passwords}" if option == "protect_uri" else str(passwords)
    options = {option: value, "authentication_domain": REALM, "enable_auth_domain_check": "no"}
    with serving(None, enable_keep_alive="yes", **options) as server:
        http.set_request_handler(server.context, "/", whoami)
        assert curl(server, "/private", "--digest", "-u", "amal:open sesame") == "hello amal 200"
        assert curl(server, "/private", "--digest", "-u", "amal:wrong") == " 401"
        assert curl(server, "/private") == " 401"
        assert curl(server, "/other") == ("hello None 200" if option == "protect_uri" else " 401")


@pytest.mark.parametrize("option", ["protect_uri", "global_auth_file"])
def test_nobody_is_let_in_while_the_file_is_not_there(option: str, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    http.set_password(str(passwords), REALM, "amal", "open sesame")
    value = f"/other=/dev/null, /private={passwords}" if option == "protect_uri" else str(passwords)
    with serving(None, **{option: value, "authentication_domain": REALM}) as server:
        http.set_request_handler(server.context, "/", whoami)
        login = ("--digest", "-u", "amal:open sesame")
        assert curl(server, "/private", *login) == "hello amal 200"
        away = passwords.rename(tmp_path / "away")
        assert curl(server, "/private") == curl(server, "/private", *login) == " 401"
        away.rename(passwords)
        assert curl(server, "/private", *login) == "hello amal 200"


def test_htpasswd_guards_its_folder_only(tmp_path: Path) -> None:
    inner = tmp_path / "root/private/inner"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "a.txt").write_text("file")
    http.set_password(str(inner.parent / ".htpasswd"), REALM, "amal", "open sesame")
    options = {
        "document_root": str(tmp_path / "root"),
        "authentication_domain": REALM,
        "enable_auth_domain_check": "no",
    }
    with serving(None, **options) as server:
        assert curl(server, "/private/a.txt") == " 401"
        assert curl(server, "/private/a.txt", "--digest", "-u", "amal:open sesame") == "file 200"
        assert curl(server, "/private/a.txt", "--digest", "-u", "amal:wrong") == " 401"
        assert curl(server, "/private/inner/a.txt") == "file 200"


# Files


def test_a_file_is_edited_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    path.write_text(f":# a comment\n:include=/other\nb:{REALM}:old\nb:other:kept\nbb:{REALM}:kept")
    http.set_password(str(path), REALM, "b", "new")
    http.set_password(str(path), REALM, "c", "third")
    http.set_password_hash(str(path), REALM, "d", "0" * 32)
    http.set_password(str(path), REALM, "c", None)
    http.set_password_hash(str(path), REALM, "nobody", None)
    assert path.read_text().splitlines() == [
        ":# a comment",
        ":include=/other",
        "b:other:kept",
        f"bb:{REALM}:kept",
        f"b:{REALM}:{md5(f'b:{REALM}:new')}",
        f"d:{REALM}:{'0' * 32}",
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("domain", "user", "password"),
    [
        ("a:b", "user", "p"),
        ("a\nb:c", "user", "p"),
        ("a", "us:er", "p"),
        ("a", "us\ner", "p"),
        ("a", "", "p"),
        ("", "user", "p"),
        ("a", "x" * 256, "p"),
        ("a", "user", ""),
    ],
)
def test_what_cannot_stand_in_a_file(tmp_path: Path, domain: str, user: str, password: str) -> None:
    path = tmp_path / "passwords"
    with pytest.raises(InvalidArgumentError):
        http.set_password(str(path), domain, user, password)
    assert not path.exists()


@pytest.mark.parametrize("ha1", ["", "0" * 31, "0" * 33, "A" * 32, "x" * 32, "0" * 31 + "\n"])
def test_hashes_that_are_none(tmp_path: Path, ha1: str) -> None:
    with pytest.raises(InvalidArgumentError, match="MD5"):
        http.set_password_hash(str(tmp_path / "passwords"), REALM, "user", ha1)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        http.set_password(str(tmp_path / "missing/passwords"), REALM, "user", "p")


def test_changes_at_the_same_time_lose_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "passwords")
    users = [f"user{i}" for i in range(20)]
    threads = [
        threading.Thread(target=http.set_password, args=(path, REALM, user, "p")) for user in users
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(line.split(":")[0] for line in Path(path).read_text().splitlines()) == sorted(
        users
    )
