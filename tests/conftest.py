"""What tests of several folders are given."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a PEM file with a key and a certificate of 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificate")
    key, public, both = (folder / name for name in ("key.pem", "certificate.pem", "both.pem"))
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += " -addext subjectAltName=IP:127.0.0.1"
    files: list[str | Path] = ["-keyout", key, "-out", public]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + public.read_bytes())
    return both
