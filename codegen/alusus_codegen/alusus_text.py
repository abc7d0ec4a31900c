"""Declarations as Alusus programs write them: with English names and keywords, or Arabic ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from .model import Api, Callback, Constant, Declaration, Field, Function, Name, Structure, Type

LINE_LENGTH = 100
INDENT = "    "


@dataclass(frozen=True, slots=True)
class Keywords:
    """What the language calls the parts of a declaration."""

    define: str
    alias: str
    function: str
    klass: str
    any: str
    pointer: str
    array: str
    reference: str
    comma: str
    semicolon: str


KEYWORDS = {
    "en": Keywords("def", "alias", "func", "class", "any", "ptr", "array", "ref", ", ", ";"),
    "ar": Keywords("عرف", "لقب", "دالة", "صنف", "أيما", "مؤشر", "مصفوفة", "سند", "، ", "؛"),
}

_WORD = re.compile(r"[A-Za-z_]\w*")


class Notation:
    """Writes declarations in one of the languages; a thing without an Arabic name keeps its own."""

    def __init__(self, api: Api, language: str) -> None:
        """Write with the names of `api` in `language`, "en" or "ar"."""
        self._keywords = KEYWORDS[language]
        self._arabic = language == "ar"
        named: list[Structure | Callback] = [*api.structures]
        named += [c for c in api.callbacks if c.alias]
        self._words = {d.name.alusus: self.name(d.name) for d in named} | {
            "ptr": self._keywords.pointer,
            "array": self._keywords.array,
            "ref": self._keywords.reference,
            "func": self._keywords.function,
            "any": self._keywords.any,
        }
        self._types: dict[str, str] = {}  # what was translated already, by its notation
        self._members = {c.name.python: c for c in api.callbacks if not c.alias}

    def name(self, name: Name) -> str:
        """What the language calls a thing: of several Arabic names the first."""
        return name.arabic[0] if self._arabic and name.arabic else name.alusus

    def type(self, type_: Type, column: int = 0) -> str:
        """A type behind `column`, with the language's words for pointers and classes."""
        if type_.target in self._members:
            return self._pointer(self._members[type_.target], column)
        if type_.notation not in self._types:
            translated = _WORD.sub(lambda m: self._words.get(m[0], m[0]), type_.notation)
            self._types[type_.notation] = translated.replace(", ", self._keywords.comma)
        return self._types[type_.notation]

    def declaration(self, declaration: Declaration) -> str:
        """A whole declaration, with its semicolon if it needs one."""
        keywords = self._keywords
        name = self.name(declaration.name)
        match declaration:
            case Function():
                return self._function(declaration, name)
            case Callback():
                head = f"{keywords.define} {name}: {keywords.alias} "
                return f"{head}{self._pointer(declaration, len(head))}{keywords.semicolon}"
            case Structure():
                return self._class(declaration, name)
            case Constant():
                return f"{keywords.define} {name}: {declaration.value}{keywords.semicolon}"
            case _:
                assert_never(declaration)

    def _function(self, function: Function, name: str) -> str:
        parameters = [f"{self.name(p.name)}: {self.type(p.type)}" for p in function.parameters]
        if function.variadic:
            pack = function.pack_arabic if self._arabic and function.pack_arabic else function.pack
            parameters.append(f"{pack}: ...{self.type(function.variadic)}")
        returns = f"): {self.type(function.returns)}{self._keywords.semicolon}"
        return self._layout(f"{self._keywords.function} {name}(", parameters, returns)

    def _pointer(self, callback: Callback, column: int = 0) -> str:
        parameters = (f"{self.name(p.name)}: {self.type(p.type)}" for p in callback.parameters)
        return self._layout(
            f"{self._keywords.pointer}[{self._keywords.function} (",
            tuple(parameters),
            f"): {self.type(callback.returns)}]",
            column,
        )

    def _class(self, structure: Structure, name: str) -> str:
        head = f"{self._keywords.klass} {name} {{"
        if structure.opaque:
            return f"{head}}}"
        return "\n".join((head, *_reindented(map(self._member, structure.fields)), "}"))

    def _member(self, field: Field) -> str:
        head = f"{INDENT}{self._keywords.define} {self.name(field.name)}: "
        return f"{head}{self.type(field.type, len(head))}{self._keywords.semicolon}"

    def _layout(self, head: str, items: Sequence[str], tail: str, column: int = 0) -> str:
        """On one line if it fits behind `column`, else with an item on each line."""
        line = f"{head}{self._keywords.comma.join(items)}{tail}"
        if column + len(line) <= LINE_LENGTH or not items:
            return line
        separator = f"{self._keywords.comma.rstrip()}\n{INDENT}"
        return f"{head}\n{INDENT}{separator.join(items)}\n{tail}"


def _reindented(members: Iterable[str]) -> Iterable[str]:
    """Members of several lines keep the indentation of their first one."""
    return (member.replace("\n", f"\n{INDENT}") for member in members)
