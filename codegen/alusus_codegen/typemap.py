"""The types of the spec in C and Python, for the ABI of x86-64 and aarch64 Linux."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from . import names
from .model import Kind, Structure, Type
from .printer import print_type
from .source import Span
from .syntax import FunctionType, Literal, NamedType, TypeArgument
from .syntax import Type as TypeSyntax

_POINTER_SIZE = 8


class TypeFault(Exception):
    """A type that the library cannot pass on."""

    def __init__(self, span: Span, problem: str, expected: str) -> None:
        super().__init__(problem)
        self.span = span
        self.problem = problem
        self.expected = expected


def _number(kind: Kind, c: str, python: str, size: int, signed: bool = False) -> Type:
    return Type(kind, "", f"{c} {{}}", python, size, size, signed)


def _pointer(kind: Kind, c: str, python: str, target: str = "") -> Type:
    return Type(kind, "", c, python, _POINTER_SIZE, _POINTER_SIZE, target=target)


_WIDTHS = (8, 16, 32, 64)
_INTEGERS = {n: _number(Kind.INTEGER, f"int{n}_t", "int", n // 8, True) for n in _WIDTHS}
_WORDS = {n: _number(Kind.INTEGER, f"uint{n}_t", "int", n // 8) for n in _WIDTHS}
_FLOATS = {
    32: _number(Kind.FLOAT, "float", "float", 4, True),
    64: _number(Kind.FLOAT, "double", "float", 8, True),
}
_SIZED = {"Int": (_INTEGERS, 32), "Word": (_WORDS, 32), "Float": (_FLOATS, 32)}
_PLAIN = {
    "int": _INTEGERS[32],
    "ArchInt": _number(Kind.INTEGER, "intptr_t", "int", _POINTER_SIZE, True),
    "ArchWord": _number(Kind.INTEGER, "size_t", "int", _POINTER_SIZE),
    "Bool": _number(Kind.BOOLEAN, "bool", "bool", 1),
    "Char": _number(Kind.INTEGER, "char", "int", 1),
    "CharsPtr": _pointer(Kind.STRING, "const char *{}", "str"),
    "Void": Type(Kind.VOID, "", "void {}", "None"),
}
VOID = replace(_PLAIN["Void"], notation="Void")

# What ptr[...] of a plain type is; of any other it is an address to pass on.
_POINTERS = {
    "Void": _pointer(Kind.POINTER, "void *{}", "int"),
    "CharsPtr": _pointer(Kind.STRINGS, "const char *const *{}", "Sequence[str]"),
    "ptr": _pointer(Kind.OUT_POINTER, "void **{}", "int"),
}
# The C type of each type that is not made from others, by every notation of it.
C_SPELLINGS = {
    notation: type_.declare("")
    for plain in (
        _PLAIN,
        {name: widths[default] for name, (widths, default) in _SIZED.items()},
        {f"{name}[{n}]": t for name, (widths, _) in _SIZED.items() for n, t in widths.items()},
    )
    for notation, type_ in plain.items()
}

# Alusus classes that programs pass to Alusus bodies; C and Python have no such type.
_ALUSUS_CLASSES = {"Array", "String"}


@dataclass(frozen=True, slots=True)
class Types:
    """Resolves types by what the spec has declared: classes by name, and aliases of callbacks."""

    opaque: frozenset[str]  # the classes without fields
    structures: Mapping[str, Structure]  # the classes with fields that are laid out so far
    laid_out: frozenset[str]  # all classes with fields
    callbacks: frozenset[str]

    def resolve(self, syntax: TypeSyntax) -> Type:
        """The type of a parameter, field or result; raises TypeFault."""
        return replace(self._resolve(syntax), notation=print_type(syntax))

    def callback(self, name: str, notation: str) -> Type:
        """The pointer to a function that is called `name`."""
        return replace(
            _pointer(Kind.CALLBACK, f"{names.c_type(name)} {{}}", name, name), notation=notation
        )

    def _resolve(self, syntax: TypeSyntax) -> Type:
        if isinstance(syntax, NamedType):
            if syntax.name in self.callbacks and not syntax.arguments:
                return self.callback(syntax.name, syntax.name)
            if syntax.name in _SIZED:
                return self._sized(syntax)
            if syntax.name in _PLAIN and not syntax.arguments:
                return _PLAIN[syntax.name]
            if syntax.name == "ptr":
                return self._pointer(syntax)
            if syntax.name == "array":
                return self._array(syntax)
            if syntax.name in _ALUSUS_CLASSES or syntax.name == "ref":
                return Type(Kind.ALUSUS, "", "", "")
            if syntax.name in self.opaque | self.laid_out:
                raise TypeFault(
                    syntax.span,
                    f"C and Alusus pass the class {syntax.name} by value in different ways",
                    f"expected ptr[{syntax.name}]",
                )
        raise TypeFault(
            syntax.span,
            f"{print_type(syntax)} is not a type that the library can pass on",
            "expected a number, CharsPtr, ptr of a declared class, or the alias of a callback",
        )

    def _sized(self, syntax: NamedType) -> Type:
        widths, default = _SIZED[syntax.name]
        bits = self._literal(syntax.arguments) if syntax.arguments else default
        if bits == 1 and syntax.name == "Word":
            return _PLAIN["Bool"]
        if bits not in widths:
            allowed = ", ".join(map(str, widths))
            raise TypeFault(
                syntax.span,
                f"{print_type(syntax)} has no such width",
                f"expected one of {allowed} bits",
            )
        return widths[bits]

    def _pointer(self, syntax: NamedType) -> Type:
        target = syntax.arguments[0] if syntax.arguments else None
        if target is None:
            return _POINTERS["Void"]
        if isinstance(target, FunctionType):
            raise TypeFault(
                syntax.span,
                "a callback has no name here",
                f"expected the name of a `def X{names.CALLBACK_SUFFIX}: alias ptr[func ...]`",
            )
        if isinstance(target, NamedType):
            if target.name in _POINTERS:
                return _POINTERS[target.name]
            if target.name in self.opaque:
                c = f"{names.c_type(target.name)} *{{}}"
                return _pointer(Kind.HANDLE, c, target.name, target.name)
            if target.name in self.laid_out:
                c = f"const {names.c_type(target.name)} *{{}}"
                return _pointer(Kind.STRUCTURE, c, target.name, target.name)
        raise TypeFault(
            syntax.span,
            f"{print_type(syntax)} points to something that the spec does not declare",
            "expected Void, CharsPtr, ptr[Void] or a class of the spec",
        )

    def _array(self, syntax: NamedType) -> Type:
        if not syntax.arguments or isinstance(syntax.arguments[0], Literal):
            raise TypeFault(syntax.span, "the array has no type of items", "expected array[T, n]")
        item = syntax.arguments[0]
        count = self._literal(syntax.arguments[1:]) if len(syntax.arguments) > 1 else 1
        if isinstance(item, NamedType) and item.name in self.structures:
            structure = self.structures[item.name]
            element = Type(
                Kind.STRUCTURE,
                item.name,
                f"{structure.name.c} {{}}",
                item.name,
                structure.size,
                structure.alignment,
                target=item.name,
            )
        else:
            element = self.resolve(item)
        c = element.c.format(f"{{}}[{count}]")
        size = element.size * count
        return Type(
            Kind.ARRAY, "", c, element.python, size, element.alignment, element=element, count=count
        )

    def _literal(self, arguments: tuple[TypeArgument, ...]) -> int:
        argument = arguments[0]
        if isinstance(argument, Literal) and argument.text.isdecimal():
            return int(argument.text)
        raise TypeFault(argument.span, "this is not a number", "expected a whole number")
