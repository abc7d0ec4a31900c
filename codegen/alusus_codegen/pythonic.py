"""The Python view of the API: which functions Python has, and with which signatures.

Alusus has overloads where Python has default values, and pairs of a pointer and a length where
Python has one object that knows its size. So the overloads of one name become a `Group`: one or
more `Signature`s, each standing for one exported function that serves the call.

`python_lines(section, groups)` prints that view for one section of the spec.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from .model import (
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

LINE_LENGTH = 100
INDENT = "    "

# Roles that Python derives from another argument.
_DERIVED = {Role.LENGTH, Role.OUTPUT, Role.TEXT, Role.TEXT_SIZE}

# What a list of names and values may be in Python; other lists of strings are sequences only.
PAIRS_NAMES = {"headers", "options"}
PAIRS = ("Mapping[str, str]", "Sequence[str]")
_STRING_ARRAY = "ref[Array[CharsPtr]]"


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter of a Python function."""

    name: str
    alternatives: tuple[str, ...]  # the members of its type, `None` apart
    optional: bool  # accepts None
    default: bool  # may be left out: None then
    source: Parameter

    @property
    def annotation(self) -> str:
        """Its type."""
        if self.alternatives == ("object",):
            return "object"
        return " | ".join((*self.alternatives, "None") if self.optional else self.alternatives)

    def __str__(self) -> str:
        """The parameter as `def` has it."""
        return f"{self.name}: {self.annotation}" + (" = None" if self.default else "")

    def takes(self, other: Argument) -> bool:
        """Whether every value that `other` accepts is accepted here under the same name."""
        return (
            self.name == other.name
            and set(self.alternatives) >= set(other.alternatives)
            and self.optional >= other.optional
        )


