"""What the spec means: the resolved API that every emitter prints.

The syntax tree says how a declaration is written; this model says what it is in each
language. All names and types are final here, so that a template only has to print them.
Everything is frozen: an emitter can change nothing that another one will see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .source import Span

LANGUAGES = ("en", "ar")


class Kind(Enum):
    """What a type is, as far as code that crosses the border has to know."""

    VOID = "void"
    INTEGER = "integer"  # Int[n], ArchInt, Word[n], ArchWord, Char
    BOOLEAN = "boolean"
    FLOAT = "float"
    STRING = "string"  # CharsPtr: NUL-terminated text, or bytes when a length goes with it
    STRINGS = "strings"  # ptr[CharsPtr]: a list of strings, null-terminated or counted
    POINTER = "pointer"  # ptr[Void]: an address that the library only passes on
    OUT_POINTER = "out pointer"  # ptr[ptr[Void]]: a place that the callee fills
    HANDLE = "handle"  # ptr[C] where C is an empty class: an index and a generation
    STRUCTURE = "structure"  # ptr[C] where C has fields
    CALLBACK = "callback"  # ptr[func ...], by its alias's name or a field's
    ARRAY = "array"  # array[T, n], inline in a class
    ALUSUS = "alusus"  # a type without a C form (Array[CharsPtr]): in Alusus bodies only


_POINTERS = frozenset(
    {
        Kind.STRING,
        Kind.STRINGS,
        Kind.POINTER,
        Kind.OUT_POINTER,
        Kind.HANDLE,
        Kind.STRUCTURE,
        Kind.CALLBACK,
    }
)


@dataclass(frozen=True, slots=True)
class Type:
    kind: Kind
    notation: str  # as Alusus writes it
    c: str  # a C declaration with {} where the declared name stands; "" without a C form
    python: str  # the annotation; "" where Python does not see such a value
    size: int = 0
    alignment: int = 1
    signed: bool = False
    target: str = ""  # the class (HANDLE, STRUCTURE) or callback (CALLBACK) it points to
    element: Type | None = None  # ARRAY
    count: int = 0  # ARRAY

    @property
    def may_be_null(self) -> bool:
        """Whether it is a pointer in C."""
        return self.kind in _POINTERS

    def declare(self, name: str) -> str:
        """The C declaration of `name` with this type."""
        return self.c.format(name).rstrip()


@dataclass(frozen=True, slots=True)
class Name:
    """One thing's name in each language; `arabic` is empty for what Arabic texts do not name."""

    alusus: str
    c: str
    python: str
    arabic: tuple[str, ...] = ()
    # The Arabic names that no published document has: chosen by this project.
    arabic_ours: frozenset[str] = frozenset()


class Role(Enum):
    """What a parameter is for, where its type alone does not say."""

    VALUE = "value"
    DATA = "data"  # its length is the parameter `partner`
    LENGTH = "length"  # the length of the parameter `partner`; Python derives it
    # A buffer that the function fills; its size is `partner`. Python gets its bytes back, or, where
    # it is an array of structures, a list: the function then returns how many there are in all.
    OUTPUT = "output"
    OUTPUT_SIZE = "output size"  # Python passes that of a buffer of bytes, and derives the other
    TEXT = "text"  # a buffer that the function fills with text; its size is `partner`
    TEXT_SIZE = "text size"  # Python derives both and gets a str, or None for no text
    USER_DATA = "user data"
    FORMAT = "format"  # printf's format; the pack behind it holds its values


@dataclass(frozen=True, slots=True)
class Parameter:
    name: Name
    type: Type
    role: Role = Role.VALUE
    partner: str = ""  # the Alusus name of the other half of DATA/LENGTH, OUTPUT/OUTPUT_SIZE
    nullable: bool = False
    consumed: bool = False  # the call ends this handle
    lifetime: str = ""  # call | request | connection | server | thread | "" (copied, or no pointer)


@dataclass(frozen=True, slots=True)
class Documentation:
    """The text of one section of the spec in one language (Markdown)."""

    summary: str = ""  # the first paragraph
    body: str = ""  # all of the text but the list of parameters, summary included
    members: Mapping[str, str] = field(default_factory=dict)  # parameter or field -> text
    result: str = ""
    errors: str = ""


