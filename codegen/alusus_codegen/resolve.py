"""From the two documents of the spec to the model: names, types, roles, layouts, checksums.

Everything that a well-formed spec can still get wrong is found here, and all of it is reported
together; whoever holds an `Api` need not doubt it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from . import contract, names
from .arabic import ArabicText
from .markdown import DocItem, Document
from .markdown import Section as TextSection
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
from .printer import print_signature, print_statement, print_type
from .source import Diagnostic, Span, SpecErrors
from .syntax import (
    EXPORT_MODIFIERS,
    Alias,
    Class,
    FunctionType,
    Modifier,
    NamedType,
    PackType,
    Statement,
    Variable,
)
from .syntax import Constant as ConstantSyntax
from .syntax import Function as FunctionSyntax
from .syntax import Parameter as ParameterSyntax
from .syntax import Type as TypeSyntax
from .typemap import VOID, TypeFault, Types

USER_DATA = "userData"
RESULT = "result"  # what modifiers call the value that a function returns

THREADS = ("worker", "starter", "any")
LIFETIMES = ("call", "request", "connection", "server", "thread")

_FUNCTION_MODIFIERS = EXPORT_MODIFIERS | {
    "consumes",
    "handwritten",
    "length",
    "lifetime",
    "nullable",
    "output",
    "outputText",
    "printf",
    "runtime",
}
_CALLBACK_MODIFIERS = frozenset({"length", "lifetime", "nullable", "onFailure", "thread"})

# What a modifier makes of the two parameters that it names.
_PARTNERS = {
    "length": (Role.DATA, Role.LENGTH),
    "output": (Role.OUTPUT, Role.OUTPUT_SIZE),
    "outputText": (Role.TEXT, Role.TEXT_SIZE),
}

RETURNS = {"en": "Returns", "ar": "يعيد"}
ERRORS = {"en": "Errors", "ar": "الأخطاء"}


def resolve(english: Document, arabic: Document, version: str) -> Api:
    """The model of a spec; raises SpecErrors with all that is wrong in it."""
    return _Resolver(english, ArabicText(arabic)).run(version)


class _Modifiers:
    """The modifiers of one declaration, checked against the names that they may speak of."""

    def __init__(
        self, resolver: _Resolver, modifiers: Sequence[Modifier], parameters: Iterable[str]
    ) -> None:
        self._error = resolver.error
        self._modifiers = modifiers
        self._parameters = frozenset(parameters)

    def allow(self, known: Iterable[str]) -> None:
        known = sorted(known)
        for modifier in self._modifiers:
            if modifier.name not in known:
                self._error(
                    modifier.span,
                    f"the modifier @{modifier.name} says nothing here",
                    f"expected one of @{', @'.join(known)}",
                )

    def find(self, name: str) -> Modifier | None:
        return next((m for m in self._modifiers if m.name == name), None)

    def has(self, name: str) -> bool:
        return self.find(name) is not None

    def word(self, name: str, allowed: Sequence[str] = ()) -> str:
        """The one word of a modifier; "" without it."""
        modifier = self.find(name)
        if modifier is None:
            return ""
        word = modifier.words[0] if len(modifier.words) == 1 else ""
        if not word or (allowed and word not in allowed):
            choice = f"one of {', '.join(allowed)}" if allowed else "one word"
            self._error(modifier.span, f"@{name} is not complete", f"expected {choice}")
        return word

    def names(self, name: str) -> frozenset[str]:
        """The parameters that a modifier lists."""
        modifier = self.find(name)
        if modifier is None:
            return frozenset()
        for word in modifier.words:
            self._check_parameter(modifier, word)
        return frozenset(modifier.words)

    def pairs(self, name: str) -> dict[str, str]:
        """What every modifier of that name says of a parameter: `@length[data, dataLen]`."""
        found = {}
        for modifier in self._modifiers:
            if modifier.name == name:
                if len(modifier.words) != 2:
                    self._error(
                        modifier.span, f"@{name} is not complete", "expected two names in brackets"
                    )
                    continue
                self._check_parameter(modifier, modifier.words[0])
                found[modifier.words[0]] = modifier.words[1]
        return found

    def _check_parameter(self, modifier: Modifier, word: str) -> None:
        if word not in self._parameters and word != RESULT:
            self._error(
                modifier.span,
                f"@{modifier.name} speaks of {word}, which is no parameter here",
                f"expected one of {', '.join(sorted(self._parameters))}",
            )


class _Resolver:
    def __init__(self, english: Document, arabic: ArabicText) -> None:
        self._english = english
        self._arabic = arabic
        self._errors: list[Diagnostic] = []
        self._structures: dict[str, Structure] = {}
        self._callbacks: dict[str, Callback] = {}
        self._symbols: dict[str, Span] = {}
        classes = [s for s in english.statements if isinstance(s, Class)]
        self._types = Types(
            opaque=frozenset(c.name for c in classes if not _variables(c)),
            structures=self._structures,
            laid_out=frozenset(c.name for c in classes if _variables(c)),
            callbacks=frozenset(s.name for s in english.statements if isinstance(s, Alias)),
        )

    def error(self, span: Span, problem: str, expected: str) -> None:
        self._errors.append(Diagnostic(span, problem, expected))

    def run(self, version: str) -> Api:
        # Aliases first: a class that stands before them may use them.
        for statement in self._english.statements:
            if isinstance(statement, Alias):
                self._alias(statement)
        sections = [self._section(section) for section in self._english.sections]
        self._errors += self._arabic.unused()
        if self._errors:
            raise SpecErrors(self._errors)

        callbacks = {c.name.alusus: c for c in _link_superseded(self._callbacks.values())}
        sections = [
            replace(
                section,
                declarations=tuple(
                    callbacks[d.name.alusus] if isinstance(d, Callback) else d
                    for d in section.declarations
                ),
            )
            for section in sections
        ]
        title = self._english.title
        api = Api(
            module=Name(title, title, names.snake(title), (self._arabic.title,)),
            title={"en": title, "ar": self._arabic.title},
            introduction={"en": self._english.introduction, "ar": self._arabic.introduction},
            sections=tuple(sections),
            version=version,
            contract_version=contract.VERSION,
            contract_checksum=0,
            callbacks=tuple(callbacks.values()),
        )
        total = contract.total(checksum for _, checksum in api.contract)
        return replace(api, contract_checksum=total)

    # Sections

    def _section(self, section: TextSection) -> Section:
        declarations = [d for s in section.statements if (d := self._declaration(s)) is not None]
        arabic = self._arabic.section(section.title)
        if arabic is None:
            self.error(
                section.span,
                f"the section {section.title} has no Arabic text",
                f"expected a heading `... ({section.title})` in {self._arabic.path}",
            )
        texts = {"en": section} | ({"ar": arabic} if arabic else {})
        documentation = {
            language: self._documentation(language, text, declarations)
            for language, text in texts.items()
        }
        titles = {"en": section.title}
        if arabic:
            titles["ar"] = self._arabic.heading(arabic)
        return Section(
            title=section.title,
            titles=titles,
            anchor=section.title.lower().replace(" ", "-"),
            level=section.level,
            declarations=tuple(declarations),
            documentation=documentation,
            span=section.span,
        )

    def _documentation(
        self, language: str, section: TextSection, declarations: Sequence[Declaration]
    ) -> Documentation:
        wanted = self._documented_names(declarations)
        members: dict[str, str] = {}
        words: dict[str, str] = {}
        for item in section.items:
            if item.names:
                for name in _english_names(language, item):
                    members[name] = item.text
                    if name not in wanted:
                        self.error(
                            item.span,
                            f"{name} is documented, but no declaration of this section has it",
                            f"expected one of {', '.join(wanted) or 'none'}",
                        )
            else:
                words[item.word] = item.text
        body = section.text.strip()
        if any(map(_has_broken_span, (body, *members.values(), *words.values()))):
            self.error(
                section.span,
                f"a code span of {section.title} goes over the end of a line",
                "expected both of its backticks on one line",
            )
        found = Documentation(
            summary=body.split("\n\n", 1)[0],
            body=body,
            members=members,
            result=words.get(RETURNS[language], ""),
            errors=words.get(ERRORS[language], ""),
        )
        self._check_documented(language, section, declarations, found)
        return found

    def _check_documented(
        self,
        language: str,
        section: TextSection,
        declarations: Sequence[Declaration],
        found: Documentation,
    ) -> None:
        if declarations and not found.body:
            self.error(section.span, f"{section.title} is not documented", "expected text")
        for name in self._documented_names(declarations):
            if name not in found.members:
                self.error(
                    section.span,
                    f"{name} of {section.title} is not documented",
                    f"expected a list item - `{name}`: ...",
                )
        if not found.result and any(_returns_value(d) for d in declarations):
            self.error(
                section.span,
                f"the result of {section.title} is not documented",
                f"expected a list item - {RETURNS[language]}: ...",
            )

    def _documented_names(self, declarations: Sequence[Declaration]) -> list[str]:
        """The parameters and fields that a section's list has to explain, each once."""
        found: dict[str, None] = {}
        for declaration in declarations:
            match declaration:
                case Structure():
                    found |= {f.name.alusus: None for f in declaration.fields}
                    for field in declaration.fields:
                        member = self._callbacks.get(field.type.target)
                        if member is not None and not member.alias:
                            found |= {p.name.alusus: None for p in member.parameters}
                case Function():
                    found |= {p.name.alusus: None for p in declaration.parameters}
                    if declaration.pack:
                        found[declaration.pack] = None
                case Callback():
                    found |= {p.name.alusus: None for p in declaration.parameters}
        return list(found)

    def _declaration(self, statement: Statement) -> Declaration | None:
        match statement:
            case Alias():
                return self._callbacks.get(statement.name)
            case Class():
                return self._structure(statement)
            case FunctionSyntax():
                return self._function(statement)
            case ConstantSyntax():
                return self._constant(statement)
        self.error(
            statement.span,
            "this statement declares nothing that the library could have",
            "expected a function, a class, a constant or the alias of a callback",
        )
        return None

    # Names

    def _name(self, alusus: str, c: str, python: str, owner: str, span: Span) -> Name:
        """A public name; `owner` is "" or the class that it is a member of."""
        english = f"{owner}.{alusus}" if owner else alusus
        arabic = self._arabic.names(english)
        if not arabic:
            self.error(
                span,
                f"{english} has no Arabic name",
                f"expected an alias of it in {self._arabic.path}",
            )
        ours = frozenset(name for name, is_ours in arabic.items() if is_ours)
        return Name(alusus, c, python, tuple(arabic), ours)

    # Types

    def _type(self, syntax: TypeSyntax | None) -> Type:
        if syntax is None:
            return VOID
        try:
            return self._types.resolve(syntax)
        except TypeFault as fault:
            self.error(fault.span, fault.problem, fault.expected)
            return replace(VOID, notation=print_type(syntax))

    # Parameters

    def _parameters(
        self, syntax: Sequence[ParameterSyntax], modifiers: _Modifiers, arabic: Mapping[str, str]
    ) -> tuple[Parameter, ...]:
        roles = _roles(modifiers)
        lifetimes = self._lifetimes(modifiers)
        nullable = modifiers.names("nullable")
        consumed = modifiers.names("consumes")
        found = []
        for parameter in syntax:
            if isinstance(parameter.type, PackType):
                continue
            name = parameter.name
            type_ = self._type(parameter.type)
            role, partner = roles.get(name, (Role.VALUE, ""))
            if name == USER_DATA and type_.kind is Kind.POINTER:
                role = Role.USER_DATA
            if role is Role.OUTPUT and type_.kind is Kind.STRUCTURE:
                type_ = replace(type_, c=type_.c.removeprefix("const "))
            if role is Role.TEXT and type_.kind is Kind.STRING:
                type_ = replace(type_, c="char *{}")  # the one text that is written to
            found.append(
                Parameter(
                    name=Name(
                        name,
                        names.snake(name),
                        names.snake(name),
                        (arabic[name],) if name in arabic else (),
                    ),
                    type=type_,
                    role=role,
                    partner=partner,
                    nullable=name in nullable,
                    consumed=name in consumed,
                    lifetime=lifetimes.get(name, ""),
                )
            )
        if modifiers.has("printf") and found:
            found[-1] = replace(found[-1], role=Role.FORMAT)
        return tuple(found)

    def _lifetimes(self, modifiers: _Modifiers) -> dict[str, str]:
        lifetimes = modifiers.pairs("lifetime")
        for name, lifetime in lifetimes.items():
            if lifetime not in LIFETIMES:
                modifier = modifiers.find("lifetime")
                assert modifier is not None
                self.error(
                    modifier.span,
                    f"{name} cannot live for a {lifetime}",
                    f"expected one of {', '.join(LIFETIMES)}",
                )
        return lifetimes

    # Callbacks

    def _alias(self, alias: Alias) -> None:
        function = _callback_type(alias.target)
        if function is None or not alias.name.endswith(names.CALLBACK_SUFFIX):
            self.error(
                alias.span,
                f"{alias.name} is not the alias of a callback",
                f"expected `def X{names.CALLBACK_SUFFIX}: alias ptr[func (...)]`",
            )
            return
        name = self._name(
            alias.name, names.c_type(alias.name), alias.name, owner="", span=alias.span
        )
        self._callback(
            name,
            function,
            alias.modifiers,
            _notation(alias),
            self._arabic.parameters(alias.name),
            alias.span,
            alias=True,
        )

    def _callback(
        self,
        name: Name,
        function: FunctionType,
        modifiers: Sequence[Modifier],
        notation: str,
        arabic: Mapping[str, str],
        span: Span,
        *,
        alias: bool,
    ) -> None:
        checked = _Modifiers(self, modifiers, (p.name for p in function.parameters))
        checked.allow(_CALLBACK_MODIFIERS)
        returns = self._type(function.returns)
        thread = checked.word("thread", THREADS)
        failure = checked.word("onFailure")
        if not thread:
            self.error(
                span,
                f"nothing says on which thread {name.alusus} runs",
                f"expected @thread[{' | '.join(THREADS)}]",
            )
        if bool(failure) != (returns.kind is not Kind.VOID):
            self.error(
                span,
                f"{name.alusus} {'returns nothing' if failure else 'returns a value'}",
                "expected no @onFailure" if failure else "expected @onFailure[value when it fails]",
            )
        self._callbacks[name.alusus] = Callback(
            name=name,
            event=names.event(name.alusus),
            parameters=self._parameters(function.parameters, checked, arabic),
            returns=returns,
            thread=thread,
            on_failure=_integer(failure),
            alias=alias,
            notation=notation,
            checksum=contract.checksum(name.c, notation, thread, failure),
            span=span,
        )

    # Classes

    def _structure(self, declaration: Class) -> Structure:
        fields: list[Field] = []
        offset, alignment = 0, 1
        checked = _Modifiers(self, declaration.modifiers, (v.name for v in _variables(declaration)))
        checked.allow({"nullable"})
        nullable = checked.names("nullable")
        for variable in _variables(declaration):
            type_ = self._member_type(declaration.name, variable)
            offset = _align(offset, type_.alignment)
            name = names.snake(variable.name)
            fields.append(
                Field(
                    self._name(variable.name, name, name, declaration.name, variable.span),
                    type_,
                    offset,
                    variable.span,
                    variable.name in nullable,
                )
            )
            offset += type_.size
            alignment = max(alignment, type_.alignment)
        notation = _notation(declaration)
        layout = (f"{f.name.alusus}@{f.offset}" for f in fields)
        structure = Structure(
            name=self._name(
                declaration.name,
                names.c_type(declaration.name),
                declaration.name,
                owner="",
                span=declaration.span,
            ),
            fields=tuple(fields),
            size=_align(offset, alignment),
            alignment=alignment,
            notation=notation,
            checksum=contract.checksum(declaration.name, notation, *layout),
            span=declaration.span,
        )
        self._structures[declaration.name] = structure
        return structure

    def _member_type(self, owner: str, variable: Variable) -> Type:
        function = _callback_type(variable.type)
        if function is None:
            _Modifiers(self, variable.modifiers, ()).allow(())
            return self._type(variable.type)
        notation = print_type(variable.type) if variable.type else ""
        alusus = names.member_callback(variable.name)
        # Programs have no name for the type of a table's member, in any language but C and Python.
        name = Name(alusus, names.c_type(alusus), alusus)
        arabic = self._arabic.parameters(owner)
        self._callback(
            name, function, variable.modifiers, notation, arabic, variable.span, alias=False
        )
        return self._types.callback(alusus, notation)

    # Functions

    def _function(self, declaration: FunctionSyntax) -> Function:
        pack = declaration.pack
        checked = _Modifiers(self, declaration.modifiers, (p.name for p in declaration.parameters))
        checked.allow(_FUNCTION_MODIFIERS)
        symbol = declaration.symbol
        self._check_symbol(declaration, symbol)
        returns = self._type(declaration.returns)
        arabic = self._arabic.parameters(declaration.name)
        parameters = self._parameters(declaration.parameters, checked, arabic)
        notation = print_signature(declaration)
        runtime = names.RUNTIME_PREFIX + symbol.removeprefix(names.C_PREFIX) if symbol else ""
        prototype = (f"{p.type.c} {p.role.value} {p.nullable}" for p in parameters)
        function = Function(
            name=self._name(
                declaration.name, symbol, names.snake(declaration.name), "", declaration.span
            ),
            parameters=parameters,
            variadic=self._pack_type(pack.type) if pack else None,
            pack=pack.name if pack else "",
            returns=returns,
            symbol=symbol,
            runtime="" if checked.has("handwritten") else checked.word("runtime") or runtime,
            result_nullable=RESULT in checked.names("nullable"),
            result_lifetime=checked.pairs("lifetime").get(RESULT, ""),
            failure=_failure(returns),
            body=declaration.body,
            notation=notation,
            checksum=contract.checksum(symbol, notation, *prototype),
            span=declaration.span,
            pack_arabic=arabic.get(pack.name, "") if pack else "",
        )
        if symbol:
            self._check_exported(function)
        return function

    def _pack_type(self, syntax: TypeSyntax) -> Type:
        assert isinstance(syntax, PackType)
        if isinstance(syntax.item, NamedType) and syntax.item.name == "any":
            return Type(Kind.ALUSUS, "any", "", "object")
        return self._type(syntax.item)

    def _check_symbol(self, declaration: FunctionSyntax, symbol: str) -> None:
        if bool(symbol) == bool(declaration.body):
            self.error(
                declaration.span,
                f"{declaration.name} has both a C symbol and a body"
                if symbol
                else f"{declaration.name} has neither a C symbol nor a body",
                "expected @expname[symbol] or a body in braces",
            )
        if not symbol:
            return
        if not symbol.startswith(names.C_PREFIX):
            self.error(
                declaration.span,
                f"the C symbol {symbol} is outside of the library's names",
                f"expected {names.C_PREFIX}...",
            )
        if symbol in self._symbols:
            self.error(
                declaration.span,
                f"the C symbol {symbol} is declared a second time, which Alusus would rename",
                f"expected another symbol than that of {self._symbols[symbol]}",
            )
        self._symbols[symbol] = declaration.span

    def _check_exported(self, function: Function) -> None:
        for parameter in function.parameters:
            if parameter.type.kind is Kind.ALUSUS:
                self.error(
                    function.span,
                    f"{parameter.name.alusus} is {parameter.type.notation}, which C has not",
                    "expected a type that C has, or a body instead of a C symbol",
                )
        lengths = {p.partner: p for p in function.parameters if p.role is Role.DATA}
        for length in (p for p in function.parameters if p.role is Role.LENGTH):
            partner = lengths.get(length.name.alusus)
            if partner is None and length.partner != function.pack:
                self.error(
                    function.span,
                    f"{length.name.alusus} is the length of nothing",
                    "expected @length[data, length] with two parameters",
                )

    def _constant(self, declaration: ConstantSyntax) -> Constant:
        name = self._name(
            declaration.name,
            names.C_PREFIX.upper() + declaration.name,
            declaration.name,
            owner="",
            span=declaration.span,
        )
        notation = _notation(declaration)
        return Constant(
            name=name,
            type=Type(Kind.INTEGER, "Int", "int32_t {}", "int", 4, 4, True),
            value=declaration.value,
            notation=notation,
            checksum=contract.checksum(name.c, notation),
            span=declaration.span,
        )


