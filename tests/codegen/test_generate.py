"""The commands `generate` and `check`: everything or nothing, and every error with its place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def codegen(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alusus_codegen", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def files(root: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(root)): (path.read_text(encoding="utf-8"), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_what_was_generated_passes_the_check(sample: Path) -> None:
    assert codegen("generate", cwd=sample).returncode == 0
    result = codegen("check", cwd=sample)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_check_shows_the_difference_and_the_command(sample: Path) -> None:
    codegen("generate", cwd=sample)
    header = sample / "civetweb/include/alusus_http/alusus_http.h"
    edit(header, "#define AH_LIMIT 64", "#define AH_LIMIT 65")
    before = files(sample)
    result = codegen("check", cwd=sample)
    assert result.returncode == 1
    assert "\n-#define AH_LIMIT 65\n+#define AH_LIMIT 64\n" in result.stdout
    assert "make gen" in result.stderr
    assert files(sample) == before


@pytest.mark.parametrize(
    ("english", "name"),
    [
        ("setHandler", "setHandler"),
        ("DataCallback", "DataCallback"),
        ("LIMIT", "LIMIT"),
        ("flag", "Header.flag"),
    ],
)
def test_a_name_without_an_arabic_one_is_an_error(sample: Path, english: str, name: str) -> None:
    spec = sample / "spec/http.ar.md"
    kept = [
        line
        for line in spec.read_text(encoding="utf-8").splitlines(keepends=True)
        if f"لقب {english}؛" not in line
    ]
    spec.write_text("".join(kept), encoding="utf-8")
    result = codegen("generate", cwd=sample)
    assert result.returncode == 1
    assert f"{name} has no Arabic name; expected an alias of it in spec/http.ar.md" in result.stderr


def test_a_second_run_touches_nothing(sample: Path) -> None:
    codegen("generate", cwd=sample)
    before = files(sample)
    assert codegen("generate", cwd=sample).returncode == 0
    assert files(sample) == before


def test_an_error_leaves_every_file_as_it_was(sample: Path) -> None:
    codegen("generate", cwd=sample)
    edit(sample / "spec/http.md", "dataLen: Int): Int;", "dataLen: Imt): Int;")
    before = files(sample)
    result = codegen("generate", cwd=sample)
    assert result.returncode == 1
    assert files(sample) == before


def test_a_file_that_cannot_be_written_leaves_no_rest(sample: Path) -> None:
    if os.geteuid() == 0:
        # Root may write anywhere; a folder where the file belongs stops root, too.
        (sample / "alusus_stubs/Http.alusus").mkdir(parents=True)
    else:
        (sample / "alusus_stubs").mkdir(mode=0o500)
    assert codegen("generate", cwd=sample).returncode != 0
    assert not list(sample.rglob(".*")), "temporary files were left"


def test_all_errors_of_both_files_come_in_one_run(sample: Path) -> None:
    spec = sample / "spec/http.md"
    edit(spec, "dataLen: Int): Int;", "dataLen: Imt): Int;")
    edit(spec, "@expname[ah_print_text]", "@expname[print_text]")
    edit(sample / "spec/http.ar.md", "### الحد (LIMIT)", "### الحد (LIMITS)")
    result = codegen("generate", cwd=sample)
    lines = result.stderr.splitlines()
    assert len(lines) >= 4
    assert any(line.startswith("spec/http.md:") and "Imt" in line for line in lines)
    assert any("print_text" in line and "expected ah_" in line for line in lines)
    assert any(line.startswith("spec/http.ar.md:") and "LIMITS" in line for line in lines)
    assert any(line.startswith("spec/http.md:") and "LIMIT has no Arabic" in line for line in lines)
    for line in lines:
        assert "; expected" in line, line


@pytest.mark.parametrize("name", ["spec/http.md", "spec/http.ar.md"])
def test_a_missing_document_is_named(sample: Path, name: str) -> None:
    (sample / name).unlink()
    result = codegen("generate", cwd=sample)
    assert result.returncode == 1
    assert name in result.stderr
