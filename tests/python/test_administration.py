"""What a running server tells of itself: options, ports, counters; user data."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
import time
import zlib
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

import alusus_http
from alusus_http import errors, http
from tests.python.serving import respond, serving, until
from tests.support import REPLY, exchange


def test_options_read_back() -> None:
    with serving(
        num_threads="3",
        websocket_queue_policy="drop",
        document_root="/tmp",
        serve_hidden_files="yes",
    ) as server:

        def option(name: str) -> str | None:
            return http.get_server_option(server.context, name)

        assert option("num_threads") == "3"
        assert option("listening_ports") == "127.0.0.1:0"
        assert option("request_timeout_ms") == "30000", "the default"
        assert option("tcp_nodelay") == "1", "our own default"
        assert option("cgi_pattern") is None, "scripts run only when asked for"
        assert "**.php$" in (option("hide_files_patterns") or "")
        assert option("follow_symlinks") == "no"
        assert option("serve_hidden_files") == "yes"
        assert option("global_auth_file") is None
        assert option("websocket_queue_policy") == "drop"
        assert option("websocket_compression") == "yes"
        assert option("websocket_max_message_size") == str(2**20)
        assert option("websocket_origins") is None
        with pytest.raises(errors.UnknownOptionError, match='"num_threads"'):
            option("num_thread")


def test_what_a_server_does_with_an_option_is_what_it_says_of_it() -> None:
    with serving(enable_websocket_ping_pong="no") as server:
        assert http.get_server_option(server.context, "websocket_ping_interval_ms") == "0"


def test_defaults_follow_what_is_asked_for() -> None:
    with serving(ssi_pattern="**.page$", authentication_domain="me.test") as server:
        hidden = http.get_server_option(server.context, "hide_files_patterns")
        assert hidden == "**.cgi$|**.pl$|**.php$"
        assert http.get_server_option(server.context, "enable_auth_domain_check") == "yes"


def test_the_list_of_options() -> None:
    options = {o.name: o for o in http.get_valid_options()}
    assert options["num_threads"] == http.ServerOption("num_threads", "number", "50")
    assert options["tcp_nodelay"].default_value == "1"
    assert options["document_root"] == http.ServerOption("document_root", "folder", None)
    assert options["enable_directory_listing"].default_value == "no"
    assert options["follow_symlinks"] == http.ServerOption("follow_symlinks", "boolean", "no")
    assert options["ssl_verify_peer"].kind == "choice"
    assert options["websocket_compression"] == http.ServerOption(
        "websocket_compression", "boolean", "yes"
    )
    with serving() as server:
        given = {"listening_ports"}
        for name, option in options.items():
            value = http.get_server_option(server.context, name)
            assert name in given or value == option.default_value, name


def test_every_listed_option_can_be_given_with_its_default() -> None:
    options = {o.name: o.default_value for o in http.get_valid_options()}
    with serving(None, None, **{n: v for n, v in options.items() if v and n != "listening_ports"}):
        pass


def test_ports_of_the_system_s_choice(certificate: Path) -> None:
    ports = "127.0.0.1:0,127.0.0.1:0s,127.0.0.1:0r,127.0.0.1:0s"
    with serving(
        listening_ports=ports, ssl_certificate=str(certificate), authentication_domain="me.test"
    ) as server:
        plain, secure, redirect, last = http.get_server_ports(server.context)
        assert http.get_server_port(server.context) == plain.port
        assert len({plain.port, secure.port, redirect.port, last.port}) == 4
        assert [p.is_ssl for p in (plain, secure, redirect, last)] == [0, 1, 0, 1]
        assert [p.is_redirect for p in (plain, secure, redirect, last)] == [0, 0, 1, 0]
        assert server.fetch("/").status == 404
        answer = exchange(redirect.port, b"GET /x HTTP/1.1\r\nHost: me.test\r\n\r\n")
        assert f"Location: https://me.test:{secure.port}/x\r\n".encode() in answer


def test_many_ports() -> None:
    count = 40
    with serving(listening_ports=",".join(["127.0.0.1:0"] * count)) as server:
        ports = http.get_server_ports(server.context)
        assert len({p.port for p in ports}) == count
        for port in ports:
            socket.create_connection(("127.0.0.1", port.port), timeout=REPLY).close()


def test_a_port_of_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback address: {error}")
    context = http.start_server(options={"listening_ports": "127.0.0.1:0,[::1]:0"})
    try:
        assert [p.is_ipv6 for p in http.get_server_ports(context)] == [0, 1]
    finally:
        http.stop_server(context)


def test_a_server_without_ports(tmp_path: Path) -> None:
    context = http.start_server(options={"listening_ports": f"x{tmp_path}/server.sock"})
    try:
        assert http.get_server_ports(context) == []
        with pytest.raises(errors.WrongStateError, match="Unix sockets only"):
            http.get_server_port(context)
    finally:
        http.stop_server(context)


def test_counters(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_bytes(b"x" * 100_000)
    statuses = {"/ok": "200 OK", "/moved": "302 Found", "/bad": "400 Bad Request", "/oh": "500 Oh"}

    def on_request(connection: http.Connection) -> int:
        status = statuses.get(http.get_request_info(connection).local_uri or "")
        if status is None:
            return 0
        http.read(connection, 100)
        return respond(connection, "body", status)

    with serving(on_request, num_threads="4", document_root=str(tmp_path)) as server:

        def statistics() -> http.ServerStatistics:
            return http.get_server_statistics(server.context)

        before = statistics()
        assert (before.workers, before.requests, before.connections_accepted) == (4, 0, 0)
        for path in statuses:
            server.fetch(path)
        server.fetch("/ok", "POST", body=b"12345")
        assert len(server.fetch("/page.txt").body) == 100_000
        http.set_web_socket_handler(server.context, "/echo", data_handler=lambda *_: 1)
        with server.web_socket("/echo"):
            until(lambda: statistics().connections_open == 1)
            assert statistics().workers_busy == 0, "an open WebSocket takes no worker"
            assert statistics().informational == 1
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=REPLY)
        with closing(idle):
            until(lambda: statistics().workers_busy == 1)
        until(lambda: statistics().connections_open == 0)
        until(lambda: statistics().workers_busy == 0)
        after = statistics()
    assert after.uptime > before.uptime >= 0
    assert (after.successful, after.redirected) == (3, 1)
    assert (after.client_errors, after.server_errors) == (1, 1)
    assert after.requests == 7
    assert after.connections_accepted == 8
    assert after.connections_waiting == 0
    assert after.bytes_sent > 100_000, "files that the kernel sends count, too"
    assert 7 * 20 < after.bytes_received < 7 * 500


def test_connections_that_wait_for_a_worker() -> None:
    with serving(num_threads="1") as server:
        address = ("127.0.0.1", server.port)
        clients = [socket.create_connection(address, timeout=REPLY) for _ in range(3)]
        until(lambda: http.get_server_statistics(server.context).connections_waiting == 2)
        for client in clients:
            client.close()


def test_the_library() -> None:
    info = http.get_library_info()
    assert info.version == alusus_http.__version__
    assert re.fullmatch(r"1\.\d+.*", info.civetweb)
    assert info.open_ssl.startswith("3.")
    assert info.zlib == zlib.ZLIB_RUNTIME_VERSION
    assert (info.has_files, info.has_tls, info.has_ipv6) == (1, 1, 1)
    assert (info.has_web_socket, info.has_compression, info.has_unix_sockets) == (1, 1, 1)


def test_a_connection_tells_what_it_has_carried() -> None:
    found = []

    def on_request(connection: http.Connection) -> int:
        found.append(http.get_connection_info(connection))
        return respond(connection, "x" * 1000)

    with serving(on_request, enable_keep_alive="yes", keep_alive_timeout_ms="5000") as server:
        client = HTTPConnection("127.0.0.1", server.port, timeout=REPLY)
        with closing(client):
            for _ in range(2):
                client.request("GET", "/")
                client.getresponse().read()
                time.sleep(0.002)
    first, second = found
    assert (first.requests, first.bytes_sent, first.bytes_received) == (0, 0, 0)
    assert second.requests == 1
    assert 1000 < second.bytes_sent < 1200
    assert 20 < second.bytes_received < 300
    assert second.age > first.age >= 0
    assert first.tls_version is None


def test_a_connection_tells_who_is_behind_its_tls(certificate: Path) -> None:
    found: list[http.ConnectionInfo] = []

    def on_request(connection: http.Connection) -> int:
        found.append(http.get_connection_info(connection))
        return respond(connection, "")

    with serving(
        on_request,
        listening_ports="127.0.0.1:0s",
        ssl_certificate=str(certificate),
        ssl_verify_peer="optional",
        ssl_ca_file=str(certificate),
    ) as server:
        for shown in (False, True):
            trust = ssl.create_default_context(cafile=str(certificate))
            trust.check_hostname = False
            if shown:
                trust.load_cert_chain(certificate)
            with (
                socket.create_connection(("127.0.0.1", server.port), timeout=REPLY) as plain,
                trust.wrap_socket(plain, server_hostname="example.org") as secure,
            ):
                secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert secure.recv(100).startswith(b"HTTP/1.1 200")
                version, cipher = secure.version(), secure.cipher()
    anonymous, known = found
    assert cipher is not None
    assert (known.tls_version, known.tls_cipher) == (version, cipher[0])
    assert known.tls_server_name == "example.org"
    assert "127.0.0.1" in (known.client_subject or "")
    assert known.client_issuer == known.client_subject, "it is its own root"
    assert re.fullmatch("[0-9A-Fa-f]+", known.client_serial or "")
    assert re.fullmatch("[0-9a-f]{64}", known.client_fingerprint or "")
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text().split("KEY-----\n")[-1])
    assert known.client_fingerprint == hashlib.sha256(der).hexdigest()
    assert anonymous.tls_version == version
    assert anonymous.client_subject is None


def test_user_data_and_the_server_of_a_connection() -> None:
    mine = object()
    found = []

    def on_request(connection: http.Connection) -> int:
        context = http.get_context(connection)
        found.append((context, http.get_user_data(context)))
        return respond(connection, "")

    before = set(threading.enumerate())
    with serving(on_request, mine) as server:
        server.fetch("/")
        assert found == [(server.context, mine)]
        assert http.get_user_data(server.context) is mine
    assert set(threading.enumerate()) <= before, "what asks is no server of its own"


def test_connection_data_lasts_as_long_as_the_connection() -> None:
    found: list[int | None] = []
    address = 0x1234

    def on_request(connection: http.Connection) -> int:
        found.append(http.get_request_info(connection).conn_data)
        http.set_connection_data(connection, address)
        found.append(http.get_request_info(connection).conn_data)
        return respond(connection, "")

    def on_close(connection: http.Connection) -> None:
        found.append(http.get_request_info(connection).conn_data)

    callbacks = http.Callbacks(begin_request=on_request, connection_close=on_close)
    with serving(callbacks, enable_keep_alive="yes") as server:
        client = HTTPConnection("127.0.0.1", server.port, timeout=REPLY)
        with closing(client):
            for _ in range(2):
                client.request("GET", "/")
                client.getresponse().read()
        until(lambda: len(found) == 5)
        server.fetch("/")
        until(lambda: len(found) == 8)
    assert found == [None, address, address, address, address, None, address, address]
