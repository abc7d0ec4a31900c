"""The reference: one page for each language, with every declaration in Alusus, C and Python."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .. import pythonic
from ..alusus_text import Notation
from ..model import (
    Api,
    Callback,
    Constant,
    Declaration,
    Documentation,
    Field,
    Function,
    Kind,
    Name,
    Parameter,
    Role,
    Section,
    Structure,
    Type,
)
from .c import prototype, typedef
from .templates import environment
from .wording import WORDINGS, Wording

PAGES = {"en": "docs/reference/http.md", "ar": "docs/reference/http.ar.md"}

TYPES_ANCHOR = "types"
INDEX_ANCHOR = "index"

# Kinds of arguments that the library copies.
_COPIED = {Kind.STRING, Kind.STRINGS, Kind.STRUCTURE, Kind.ALUSUS}


def emit(api: Api) -> dict[str, str]:
    """The pages by their path in the project."""
    source = _Source(api)
    return {path: _Page(source, language).render() for language, path in PAGES.items()}


@dataclass(frozen=True, slots=True)
class Code:
    """A fenced block."""

    label: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of cells that are Markdown already."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A section of the page, ready to print."""

    title: str
    anchor: str
    level: int
    names: str
    summary: str
    code: tuple[Code, ...]
    details: str
    tables: tuple[Table, ...]
    facts: tuple[tuple[str, str], ...]


