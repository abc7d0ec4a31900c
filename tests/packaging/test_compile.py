"""The generated C compiles without a warning under both compilers and each standard it promises."""

from __future__ import annotations

import itertools
import json
import shlex
import shutil
import subprocess

import pytest

from tests.support import ROOT, built

SOURCES = sorted(file.name for file in (ROOT / "civetweb/generated").glob("*.c"))


def test_there_are_sources() -> None:
    assert SOURCES


@pytest.mark.parametrize("file", SOURCES)
@pytest.mark.parametrize("standard", ["c11", "c17", "c2x"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_generated_source_compiles(compiler: str, standard: str, file: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed: apt-get install {compiler}")
    commands = json.loads(built("compile_commands.json").read_text())
    [entry] = [entry for entry in commands if entry["file"].endswith(f"/generated/{file}")]
    arguments = shlex.split(entry["command"])
    kept = [part for part in arguments if part.startswith(("-D", "-I", "-O"))]
    kept += [
        f"-isystem{path}" for flag, path in itertools.pairwise(arguments) if flag == "-isystem"
    ]
    warnings = ["-Wall", "-Wextra", "-Werror"]
    output = ["-fPIC", "-c", entry["file"], "-o", "/dev/null"]
    done = subprocess.run(
        [compiler, f"-std={standard}", *warnings, *kept, *output],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
