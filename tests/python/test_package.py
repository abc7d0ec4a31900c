"""The package itself: its import, its documentation, and the check of its library."""

from __future__ import annotations

import ast
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import alusus_http
from alusus_http import _contract, _library, errors, http
from tests.support import ROOT

PACKAGE = Path(alusus_http.__file__).parent
LOADED_LATER = {"asyncio", "logging", "socket", "ssl", "alusus_http.asgi", "alusus_http.server"}


def test_the_import_loads_no_part_that_few_programs_need() -> None:
    # A program that serves from threads starts without the loop of asyncio, and what that loads.
    program = "import sys, alusus_http; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert "alusus_http" in loaded
    assert not LOADED_LATER.intersection(loaded)


def test_the_version_is_that_of_the_project() -> None:
    version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    assert alusus_http.__version__ == version


@pytest.mark.parametrize("module", [alusus_http, http, errors])
def test_everything_public_is_documented(module: object) -> None:
    ours = [
        value
        for name, value in inspect.getmembers(module)
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.startswith("alusus_http")
    ]
    assert ours
    for value in ours:
        assert inspect.getdoc(value), f"{value} has no docstring"


def test_the_types_of_callbacks_are_documented() -> None:
    module = ast.parse(inspect.getsource(http))
    for statement, following in zip(module.body, module.body[1:], strict=False):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if not name.startswith("_"):
                assert isinstance(following, ast.Expr), f"{name} has no docstring"


def test_the_docstring_of_a_function_names_all_of_its_parameters() -> None:
    for name, function in inspect.getmembers(http, inspect.isfunction):
        if name.startswith("_") or function.__module__ != http.__name__:
            continue
        documented = inspect.getdoc(function) or ""
        for parameter in inspect.signature(function).parameters:
            if parameter not in ("args", "kwargs"):
                assert f"    {parameter}: " in documented, f"{parameter} of {name}"


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def failed_import(folder: Path) -> str:
    """Import the package that is in a folder, which has to fail; return what Python says."""
    result = subprocess.run(
        [sys.executable, "-c", "import alusus_http"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert result.returncode == 1
    return result.stderr


def test_a_library_of_another_contract_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "alusus_http"
    shutil.copytree(PACKAGE, copy)
    doctored = (copy / "_contract.py").read_text(encoding="utf-8")
    doctored = doctored.replace('"ah_read": 0x', '"ah_read": 0x1')
    doctored = doctored.replace('"ah_write":', '"ah_wrote":')
    doctored = doctored.replace("\nCHECKSUM = 0x", "\nCHECKSUM = 0x1")
    (copy / "_contract.py").write_text(doctored, encoding="utf-8")
    said = failed_import(tmp_path)
    assert "ContractError" in said
    assert f"expected: version {_contract.VERSION}, checksum 1{_contract.CHECKSUM:016x}" in said
    assert f"found:    version {_contract.VERSION}, checksum {_contract.CHECKSUM:016x}" in said
    assert str(copy / "_contract.py") in said
    assert str(copy / "libalusus_http.so") in said
    assert "ah_read (changed)" in said
    assert "ah_wrote (missing in the library)" in said
    assert "ah_write (unknown to the package)" in said
    assert "pip install --force-reinstall" in said


def test_another_contract_version_is_refused() -> None:
    with pytest.raises(errors.ContractError, match=f"expected: version {_contract.VERSION + 1}"):
        _library.check_contract(_contract.VERSION + 1, _contract.CHECKSUM, _contract.DECLARATIONS)


def test_a_package_without_its_compiled_part_says_how_to_get_it(tmp_path: Path) -> None:
    shutil.copytree(
        PACKAGE, tmp_path / "alusus_http", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    said = failed_import(tmp_path)
    assert 'run "pip install ."' in said
