"""The Arabic document of the spec, looked up by the English names that it belongs to.

A section's heading carries the English one in parentheses, `### شغل_الخادم (startServer)`; its
block gives names by aliases; its list names the parameters, "- `مسار` (`uri`): ...".
"""

from __future__ import annotations

from collections.abc import Iterator

from .markdown import Document, Section
from .source import Diagnostic
from .syntax import Alias, Class, Modifier, NamedType, Statement

OURS = "ours"  # the modifier of a name that no published document has


def _split_heading(title: str) -> tuple[str, str]:
    """`شغل_الخادم (startServer)` -> `شغل_الخادم`, `startServer`."""
    arabic, _, english = title.rpartition(" (")
    return (arabic.strip(), english.removesuffix(")").strip()) if arabic else (title, "")


def _is_ours(modifiers: tuple[Modifier, ...]) -> bool:
    return any(modifier.name == OURS for modifier in modifiers)


class ArabicText:
    """The Arabic document by English names; what nobody asks it for is an error."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._sections = {_split_heading(s.title)[1]: s for s in document.sections}
        self._used: set[str] = set()
        # English name -> Arabic name -> whether it is ours; members as "Class.member".
        self._names: dict[str, dict[str, bool]] = {}
        self._index(document.statements)

    @property
    def title(self) -> str:
        return _split_heading(self._document.title)[0]

    @property
    def introduction(self) -> str:
        return self._document.introduction

    @property
    def path(self) -> str:
        return self._document.path

    def section(self, english: str) -> Section | None:
        self._used.add(english)
        return self._sections.get(english)

    def heading(self, section: Section) -> str:
        """The Arabic part of a section's heading."""
        return _split_heading(section.title)[0]

    def names(self, english: str) -> dict[str, bool]:
        """The Arabic names of a declaration, or of a member as "Class.member"; true: ours."""
        return self._names.get(english, {})

    def parameters(self, english: str) -> dict[str, str]:
        """The Arabic names of a declaration's parameters, by the English ones."""
        section = self._sections.get(english)
        items = section.items if section else ()
        return {item.names[1]: item.names[0] for item in items if len(item.names) == 2}

    def unused(self) -> Iterator[Diagnostic]:
        """What the document has and the English one has not."""
        for english, section in self._sections.items():
            if english not in self._used:
                yield Diagnostic(
                    section.span,
                    f"no section of the English spec is called {english or section.title!r}",
                    "expected a heading such as `### شغل_الخادم (startServer)`",
                )

    def _index(self, statements: tuple[Statement, ...]) -> None:
        english_of: dict[str, str] = {}
        for statement in statements:
            if isinstance(statement, Alias) and isinstance(statement.target, NamedType):
                english_of[statement.name] = statement.target.name
                self._add(statement.target.name, statement)
        for statement in statements:
            if isinstance(statement, Class):
                owner = english_of.get(statement.name, statement.name)
                for member in statement.members:
                    if isinstance(member, Alias) and isinstance(member.target, NamedType):
                        self._add(f"{owner}.{member.target.name}", member)

    def _add(self, english: str, alias: Alias) -> None:
        self._names.setdefault(english, {})[alias.name] = _is_ours(alias.modifiers)
