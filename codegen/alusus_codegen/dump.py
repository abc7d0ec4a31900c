"""What `alusus-codegen parse` prints: the declarations of a set of files, as JSON or as a listing.

An argument pack is not among `params`: `variadic` is true and `pack` holds its name and type. A
parameter or pack without a name has the name null; a function without a symbol has the symbol
null; one that declares no result returns "Void". `module` is the dotted path of the modules around
a declaration, or null; `class` is there for what stands in a class, and holds its name. The fields
of a class are its variables that are not shared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

from .printer import print_type
from .source import Span
from .syntax import (
    Alias,
    Class,
    Constant,
    Function,
    Handler,
    Import,
    Module,
    PackType,
    Parameter,
    Statement,
    Type,
    Variable,
)

Entry = dict[str, Any]

_SHARED_MODIFIERS = frozenset({"shared", "مشترك"})


def dump(statements: Iterable[Statement]) -> dict[str, list[Entry]]:
    """The declarations of a program, by kind, in their order; ready for JSON."""
    dumper = _Dumper()
    dumper.add(statements, {"module": None})
    return dumper.result


def merge(parts: Iterable[dict[str, list[Entry]]]) -> dict[str, list[Entry]]:
    """The declarations of several programs as one."""
    result = _Dumper().result
    for part in parts:
        for kind, entries in part.items():
            result[kind] += entries
    return result


def listing(declarations: dict[str, list[Entry]]) -> str:
    """The same for people: a line for each declaration."""
    lines = []
    for kind, entries in declarations.items():
        lines.append(f"{kind}: {len(entries)}")
        lines += [f"  {entry['file']}:{entry['line']}: {_summary(entry)}" for entry in entries]
    return "\n".join(lines)


class _Dumper:
    def __init__(self) -> None:
        self.result: dict[str, list[Entry]] = {
            kind: []
            for kind in ("modules", "functions", "aliases", "classes", "constants", "imports")
        }

    def add(self, statements: Iterable[Statement], around: Entry) -> None:
        for statement in statements:
            match statement:
                case Module(name, members):
                    self.entry("modules", around, statement.span, name=name)
                    outer = around["module"]
                    self.add(members, {"module": f"{outer}.{name}" if outer else name})
                case Class(name, members):
                    fields = [_field(member) for member in members if _is_field(member)]
                    self.entry("classes", around, statement.span, name=name, fields=fields)
                    outer = around.get("class")
                    inner = f"{outer}.{name}" if outer else name
                    self.add(members, around | {"class": inner})
                case Function(name, parameters, returns):
                    self.function(around, statement, name, parameters, returns)
                case Handler():
                    name = f"{statement.subject} {statement.operator}".rstrip()
                    parameters = statement.parameters or ()
                    self.function(around, statement, name, parameters, statement.returns)
                case Alias(name, target):
                    self.entry(
                        "aliases", around, statement.span, name=name, type=print_type(target)
                    )
                case Constant(name, value):
                    self.entry("constants", around, statement.span, name=name, value=value)
                case Import((path, *alternatives)):
                    self.entry(
                        "imports", around, statement.span, path=path, alternatives=alternatives
                    )

    def function(
        self,
        around: Entry,
        statement: Function | Handler,
        name: str,
        parameters: tuple[Parameter, ...],
        returns: Type | None,
    ) -> None:
        pack = next((p for p in parameters if isinstance(p.type, PackType)), None)
        self.entry(
            "functions",
            around,
            statement.span,
            name=name,
            symbol=statement.symbol or None,
            params=[_parameter(parameter) for parameter in parameters if parameter is not pack],
            variadic=pack is not None,
            **({"pack": _parameter(pack)} if pack else {}),
            returns=print_type(returns) if returns else "Void",
        )

    def entry(self, kind: str, around: Entry, span: Span, /, **details: Any) -> None:
        place = {"file": span.file, "line": span.line}
        name = {"name": details.pop("name")} if "name" in details else {}
        self.result[kind].append(name | around | details | place)


def _parameter(parameter: Parameter) -> Entry:
    return {"name": parameter.name or None, "type": print_type(parameter.type)}


def _is_field(member: Statement) -> TypeGuard[Variable]:
    return isinstance(member, Variable) and not any(
        modifier.name in _SHARED_MODIFIERS for modifier in member.modifiers
    )


def _field(variable: Variable) -> Entry:
    type_ = print_type(variable.type) if variable.type else None
    return {"name": variable.name, "type": type_}


def _summary(entry: Entry) -> str:
    scopes = [entry.get(scope) for scope in ("module", "class")]
    name = ".".join(scope for scope in (*scopes, entry.get("name")) if scope)
    if "params" in entry:
        items = [*entry["params"], *([entry["pack"]] if entry["variadic"] else [])]
        texts = (": ".join(filter(None, (item["name"], item["type"]))) for item in items)
        symbol = f" = {entry['symbol']}" if entry["symbol"] else ""
        return f"{name}({', '.join(texts)}): {entry['returns']}{symbol}"
    if "fields" in entry:
        fields = "; ".join(f"{field['name']}: {field['type']}" for field in entry["fields"])
        return f"{name} {{ {fields} }}" if fields else f"{name} {{}}"
    if "path" in entry:
        return " or ".join([entry["path"], *entry["alternatives"]])
    detail = entry.get("type") or entry.get("value")
    return f"{name}: {detail}" if detail else name