class _Source:
    """What the pages share: the API, and what of it is the same in every language."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.callbacks = {c.name.python: c for c in api.callbacks}
        groups = {id(group.functions[0]): group for group in pythonic.groups(api)}
        self.groups = {
            section.anchor: [groups[id(d)] for d in section.declarations if id(d) in groups]
            for section in api.sections
        }
        self.c = {id(d): tuple(_c_code(d)) for d in (*api.declarations, *api.callbacks)}


class _Page:
    def __init__(self, source: _Source, language: str) -> None:
        api = source.api
        self._api = api
        self._language = language
        self._words: Wording = WORDINGS[language]
        self._prose = _Prose(_link_targets(api, language), rtl=self._words.rtl)
        self._callbacks = source.callbacks
        self._groups = source.groups
        self._c = source.c
        self._notation = Notation(api, language)
        self._alusus = {id(d): self._notation.declaration(d) for d in api.declarations}

    def render(self) -> str:
        blocks = tuple(self._block(section) for section in self._api.sections)
        text = (
            environment("docs")
            .get_template("reference.md.j2")
            .render(
                api=self._api,
                blocks=blocks,
                index=self._index(),
                index_anchor=INDEX_ANCHOR,
                introduction=self._prose.text(self._api.introduction[self._language]),
                title=self._api.title[self._language],
                types=self._types(),
                types_anchor=TYPES_ANCHOR,
                words=self._words,
            )
        )
        self._check_complete(text)
        return text

    def _check_complete(self, text: str) -> None:
        lines = set(text.splitlines())
        names = set(_CODE_SPAN.findall(text))
        for declaration in self._api.declarations:
            for part in (self._alusus[id(declaration)], *self._c[id(declaration)]):
                assert lines.issuperset(part.splitlines()), f"{part} did not reach the reference"
            for name in declaration.name.arabic:
                assert f"`{name}`" in names, f"{name} did not reach the reference"
        for callback in self._api.callbacks:
            for part in self._c[id(callback)]:
                assert lines.issuperset(part.splitlines()), f"{part} did not reach the reference"

    # Sections

    def _block(self, section: Section) -> Block:
        text = section.documentation.get(self._language, Documentation())
        return Block(
            title=section.titles[self._language],
            anchor=section.anchor,
            level=section.level,
            names=self._other_names(section),
            summary=self._prose.text(text.summary, section.anchor),
            code=tuple(self._code(section)),
            details=self._prose.text(text.body.removeprefix(text.summary).strip(), section.anchor),
            tables=tuple(self._tables(section, text)),
            facts=tuple(self._facts(section, text)),
        )

    def _other_names(self, section: Section) -> str:
        """The Arabic names of a section's declarations; on the Arabic page the English ones too."""
        names = {d.name.alusus: d.name for d in section.declarations}.values()
        if self._language == "ar":
            return self._words.comma.join(
                part
                for name in names
                for part in (*self._marked(name, name.arabic), self._prose.code(name.alusus))
            )
        return self._words.comma.join(p for name in names for p in self._marked(name, name.arabic))

    def _marked(self, name: Name, arabic: Iterable[str]) -> Iterator[str]:
        """Some of a thing's Arabic names, marked where they are this project's choice."""
        for each in arabic:
            yield f"`{each}`{self._words.ours_mark if each in name.arabic_ours else ''}"

    def _code(self, section: Section) -> Iterator[Code]:
        declarations = section.declarations
        if not declarations:
            return
        alusus = [self._alusus[id(d)] for d in declarations]
        joint = "\n\n" if any("\n" in text for text in alusus) else "\n"
        yield Code(self._words.alusus, "alusus", joint.join(alusus))
        c = [text for d in declarations for text in (*self._member_typedefs(d), *self._c[id(d)])]
        if c:
            yield Code(self._words.c, "c", "\n".join(c))
        members = (m for d in declarations for m in self._members(d))
        python = [
            *pythonic.python_lines(section, self._groups[section.anchor]),
            *(f"{m.name.python} = {pythonic.callable_type(m)}" for m in members),
        ]
        if python:
            yield Code(self._words.python, "python", "\n".join(python))

    def _members(self, declaration: Declaration) -> Iterator[Callback]:
        """The callbacks that a table declares in place, without a name of their own in Alusus."""
        if isinstance(declaration, Structure):
            for field in declaration.fields:
                callback = self._callbacks.get(field.type.target)
                if callback is not None and not callback.alias:
                    yield callback

    def _member_typedefs(self, declaration: Declaration) -> Iterator[str]:
        return (text for member in self._members(declaration) for text in self._c[id(member)])

    def _facts(self, section: Section, text: Documentation) -> Iterator[tuple[str, str]]:
        words = self._words
        functions = [d for d in section.declarations if isinstance(d, Function)]
        callbacks = [d for d in section.declarations if isinstance(d, Callback)]
        if text.result:
            yield words.returns, self._result(functions, text.result, section.anchor)
        for callback in callbacks:
            yield words.thread, words.threads[callback.thread]
            if callback.on_failure is not None:
                yield words.on_failure, self._prose.code(str(callback.on_failure))
        if text.errors:
            failures = sorted({f.failure for f in functions})
            failure = words.alternative.join(words.failures[f] for f in failures)
            yield words.failure, self._prose.text(failure)
            yield words.errors, self._prose.text(text.errors, section.anchor)
        if functions and not any(f.symbol for f in functions):
            yield words.availability, words.alusus_only

    def _result(self, functions: list[Function], text: str, anchor: str) -> str:
        words = self._words
        parts = [self._prose.text(text, anchor)]
        # Of a text that is written to a buffer, the length says that there is none.
        if any(f.result_nullable and f.returns.kind is not Kind.INTEGER for f in functions):
            parts.append(words.may_be_null)
        for lifetime in dict.fromkeys(f.result_lifetime for f in functions if f.result_lifetime):
            parts.append(f"{words.lifetime}: {words.lifetimes[lifetime]}.")
        return " ".join(parts)

    # Tables

    def _tables(self, section: Section, text: Documentation) -> Iterator[Table]:
        for declaration in section.declarations:
            if isinstance(declaration, Structure) and not declaration.opaque:
                yield self._field_table(declaration, text, section.anchor)
        rows = self._parameter_rows(section, text)
        if rows:
            words = self._words
            yield Table(
                (*words.name_columns, words.type, words.meaning, words.null, words.lifetime),
                rows,
                words.parameters,
            )

    def _name_cells(self, name: Name, other: str) -> tuple[str, str, str]:
        """Alusus and Arabic names in the order of the page, then the one of C and Python."""
        english = self._prose.code(name.alusus)
        arabic = self._words.comma.join(self._marked(name, name.arabic)) or self._words.none
        first = (arabic, english) if self._language == "ar" else (english, arabic)
        return (*first, other)

    def _field_table(self, structure: Structure, text: Documentation, anchor: str) -> Table:
        words = self._words
        called = {f.name.alusus: self._callbacks.get(f.type.target) for f in structure.fields}
        is_table = any(called.values())
        rows = []
        for field in structure.fields:
            callback = called[field.name.alusus]
            row: tuple[str, ...] = (
                str(field.offset),
                *self._name_cells(field.name, self._prose.code(field.name.c)),
                self._field_type(field),
                self._cell(text.members.get(field.name.alusus, ""), anchor),
                self._field_nullability(field),
            )
            if is_table:
                row += self._calls(callback)
            rows.append(row)
        header: tuple[str, ...] = (
            words.offset,
            *words.name_columns,
            words.type,
            words.meaning,
            words.null,
        )
        if is_table:
            header += (words.thread, words.on_failure)
        layout = words.layout.format(size=structure.size, alignment=structure.alignment)
        return Table(header, tuple(rows), layout)

    def _field_type(self, field: Field) -> str:
        callback = self._callbacks.get(field.type.target)
        if callback is not None and not callback.alias:
            return self._prose.code(callback.name.c)  # the block above writes it out
        return self._type(field.type)

    def _field_nullability(self, field: Field) -> str:
        if not field.type.may_be_null:
            return self._words.none
        # Every member of a table of callbacks may be left out.
        nullable = field.nullable or field.type.kind is Kind.CALLBACK
        return self._words.yes if nullable else self._words.no

    def _calls(self, callback: Callback | None) -> tuple[str, str]:
        words = self._words
        if callback is None:
            return words.none, words.none
        failure = (
            words.none
            if callback.on_failure is None
            else self._prose.code(str(callback.on_failure))
        )
        return words.threads[callback.thread], failure

    def _parameter_rows(self, section: Section, text: Documentation) -> tuple[tuple[str, ...], ...]:
        uses: dict[str, list[_Use]] = {}
        packs: dict[str, Function] = {}
        for declaration in section.declarations:
            for use in self._uses(declaration):
                uses.setdefault(use.parameter.name.alusus, []).append(use)
            if isinstance(declaration, Function) and declaration.pack:
                packs[declaration.pack] = declaration
        in_python = self._python_parameters(section)
        rows = [
            self._parameter_row(found, text.members.get(name, ""), in_python, section.anchor)
            for name, found in uses.items()
        ]
        rows += [
            self._pack_row(pack, function, text.members.get(pack, ""), section.anchor)
            for pack, function in packs.items()
        ]
        return tuple(rows)

    def _uses(self, declaration: Declaration) -> Iterator[_Use]:
        match declaration:
            case Function():
                for parameter in declaration.parameters:
                    yield _Use(parameter, declaration, exported=bool(declaration.symbol))
            case Callback():
                for parameter in declaration.parameters:
                    yield _Use(parameter, declaration, exported=True)
            case Structure():
                for member in self._members(declaration):
                    yield from self._uses(member)
            case Constant():
                pass

    def _python_parameters(self, section: Section) -> set[str]:
        found = {
            argument.name
            for group in self._groups[section.anchor]
            for signature in group.signatures
            for argument in signature.arguments
        }
        for declaration in section.declarations:
            callbacks = [*self._members(declaration)]
            if isinstance(declaration, Callback):
                callbacks.append(declaration)
            for callback in callbacks:
                found |= pythonic.callback_arguments(callback).keys()
        return found

    def _parameter_row(
        self, uses: list[_Use], text: str, in_python: set[str], anchor: str
    ) -> tuple[str, ...]:
        words = self._words
        name = uses[0].parameter.name
        in_c = any(use.exported for use in uses)
        code = self._prose.code(name.c)
        match in_c, name.python in in_python:
            case True, True:
                other = code
            case True, False:
                other = f"{code} ({words.c})"
            case False, True:
                other = f"{self._prose.code(name.python)} ({words.python})"
            case _:
                other = words.none
        types = dict.fromkeys(self._type(use.parameter.type) for use in uses)
        return (
            *self._name_cells(name, other),
            words.alternative.join(types),
            self._cell(text, anchor),
            self._nullability(uses),
            words.alternative.join(dict.fromkeys(self._lifetime(use) for use in uses)),
        )

    def _pack_row(self, pack: str, function: Function, text: str, anchor: str) -> tuple[str, ...]:
        words = self._words
        formatted = any(p.role is Role.FORMAT for p in function.parameters)
        name = Name(pack, "...", "", (function.pack_arabic,) if function.pack_arabic else ())
        arguments = self._prose.code(f"*{pack}")
        python = f"{words.comma}{arguments} ({words.python})" if formatted else ""
        assert function.variadic is not None
        copied = function.variadic.kind in _COPIED and not formatted
        return (
            *self._name_cells(name, f"{self._prose.code('...')} ({words.c}){python}"),
            self._prose.code(f"...{self._notation.type(function.variadic)}"),
            self._cell(text, anchor),
            words.no if copied else words.none,
            words.copied if copied else words.none,
        )

    def _type(self, type_: Type) -> str:
        return self._prose.code(self._notation.type(type_))

    def _nullability(self, uses: list[_Use]) -> str:
        # A body passes on what it was given: the exported overload decides.
        deciding = [use for use in uses if use.exported] or uses
        parameters = [u.parameter for u in deciding if u.parameter.type.may_be_null]
        if not parameters:
            return self._words.none
        if any(p.nullable or p.role is Role.USER_DATA for p in parameters):
            return self._words.yes
        if any(p.role in {Role.DATA, Role.OUTPUT, Role.TEXT} for p in parameters):
            return self._words.when_empty
        return self._words.no

    def _lifetime(self, use: _Use) -> str:
        words = self._words
        parameter = use.parameter
        if parameter.lifetime:
            return words.lifetimes[parameter.lifetime]
        if parameter.role is Role.USER_DATA:
            return words.of_program
        if parameter.role in {Role.OUTPUT, Role.TEXT}:
            return words.lifetimes["call"]
        if isinstance(use.owner, Callback):
            passing = parameter.type.may_be_null and parameter.type.kind is not Kind.HANDLE
            return words.lifetimes["call"] if passing else words.none
        return words.copied if parameter.type.kind in _COPIED else words.none

    def _cell(self, text: str, anchor: str) -> str:
        return self._prose.text(text, anchor).replace("\n", " ")

    # The end of the page

    def _types(self) -> Table:
        words = self._words
        found: dict[str, Type] = {}
        for type_ in _types_in_use(self._api):
            found.setdefault(type_.notation, type_)
        rows = (
            (
                self._type(type_),
                self._prose.code(type_.declare("").strip()) if type_.c else words.none,
                self._python_type(type_),
                str(type_.size) if type_.size else words.none,
                str(type_.alignment) if type_.size else words.none,
            )
            for type_ in found.values()
        )
        header = (words.alusus, words.c, words.python, words.size, words.alignment)
        return Table(header, tuple(rows))

    def _python_type(self, type_: Type) -> str:
        """What stands for a value of the type in Python: an array's is not its items'."""
        match type_:
            case Type(python=""):
                return self._words.none
            case Type(kind=Kind.ARRAY, element=Type(kind=Kind.STRUCTURE, python=element)):
                return self._prose.code(f"tuple[{element}, ...]")
            case Type(kind=Kind.ARRAY):
                return self._prose.code("str")
            case Type(kind=Kind.OUT_POINTER):
                return self._prose.code("OutPointer")
            case Type(kind=Kind.POINTER):
                return self._words.python_pointer
            case _:
                return self._prose.code(type_.python)

    def _index(self) -> Table:
        words = self._words
        in_python = {g.name for found in self._groups.values() for g in found if g.signatures}
        rows: list[tuple[str, tuple[str, ...]]] = []
        for section in self._api.sections:
            names = {d.name.alusus: d.name for d in section.declarations}
            for name in names.values():
                same = [d for d in section.declarations if d.name.alusus == name.alusus]
                is_function = isinstance(same[0], Function)
                c = [d.symbol if isinstance(d, Function) else d.name.c for d in same]
                python = name.python if name.python in in_python or not is_function else ""
                rows.append(self._entry(section, name, "", filter(None, c), python))
            for structure in section.declarations:
                if isinstance(structure, Structure):
                    owner = structure.name
                    prefix = f"{self._notation.name(owner)}."
                    for field in structure.fields:
                        c_name = f"{owner.c}.{field.name.c}"
                        python = f"{owner.python}.{field.name.python}"
                        rows.append(self._entry(section, field.name, prefix, [c_name], python))
        header = (*words.name_columns[:2], words.c, words.python)
        return Table(header, tuple(row for _, row in sorted(rows)))

    def _entry(
        self, section: Section, name: Name, prefix: str, c: Iterable[str], python: str
    ) -> tuple[str, tuple[str, ...]]:
        """A row of the index behind what it is sorted by."""
        words = self._words
        own = f"{prefix}{self._notation.name(name)}"
        ours = self._notation.name(name) in name.arabic_ours and self._language == "ar"
        link = f"[{self._prose.code(own)}](#{section.anchor}){words.ours_mark if ours else ''}"
        if self._language == "ar":
            other = [self._prose.code(name.alusus), *self._marked(name, name.arabic[1:])]
        else:
            other = [*self._marked(name, name.arabic)]
        row = (
            link,
            words.comma.join(other) or words.none,
            words.comma.join(map(self._prose.code, c)) or words.none,
            self._prose.code(python) if python else words.none,
        )
        return own.casefold(), row


