"""Hosts, certificates and the TLS callbacks, from C: what the sanitizers see of them."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.conftest import make_certificate
from tests.support import REPLY, built, free_port, running


def ask(port: int, host: str, path: str, trusted: Path) -> str:
    trust = ssl.create_default_context(cafile=str(trusted))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=REPLY) as plain,
        trust.wrap_socket(plain, server_hostname=host) as client,
    ):
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        answer = b""
        while part := client.recv(4096):
            answer += part
        return answer.partition(b"\r\n\r\n")[2].decode()


def test_hosts_and_their_renewed_certificates(tmp_path: Path) -> None:
    plain, secure = free_port(), free_port()
    hosts = {host: make_certificate(tmp_path, host) for host in ("one.test", "two.test")}
    command: list[str | Path] = [
        built("tests/native/domains"),
        f"127.0.0.1:{plain},127.0.0.1:{secure}s",
    ]
    for host, certificate in hosts.items():
        command += [host, str(certificate)]
    (tmp_path / "new").mkdir()
    with running(command, plain, ready="^serving$"):
        for _ in range(3):
            for host, certificate in hosts.items():
                assert ask(secure, host, "/", certificate) == f"host={host} reloaded=-1"
            old = tmp_path / "old.pem"
            old.write_bytes(hosts["two.test"].read_bytes())
            for host, certificate in hosts.items():
                certificate.write_bytes(make_certificate(tmp_path / "new", host).read_bytes())
            assert ask(secure, "two.test", "/reload", old) == "host=two.test reloaded=0"


@pytest.mark.parametrize(
    ("callback", "asked", "released"),
    [
        ("initSsl", "initSsl 1", []),
        ("initSslDomain", "initSslDomain one.test 1", []),
        ("externalSslCtx", "externalSslCtx 1", ["externalSslCtx 1", "freed"]),
        (
            "externalSslCtxDomain",
            "externalSslCtxDomain one.test 1",
            ["externalSslCtxDomain one.test 1", "freed"],
        ),
    ],
)
def test_a_callback_sets_tls_up(
    tmp_path: Path, callback: str, asked: str, released: list[str]
) -> None:
    plain, secure = free_port(), free_port()
    certificate = make_certificate(tmp_path, "one.test")
    ports = f"127.0.0.1:{plain},127.0.0.1:{secure}s"
    command: list[str | Path] = [built("tests/native/tls_callbacks"), ports, callback, certificate]
    with running(command, plain, ready="^serving$") as server:
        assert ask(secure, "one.test", "/", certificate) == "reloaded=-1"
        assert ask(secure, "one.test", "/reload", certificate) == "reloaded=0"
        assert ask(secure, "one.test", "/", certificate) == "reloaded=-1"
        server.stop()
        assert server.output.splitlines() == [asked, "serving", asked, *released, *released]


def test_a_tls_callback_makes_the_start_fail(certificate: Path) -> None:
    command: list[str | Path] = [
        built("tests/native/tls_callbacks"),
        "127.0.0.1:0s",
        "refuse",
        certificate,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=REPLY, check=False)
    assert done.returncode == 1
    assert "SSL callback returned error: -1" in done.stderr
