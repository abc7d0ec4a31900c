"""The syntax tree: declarations as they are written.

Names are kept as written, in Arabic too; keywords and the types `ptr`, `array`, `ref` and `any`
have their English spelling. What is not a declaration is kept as text, exactly as in the source:
bodies with their braces, expressions from their first token to the last.

Two spellings of one thing give one tree: `def f: func (...)` is the function `f`, and a result
after `=>` is the same as one after `:`. Trees compare without their spans.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .source import Span

# The spellings of the modifier that gives a function its C symbol. The published facts name only
# the first; a further spelling takes one word here.
EXPORT_MODIFIERS = frozenset({"expname", "اسم_تصدير"})


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that is not a type, as text; also the arguments behind a variable's type."""

    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """A number or string among the arguments of a type, as written: `48` in `array[Char, 48]`."""

    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Modifier:
    """`@name[argument, ...]`, with the text of each argument."""

    name: str
    arguments: tuple[Expression, ...]
    span: Span = field(compare=False)

    @property
    def words(self) -> tuple[str, ...]:
        """The texts of the arguments."""
        return tuple(argument.text for argument in self.arguments)


# Types


@dataclass(frozen=True, slots=True)
class NamedType:
    """`Int`, `Http.Connection`, `ptr[Void]`, `array[Char, 48]`."""

    name: str  # with its path: "Http.Connection"
    arguments: tuple[TypeArgument, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class MemberType:
    """What is reached from a type that has arguments, or by `~`: `A[Int].B`, `handler~ptr`."""

    owner: Type
    operator: str  # "." or "~"
    name: str
    arguments: tuple[TypeArgument, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class FunctionType:
    """`func (connection: ptr[Connection]): Int`, or the same of a `closure`."""

    parameters: tuple[Parameter, ...]
    returns: Type | None  # None: no result is declared
    span: Span = field(compare=False)
    closure: bool = False


@dataclass(frozen=True, slots=True)
class PackType:
    """An argument pack: `...any`, `...CharsPtr`, `...[Int, 1, 5]`."""

    item: Type  # NamedType("any") when every type goes
    span: Span = field(compare=False)
    minimum: str = ""  # as written; "" without a bound
    maximum: str = ""


Type = NamedType | MemberType | FunctionType | PackType | Expression
TypeArgument = Type | Literal


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function; a pack is the last one and has a PackType."""

    name: str  # "" when only the type is given
    type: Type
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class TemplateParameter:
    """`T: type`, `size: int = 10`, or a name alone."""

    name: str
    kind: str  # "" when it has none
    default: str  # "" when it has none
    span: Span = field(compare=False)


# Statements


@dataclass(frozen=True, slots=True)
class Import:
    """`import "a" or "b"`: the first file that exists."""

    paths: tuple[str, ...]  # the strings' values
    span: Span = field(compare=False)
    modifiers: tuple[Modifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """`use Srl.Console`."""

    path: str
    span: Span = field(compare=False)
    modifiers: tuple[Modifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Alias:
    """`def name: alias target`."""

    name: str
    target: Type
    span: Span = field(compare=False)
    modifiers: tuple[Modifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Constant:
    """`def name: value`, where the value is made of literals alone: `5`, `-1`, `"text"`."""

    name: str
    value: str  # as written
    span: Span = field(compare=False)
    modifiers: tuple[Modifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """`def name: type`, `def name: type(arguments)`, `def name: type = value`; a class's field.

    A variable defined by an expression alone (`def x: open().reader`) has a value and no type.
    """

    name: str
    type: Type | None
    span: Span = field(compare=False)
    modifiers: tuple[Modifier, ...] = ()
    arguments: Expression | None = None  # parentheses included
    value: Expression | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """`func name [template] (parameters): returns { body }`."""

    name: str  # "" for a function without one
    parameters: tuple[Parameter, ...]  # with the pack, if there is one
    returns: Type | None  # None: no result is declared
    span: Span = field(compare=False)
    modifiers: tuple[Modifier, ...] = ()
    template: tuple[TemplateParameter, ...] = ()
    body: str = ""  # "" when it is only declared

    @property
    def symbol(self) -> str:
        """The C symbol that a modifier gives it, or ""."""
        return _symbol(self.modifiers)

    @property
    def pack(self) -> Parameter | None:
        """The argument pack, if there is one."""
        if self.parameters and isinstance(self.parameters[-1].type, PackType):
            return self.parameters[-1]
        return None


@dataclass(frozen=True, slots=True)
class Class:
    """`class Name [template] { ... }`."""

    name: str  # "" for a class without one
    members: tuple[Statement, ...]
    span: Span = field(compare=False)
    modifiers: tuple[Modifier, ...] = ()
    template: tuple[TemplateParameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Module:
    """`module Name { ... }`."""

    name: str
    members: tuple[Statement, ...]
    span: Span = field(compare=False)
    modifiers: tuple[Modifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Macro:
    """`macro name [parameters] { body }`."""

    name: str
    parameters: tuple[TemplateParameter, ...]
    body: str
    span: Span = field(compare=False)
    modifiers: tuple[Modifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Handler:
    """A class's operator, constructor, property or method.

    `handler this.name(a: Int): T {}` has the subject `this.name` and parameters;
    `handler this + Int: T {}` has the subject `this`, the operator `+` and one parameter.
    """

    subject: str
    operator: str  # "" unless it handles a binary operator
    parameters: tuple[Parameter, ...] | None  # None when it has no parentheses and no operator
    returns: Type | None
    span: Span = field(compare=False)
    modifiers: tuple[Modifier, ...] = ()
    template: tuple[TemplateParameter, ...] = ()
    pointer: str = ""  # "as_ptr", "set_ptr" or ""
    body: str = ""  # a block, or one statement

    @property
    def symbol(self) -> str:
        """The C symbol that a modifier gives it, or ""."""
        return _symbol(self.modifiers)


@dataclass(frozen=True, slots=True)
class Action:
    """A statement that declares nothing: an expression, a block, `if`, `preprocess`, ..."""

    text: str
    span: Span = field(compare=False)
    modifiers: tuple[Modifier, ...] = ()


Statement = (
    Import
    | Use
    | Alias
    | Constant
    | Variable
    | Function
    | Class
    | Module
    | Macro
    | Handler
    | Action
)


def _symbol(modifiers: tuple[Modifier, ...]) -> str:
    for modifier in modifiers:
        if modifier.name in EXPORT_MODIFIERS and modifier.arguments:
            return modifier.words[0].strip('"')
    return ""
