from __future__ import annotations

import shutil
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots",
        action="store_true",
        help="write the emitters' output to tests/codegen/data/snapshots instead of comparing",
    )


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A project that has the sample spec and nothing generated yet."""
    return Path(shutil.copytree(DATA / "sample", tmp_path / "project"))
