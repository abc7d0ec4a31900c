"""Where text comes from, and how errors about it are reported."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple


class Span(NamedTuple):
    """A place in a file. Lines and columns count from 1, columns in code points.

    Line 0 stands for the file as a whole, as in "cannot be read".
    """

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return `file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One error: what is wrong at a place, and what was expected there."""

    span: Span
    problem: str
    expected: str

    def __str__(self) -> str:
        """Return `file:line:column: what is wrong; what was expected`."""
        return f"{self.span}: {self.problem}; {self.expected}"


class SpecErrors(Exception):
    """All the errors of a run, each once, in the order of their places."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Hold the diagnostics, sorted."""
        self.diagnostics = tuple(sorted(set(diagnostics)))
        super().__init__("\n".join(map(str, self.diagnostics)))


@dataclass(frozen=True)
class Source:
    """A text and the place that it was taken from.

    `path` is printed as given. A block in a Markdown file is a source of its own: `first_line` is
    the line of the file on which it starts, and `margins` says for each of its lines how many
    code points of the file's line stand before it (the indentation of a list, a quote's `> `).
    """

    path: str
    text: str
    first_line: int = 1
    margins: tuple[int, ...] = ()

    @classmethod
    def read(cls, path: str) -> Source:
        """The UTF-8 file at `path`; raises SpecErrors when it cannot be read."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            raise SpecErrors(
                [Diagnostic(Span(path, 0, 0), problem, "expected a readable file")]
            ) from None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = data[: error.start].decode("utf-8-sig", "replace")
            place = Span(path, before.count("\n") + 1, len(before) - before.rfind("\n"))
            raise SpecErrors(
                [Diagnostic(place, "this byte is not valid UTF-8", "expected UTF-8 text")]
            ) from None
        return cls(path, text.replace("\r\n", "\n"))

    @cached_property
    def _line_starts(self) -> list[int]:
        lengths = (len(line) + 1 for line in self.text.split("\n"))
        return list(accumulate(lengths, initial=0))[:-1]

    def span(self, offset: int) -> Span:
        """The place of the code point at `offset` of the text."""
        line = bisect_right(self._line_starts, offset) - 1
        column = offset - self._line_starts[line] + 1
        if line < len(self.margins):
            column += self.margins[line]
        return Span(self.path, self.first_line + line, column)