@dataclass(frozen=True, slots=True)
class _Use:
    """A parameter where it stands."""

    parameter: Parameter
    owner: Function | Callback
    exported: bool  # C has it


def _c_code(declaration: Declaration) -> Iterator[str]:
    """A declaration in C; nothing for what only Alusus has."""
    match declaration:
        case Function():
            if declaration.symbol:
                yield f"{prototype(declaration)};"
        case Callback():
            yield typedef(declaration)
        case Structure():
            yield _struct(declaration)
        case Constant():
            yield f"#define {declaration.name.c} {declaration.value}"


def _struct(structure: Structure) -> str:
    name = structure.name.c
    if structure.opaque:
        return f"typedef struct {name} {name};"
    fields = "".join(f"    {f.type.declare(f.name.c)};\n" for f in structure.fields)
    return f"typedef struct {name} {{\n{fields}}} {name};"


def _types_in_use(api: Api) -> Iterator[Type]:
    """The types of the API but for callbacks, which are declarations themselves."""
    for declaration in (*api.declarations, *api.callbacks):
        match declaration:
            case Function() | Callback():
                found = [*(p.type for p in declaration.parameters), declaration.returns]
            case Structure():
                found = [f.type for f in declaration.fields]
            case Constant():
                found = [declaration.type]
        yield from (type_ for type_ in found if type_.kind is not Kind.CALLBACK)


