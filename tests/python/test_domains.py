"""Hosts, certificates, access lists and time limits, as their clients see them."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as AsyncConnect
from websockets.sync.client import connect

from alusus_http import errors, http
from tests.conftest import make_certificate
from tests.python.serving import Server, respond, serving
from tests.support import REPLY, exchange, secure_web_socket


@contextmanager
def trusting(certificate: Path, port: int, host: str) -> Iterator[ssl.SSLSocket]:
    """Connect to a host by TLS, trusting that certificate alone."""
    trust = ssl.create_default_context(cafile=str(certificate))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=REPLY) as plain,
        trust.wrap_socket(plain, server_hostname=host) as secure,
    ):
        yield secure


def secure_web_socket_of(host: str, server: Server, certificate: Path) -> AsyncConnect:
    place = {"host": "127.0.0.1", "port": secure_port(server), "server_hostname": host}
    return secure_web_socket(f"wss://{host}/echo", certificate, **place)


def ask(connection: ssl.SSLSocket, path: str, host: str) -> bytes:
    connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    answer = b""
    while part := connection.recv(65536):
        answer += part
    return answer


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Server, dict[str, Path]]]:
    """Run a server of two hosts, each with a certificate and a page."""
    certificates = {}
    for host in ("one.test", "two.test"):
        certificates[host] = make_certificate(tmp_path, host)
        (tmp_path / host).mkdir()
        (tmp_path / host / "page.txt").write_text(f"page of {host}")
    with serving(
        listening_ports="127.0.0.1:0,127.0.0.1:0s",
        authentication_domain="one.test",
        document_root=str(tmp_path / "one.test"),
        enable_keep_alive="yes",
        ssl_certificate=str(certificates["one.test"]),
    ) as server:
        http.start_domain(
            server.context,
            {
                "authentication_domain": "two.test",
                "document_root": str(tmp_path / "two.test"),
                "ssl_certificate": str(certificates["two.test"]),
            },
        )
        yield server, certificates


def secure_port(server: Server) -> int:
    return next(p.port for p in http.get_server_ports(server.context) if p.is_ssl)


def test_each_host_has_its_certificate_and_its_files(
    hosts: tuple[Server, dict[str, Path]],
) -> None:
    server, certificates = hosts
    for host, certificate in certificates.items():
        with trusting(certificate, secure_port(server), host) as client:
            assert ask(client, "/page.txt", host).endswith(f"page of {host}".encode())
        request = f"GET /page.txt HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
        assert exchange(server.port, request).endswith(f"page of {host}".encode())
    with (
        pytest.raises(ssl.SSLCertVerificationError),
        trusting(certificates["one.test"], secure_port(server), "two.test"),
    ):
        pass


def test_each_request_is_for_its_own_host(hosts: tuple[Server, dict[str, Path]]) -> None:
    """Not for that of the request before it, on this connection or on its worker's last one."""
    server, _ = hosts
    asked = ["two.test", "unknown.test", "two.test:80", "[::1]", "TWO.test", "", "one.test"]
    pages = ["two", "one", "two", "one", "two", "one", "one"]
    requests = [f"GET /page.txt HTTP/1.1\r\nHost: {host}\r\n\r\n" for host in asked]
    requests.append("GET /page.txt HTTP/1.0\r\n\r\n")
    answer = exchange(server.port, "".join(requests).encode())
    assert re.findall(rb"page of (\w+)\.test", answer) == [p.encode() for p in [*pages, "one"]]
    for host, page in zip(asked, pages, strict=True):
        answer = exchange(server.port, f"GET /page.txt HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        assert answer.endswith(f"page of {page}.test".encode())


def test_a_handshake_begins_with_no_other_clients_host(tmp_path: Path) -> None:
    """What a host asks of its clients' certificates is asked of its own clients only."""
    certificates = {host: make_certificate(tmp_path, host) for host in ("one.test", "two.test")}
    with serving(
        listening_ports="127.0.0.1:0s",
        num_threads="1",
        authentication_domain="one.test",
        ssl_certificate=str(certificates["one.test"]),
        ssl_verify_peer="yes",
        ssl_ca_file=str(certificates["one.test"]),
    ) as server:
        options = {"ssl_verify_peer": "no", "ssl_certificate": str(certificates["two.test"])}
        http.start_domain(server.context, {"authentication_domain": "two.test", **options})
        for _ in range(3):
            with (
                suppress(ssl.SSLError, ConnectionError),
                trusting(certificates["two.test"], server.port, "two.test") as client,
            ):
                ask(client, "/", "two.test")
            with (
                pytest.raises((ssl.SSLError, ConnectionError)),  # it has no certificate to show
                trusting(certificates["one.test"], server.port, "one.test") as client,
            ):
                ask(client, "/", "one.test")


def test_handlers_answer_for_every_host(hosts: tuple[Server, dict[str, Path]]) -> None:
    server, certificates = hosts
    opened: list[str | None] = []

    def on_connect(connection: http.Connection, _: object) -> int:
        opened.append(http.get_header(connection, "Host"))
        return 0

    for uri in ("/early", "/echo"):
        http.set_web_socket_handler(server.context, uri, connect_handler=on_connect)
    http.set_web_socket_handler(server.context, "/early")  # removed again: the first of the list
    http.start_domain(server.context, {"authentication_domain": "three.test"})

    async def ping(host: str, certificate: Path) -> None:
        async with secure_web_socket_of(host, server, certificate) as client:
            await asyncio.wait_for(await client.ping(), REPLY)

    for host, certificate in certificates.items():
        asyncio.run(ping(host, certificate))
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=REPLY)
    with connect("ws://three.test/echo", sock=plain) as client:
        client.ping().wait(REPLY)
    assert opened == ["one.test", "two.test", "three.test"]