@dataclass(frozen=True, slots=True)
class Callback:
    """A function pointer type: a named alias, or the type of a member of a table."""

    name: Name  # c: ah_request_callback; python: RequestCallback
    event: str  # snake case without the "callback": request, web_socket_data, end_request
    parameters: tuple[Parameter, ...]
    returns: Type
    thread: str  # worker | starter | any
    on_failure: int | None  # what C gets when the callback fails; None where it returns nothing
    alias: bool  # declared by name (def X: alias ...), not inside a class
    notation: str
    checksum: int
    span: Span
    supersedes: str = ""  # the callback of the same Python signature that this one widens

    @property
    def carried(self) -> tuple[Parameter, ...]:
        """What its event carries; the event's receiver stands for the user data."""
        return tuple(p for p in self.parameters if p.role is not Role.USER_DATA)


@dataclass(frozen=True, slots=True)
class Field:
    name: Name
    type: Type
    offset: int
    span: Span
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Structure:
    """A class: opaque (a handle) when it has no fields, else laid out as C does."""

    name: Name
    fields: tuple[Field, ...]
    size: int
    alignment: int
    notation: str
    checksum: int
    span: Span

    @property
    def opaque(self) -> bool:
        return not self.fields


@dataclass(frozen=True, slots=True)
class Function:
    """One overload. With a symbol it is exported by the library; else Alusus has it by its body."""

    name: Name  # c: the symbol
    parameters: tuple[Parameter, ...]
    variadic: Type | None  # the type of the pack's items (Kind.ALUSUS for `any`)
    pack: str  # the pack's name
    returns: Type
    symbol: str
    # The hand-written C function behind the exported one; "" when that is written by hand itself.
    runtime: str
    result_nullable: bool
    result_lifetime: str
    failure: str  # the C expression that a failed call returns; "" for void
    body: str  # the Alusus body, braces included; "" for an exported function
    notation: str  # the declaration without modifiers and body, in Alusus
    checksum: int
    span: Span
    pack_arabic: str = ""  # the pack's name in Arabic


@dataclass(frozen=True, slots=True)
class Constant:
    name: Name
    type: Type
    value: str
    notation: str
    checksum: int
    span: Span


Declaration = Callback | Structure | Function | Constant


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of the spec with the declarations and the text below it."""

    title: str
    titles: Mapping[str, str]  # by language
    anchor: str
    level: int  # 2: a chapter (no declarations), 3: one name
    declarations: tuple[Declaration, ...]
    documentation: Mapping[str, Documentation]  # by language
    span: Span


@dataclass(frozen=True, slots=True)
class Counterpart:
    """Something of the API that stands for a function of CivetWeb."""

    name: Mapping[str, str]  # by language
    anchor: str  # of the section that describes it


@dataclass(frozen=True, slots=True)
class Coverage:
    """A public function of CivetWeb: what stands for it here, or why nothing does."""

    function: str
    counterparts: tuple[Counterpart, ...]
    reason: Mapping[str, str]  # by language; empty where there are counterparts


@dataclass(frozen=True, slots=True)
class Api:
    """The whole spec."""

    module: Name
    title: Mapping[str, str]
    introduction: Mapping[str, str]  # Markdown, by language
    sections: tuple[Section, ...]  # in the order of the spec
    version: str  # of the project
    contract_version: int
    contract_checksum: int  # over every declaration's
    callbacks: tuple[Callback, ...]  # aliases, and the members of tables of callbacks
    coverage: tuple[Coverage, ...] = ()  # of CivetWeb's functions

    @property
    def declarations(self) -> tuple[Declaration, ...]:
        return tuple(d for section in self.sections for d in section.declarations)

    @property
    def functions(self) -> tuple[Function, ...]:
        return tuple(d for d in self.declarations if isinstance(d, Function))

    @property
    def exports(self) -> tuple[Function, ...]:
        """The functions that the library exports, each symbol once."""
        return tuple(f for f in self.functions if f.symbol)

    @property
    def events(self) -> tuple[Callback, ...]:
        """The callbacks that can be answered as events: those that no wider one supersedes."""
        superseded = {c.supersedes for c in self.callbacks}
        return tuple(c for c in self.callbacks if c.name.alusus not in superseded)

    @property
    def contract(self) -> tuple[tuple[str, int], ...]:
        """The C name and checksum of each declaration that the library has."""
        found = [(d.name.c, d.checksum) for d in self.declarations if d.name.c]
        found += [(c.name.c, c.checksum) for c in self.callbacks if not c.alias]
        return tuple(sorted(found))

    @property
    def structures(self) -> tuple[Structure, ...]:
        return tuple(d for d in self.declarations if isinstance(d, Structure))

    @property
    def constants(self) -> tuple[Constant, ...]:
        return tuple(d for d in self.declarations if isinstance(d, Constant))