def _indexed(section: Section) -> Iterator[tuple[Name, Name | None]]:
    """The names of a section, each with the class that it is a member of."""
    for declaration in section.declarations:
        yield declaration.name, None
        if isinstance(declaration, Structure):
            for field in declaration.fields:
                yield field.name, declaration.name


def _link_targets(api: Api, language: str) -> dict[str, str]:
    """The anchor of each name that a text may mention."""
    targets: dict[str, str] = {}
    for section in api.sections:
        for name, owner in _indexed(section):
            spellings = name.arabic if language == "ar" else (name.alusus,)
            if owner is None:
                targets |= dict.fromkeys(spellings, section.anchor)
            else:
                owners = owner.arabic if language == "ar" else (owner.alusus,)
                targets |= {f"{o}.{s}": section.anchor for o in owners for s in spellings}
    return targets


_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"`[^`\n]+`")
_ARABIC_LETTER = re.compile(r"[\u0620-\u064a]")


class _Prose:
    """Makes the spec's Markdown fit the page: links names, and keeps Latin code left to right."""

    def __init__(self, targets: dict[str, str], rtl: bool) -> None:
        self._targets = targets
        self._rtl = rtl

    def text(self, markdown: str, anchor: str = "") -> str:
        """Text of the section at `anchor`, which needs no links to itself."""
        parts: list[str] = []
        position = 0
        for fence in _FENCE.finditer(markdown):
            parts += [self._spans(markdown[position : fence.start()], anchor), fence[0]]
            position = fence.end()
        return "".join((*parts, self._spans(markdown[position:], anchor)))

    def code(self, code: str) -> str:
        """A code span; on a page that runs right to left, Latin code keeps its direction."""
        span = f"`{code}`"
        if self._rtl and not _ARABIC_LETTER.search(code) and not code.isidentifier():
            return f'<span dir="ltr">{span}</span>'
        return span

    def _spans(self, markdown: str, anchor: str) -> str:
        def replace(match: re.Match[str]) -> str:
            if match.string.startswith("[", max(match.start() - 1, 0)):
                return match[0]  # the text of a link
            code = match[0].strip("`")
            target = self._targets.get(code)
            if target is None:
                return self.code(code)
            return match[0] if target == anchor else f"[{match[0]}](#{target})"

        return _CODE_SPAN.sub(replace, markdown)