@pytest.mark.parametrize("runs_at", ["server", "domain", "both", "neither"])
def test_scripts_run_where_they_are_asked_for_and_are_hidden_elsewhere(
    tmp_path: Path, runs_at: str
) -> None:
    script = tmp_path / "script.cgi"
    script.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nIt %s' runs\n")
    script.chmod(0o755)
    patterns = {
        "server": ("**.cgi$", ""),
        "domain": (None, "**.cgi$"),
        "both": ("**.cgi$", None),
        "neither": (None, None),
    }

    def given(pattern: str | None) -> dict[str, str]:
        return {} if pattern is None else {"cgi_pattern": pattern}

    of_server, of_domain = patterns[runs_at]
    options = {"document_root": str(tmp_path), **given(of_server)}
    with serving(None, None, **options) as server:
        http.start_domain(server.context, {"authentication_domain": "x.test", **given(of_domain)})
        for place, host in {"server": "127.0.0.1", "domain": "x.test"}.items():
            request = f"GET /script.cgi HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
            answer = exchange(server.port, request)
            if runs_at in (place, "both"):
                assert answer.endswith(b"It runs")
            else:
                assert answer.startswith(b"HTTP/1.0 404")


def test_patterns_that_a_server_hides_are_hidden_by_its_domains(tmp_path: Path) -> None:
    (tmp_path / "plan.secret").write_text("not for clients")
    with serving(document_root=str(tmp_path), hide_files_patterns="**.secret$") as server:
        http.start_domain(
            server.context, {"authentication_domain": "x.test", "cgi_pattern": "**.cgi$"}
        )
        request = b"GET /plan.secret HTTP/1.0\r\nHost: x.test\r\n\r\n"
        assert exchange(server.port, request).startswith(b"HTTP/1.0 404")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, errors.InvalidArgumentError, "needs a name"),
        ({"authentication_domain": "ONE.test"}, errors.InvalidArgumentError, "already"),
        (
            {"authentication_domain": "x.test", "num_threads": "5"},
            errors.InvalidArgumentError,
            '"num_threads" is for the whole server',
        ),
        (
            {"authentication_domain": "x.test", "websocket_threads": "5"},
            errors.InvalidArgumentError,
            '"websocket_threads" is for the whole server',
        ),
        (
            {"authentication_domain": "x.test", "follow_symlinks": "yes"},
            errors.InvalidArgumentError,
            '"follow_symlinks" is for the whole server',
        ),
        ({"authentication_domain": "x.test", "documentroot": "/"}, errors.UnknownOptionError, "_"),
        (
            {"authentication_domain": "x.test", "ssl_certificate": "/none.pem"},
            errors.MissingFileError,
            "/none.pem",
        ),
        (
            {"authentication_domain": "x.test", "ssl_certificate": "/dev/null"},
            errors.HttpError,
            "/dev/null",
        ),
    ],
)
def test_domains_that_cannot_be(
    hosts: tuple[Server, dict[str, Path]],
    options: dict[str, str],
    error: type[errors.HttpError],
    message: str,
) -> None:
    server, _ = hosts
    with pytest.raises(error, match=message):
        http.start_domain(server.context, options)


