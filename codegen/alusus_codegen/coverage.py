"""What the API has in place of each function of CivetWeb, or why it has nothing.

`spec/coverage.toml` names every public function of CivetWeb's header once. What it names of the
API is looked up here, so that a function that was renamed or taken away does not stay in the page.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .model import LANGUAGES, Api, Counterpart, Coverage, Name, Section, Structure
from .source import Diagnostic, Source, Span, SpecErrors

COVERAGE = "spec/coverage.toml"


def read_coverage(source: Source, api: Api) -> tuple[Coverage, ...]:
    """The entries of the file, by the names of CivetWeb's functions; raises SpecErrors."""
    try:
        data = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise SpecErrors(
            [Diagnostic(Span(source.path, 0, 0), f"cannot be read: {error}", "expected TOML")]
        ) from None
    reader = _Reader(source, api)
    entries = sorted(reader.entries(data), key=lambda entry: entry.function)
    if reader.errors:
        raise SpecErrors(reader.errors)
    return tuple(entries)


class _Reader:
    def __init__(self, source: Source, api: Api) -> None:
        self._source = source
        self._places = dict(_places(api.sections))
        self.errors: list[Diagnostic] = []

    def entries(self, data: Mapping[str, Any]) -> Iterator[Coverage]:
        seen: set[str] = set()
        for function, names in data.get("counterparts", {}).items():
            self._once(function, seen)
            yield Coverage(function, tuple(self._found(names)), {})
        for reason in data.get("reasons", ()):
            functions = reason.get("functions", ())
            for language in LANGUAGES:
                if not reason.get(language):
                    self._error(
                        next(iter(functions), "[[reasons]]"),
                        f"this reason has no text for '{language}'",
                        f'expected `{language} = "..."` beside its functions',
                    )
            for function in functions:
                self._once(function, seen)
                yield Coverage(function, (), {la: reason.get(la, "") for la in LANGUAGES})

    def _found(self, names: Iterable[str]) -> Iterator[Counterpart]:
        for name in names:
            if name in self._places:
                yield self._places[name]
                continue
            self._error(
                name,
                f"the spec declares no {name}",
                "expected the name of a function or class of the spec, or Class.field; where there "
                "is none any more, move the function of CivetWeb to [[reasons]]",
            )

    def _once(self, function: str, seen: set[str]) -> None:
        if function in seen:
            self._error(function, f"{function} is here twice", "expected it once")
        seen.add(function)

    def _error(self, text: str, problem: str, expected: str) -> None:
        """Report an error at the first place where the file has this text."""
        place = self._source.span(max(self._source.text.find(text), 0))
        self.errors.append(Diagnostic(place, problem, expected))


def _places(sections: Iterable[Section]) -> Iterator[tuple[str, Counterpart]]:
    """Everything that can be named, with the section that describes it."""
    for section in sections:
        for declaration in section.declarations:
            name = declaration.name
            yield name.alusus, Counterpart(_spellings(name), section.anchor)
            if isinstance(declaration, Structure):
                for field in declaration.fields:
                    own, member = _spellings(name), _spellings(field.name)
                    both = {la: f"{own[la]}.{member[la]}" for la in LANGUAGES}
                    yield both["en"], Counterpart(both, section.anchor)


def _spellings(name: Name) -> dict[str, str]:
    return {"en": name.alusus, "ar": name.arabic[0]}
