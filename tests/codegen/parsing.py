"""Short forms for the tests of the front end."""

from __future__ import annotations

from typing import TypeVar

import pytest

from alusus_codegen.parser import parse_source
from alusus_codegen.source import Diagnostic, Source, SpecErrors
from alusus_codegen.syntax import Statement

S = TypeVar("S", bound=Statement)


def parse(text: str) -> tuple[Statement, ...]:
    return parse_source(Source("test.alusus", text))


def parse_one(text: str, kind: type[S]) -> S:
    (statement,) = parse(text)
    assert isinstance(statement, kind)
    return statement


def errors(text: str) -> list[Diagnostic]:
    with pytest.raises(SpecErrors) as raised:
        parse(text)
    return list(raised.value.diagnostics)


def places(text: str) -> list[tuple[int, int]]:
    return [(error.span.line, error.span.column) for error in errors(text)]