def test_renewed_certificates_are_taken_and_open_connections_go_on(
    hosts: tuple[Server, dict[str, Path]], tmp_path: Path
) -> None:
    server, certificates = hosts
    http.set_web_socket_handler(
        server.context,
        "/echo",
        data_handler=lambda c, opcode, data, _: int(http.write_text_to_web_socket(c, data) > 0),
    )
    (tmp_path / "new").mkdir()
    old = {host: tmp_path / f"{host}.old.pem" for host in certificates}
    for host, file in old.items():
        file.write_bytes(certificates[host].read_bytes())

    def renew() -> None:
        for host, file in certificates.items():
            file.write_bytes(make_certificate(tmp_path / "new", host).read_bytes())
        http.reload_certificates(server.context)
        for host, file in certificates.items():
            with trusting(file, secure_port(server), host) as client:
                assert ask(client, "/page.txt", host).endswith(f"page of {host}".encode())
            with (
                pytest.raises(ssl.SSLCertVerificationError),
                trusting(old[host], secure_port(server), host),
            ):
                pass

    async def go_on() -> None:
        async with secure_web_socket_of("two.test", server, old["two.test"]) as web_socket:
            renew()
            await web_socket.send("still here")
            assert await asyncio.wait_for(web_socket.recv(), REPLY) == "still here"

    with trusting(old["one.test"], secure_port(server), "one.test") as waiting:
        asyncio.run(go_on())
        assert ask(waiting, "/page.txt", "one.test").endswith(b"page of one.test")


def test_a_certificate_that_cannot_be_used_changes_nothing(
    hosts: tuple[Server, dict[str, Path]], tmp_path: Path
) -> None:
    server, certificates = hosts
    first, second = certificates.values()
    old = tmp_path / "old.pem"
    old.write_bytes(first.read_bytes())
    (tmp_path / "new").mkdir()
    first.write_bytes(make_certificate(tmp_path / "new", "one.test").read_bytes())
    second.write_text("-----BEGIN NONSENSE")
    with pytest.raises(errors.HttpError, match=str(second)):
        http.reload_certificates(server.context)
    with trusting(old, secure_port(server), "one.test") as client:
        assert b"page of one.test" in ask(client, "/page.txt", "one.test")


def test_certificates_are_reloaded_while_clients_come(
    hosts: tuple[Server, dict[str, Path]],
) -> None:
    server, certificates = hosts
    stop = threading.Event()

    def reload() -> None:
        while not stop.is_set():
            http.reload_certificates(server.context)

    thread = threading.Thread(target=reload)
    thread.start()
    try:
        for host, certificate in [*certificates.items()] * 25:
            with trusting(certificate, secure_port(server), host) as client:
                assert b"page of" in ask(client, "/page.txt", host)
    finally:
        stop.set()
        thread.join()


