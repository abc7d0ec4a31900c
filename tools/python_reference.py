#!/usr/bin/env python3
"""Write docs/reference/python.md: what `alusus_http` exports, from its docstrings and annotations.

    python_reference.py [--check]

The package is read and not imported, so that it need not be built. What it exports is what
`__all__` of its modules says. Whatever of that has no description is an error here.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import griffe
from griffe import DocstringSectionKind as Kind
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from alusus_codegen.generate import settle

ROOT = Path(__file__).parent.parent
PACKAGE = "alusus_http"
PAGE = "docs/reference/python.md"

# The sections by the modules that they are about, in the order in which a reader comes to need
# them. What the package exports is in that of the module that defines it, the package itself last.
SECTIONS = {
    "server": "Servers",
    "request": "Requests",
    "response": "Responses",
    "websocket": "WebSockets",
    "native": "Compiled handlers",
    "errors": "Errors",
    "testing": "Tests",
    "alusus": "Programs in Alusus",
    "asgi": "Applications of ASGI",
    "wsgi": "Applications of WSGI",
    "": "Servers of the level below",
}
# These modules export, too.
EXPORTING = ("errors", "testing", "alusus", "asgi", "wsgi")
# Exported, and described elsewhere: by a reference of its own, and in the introduction.
ELSEWHERE = ("errors", "http", "__version__")
LEVEL_BELOW = "http.md"

# What a class has these methods for.
STATEMENTS = {
    "__enter__": "with",
    "__aenter__": "async with",
    "__iter__": "for",
    "__aiter__": "async for",
    "__getitem__": "[name]",
}
# Bases that tell a reader nothing.
_PLAIN_BASES = {"ABC", "Generic"}

_WIDTH = 100
_CODE_SPAN = re.compile(r"`([^`\n]+)`")
_GUIDE, _TO_GUIDE = re.compile(r"\bdocs/(\w+\.md)"), r"[\g<0>](../\1)"
_DECORATOR = re.compile(
    r"Callable\[\[(_\w+)\], \1\]"
)  # of a type variable, whose names are private


class Undescribed(Exception):
    """Something that is exported lacks what the page is to say of it."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells that are Markdown already."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Facts:
    """Items of a list, as Markdown."""

    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Block:
    """What the page says of a class, a function or a type."""

    title: str
    code: str
    text: str
    parts: Sequence[Table | Facts] = ()
    members: Sequence[Block] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a text stands, by which its names are understood."""

    title: str  # of the class or function
    parameters: frozenset[str] = frozenset()  # of which a name is no link


@dataclass(frozen=True, slots=True)
class Section:
    """What the page says of a module."""

    title: str
    text: str
    contents: Table
    blocks: Sequence[Block]


class Reference:
    """The page, with the place that it has for each name."""

    def __init__(self, sources: Path, level_below: str) -> None:
        package = griffe.load(
            PACKAGE,
            search_paths=[sources],
            docstring_parser="google",
            docstring_options={"returns_named_value": False, "returns_multiple_items": False},
            allow_inspection=False,
        )
        assert isinstance(package, griffe.Module)
        self._package = package
        self._below = set(re.findall(r'<a id="(\w+)">', level_below))
        self._sections: dict[str, list[griffe.Object]] = {name: [] for name in SECTIONS}
        self._titles: dict[str, str] = {}  # of what is exported, by where it is defined
        for module in (package, *(self._module(name) for name in EXPORTING)):
            for name in _exports(module):
                self._export(module, name)
        self._places = set(self._all_titles())

    def _module(self, name: str) -> griffe.Module:
        module = self._package[name] if name else self._package
        assert isinstance(module, griffe.Module)
        return module

    def _export(self, module: griffe.Module, name: str) -> None:
        if module is self._package and name in ELSEWHERE:
            return
        thing = module.members[name]
        if isinstance(thing, griffe.Module):  # a function that is called as its module is
            thing = thing.members[name]
        thing = _target(thing)
        if thing.path in self._titles:
            return
        prefix = "" if module is self._package else f"{module.name}."
        self._titles[thing.path] = prefix + name
        home = thing.module if module is self._package else module
        self._sections["" if home is self._package else home.name].append(thing)

    def _all_titles(self) -> Iterator[str]:
        for things in self._sections.values():
            for thing in things:
                title = self._titles[thing.path]
                yield title
                if isinstance(thing, griffe.Class):
                    yield from (f"{title}.{name}" for name in self._members(thing))

    def render(self) -> str:
        """The text of the page."""
        templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        return templates.get_template("python_reference.md.j2").render(
            introduction=self._prose(_description(self._package), Scope("")),
            sections=[self._section(name) for name in SECTIONS],
        )

    # Sections

    def _section(self, name: str) -> Section:
        module = self._module(name)
        # In the order of the source, but for what the module is called after.
        things = sorted(
            self._sections[name],
            key=lambda thing: (thing.name.lower() != name, thing.lineno or 0),
        )
        blocks = [self._block(thing, self._titles[thing.path]) for thing in things]
        rows = [
            (self._link(block.title), self._line(_summary(thing), Scope(block.title)))
            for thing, block in zip(things, blocks, strict=True)
        ]
        return Section(
            title=SECTIONS[name],
            text=self._prose(_description(module), Scope(f"{name}.")) if name else "",
            contents=Table(("Name", "Meaning"), rows),
            blocks=blocks,
        )

    def _block(self, thing: griffe.Object, title: str) -> Block:
        if isinstance(thing, griffe.Class):
            return self._class(thing, title)
        if isinstance(thing, griffe.Function):
            return self._function(thing, title, title, {})
        assert isinstance(thing, griffe.Attribute), thing
        text = self._prose(_description(thing), Scope(title))
        return Block(title, f"{thing.name} = {thing.value}", text)

    def _function(
        self, function: griffe.Function, title: str, owner: str, types: Mapping[str, str]
    ) -> Block:
        shapes = function.overloads or [function]
        scope = Scope(owner, frozenset(each.name for each in function.parameters))
        return Block(
            title,
            "\n\n".join(self._signature(shape, shape.name, types) for shape in shapes),
            self._prose(_description(function), scope),
            [
                *self._parameters(function, scope),
                *_facts(*self._results(function, scope), *self._errors(function, scope)),
            ],
        )

    def _class(self, cls: griffe.Class, title: str) -> Block:
        types = self._substitutions(cls)
        members = self._members(cls)
        scope = Scope(title)
        parts: list[Table | Facts] = []
        code = ""
        made = members.get("__init__")
        if "dataclass" in cls.labels:
            code = self._signature(cls, cls.name, types)
            parts += _facts(*self._errors(cls, scope))
        elif isinstance(made, griffe.Function):
            # One that says nowhere what it is made with is made by the package alone.
            describing = next((it for it in (cls, made) if _parts(it, Kind.parameters)), None)
            if describing is not None:
                code = self._signature(made, cls.name, types)
                parts += self._parameters(describing, scope)
                parts += _facts(*self._errors(describing, scope))
        parts += self._attributes(cls, members, scope, types)
        parts += _facts(*self._statements(members, scope), *self._bases(cls))
        methods = [
            self._function(member, f"{title}.{name}", title, types)
            for name, member in members.items()
            if isinstance(member, griffe.Function) and not name.startswith("_")
        ]
        return Block(title, code, self._prose(_description(cls), scope), parts, methods)

    def _members(self, cls: griffe.Class) -> dict[str, griffe.Object]:
        """The members of a class, with those of its private bases, and its operators."""
        found: dict[str, griffe.Object] = {}
        for each in (cls, *self._private_bases(cls)):
            for name, member in each.members.items():
                is_public = not name.startswith("_") or name in STATEMENTS or name == "__init__"
                if is_public and not isinstance(member, griffe.Alias):
                    found.setdefault(name, member)
        return found

    def _private_bases(self, cls: griffe.Class) -> Iterator[griffe.Class]:
        for base in cls.resolved_bases:
            if isinstance(base, griffe.Class) and base.path not in self._titles:
                yield base
                yield from self._private_bases(base)

    def _bases(self, cls: griffe.Class) -> Iterator[str]:
        names = []
        for each in (cls, *self._private_bases(cls)):
            for base in each.bases:
                path = base if isinstance(base, str) else base.canonical_path
                if self._defined(path) is None:
                    if path.rpartition(".")[2] not in _PLAIN_BASES:
                        names.append(f"`{base}`")
                elif path in self._titles:
                    names.append(self._link(self._titles[path]))
        if names:
            yield f"**Bases**: {', '.join(names)}"

    def _substitutions(self, cls: griffe.Class) -> dict[str, str]:
        """What stands for the type variable of a private base: `Server["WSGIApplication"]`."""
        found = {}
        for base in cls.bases:
            if isinstance(base, griffe.ExprSubscript):
                origin = self._defined(base.canonical_path)
                for generic in origin.bases if isinstance(origin, griffe.Class) else ():
                    if isinstance(generic, griffe.ExprSubscript):
                        found[str(generic.slice)] = str(base.slice).strip("'\"")
        return found

    # Parts of a description

    def _parameters(self, thing: griffe.Object, scope: Scope) -> Iterator[Table]:
        rows = [
            (f"`{each.name}`", self._line(each.description, scope))
            for part in _parts(thing, Kind.parameters)
            for each in part.value
        ]
        if rows:
            yield Table(("Parameter", "Meaning"), rows)

    def _results(self, thing: griffe.Object, scope: Scope) -> Iterator[str]:
        for part in _parts(thing, Kind.returns):
            for each in part.value:
                yield f"**Returns**: {self._line(each.description, scope)}"

    def _errors(self, thing: griffe.Object, scope: Scope) -> Iterator[str]:
        for part in _parts(thing, Kind.raises):
            for each in part.value:
                name = self._link(str(each.annotation), scope)
                yield f"**Raises** {name}: {self._line(each.description, scope)}"

    def _attributes(
        self,
        cls: griffe.Class,
        members: Mapping[str, griffe.Object],
        scope: Scope,
        types: Mapping[str, str],
    ) -> Iterator[Table]:
        texts = {
            each.name: each.description
            for owner in (cls, *self._private_bases(cls))
            for part in _parts(owner, Kind.attributes)
            for each in part.value
        }
        if missing := texts.keys() - members.keys():
            raise Undescribed(f"{cls.path}: there is no {', '.join(sorted(missing))}")
        rows = []
        for name, member in members.items():
            if not isinstance(member, griffe.Attribute):
                continue
            if "property" in member.labels:
                text = self._with_errors(member, scope)
            elif name in texts:
                text = self._line(texts[name], scope)
            else:
                raise Undescribed(f'{member.path}: say what it is below "Attributes:"')
            if member.annotation is None:
                raise Undescribed(f"{member.path}: annotate its type")
            anchor = f'<a id="{scope.title}.{name}"></a>'
            kind = self._link(self._type(member.annotation, types))
            rows.append((f"{anchor}`{name}`", kind, text))
        if rows:
            yield Table(("Attribute", "Type", "Meaning"), rows)

    def _statements(self, members: Mapping[str, griffe.Object], scope: Scope) -> Iterator[str]:
        for name, words in STATEMENTS.items():
            if (member := members.get(name)) is not None and member.docstring is not None:
                yield f"**`{words}`**: {self._with_errors(member, scope)}"

    def _with_errors(self, thing: griffe.Object, scope: Scope) -> str:
        text = self._line(_description(thing), scope)
        return "<br>".join([text, *self._errors(thing, scope)])

    # Signatures

    def _signature(
        self, made: griffe.Function | griffe.Class, name: str, types: Mapping[str, str]
    ) -> str:
        parameters = [self._parameter(each, types) for each in _taken(made)]
        begin, end = f"{name}(", ")"
        if isinstance(made, griffe.Function) and made.name != "__init__":
            begin = f"async def {begin}" if "async" in made.labels else f"def {begin}"
            for decorator in made.decorators:
                if str(decorator.value) != "overload":
                    begin = f"@{decorator.value}\n{begin}"
            end = f") -> {self._type(made.returns, types)}"
        whole = begin + ", ".join(parameters) + end
        if len(whole.rpartition("\n")[2]) <= _WIDTH:
            return whole
        return begin + "".join(f"\n    {each}," for each in parameters) + "\n" + end

    def _parameter(self, parameter: griffe.Parameter | None, types: Mapping[str, str]) -> str:
        if parameter is None:
            return "*"
        text = f"{parameter.name}: {self._type(parameter.annotation, types)}"
        if parameter.default is None:
            return text
        default = str(parameter.default)
        if '"' not in default:
            default = default.replace("'", '"')
        return f"{text} = {default}"

    def _type(self, expression: griffe.Expr | str | None, types: Mapping[str, str]) -> str:
        """A type in words of the reader: names that are not exported are replaced by their values.

        Args:
            expression: The type.
            types: What stands for type variables.

        Returns:
            The type as it would be written in a program that imports what is exported.
        """
        if expression is None or isinstance(expression, str):
            return str(expression)
        if _DECORATOR.fullmatch(str(expression)):
            return "decorator"
        if isinstance(expression, griffe.ExprName | griffe.ExprAttribute):
            path = expression.canonical_path
            if path in self._titles:
                return self._titles[path].rpartition(".")[2]
            thing = self._defined(path)
            if isinstance(thing, griffe.Attribute):
                return types.get(thing.name) or self._type(thing.value, types)
            return str(expression)
        return "".join(self._type(part, types) for part in expression.iterate(flat=False))

    def _defined(self, path: str) -> griffe.Object | None:
        """What the package has by a path, which may begin within it; None for what it has not."""
        own = path.removeprefix(f"{PACKAGE}.")
        first = own.partition(".")[0]
        if own == path and not isinstance(self._package.members.get(first), griffe.Module):
            return None
        return _target(self._package[own])

    # Prose

    def _prose(self, text: str, scope: Scope) -> str:
        """A text whose names are links, but in code that is indented."""

        def link(match: re.Match[str]) -> str:
            return self._link(match[1], scope)

        return "\n".join(
            line if line.startswith("    ") else _GUIDE.sub(_TO_GUIDE, _CODE_SPAN.sub(link, line))
            for line in text.splitlines()
        )

    def _line(self, text: str, scope: Scope) -> str:
        return self._prose(" ".join(text.split()), scope)

    def _link(self, name: str, scope: Scope = Scope("")) -> str:
        """A name as code, with a link to its place if it has one."""
        place = self._place(name, scope)
        return f"`{name}`" if place is None else f"[`{name}`]({place})"

    def _place(self, name: str, scope: Scope) -> str | None:
        if name == scope.title or name in scope.parameters:
            return None
        own = name.removeprefix(f"{PACKAGE}.")
        module = scope.title.rpartition(".")[0]
        for title in (f"{scope.title}.{own}", f"{module}.{own}", own, f"errors.{own}"):
            if title in self._places:
                return f"#{title}"
        if own != name and own in SECTIONS:
            return "#" + SECTIONS[own].lower().replace(" ", "-")
        if own == "http":
            return LEVEL_BELOW
        below = own.removeprefix("http.").replace("_", "").lower()
        return (
            f"{LEVEL_BELOW}#{below}" if own.startswith("http.") and below in self._below else None
        )


def _exports(module: griffe.Module) -> Iterable[str]:
    """What `__all__` says, or else all that the module defines."""
    if module.exports is not None:
        return [str(name) for name in module.exports]
    return [
        name
        for name, member in module.members.items()
        if isinstance(member, griffe.Class | griffe.Function) and not name.startswith("_")
    ]


def _target(thing: griffe.Object | griffe.Alias) -> griffe.Object:
    found = thing.final_target if isinstance(thing, griffe.Alias) else thing
    assert isinstance(found, griffe.Object)
    return found


def _taken(made: griffe.Function | griffe.Class) -> Iterator[griffe.Parameter | None]:
    """The parameters that a caller gives, and None where they are named from there on."""
    named = False
    for parameter in made.parameters:
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is griffe.ParameterKind.keyword_only and not named:
            named = True
            yield None
        yield parameter


def _parts(thing: griffe.Object, kind: Kind) -> list[griffe.DocstringSection]:
    parsed = thing.docstring.parsed if thing.docstring is not None else []
    return [part for part in parsed if part.kind is kind]


def _description(thing: griffe.Object) -> str:
    parts = _parts(thing, Kind.text)
    if not parts:
        raise Undescribed(f"{thing.path}: there is no description")
    return "\n\n".join(str(part.value) for part in parts)


def _facts(*lines: str) -> list[Facts]:
    return [Facts(lines)] if lines else []


def _summary(thing: griffe.Object) -> str:
    return " ".join(_description(thing).partition("\n\n")[0].split())


def main() -> int:
    """Write the page, or compare it with what is written."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    options = parser.parse_args()
    below = (ROOT / "docs/reference" / LEVEL_BELOW).read_text(encoding="utf-8")
    try:
        text = Reference(ROOT / "bridge", below).render()
    except Undescribed as error:
        print(error, file=sys.stderr)
        return 1
    return settle(ROOT, {PAGE: text}, check=options.check)


if __name__ == "__main__":
    sys.exit(main())
