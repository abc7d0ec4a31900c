"""What the tests of the build share."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tests.support import BUILD, built


class Run(Protocol):
    def __call__(
        self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> str: ...


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a command that has to succeed; returns what it printed."""

    def run_command(
        *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}"
        return done.stdout

    return run_command


@pytest.fixture(scope="session")
def build() -> Path:
    """The folder of the build that is tested."""
    built("civetweb/libalusus_http.so")
    return BUILD
