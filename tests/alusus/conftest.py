"""The package and the examples as in a project's folder, and the real compiler if there is one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import ROOT, built


@pytest.fixture(scope="session")
def alusus() -> str:
    """Return the command that runs Alusus programs."""
    command = shutil.which("alusus")
    if command is None:
        pytest.skip("the alusus command is not on the PATH: install the Alusus compiler")
    return command


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the examples and of the package, whose library is beside its module."""
    for name in ("alusus_stubs", "examples/alusus", "examples/page"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.so"))
    shutil.copy(built("civetweb/libalusus_http.so"), tmp_path / "alusus_stubs")
    return tmp_path