@dataclass(frozen=True, slots=True)
class Signature:
    """One way to call a Python function, and the exported function that serves it."""

    arguments: tuple[Argument, ...]
    returns: str
    serves: Function
    values: bool = False  # takes printf's values behind the arguments
    # Larger for what passes more to C: wide lengths before narrow ones, both before none.
    breadth: tuple[int, bool] = (0, True)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters as `def` has them."""
        return tuple(map(str, self.arguments)) + (("*args: object",) if self.values else ())

    def covers(self, other: Signature) -> bool:
        """Whether every call that `other` allows can be made here, by position and by name."""
        return (
            self.returns == other.returns
            and self.values == other.values
            and len(self.arguments) >= len(other.arguments)
            and all(
                mine.takes(theirs) and mine.default >= theirs.default
                for mine, theirs in zip(self.arguments, other.arguments, strict=False)
            )
            and all(rest.default for rest in self.arguments[len(other.arguments) :])
        )


@dataclass(frozen=True, slots=True)
class Group:
    """The overloads of one name. Without signatures, Python has no such function."""

    name: str
    signatures: tuple[Signature, ...]
    functions: tuple[Function, ...]
    documentation: Documentation


def layout(head: str, items: Sequence[str], tail: str, indent: int = 0) -> list[str]:
    """`head`, the items and `tail` on one line if they fit, else every item on a line."""
    line = f"{INDENT * indent}{head}{', '.join(items)}{tail}"
    if len(line) <= LINE_LENGTH or not items:
        return [line]
    inner = INDENT * (indent + 1)
    return [
        f"{INDENT * indent}{head}",
        *(f"{inner}{item}," for item in items),
        f"{INDENT * indent}{tail}",
    ]


def definition(name: str, signature: Signature, tail: str = "") -> list[str]:
    """The lines of `def name(...) -> ...` followed by `tail`."""
    return layout(f"def {name}(", signature.parameters, f") -> {signature.returns}{tail}")


def python_lines(section: Section, groups: Iterable[Group]) -> list[str]:
    """The Python signatures of a section, given its groups; empty when Python has none of them."""
    lines: list[str] = []
    for declaration in section.declarations:
        lines.extend(_declaration_lines(declaration))
    for group in groups:
        for signature in group.signatures:
            lines.extend(definition(group.name, signature))
    return lines


def _declaration_lines(declaration: Declaration) -> Iterator[str]:
    match declaration:
        case Function():
            pass  # by groups
        case Callback():
            yield f"{declaration.name.python} = {callable_type(declaration)}"
        case Structure():
            yield f"class {declaration.name.python}:" + ("" if declaration.fields else " ...")
            for name, annotation in fields(declaration).items():
                yield f"{INDENT}{name}: {annotation}"
        case Constant():
            yield f"{declaration.name.python} = {declaration.value}"
        case _:
            assert_never(declaration)


def callable_type(callback: Callback) -> str:
    """The type of the Python callables that serve `callback`."""
    types = ", ".join(callback_arguments(callback).values())
    return f"Callable[[{types}], {callback.returns.python}]"


def callback_arguments(callback: Callback) -> dict[str, str]:
    """What a Python callable is given: the names and types of its arguments, in order."""
    given: dict[str, str] = {}
    for parameter in callback.parameters:
        match parameter:
            case Parameter(role=Role.LENGTH):
                continue
            case Parameter(role=Role.DATA):
                annotation = "bytes"
            case Parameter(role=Role.USER_DATA):
                annotation = "object"
            case Parameter(type=Type(kind=Kind.OUT_POINTER)):
                annotation = "OutPointer"
            case _:
                annotation = _or_none(parameter.type.python, parameter.nullable)
        given[parameter.name.python] = annotation
    return given


def fields(structure: Structure) -> dict[str, str]:
    """The attributes of a class: their names and types."""
    members = {}
    for field in structure.fields:
        match field:
            case Field(type=Type(kind=Kind.CALLBACK)):
                annotation = f"{field.type.python} | NativeCallback | None"
            case Field(type=Type(kind=Kind.ARRAY, element=Type(notation="Char"))):
                annotation = "str"
            case Field(type=Type(kind=Kind.ARRAY, element=Type() as element)):
                annotation = f"tuple[{element.python}, ...]"
            case Field(name=Name(alusus=alusus)) if alusus == USER_DATA_FIELD:
                annotation = "object"
            case _:
                annotation = _or_none(field.type.python, field.nullable)
        members[field.name.python] = annotation
    return members


def _or_none(annotation: str, nullable: bool) -> str:
    return f"{annotation} | None" if nullable else annotation


# The field in which C has the address that a program gave when it started the server.
USER_DATA_FIELD = "userData"


def _narrow(api: Api) -> dict[str, str]:
    """The types of callbacks that Python takes as their wider successors."""
    superseding = {c.supersedes: c.name.python for c in api.callbacks if c.supersedes}
    return {
        callback.name.python: superseding[callback.name.alusus]
        for callback in api.callbacks
        if callback.name.alusus in superseding
    }


def own_signature(api: Api, function: Function) -> Signature:
    """The signature of an exported function by itself, whatever overloads there are."""
    signature = _signature(function, _narrow(api))
    assert signature is not None, f"{function.symbol} has no use in Python"
    return signature


def groups(api: Api) -> tuple[Group, ...]:
    """Every function name of the API in the order of the spec, with its Python signatures."""
    narrow = _narrow(api)
    exported = [s for f in api.exports if (s := _signature(f, narrow)) is not None]
    found: list[Group] = []
    for section in api.sections:
        by_name: dict[str, list[Function]] = {}
        for function in section.declarations:
            if isinstance(function, Function):
                by_name.setdefault(function.name.python, []).append(function)
        for name, functions in by_name.items():
            candidates = [s for f in functions for s in _candidates(f, narrow, exported)]
            candidates = [*_without_user_data(candidates), *candidates]
            documentation = section.documentation.get("en", Documentation())
            found.append(Group(name, _merge(candidates), tuple(functions), documentation))
    return tuple(found)


def _candidates(
    function: Function, narrow: Mapping[str, str], exported: Sequence[Signature]
) -> Iterator[Signature]:
    signature = _signature(function, narrow)
    if signature is None:
        return
    if function.symbol:
        yield signature
        return
    # A body adapts Alusus values and calls an exported function: the one that takes the same
    # arguments. What the body leaves out may be None there.
    targets = [s for s in exported if _adapts(signature, s)]
    if targets:
        best = max(targets, key=lambda target: target.breadth)
        yield replace(signature, serves=best.serves, breadth=best.breadth)


def _without_user_data(candidates: Sequence[Signature]) -> Iterator[Signature]:
    """The calls that leave out user data, of a name with an overload that has something else there.

    User data is any object: were it left out in some calls only, the next argument would be taken
    for it in the others, without a word.
    """
    without = max((len(c.arguments) for c in candidates if _user_data(c) is None), default=0)
    for candidate in candidates:
        at = _user_data(candidate)
        if at is not None and at + 1 < len(candidate.arguments) and at < without:
            before = (replace(a, default=False) for a in candidate.arguments[:at])
            following = replace(candidate.arguments[at + 1], optional=False, default=False)
            rest = candidate.arguments[at + 2 :]
            yield replace(candidate, arguments=(*before, following, *rest))


def _user_data(signature: Signature) -> int | None:
    """Which argument is the user data; None without one."""
    roles = [a.source.role for a in signature.arguments]
    return roles.index(Role.USER_DATA) if Role.USER_DATA in roles else None


def _adapts(body: Signature, target: Signature) -> bool:
    rest = iter(body.arguments)
    wanted = next(rest, None)
    for argument in target.arguments:
        if wanted is not None and argument.takes(wanted):
            wanted = next(rest, None)
        elif not argument.optional:
            return False
    return wanted is None and body.returns == target.returns


def _signature(function: Function, narrow: Mapping[str, str]) -> Signature | None:
    """The signature of one overload on its own; None when Python has no use for it."""
    formatted = any(p.role is Role.FORMAT for p in function.parameters)
    foreign = [function.returns, *(p.type for p in function.parameters)]
    if any(t.kind is Kind.ALUSUS and t.notation != _STRING_ARRAY for t in foreign):
        return None
    if function.variadic and not formatted:
        return None
    arguments: list[Argument] = []
    may_default = True
    for parameter in reversed(function.parameters):
        if parameter.role in _DERIVED or (parameter.role is Role.OUTPUT_SIZE and listed(function)):
            continue
        optional = parameter.nullable or parameter.role is Role.USER_DATA
        may_default = may_default and optional
        alternatives = _alternatives(parameter, narrow)
        name = parameter.name.python
        arguments.insert(0, Argument(name, alternatives, optional, may_default, parameter))
    return Signature(
        tuple(arguments),
        _result(function),
        function,
        formatted,
        (
            max((p.type.size for p in function.parameters if p.role is Role.LENGTH), default=0),
            not any(p.type.python in narrow for p in function.parameters),
        ),
    )


def listed(function: Function) -> Parameter | None:
    """The parameter that takes a list of structures, which is the function's result in Python."""
    found = (p for p in function.parameters if p.role is Role.OUTPUT)
    return next((p for p in found if p.type.kind is Kind.STRUCTURE), None)