def _notation(declaration: Alias | Class | ConstantSyntax) -> str:
    """A declaration as programs write it: the spec's own modifiers are not for them."""
    if isinstance(declaration, Class):
        members = tuple(replace(m, modifiers=()) for m in _variables(declaration))
        declaration = replace(declaration, members=members)
    return print_statement(replace(declaration, modifiers=())).rstrip(";")


def _roles(modifiers: _Modifiers) -> dict[str, tuple[Role, str]]:
    """What the parameters that have a partner are for, each with that partner."""
    found: dict[str, tuple[Role, str]] = {}
    for modifier, (role, of_size) in _PARTNERS.items():
        for name, size in modifiers.pairs(modifier).items():
            found[name] = (role, size)
            found[size] = (of_size, name)
    return found


def _variables(declaration: Class) -> tuple[Variable, ...]:
    return tuple(m for m in declaration.members if isinstance(m, Variable))


def _callback_type(syntax: TypeSyntax | None) -> FunctionType | None:
    """The function that `ptr[func ...]` points to."""
    if isinstance(syntax, NamedType) and syntax.name == "ptr" and len(syntax.arguments) == 1:
        target = syntax.arguments[0]
        return target if isinstance(target, FunctionType) else None
    return None


_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def _has_broken_span(text: str) -> bool:
    """Whether a code span has its ends on two lines, where no emitter would take it for one."""
    return any(line.count("`") % 2 for line in _FENCED.sub("", text).splitlines())


