"""Alusus text to a syntax tree, by recursive descent.

Declarations are parsed to the last type; bodies and expressions are only measured, so that their
text can be kept. A statement with an error is reported once and left out, and parsing goes on
behind it: all errors of a text are reported together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from .lexer import (
    END,
    KEYWORDS,
    NUMBER,
    PUNCTUATION,
    STRING,
    TYPE_NAMES,
    WORD,
    string_value,
    tokenize,
)
from .source import Diagnostic, Source, Span, SpecErrors
from .syntax import (
    Action,
    Alias,
    Class,
    Constant,
    Expression,
    Function,
    FunctionType,
    Handler,
    Import,
    Literal,
    Macro,
    MemberType,
    Modifier,
    Module,
    NamedType,
    PackType,
    Parameter,
    Statement,
    TemplateParameter,
    Type,
    TypeArgument,
    Use,
    Variable,
)

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
# What skipping a group has to look at: brackets, the semicolon and the end.
_LANDMARKS = frozenset({"(", ")", "[", "]", "{", "}", ";", ""})

_PREFIX_OPERATORS = frozenset({"+", "-", "!", "!!", "~", "++", "--", "&", "*", "not"})
_OPERAND_STARTS = _PREFIX_OPERATORS | set(_CLOSERS)
_ASSIGNMENTS = frozenset({"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "$=", "^=", "<<=", ">>="})
_BINARY_OPERATORS = _ASSIGNMENTS | {
    *("+", "-", "*", "/", "%", "^", "&", "|", "$", "<<", ">>", "->", "?"),
    *("&&", "||", "and", "or", "<", ">", "<=", ">=", "==", "!="),
}
# Behind a word, these say that the word is no keyword here but a name.
_NAME_FOLLOWERS = _ASSIGNMENTS | {".", ","}
_DECLARATIONS = frozenset(
    {"import", "def", "use", "func", "class", "module", "macro", "handler", "preprocess"}
)
_MAXIMUM_DEPTH = 100


def parse_source(source: Source) -> tuple[Statement, ...]:
    """The statements of a program; raises SpecErrors with every error in it."""
    parser = _Parser(source)
    statements = parser.program()
    if parser.diagnostics:
        raise SpecErrors(parser.diagnostics)
    return statements


class _Failure(Exception):
    """A statement cannot be parsed; caught where statements are listed."""

    def __init__(self, offset: int, problem: str, expected: str, at_end: bool) -> None:
        self.offset = offset
        self.problem = problem
        self.expected = expected
        self.at_end = at_end  # the text ended too soon


class _Parser:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.kinds, self.texts, self.starts, errors, self.complete = tokenize(source)
        self.lexical_errors = list(errors)
        self.diagnostics = list(errors.values())
        self.end = len(source.text.rstrip())  # where errors at the end are reported
        self.move_to(0)
        self.depth = 0
        self.parsers: dict[str, Callable[[tuple[Modifier, ...]], Statement]] = {
            "import": self.import_,
            "def": self.definition,
            "use": self.use,
            "func": self.function,
            "class": self.class_,
            "module": self.module,
            "macro": self.macro,
            "handler": self.handler,
        }

    # Moving and looking

    def move_to(self, at: int) -> None:
        self.at = at
        self.kind = self.kinds[at]
        self.text = self.texts[at]

    def advance(self) -> str:
        """Pass a token and return its text."""
        text = self.text
        if self.kind != END:
            self.at += 1
            self.kind = self.kinds[self.at]
            self.text = self.texts[self.at]
        return text

    def following(self) -> str:
        """The text of the token after this one."""
        return self.texts[self.at + 1] if self.kind != END else ""

    def keyword(self) -> str | None:
        return KEYWORDS.get(self.text)

    def span(self, at: int) -> Span:
        return self.source.span(self.starts[at])

    def end_of(self, at: int) -> int:
        """The offset behind the token before `at`."""
        return self.starts[at - 1] + len(self.texts[at - 1])

    def text_from(self, first: int) -> str:
        """The source from the token at `first` to the last one passed."""
        return self.source.text[self.starts[first] : self.end_of(self.at)]

    def expression_from(self, first: int) -> Expression:
        return Expression(self.text_from(first), self.span(first))

    def starts_line(self) -> bool:
        before = self.source.text[self.end_of(self.at) : self.starts[self.at]] if self.at else "\n"
        return "\n" in before

    def enter(self) -> None:
        """Go a level deeper; the caller lowers `depth` again (`statements` does after an error)."""
        if self.depth == _MAXIMUM_DEPTH:
            problem = f"more than {_MAXIMUM_DEPTH} levels of nesting"
            raise self.failure("expected less deep nesting", problem)
        self.depth += 1

    # Errors

    def failure(self, expected: str, problem: str = "", at: int | None = None) -> _Failure:
        """An error at a token, by default the present one."""
        at = self.at if at is None else at
        offset = self.starts[at]
        kind = self.kinds[at]
        if kind == END:
            found = "the end of the text"
            offset = self.end
        elif kind == STRING:
            found = "a string"
        else:
            found = f"'{self.source.text[offset : offset + len(self.texts[at])]}'"
        return _Failure(offset, problem or f"unexpected {found}", expected, kind == END)

    def unclosed(self, opener: int) -> _Failure:
        bracket = self.texts[opener]
        problem = f"this '{bracket}' is never closed"
        last_line = self.source.span(self.end).line
        expected = f"expected '{_CLOSERS[bracket]}' before the text ends at line {last_line}"
        return _Failure(self.starts[opener], problem, expected, at_end=True)

    def not_closed(self, opener: int, at: int) -> _Failure:
        place = self.span(opener)
        bracket = self.texts[opener]
        where = f"for the '{bracket}' at {place.line}:{place.column}"
        return self.failure(f"expected '{_CLOSERS[bracket]}' {where}", at=at)

    def report(self, failure: _Failure, since: int | None = None) -> None:
        """Record an error, unless an error of the lexer between `since` and it is the reason."""
        if failure.at_end:
            if not self.complete:
                return
            self.complete = False  # one error says that the text ends too soon
        if since is not None:
            index = bisect_left(self.lexical_errors, since)
            if self.lexical_errors[index : index + 1] and (
                self.lexical_errors[index] <= failure.offset
            ):
                return
        place = self.source.span(failure.offset)
        self.diagnostics.append(Diagnostic(place, failure.problem, failure.expected))

    def recover(self, first: int) -> None:
        """Go behind the statement that starts at `first` and is broken here."""
        if self.at == first:
            self.advance()
        while self.kind != END and self.text != "}":
            if self.text == ";":
                self.advance()
                return
            if self.text == "{":
                self.skip_group()
                return
            starts = self.text == "@" or self.keyword() in _DECLARATIONS
            if starts and self.starts_line():
                return
            self.advance()
        if self.kind == END:
            self.complete = False  # that the text ends too soon may be due to this error

    def expect(self, text: str, expected: str = "") -> None:
        if self.text != text:
            raise self.failure(expected or f"expected '{text}'")
        self.advance()

    def name(self, of_what: str) -> str:
        if self.kind != WORD:
            raise self.failure(f"expected {of_what}")
        return self.advance()

    # Statements

    def program(self) -> tuple[Statement, ...]:
        statements = list(self.statements())
        while self.kind != END:
            self.report(self.failure("expected a statement: no '{' is open here"))
            self.advance()
            statements += self.statements()
        return tuple(statements)

    def statements(self) -> tuple[Statement, ...]:
        """All up to the '}' of the scope, or the end."""
        statements: list[Statement] = []
        depth = self.depth
        while self.kind != END and self.text != "}":
            if self.text == ";":
                self.advance()
                continue
            first = self.at
            try:
                statements.append(self.statement())
            except _Failure as failure:
                self.depth = depth
                self.report(failure, since=self.starts[first])
                self.recover(first)
        return tuple(statements)

    def scope(self, owner: str) -> tuple[Statement, ...]:
        opener = self.at
        self.expect("{", f"expected '{{' and the {owner}'s members")
        self.enter()
        statements = self.statements()
        self.depth -= 1
        if self.kind == END:
            raise self.unclosed(opener)
        self.advance()
        return statements

    def statement(self) -> Statement:
        modifiers = self.modifiers()
        parse = self.parsers.get(KEYWORDS.get(self.text, ""))
        if parse and self.following() not in _NAME_FOLLOWERS:
            return parse(modifiers)
        if modifiers and self.text in (";", "}", ""):
            raise self.failure("expected a declaration behind the modifier")
        first = self.at
        if self.kind == PUNCTUATION and self.text not in _OPERAND_STARTS:
            raise self.failure("expected a statement")
        self.skip_action()
        return Action(self.text_from(first), self.span(first), modifiers)

    def modifiers(self) -> tuple[Modifier, ...]:
        modifiers: list[Modifier] = []
        while self.text == "@":
            start = self.at
            self.advance()
            name = self.name("a modifier's name behind '@'")
            arguments: list[Expression] = []
            if self.text == "[":
                for first in self.items("[", "an argument of the modifier"):
                    self.skip_expression(listed=True)
                    arguments.append(self.expression_from(first))
            modifiers.append(Modifier(name, tuple(arguments), self.span(start)))
        return tuple(modifiers)

    def items(self, opener: str, what: str) -> Iterator[int]:
        """The first token of each item of a bracketed list; the caller passes over the item."""
        self.expect(opener)
        closer = _CLOSERS[opener]
        while self.text != closer:
            if self.text == ",":  # items may be empty
                self.advance()
                continue
            first = self.at
            yield first
            if self.text not in (",", closer):
                raise self.failure(f"expected ',' or '{closer}' behind {what}")
        self.advance()

    def import_(self, modifiers: tuple[Modifier, ...]) -> Import:
        start = self.at
        self.advance()
        paths = [self.file_name()]
        while self.keyword() == "or" or self.text == "||":
            self.advance()
            paths.append(self.file_name())
        return Import(tuple(paths), self.span(start), modifiers)

    def file_name(self) -> str:
        if not self.text.startswith('"'):
            raise self.failure("expected a file name in quotes")
        name = ""
        while self.text.startswith('"'):  # adjacent strings are one
            name += string_value(self.advance())
        return name

    def use(self, modifiers: tuple[Modifier, ...]) -> Use:
        start = self.at
        self.advance()
        first = self.at
        if self.kind != WORD:
            raise self.failure("expected the name of a module")
        self.skip_expression()
        return Use(self.text_from(first), self.span(start), modifiers)

    def definition(self, modifiers: tuple[Modifier, ...]) -> Statement:
        start = self.at
        self.advance()
        name = self.name("a name to define")
        self.expect(":", f"expected ':' behind the name '{name}'")
        modifiers += self.modifiers()
        keyword = self.keyword()
        if self.following() in _NAME_FOLLOWERS:
            keyword = None
        if keyword == "alias":
            self.advance()
            return Alias(name, self.alias_target(), self.span(start), modifiers)
        if keyword == "func":
            return self.function(modifiers, name)
        if keyword == "class":
            return self.class_(modifiers, name)
        if keyword == "module":
            return self.module(modifiers, name)
        if keyword == "macro":
            return self.macro(modifiers, name)
        return self.variable(modifiers, name, start)

    def alias_target(self) -> Type:
        first = self.at
        target = self.type()
        if self.continues():
            self.move_to(first)
            self.skip_expression()
            return self.expression_from(first)
        return target

    def variable(
        self, modifiers: tuple[Modifier, ...], name: str, start: int
    ) -> Constant | Variable:
        first = self.at
        if self.kind == WORD:
            type_ = self.type()
            arguments = value = None
            if self.text == "(":
                at = self.at
                self.skip_group()
                arguments = self.expression_from(at)
            if self.text == "=":
                self.advance()
                at = self.at
                self.skip_expression()
                value = self.expression_from(at)
            if not self.continues():
                return Variable(name, type_, self.span(start), modifiers, arguments, value)
            self.move_to(first)
        if self.text in (";", "}", ""):
            raise self.failure(f"expected what '{name}' is: a type, 'alias', 'func', 'class', ...")
        self.skip_expression()
        value = self.expression_from(first)
        if WORD in self.kinds[first : self.at]:
            return Variable(name, None, self.span(start), modifiers, value=value)
        return Constant(name, value.text, self.span(start), modifiers)

    def function(self, modifiers: tuple[Modifier, ...], name: str = "") -> Function:
        start = self.at
        self.advance()
        if self.kind == WORD and not (name and self.starts_line()):
            written = self.advance()
            name = name or written
        elif not name and self.text not in ("(", "[", ":", "=>", "{"):
            raise self.failure("expected the function's name")
        template = self.template() if self.text == "[" else ()
        parameters = self.parameters() if self.text == "(" else ()
        returns = self.result()
        body = self.block() if self.text == "{" else ""
        return Function(name, parameters, returns, self.span(start), modifiers, template, body)

    def class_(self, modifiers: tuple[Modifier, ...], name: str = "") -> Class:
        start = self.at
        self.advance()
        if self.kind == WORD:
            written = self.advance()
            name = name or written
        template = self.template() if self.text == "[" else ()
        members = self.scope("class")
        return Class(name, members, self.span(start), modifiers, template)

    def module(self, modifiers: tuple[Modifier, ...], name: str = "") -> Module:
        start = self.at
        self.advance()
        if not name:
            name = self.name("the module's name")
            while self.text == ".":
                self.advance()
                name += "." + self.name("a name behind '.'")
        return Module(name, self.scope("module"), self.span(start), modifiers)

    def macro(self, modifiers: tuple[Modifier, ...], name: str = "") -> Macro:
        start = self.at
        self.advance()
        name = name or self.name("the macro's name")
        parameters = self.template() if self.text == "[" else ()
        return Macro(name, parameters, self.body(), self.span(start), modifiers)

    def handler(self, modifiers: tuple[Modifier, ...]) -> Handler:
        start = self.at
        self.advance()
        template = self.template() if self.text == "[" else ()
        subject = self.handler_subject()
        parameters = self.parameters() if self.text == "(" else None
        operator = ""
        returns = None
        if self.operator() in _BINARY_OPERATORS:
            operator = self.operator()
            self.advance()
            operand, returns = self.operand()
            parameters = (*(parameters or ()), operand)
        returns = returns or self.result()
        pointer = ""
        if self.text in ("as_ptr", "set_ptr"):
            pointer = self.advance()
        body = "" if self.at_statement_end() else self.body()
        return Handler(
            subject,
            operator,
            parameters,
            returns,
            self.span(start),
            modifiers,
            template,
            pointer,
            body,
        )

    def handler_subject(self) -> str:
        first = self.at
        while self.operator() in _PREFIX_OPERATORS:
            self.advance()
        prefix = self.text_from(first) if self.at > first else ""
        if self.kind == WORD:
            start = "this" if self.keyword() == "this" else self.text
            self.advance()
        elif self.text == "(":
            start = ""
        else:
            raise self.failure("expected what is handled: 'this' and a name, operator or '('")
        rest = self.at
        while self.text in (".", "~", "[", "++", "--"):
            if self.text == "[":
                self.skip_group()
            elif self.advance() in (".", "~"):
                self.name("a name behind '.' or '~'")
        return prefix + start + (self.text_from(rest) if self.at > rest else "")

    def operand(self) -> tuple[Parameter, Type | None]:
        """An operator's operand and the result: `T`, `T: R`, `name: T => R`, `(name: T): R`."""
        start = self.at
        if self.text == "(":
            self.advance()
            operand = self.parameter()
            self.expect(")")
            return operand, self.result()
        type_ = self.type()
        returns = self.result()
        if returns and self.text in (":", "=>"):
            return Parameter(self.texts[start], returns, self.span(start)), self.result()
        return Parameter("", type_, self.span(start)), returns

    def at_statement_end(self) -> bool:
        return self.text in (";", "}", "@", "") or self.keyword() in _DECLARATIONS

    def body(self) -> str:
        """The text of a block, or of one statement."""
        first = self.at
        self.skip_statement()
        return self.text_from(first)

    def block(self) -> str:
        first = self.at
        self.skip_group()
        return self.text_from(first)

    # Signatures and types

    def template(self) -> tuple[TemplateParameter, ...]:
        parameters: list[TemplateParameter] = []
        for first in self.items("[", "a template parameter"):
            name = self.name("the name of a template parameter")
            kind = default = ""
            if self.text == ":":
                self.advance()
                kind = self.template_text("the kind of the template parameter")
            if self.text == "=":
                self.advance()
                default = self.template_text("the default of the template parameter")
            place = self.span(first)
            parameters.append(TemplateParameter(name, kind, default, place))
        return tuple(parameters)

    def template_text(self, what: str) -> str:
        first = self.at
        while self.text not in (",", "]", "=", ";", "}", ")", ""):
            if self.text in _CLOSERS:
                self.skip_group()
            else:
                self.advance()
        if self.at == first:
            raise self.failure(f"expected {what}")
        return self.text_from(first)

    def parameters(self) -> tuple[Parameter, ...]:
        parameters: list[Parameter] = []
        self.enter()
        for _ in self.items("(", "a parameter"):
            if parameters and isinstance(parameters[-1].type, PackType):
                problem = "a parameter behind an argument pack"
                raise self.failure("expected the pack to be the last parameter", problem)
            parameters.append(self.parameter())
            if self.text == "=":
                problem = "Alusus has no default arguments"
                raise self.failure("expected ',' or ')': overloads do their work", problem)
        self.depth -= 1
        return tuple(parameters)

    def parameter(self) -> Parameter:
        start = self.at
        name = ""
        if self.kind == WORD and self.following() == ":":
            name = self.advance()
            self.advance()
            expected = f"expected the type of the parameter '{name}'"
        else:
            expected = "expected a parameter: 'name: type' or a type"
        if self.text == "...":
            return Parameter(name, self.pack(), self.span(start))
        if self.kind != WORD:
            raise self.failure(expected)
        return Parameter(name, self.signature_type(), self.span(start))

    def pack(self) -> PackType:
        start = self.at
        self.advance()
        if self.kind == WORD:
            return PackType(self.type(), self.span(start))
        if self.text != "[":
            problem = "the argument pack '...' has no type"
            raise self.failure("expected 'any' or a type behind it", problem, start)
        item: Type | None = None
        bounds: list[str] = []
        for first in self.items("[", "a bound of the pack"):
            if item is None:
                item = self.type()
                continue
            self.skip_expression(listed=True)
            bounds.append(self.text_from(first))
        if item is None or len(bounds) > 2:
            raise self.failure(
                "expected [type, minimum, maximum]", "wrong bounds of an argument pack", start
            )
        return PackType(item, self.span(start), *bounds)

    def result(self) -> Type | None:
        if self.text not in (":", "=>"):
            return None
        self.advance()
        if self.kind != WORD:
            raise self.failure("expected the type of the result")
        return self.signature_type()

    def signature_type(self) -> Type:
        type_ = self.type()
        # Closures may have another name in Arabic than the one in the table of keywords.
        if self.text == "(" and isinstance(type_, NamedType) and not type_.arguments:
            return FunctionType(self.parameters(), self.result(), type_.span, closure=True)
        return type_

    def type(self) -> Type:
        start = self.at
        if self.kind != WORD:
            raise self.failure("expected a type")
        keyword = self.keyword()
        if keyword in ("func", "closure"):
            return self.function_type(closure=keyword == "closure")
        name = self.advance()
        name = TYPE_NAMES.get(name, name)
        while self.text == "." and self.kinds[self.at + 1] == WORD:
            self.advance()
            name += "." + self.advance()
        type_: Type = NamedType(name, self.type_arguments(), self.span(start))
        while self.text in (".", "~") and self.kinds[self.at + 1] == WORD:
            operator = self.advance()
            member = self.advance()
            type_ = MemberType(type_, operator, member, self.type_arguments(), self.span(start))
        return type_

    def function_type(self, closure: bool) -> FunctionType:
        start = self.at
        self.advance()
        if self.kind == WORD and self.following() == "(":  # a name says nothing here
            self.advance()
        parameters = self.parameters() if self.text == "(" else ()
        return FunctionType(parameters, self.result(), self.span(start), closure)

    def type_arguments(self) -> tuple[TypeArgument, ...]:
        if self.text != "[":
            return ()
        self.enter()
        arguments = [self.type_argument(at) for at in self.items("[", "an argument of the type")]
        self.depth -= 1
        return tuple(arguments)

    def type_argument(self, first: int) -> TypeArgument:
        if self.kind in (NUMBER, STRING) and self.following() in (",", "]"):
            return Literal(self.advance(), self.span(first))
        if self.kind == WORD:
            type_ = self.type()
            if self.text in (",", "]"):
                return type_
            self.move_to(first)
        self.skip_expression(listed=True)
        return self.expression_from(first)

    # Passing over what is kept as text

    def operator(self) -> str:
        """This token as an operator: words in English."""
        return KEYWORDS.get(self.text, self.text)

    def continues(self) -> bool:
        """Whether an expression whose last operand has been passed goes on here."""
        return self.text in (".", "~", "(", "[") or self.operator() in _BINARY_OPERATORS

    def skip_statement(self) -> None:
        self.enter()
        if self.text == "@" or self.keyword() in self.parsers:
            self.statement()
        else:
            self.skip_action()
        self.depth -= 1

    def skip_action(self) -> None:
        keyword = self.keyword()
        if self.following() in _NAME_FOLLOWERS:
            keyword = None
        if self.text == "{":
            self.skip_group()
        elif keyword in ("if", "while", "for"):
            self.advance()
            self.skip_expression()
            self.skip_statement()
            if keyword == "if":
                self.skip_else()
        elif keyword == "preprocess":
            self.advance()
            self.skip_statement()
        elif keyword in ("return", "continue", "break"):
            self.advance()
            if not self.at_statement_end():
                self.skip_expression()
        else:
            self.skip_expression()

    def skip_else(self) -> None:
        if self.text == ";" and KEYWORDS.get(self.following()) == "else":
            self.advance()
        if self.keyword() == "else":
            self.advance()
            self.skip_statement()

    def skip_expression(self, listed: bool = False) -> None:
        """Pass operands and operators in turn: a second operand in a row starts a new statement.

        `listed`: the expression is an item of a list, which ends at a comma.
        """
        while True:
            self.skip_operand()
            if not listed and self.text == ",":
                while self.text == ",":
                    self.advance()
                if self.at_statement_end():  # the last item was empty
                    return
            elif self.operator() in _BINARY_OPERATORS or (listed and self.text == ":"):
                self.advance()
            else:
                return

    def skip_operand(self) -> None:
        while self.operator() in _PREFIX_OPERATORS:
            self.advance()
        self.modifiers()
        if self.kind == WORD:
            keyword = self.keyword()
            if keyword in ("def", "func", "class", "macro") and (
                self.following() not in _NAME_FOLLOWERS
            ):
                self.enter()
                self.parsers[keyword](())
                self.depth -= 1
            elif keyword == "closure" and self.following() not in _NAME_FOLLOWERS:
                self.function_type(closure=True)
                if self.text == "{":
                    self.skip_group()
            else:
                if self.advance() == "ast" and self.text == "{":
                    self.skip_group()
        elif self.kind == NUMBER:
            self.advance()
        elif self.kind == STRING:
            while self.kind == STRING:
                self.advance()
        elif self.text in _CLOSERS:
            self.skip_group()
        else:
            raise self.failure("expected an expression")
        while True:
            text = self.text
            if text in ("(", "["):
                self.skip_group()
            elif text in ("++", "--"):
                self.advance()
            elif text in (".", "~"):
                self.advance()
                if self.kind in (WORD, NUMBER):
                    self.advance()
                elif self.text in _CLOSERS:
                    self.skip_group()
                else:
                    raise self.failure(f"expected a name behind '{text}'")
            else:
                return

    def skip_group(self) -> None:
        """Pass a bracket and all up to its partner. What is wrong inside is reported at once."""
        texts = self.texts
        open_ = [self.at]
        given_up = 0  # brackets taken for closed: their partners may still come
        at = self.at
        while open_:
            at += 1
            text = texts[at]
            if text not in _LANDMARKS:
                continue
            opener = open_[-1]
            if text in _CLOSERS:
                open_.append(at)
            elif text == _CLOSERS[texts[opener]]:
                open_.pop()
            elif text == "":
                self.report(self.unclosed(opener))
                break
            elif texts[opener] == "{":
                if text == ";":
                    continue
                if given_up:
                    given_up -= 1
                else:
                    self.report(self.failure("expected '}' or a statement", at=at))
            elif text in (";", "}"):
                self.report(self.not_closed(opener, at))
                while open_ and texts[open_[-1]] != "{":
                    open_.pop()
                    given_up += 1
                if not open_:
                    break
                if text == "}":
                    open_.pop()
            else:
                self.report(self.not_closed(opener, at))
                open_.pop()
        else:
            at += 1
        self.move_to(at)
