"""What tests of several folders are given."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def make_certificate(folder: Path, host: str) -> Path:
    """Return a new PEM file with a key and a certificate of a host, which is its own root."""
    key, public, both = (folder / f"{host}.{name}.pem" for name in ("key", "certificate", "both"))
    kind = "IP" if host[0].isdigit() else "DNS"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    command += f" -subj /CN={host} -addext subjectAltName={kind}:{host}"
    files: list[str | Path] = ["-keyout", key, "-out", public]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + public.read_bytes())
    return both


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a PEM file with a key and a certificate of 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("certificate"), "127.0.0.1")