def _align(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def _integer(word: str) -> int | None:
    return int(word.replace(" ", "")) if word else None


def _failure(returns: Type) -> str:
    """What C gets from a call that failed."""
    match returns.kind:
        case Kind.VOID:
            return ""
        case Kind.INTEGER:
            return "-1"
        case _:
            return "NULL"


def _returns_value(declaration: Declaration) -> bool:
    return (
        isinstance(declaration, Function | Callback) and declaration.returns.kind is not Kind.VOID
    )


def _english_names(language: str, item: DocItem) -> tuple[str, ...]:
    """What an item explains. An Arabic one gives its Arabic name first, then the English."""
    return item.names if language == "en" else item.names[-1:]


def _python_signature(callback: Callback) -> tuple[object, ...]:
    return (
        callback.returns.python,
        *((p.role, p.type.kind) for p in callback.parameters),
    )


def _width(callback: Callback) -> int:
    return sum(p.type.size for p in callback.parameters if p.role is Role.LENGTH)


def _link_superseded(callbacks: Iterable[Callback]) -> Iterator[Callback]:
    """Of aliases that differ only in the width of their lengths, the widest serves Python."""
    callbacks = list(callbacks)
    for callback in callbacks:
        narrower = [
            other
            for other in callbacks
            if callback.alias
            and other.alias
            and _python_signature(other) == _python_signature(callback)
            and _width(other) < _width(callback)
        ]
        yield replace(callback, supersedes=narrower[0].name.alusus) if narrower else callback