def test_a_server_without_tls_has_nothing_to_reload() -> None:
    with serving() as server, pytest.raises(errors.WrongStateError, match="8443s"):
        http.reload_certificates(server.context)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_the_oldest_tls_that_is_spoken(certificate: Path) -> None:
    def handshake(port: int, version: ssl.TLSVersion) -> None:
        trust = ssl.create_default_context(cafile=str(certificate))
        trust.set_ciphers("DEFAULT@SECLEVEL=0")
        trust.minimum_version = trust.maximum_version = version
        with (
            socket.create_connection(("127.0.0.1", port), timeout=REPLY) as plain,
            trust.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            pass

    options = {"listening_ports": "127.0.0.1:0s", "ssl_certificate": str(certificate)}
    with serving(None, None, **options) as server:
        handshake(server.port, ssl.TLSVersion.TLSv1_3)
        handshake(server.port, ssl.TLSVersion.TLSv1_2)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(server.port, ssl.TLSVersion.TLSv1_1)
    with serving(None, None, ssl_protocol_version="5", **options) as server:
        handshake(server.port, ssl.TLSVersion.TLSv1_3)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(server.port, ssl.TLSVersion.TLSv1_2)


def test_clients_without_a_certificate_are_refused(certificate: Path, tmp_path: Path) -> None:
    stranger = make_certificate(tmp_path, "127.0.0.1")
    with serving(
        lambda connection: respond(connection, "in"),
        listening_ports="127.0.0.1:0s",
        ssl_certificate=str(certificate),
        ssl_verify_peer="yes",
        ssl_ca_file=str(certificate),
    ) as server:
        for shown, answer in ((None, b""), (stranger, b""), (certificate, b"HTTP/1.1 200")):
            trust = ssl.create_default_context(cafile=str(certificate))
            if shown is not None:
                trust.load_cert_chain(shown)
            got = b""
            try:
                with (
                    socket.create_connection(("127.0.0.1", server.port), timeout=REPLY) as plain,
                    trust.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
                ):
                    secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    got = secure.recv(12)  # TLS 1.3 tells a client only here that it is refused
            except (ssl.SSLError, ConnectionError):
                pass
            assert got == answer


@pytest.mark.parametrize(
    ("rules", "admitted"),
    [
        ("+127.0.0.0/8", True),
        ("-0.0.0.0/0,+127.0.0.1", True),
        ("+0.0.0.0/0,-127.0.0.0/8", False),
        ("+10.0.0.0/8", False),
    ],
)
def test_who_may_connect(rules: str, admitted: bool) -> None:
    with serving(access_control_list=rules) as server:
        request = b"GET / HTTP/1.0\r\n\r\n"
        try:
            answer = exchange(server.port, request)
        except ConnectionError:
            answer = b""
        assert (b" 404 " in answer) == admitted


def test_an_access_list_that_is_none() -> None:
    with pytest.raises(errors.HttpError, match="access_control_list"):
        http.start_server(
            options={"listening_ports": "127.0.0.1:0", "access_control_list": "everybody"}
        )


def test_a_client_that_sends_no_request_is_let_go() -> None:
    with serving(request_timeout_ms="300") as server:
        begin = time.monotonic()
        assert exchange(server.port, b"GET / HT").startswith((b"HTTP/1.1 408", b""))
        assert time.monotonic() - begin < REPLY / 2


def test_an_idle_connection_is_let_go() -> None:
    def on_request(connection: http.Connection) -> int:
        return respond(connection, "x")

    with serving(on_request, enable_keep_alive="yes", keep_alive_timeout_ms="200") as server:
        begin = time.monotonic()
        answer = exchange(server.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert time.monotonic() - begin >= 0.1


def test_a_file_is_sent_no_faster_than_allowed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(60_000))
    with serving(document_root=str(tmp_path), throttle="*=0,/file=30k") as server:
        begin = time.monotonic()
        assert len(server.fetch("/file").body) == 60_000
        assert time.monotonic() - begin >= 0.8
