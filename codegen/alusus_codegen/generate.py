"""From the spec to every generated file, written all together or not at all."""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from .coverage import COVERAGE, read_coverage
from .emit import alusus, c, coverage, docs, python
from .markdown import read_document
from .model import Api
from .resolve import resolve
from .source import Diagnostic, Source, SpecErrors

SPEC = ("spec/http.md", "spec/http.ar.md")
VERSION_FILE = "VERSION"

EMITTERS: tuple[Callable[[Api], dict[str, str]], ...] = (
    c.emit,
    python.emit,
    alusus.emit,
    docs.emit,
    coverage.emit,
)


def read_api(root: Path) -> Api:
    """The API that the spec of the project at `root` describes; raises SpecErrors."""
    errors: list[Diagnostic] = []
    documents = []
    for path in SPEC:
        try:
            source = replace(Source.read(str(root / path)), path=path)
            documents.append(read_document(source))
        except SpecErrors as failure:
            errors += failure.diagnostics
    if errors:
        raise SpecErrors(errors)
    english, arabic = documents
    version = (root / VERSION_FILE).read_text(encoding="utf-8").strip()
    api = resolve(english, arabic, version)
    source = replace(Source.read(str(root / COVERAGE)), path=COVERAGE)
    return replace(api, coverage=read_coverage(source, api))


def render(api: Api) -> dict[str, str]:
    """The text of every generated file, by its path in the project."""
    files: dict[str, str] = {}
    for emit in EMITTERS:
        files.update(emit(api))
    return files


def run(root: str, check: bool) -> int:
    """The commands `generate` and `check`; returns the exit status. Raises SpecErrors."""
    folder = Path(root)
    return settle(folder, render(read_api(folder)), check=check)


def settle(root: Path, files: Mapping[str, str], *, check: bool) -> int:
    """Write the files that a generator has made, or say how those that are there differ.

    Returns the exit status, which is not 0 when a check finds a difference.
    """
    if not check:
        _write(root, files)
        return 0
    difference = "".join(
        _difference(path, _read(root / path), text) for path, text in sorted(files.items())
    )
    if difference:
        print(difference, end="")
        print("Generated files are out of date. Run: make gen", file=sys.stderr)
    return 1 if difference else 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _difference(path: str, found: str, wanted: str) -> str:
    return "".join(
        difflib.unified_diff(
            found.splitlines(keepends=True),
            wanted.splitlines(keepends=True),
            f"{path} (committed)",
            f"{path} (generated)",
        )
    )


def _write(root: Path, files: Mapping[str, str]) -> None:
    """All texts go to temporary files first, so that a full disk leaves the old ones whole."""
    written: list[tuple[str, Path]] = []
    try:
        for name, text in files.items():
            target = root / name
            if _read(target) == text:
                continue  # its time stays, and so does what was built from it
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            written.append((temporary, target))
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(temporary, 0o644)
        while written:
            temporary, target = written.pop()
            os.replace(temporary, target)
    finally:
        for temporary, _ in written:
            os.unlink(temporary)
