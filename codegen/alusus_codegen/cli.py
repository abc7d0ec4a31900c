"""The command `alusus-codegen`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from .dump import dump, listing, merge
from .markdown import read_document
from .parser import parse_source
from .source import Diagnostic, Source, Span, SpecErrors
from .syntax import Statement

_PROGRAM_SUFFIXES = (".alusus", ".أسس")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when all is well, 1 after errors, 2 for a wrong command line."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "parse":
            return _parse(options.files, as_json=options.json)
        from . import generate  # the emitters and their templates take time to load

        return generate.run(root=options.root, check=options.command == "check")
    except SpecErrors as errors:
        print(errors, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alusus-codegen",
        description="Reads Alusus declarations and generates the faces of the API from them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parse = commands.add_parser(
        "parse", help="list the declarations of Alusus programs and Markdown documents"
    )
    parse.add_argument("files", nargs="+", metavar="FILE", help="a .alusus, .أسس or .md file")
    parse.add_argument("--json", action="store_true", help="print JSON")
    for name, text in (
        ("generate", "write all the generated files"),
        ("check", "compare the generated files with what the spec gives"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--root", default=".", help="the project's folder (default: .)")
    return parser


def _parse(paths: Sequence[str], *, as_json: bool) -> int:
    parts = []
    diagnostics: list[Diagnostic] = []
    for path in paths:
        try:
            parts.append(dump(_read(path)))
        except SpecErrors as errors:
            diagnostics += errors.diagnostics
    if diagnostics:
        raise SpecErrors(diagnostics)
    declarations = merge(parts)
    if as_json:
        print(json.dumps(declarations, ensure_ascii=False, indent=2))
    else:
        print(listing(declarations))
    return 0


def _read(path: str) -> tuple[Statement, ...]:
    suffix = Path(path).suffix
    if suffix == ".md":
        return read_document(Source.read(path)).statements
    if suffix in _PROGRAM_SUFFIXES:
        return parse_source(Source.read(path))
    problem = f"unknown kind of file '{suffix}'"
    raise SpecErrors([Diagnostic(Span(path, 0, 0), problem, "expected .alusus, .أسس or .md")])