def _result(function: Function) -> str:
    output = listed(function)
    if output is not None:
        return f"list[{output.type.python}]"
    if any(p.role is Role.OUTPUT for p in function.parameters):
        return "bytes"
    if function.returns.kind is Kind.POINTER:
        return "object"  # what the program gave as user data
    if any(p.role is Role.TEXT for p in function.parameters):
        return _or_none("str", function.result_nullable)
    return _or_none(function.returns.python, function.result_nullable)


def _alternatives(parameter: Parameter, narrow: Mapping[str, str]) -> tuple[str, ...]:
    lists = {Kind.STRINGS, Kind.ALUSUS}
    match parameter.role, parameter.type.kind:
        case Role.USER_DATA, _:
            return ("object",)
        case _, kind if kind in lists:
            return PAIRS if parameter.name.alusus in PAIRS_NAMES else ("Sequence[str]",)
        case Role.DATA, _:
            return ("str", "bytes")
        case _, Kind.CALLBACK:
            python = parameter.type.python
            return (narrow.get(python, python), "NativeCallback")
        case _:
            return (parameter.type.python,)


def _merge(candidates: Sequence[Signature]) -> tuple[Signature, ...]:
    """The signatures that no other one covers; of equal ones, that of the widest function."""
    kept: list[Signature] = []
    for candidate in candidates:
        if any(
            k.covers(candidate) and not (candidate.covers(k) and candidate.breadth > k.breadth)
            for k in kept
        ):
            continue
        kept = [k for k in kept if not candidate.covers(k)]
        kept.append(candidate)
    return tuple(kept)
