"""The Python binding: the module `http`, cffi's declarations, and the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .. import pythonic
from ..docstring import Docstrings, Part
from ..model import (
    Api,
    Callback,
    Constant,
    Declaration,
    Documentation,
    Field,
    Function,
    Kind,
    Parameter,
    Role,
    Structure,
    Type,
)
from ..pythonic import INDENT, LINE_LENGTH, Argument, Group, Signature, definition, layout
from .c import posted, prototype, typedef
from .templates import environment

PACKAGE = "bridge/alusus_http"

# The values of ah_last_error_code() and what the package raises for each.
ERRORS = {
    "AH_OK": "",
    "AH_ERROR_INVALID_HANDLE": "InvalidHandleError",
    "AH_ERROR_INVALID_ARGUMENT": "InvalidArgumentError",
    "AH_ERROR_UNKNOWN_OPTION": "UnknownOptionError",
    "AH_ERROR_ADDRESS_IN_USE": "AddressInUseError",
    "AH_ERROR_ACCESS_DENIED": "AccessDeniedError",
    "AH_ERROR_FILE_NOT_FOUND": "MissingFileError",
    "AH_ERROR_CONNECTION_CLOSED": "ConnectionClosedError",
    "AH_ERROR_WRONG_STATE": "WrongStateError",
    "AH_ERROR_WRONG_THREAD": "WrongThreadError",
    "AH_ERROR_NO_MEMORY": "NoMemoryError",
    "AH_ERROR_SYSTEM": "HttpError",
    "AH_ERROR_QUEUE_FULL": "QueueFullError",
    "AH_ERROR_TOO_LARGE": "TooLargeError",
    "AH_ERROR_MALFORMED": "MalformedError",
    "AH_ERROR_CONNECT_FAILED": "ConnectFailedError",
    "AH_ERROR_TIMED_OUT": "TimedOutError",
}

# What ends the handles whose events the driver answers; what returns such a handle starts it.
_STOPS = {"Context": "ah_stop_server", "Client": "ah_stop_client"}

_THREADS = {
    "worker": "It runs on a thread of this package; calls for one connection never overlap.",
    "starter": "It runs on a thread of this package, while a server is started or stopped.",
    "any": "It runs on a thread of this package, at any time of the server's life.",
}

# What is so in Python whatever the spec says of C and Alusus.
_USER_DATA = (
    "Any object: callbacks get it as it is, and it is kept until the server stops. Native handlers "
    "get an address: an int, or None."
)
_GIVEN_USER_DATA = "The object that was given together with the callable."
_SERVER_USER_DATA = "What `startServer` was given as user data."
_PAIRS = "A mapping of names to values, or names and values by turns; None for none."
_DATA = "A str is sent as UTF-8."
_FORMAT = "The `%` operator of str puts them in; `%%` stands for a percent sign."
_RECEIVED = "the bytes. Their length:"
_TEXT = "the text."
_TEXT_OR_NONE = "the text; None when there is none."


def emit(api: Api) -> dict[str, str]:
    """The files by their path in the project."""
    view = _View(api)
    templates = environment("python")

    def render(name: str, **context: Any) -> str:
        return templates.get_template(f"{name}.j2").render(api=api, **context)

    files = {
        f"{PACKAGE}/http.py": render("http.py", **view.module()),
        f"{PACKAGE}/_cdef.h": render(
            "_cdef.h",
            error_codes=tuple(ERRORS),
            posted=posted,
            prototype=prototype,
            typedef=typedef,
        ),
        f"{PACKAGE}/_contract.py": render("_contract.py"),
    }
    _check_complete(api, view, files)
    return files


def _check_complete(api: Api, view: _View, files: Mapping[str, str]) -> None:
    """Every declaration is in the files, or Python's view has a reason to leave it out."""
    module = files[f"{PACKAGE}/http.py"]
    defined = set(re.findall(r"^(?:def |class |)(\w+)(?=\(|:| = )", module, re.MULTILINE))
    defined |= {f.name.python for g in view.groups if not g.signatures for f in g.functions}
    declared = set(re.findall(r"\w+", files[f"{PACKAGE}/_cdef.h"]))
    for declaration in (*api.declarations, *api.callbacks):
        python, c = declaration.name.python, declaration.name.c
        assert python in defined, f"{python} did not reach http.py"
        assert not c or c in declared, f"{c} did not reach _cdef.h"
    longest = max(module.splitlines(), key=len)
    assert len(longest) <= LINE_LENGTH, f"this line of http.py is too long: {longest}"


class _View:
    """The module `http`, declaration by declaration, ready to be printed."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.groups = pythonic.groups(api)
        # The event behind each type of callback; a superseded type has that of its successor.
        self._events = {c.name.python: c.event for c in api.callbacks}
        for callback in api.events:
            if callback.supersedes:
                self._events[callback.supersedes] = callback.event
        self._structures = {s.name.alusus: s for s in api.structures}
        self._docstrings = Docstrings(_names(api))
        self._texts = {
            declaration.name.python: section.documentation.get("en", Documentation())
            for section in api.sections
            for declaration in section.declarations
        }
        # The member of a table that a callback without an alias is the type of.
        self._members = {
            field.type.python: (structure, field)
            for structure in api.structures
            for field in structure.fields
            if field.type.kind is Kind.CALLBACK
        }

    def module(self) -> dict[str, Any]:
        structures = [s for s in self._api.structures if not s.opaque]
        handles = [s for s in self._api.structures if s.opaque]
        tables = [s for s in structures if _is_table(s)]
        records = [s for s in structures if not _is_table(s)]
        functions = [g for g in self.groups if g.signatures]
        public = [c.name.python for c in self._api.constants]
        public += [s.name.python for s in self._api.structures]
        public += [c.name.python for c in self._api.callbacks]
        public += [g.name for g in functions]
        callbacks = [self._callback(c) for c in self._api.callbacks]
        definitions = [definition(g.name, s) for g in functions for s in g.signatures]
        annotations = [c["type"] for c in callbacks]
        annotations += [line for lines in definitions for line in lines]
        return {
            "collections": [
                name
                for name in ("Callable", "Mapping", "Sequence")
                if any(f"{name}[" in annotation for annotation in annotations)
            ],
            "public": sorted((*public, "NativeCallback", "OutPointer"), key=_all_order),
            "overloaded": any(len(g.signatures) > 1 for g in functions),
            "constants": [self._constant(c) for c in self._api.constants],
            "handles": [self._class(s) for s in handles],
            "records": [self._class(s) for s in records],
            "tables": [self._class(s) for s in tables],
            "callbacks": callbacks,
            "events": [self._event(c) for c in self._api.events],
            "functions": ["\n".join(lines) for g in functions for lines in self._function(g)],
        }

    # Constants, classes, callbacks

    def _constant(self, constant: Constant) -> dict[str, Any]:
        text = self._texts[constant.name.python]
        return {
            "name": constant.name.python,
            "value": constant.value,
            "docstring": self._docstrings.write(text.body, indent=0),
        }

    def _class(self, structure: Structure) -> dict[str, Any]:
        text = self._texts[structure.name.python]
        annotations = pythonic.fields(structure)
        attributes = tuple(
            (f.name.python, _SERVER_USER_DATA)
            if f.name.alusus == pythonic.USER_DATA_FIELD
            else (f.name.python, _member_text(text, f.name.alusus))
            for f in structure.fields
        )
        return {
            "name": structure.name.python,
            "docstring": self._docstrings.write(text.body, _parts(Attributes=attributes)),
            "fields": [
                {
                    "name": field.name.python,
                    "annotation": annotations[field.name.python],
                    "value": _read_field(structure, field),
                    "event": self._events.get(field.type.python, ""),
                }
                for field in structure.fields
            ],
        }

    def _callback(self, callback: Callback) -> dict[str, Any]:
        name = callback.name.python
        if callback.alias:
            text = self._texts[name]
            body = _body_text(text)
        else:
            structure, field = self._members[name]
            text = self._texts[structure.name.python]
            body = f"The type of `{structure.name.python}.{field.name.python}`."
        given = {p.name.python: p for p in callback.parameters}
        arguments = tuple(
            (argument, _GIVEN_USER_DATA)
            if given[argument].role is Role.USER_DATA
            else (argument, _member_text(text, given[argument].name.alusus))
            for argument in pythonic.callback_arguments(callback)
        )
        body += f"\n\n{_THREADS[callback.thread]}"
        result: tuple[tuple[str, str], ...] = ()
        if callback.on_failure is not None:
            body += f" When it raises, the server gets {callback.on_failure}."
            if callback.alias and text.result:
                result = (("", text.result),)
        return {
            "name": name,
            "type": pythonic.callable_type(callback),
            "docstring": self._docstrings.write(
                body, _parts(Args=arguments, Returns=result), indent=0
            ),
        }

    def _event(self, callback: Callback) -> dict[str, Any]:
        parameters = [f"lib.AH_EVENT_{callback.event.upper()}", f'"ah_post_{callback.event}"']
        if callback.on_failure is not None:
            parameters.append(f"on_failure={callback.on_failure}")
        values = [
            _read_argument(callback, parameter)
            for parameter in callback.parameters
            if parameter.role is not Role.LENGTH
        ]
        if len(values) == 1:
            returned = [f"{INDENT}return ({values[0]},)"]
        else:
            returned = layout("return (", values, ")", 1)
        return {
            "name": callback.event,
            "decorator": "\n".join(layout("@_registration.event(", parameters, ")")),
            "carries": bool(callback.carried),
            "returned": "\n".join(returned),
        }

    # Functions

    def _function(self, group: Group) -> Iterator[list[str]]:
        """The definitions of one name: a function, or overloads with what they share."""
        if len(group.signatures) == 1:
            (signature,) = group.signatures
            yield [
                *definition(group.name, signature, ":"),
                f"{INDENT}{self._function_docstring(group)}",
                *self._body(signature),
            ]
            return
        served = dict.fromkeys(s.serves for s in group.signatures if s.serves in group.functions)
        for function in served:
            signature = pythonic.own_signature(self._api, function)
            yield [
                *definition(self._server(group, function), signature, ":"),
                *self._body(signature),
            ]
        shapes = f"_{group.name.upper()}"
        yield [
            f"{shapes} = (",
            *(
                f'{INDENT}"{", ".join(a.name + "=None" * a.default for a in s.arguments)}",'
                for s in group.signatures
            ),
            ")",
        ]
        for signature in group.signatures:
            yield ["@overload", *definition(group.name, signature, ": ...")]
        yield self._dispatcher(group, shapes)

    def _server(self, group: Group, function: Function) -> str:
        """The Python function that calls an exported one for an overload of `group`."""
        if function not in group.functions:
            return function.name.python
        return f"_{function.symbol.removeprefix('ah_')}"

    def _dispatcher(self, group: Group, shapes: str) -> list[str]:
        head = f"def {group.name}(*args: Any, **kwargs: Any) -> {group.signatures[0].returns}:"
        lines = [
            f"{head}  # noqa: D417 - see the overloads",
            f"{INDENT}{self._function_docstring(group)}",
            f"{INDENT}for bound in _overloads.bindings(args, kwargs, {shapes}):",
            f"{INDENT * 2}match bound:",
        ]
        # A pattern of few names matches a binding of more: those of many come first.
        for signature in sorted(group.signatures, key=lambda s: -len(s.arguments)):
            patterns = [f'"{a.name}": {_pattern(a)}' for a in signature.arguments]
            lines += layout("case {", patterns, "}:", 3)
            given = {a.name for a in signature.arguments}
            target = pythonic.own_signature(self._api, signature.serves)
            values = [a.name if a.name in given else "None" for a in target.arguments]
            call = f"return {self._server(group, signature.serves)}("
            lines += layout(call, values, ")", 4)
        lines.append(f'{INDENT}raise _overloads.mismatch("{group.name}", args, kwargs, {shapes})')
        return lines

    def _function_docstring(self, group: Group) -> str:
        text = group.documentation
        arguments: dict[str, str] = {}
        for signature in group.signatures:
            for argument in signature.arguments:
                arguments[argument.name] = _argument_text(argument, text)
            if signature.values:
                values = text.members[signature.serves.pack]
                arguments["*args"] = f"{_first_sentence(values)} {_FORMAT}"
        result = _result_text(group.signatures[0], text)
        # What is said of the arrays and lengths of C cannot happen here.
        size = pythonic.listed(group.functions[0])
        errors = "; ".join(c for c in text.errors.split("; ") if not size or size.partner not in c)
        return self._docstrings.write(
            _body_text(text),
            _parts(
                Args=tuple(arguments.items()),
                Returns=(("", result),) if result else (),
                Raises=tuple(_raises(errors)),
            ),
        )

    def _body(self, signature: Signature) -> list[str]:
        """The statements of a function that calls the exported function it stands for."""
        function = signature.serves
        consumed = [p for p in function.parameters if p.consumed]
        if pythonic.listed(function):
            return _listed(function, self._structures)
        if consumed and function.symbol == _STOPS.get(consumed[0].type.target):
            return [f"{INDENT}_driver.stop({_passed(consumed[0])}, lib.{function.symbol})"]
        before = list(_prepared(function))
        # Whoever is given a handle looks up what has been started.
        if function.returns.target in _STOPS and not _given_handle(function):
            return [*before, *self._starting(function)]
        if any(p.type.kind in {Kind.STRUCTURE, Kind.CALLBACK} for p in function.parameters):
            return [*before, *self._registering(signature)]
        return [*before, *_returned(signature, self._arguments(function, ""))]

    def _starting(self, function: Function) -> list[str]:
        """The call of a function that starts what the driver answers the events of."""
        given = [*self._callables(function), f"lib.{_STOPS[function.returns.target]}"]
        call = f"started = lib.{function.symbol}("
        return [
            *layout("with _driver.starting(", given, ") as server:", 1),
            *layout(call, self._arguments(function, "server.handlers"), ")", 2),
            f"{INDENT * 2}return {function.returns.python}(server.bind(started))",
        ]

    def _registering(self, signature: Signature) -> list[str]:
        """The call of a function that gives callbacks to what has been started."""
        function = signature.serves
        owner = _given_handle(function)
        assert owner is not None, f"{function.symbol} takes callbacks, and nothing that calls them"
        # Handlers that go with one connection are let go of at its end.
        manager = "connecting" if function.returns.kind is Kind.HANDLE else "registering"
        given = [_passed(owner), *self._callables(function)]
        return [
            *layout(f"with _driver.{manager}(", given, ") as handlers:", 1),
            *_returned(signature, self._arguments(function, "handlers"), 2),
        ]

    def _callables(self, function: Function) -> list[str]:
        """The callables that a function is given, by their events, and the user data with them."""
        user_data = next(
            (p.name.python for p in function.parameters if p.role is Role.USER_DATA), "None"
        )
        tables = [p for p in function.parameters if p.type.kind is Kind.STRUCTURE]
        if tables:
            (table,) = tables
            members = f"_{table.type.target.upper()}"
            return [f"_registration.members({table.name.python}, {members})", user_data]
        handlers = [p for p in function.parameters if p.type.kind is Kind.CALLBACK]
        pairs = [f"_on_{self._events[p.type.python]}: {p.name.python}" for p in handlers]
        keys = {pair.partition(":")[0] for pair in pairs}
        assert len(keys) == len(pairs), f"{function.symbol} takes two callbacks of one type"
        return ["\n".join(layout("{", pairs, "}", 2)).strip(), user_data]

    def _arguments(self, function: Function, registration: str) -> list[str]:
        """What the exported function is called with."""
        values = []
        for parameter in function.parameters:
            match parameter:
                case Parameter(role=Role.USER_DATA):
                    values.append(f"{registration}.pointer")
                case Parameter(type=Type(kind=Kind.CALLBACK)):
                    event = self._events[parameter.type.python]
                    values.append(f"{registration}.function(_on_{event})")
                case Parameter(type=Type(kind=Kind.STRUCTURE)):
                    table = self._structures[parameter.type.target]
                    members = f"_{table.name.python.upper()}"
                    values.append(f'{registration}.table("{table.name.c}", {members})')
                case Parameter(role=Role.LENGTH):
                    data = _partner(function, parameter)
                    # Behind a list of strings stands a null, which does not count.
                    rest = " - 1" if data.type.kind is Kind.STRINGS else ""
                    values.append(f"len({data.name.python}){rest}")
                case Parameter(role=Role.TEXT_SIZE):
                    values.append(f"len({_partner(function, parameter).name.python})")
                case Parameter(role=Role.DATA | Role.OUTPUT | Role.OUTPUT_SIZE | Role.TEXT):
                    values.append(parameter.name.python)
                case Parameter(role=Role.FORMAT):
                    values += ['b"%s"', f"_marshal.formatted({parameter.name.python}, args)"]
                case _:
                    values.append(_passed(parameter))
        return values


def _names(api: Api) -> dict[str, str]:
    """The Python names of what the English text calls by its Alusus or C name."""
    named: list[Declaration | Parameter | Field] = list(api.declarations)
    for declaration in (*api.declarations, *api.callbacks):
        match declaration:
            case Function() | Callback():
                named += declaration.parameters
            case Structure():
                named += declaration.fields
    names = {item.name.alusus: item.name.python for item in named}
    return names | {code: error for code, error in ERRORS.items() if error}


def _partner(declaration: Function | Callback, parameter: Parameter) -> Parameter:
    """The data of a length, the length of data, the size of a buffer."""
    return next(p for p in declaration.parameters if p.name.alusus == parameter.partner)


def _given_handle(function: Function) -> Parameter | None:
    """The handle that a function is called with."""
    return next((p for p in function.parameters if p.type.kind is Kind.HANDLE), None)


def _is_table(structure: Structure) -> bool:
    return any(field.type.kind is Kind.CALLBACK for field in structure.fields)


def _all_order(name: str) -> tuple[bool, bool, str]:
    """The order of names in __all__: constants, classes, functions."""
    return (not name.isupper(), not name[0].isupper(), name)


def _parts(**parts: tuple[tuple[str, str], ...]) -> list[Part]:
    return [Part(title, items) for title, items in parts.items() if items]


# Values from C


def _read_field(structure: Structure, field: Field) -> str:
    place = f"c.{field.name.c}"
    match field.type:
        case Type(kind=Kind.STRING):
            return _decoded(place, field.nullable)
        case Type(kind=Kind.ARRAY, element=Type(kind=Kind.STRUCTURE) as element):
            # The member before an array says how many of its items are filled.
            count = structure.fields[structure.fields.index(field) - 1]
            assert count.type.kind is Kind.INTEGER, f"nothing counts {field.name.alusus}"
            return f"tuple({element.python}._from_c({place}[i]) for i in range(c.{count.name.c}))"
        case Type(kind=Kind.ARRAY, element=Type(notation="Char")):
            return _decoded(place, nullable=False)
        case Type(kind=Kind.ARRAY):
            return f"tuple({place})"
        case Type(kind=Kind.POINTER) if field.name.alusus == pythonic.USER_DATA_FIELD:
            return f"_driver.user_data({place})"
        case Type(kind=Kind.POINTER):
            return _address(place, field.nullable)
        case _:
            return place


def _read_argument(callback: Callback, parameter: Parameter) -> str:
    place = f"c.{parameter.name.c}"
    match parameter:
        case Parameter(role=Role.USER_DATA):
            return "user_data"
        case Parameter(role=Role.DATA):
            length = _partner(callback, parameter)
            return f"_marshal.copied({place}, c.{length.name.c})"
        case Parameter(type=Type(kind=Kind.HANDLE)):
            made = f"{parameter.type.target}({place})"
            return f"{made} if {place} else None" if parameter.nullable else made
        case Parameter(type=Type(kind=Kind.STRING)):
            return _decoded(place, parameter.nullable)
        case Parameter(type=Type(kind=Kind.OUT_POINTER)):
            return f"OutPointer({place})"
        case Parameter(type=Type(kind=Kind.POINTER)):
            return _address(place, parameter.nullable)
        case _:
            return place


def _decoded(place: str, nullable: bool) -> str:
    return f"_marshal.{'decode_or_none' if nullable else 'decode'}({place})"


def _address(place: str, nullable: bool) -> str:
    return f"_marshal.{'address' if nullable else 'number'}({place})"


# Values to C


def _prepared(function: Function) -> Iterator[str]:
    """Statements before the call: for what the call mentions twice, or leaves in memory."""
    for parameter in function.parameters:
        name = parameter.name.python
        match parameter:
            case Parameter(role=Role.DATA, type=Type(kind=Kind.STRINGS)):
                yield f"{INDENT}{name} = {_passed(parameter)}"
            case Parameter(role=Role.DATA):
                contents = "optional_contents" if parameter.nullable else "contents"
                yield f'{INDENT}{name} = _marshal.{contents}({name}, "{name}")'
            case Parameter(role=Role.OUTPUT):
                size = _partner(function, parameter)
                yield f'{INDENT}{name} = _marshal.buffer({size.name.python}, "{size.name.python}")'
            case Parameter(role=Role.TEXT):
                texts = (Role.DATA, Role.VALUE)
                given = [
                    p.name.python
                    for p in function.parameters
                    if p.role in texts and p.type.kind is Kind.STRING
                ]
                yield f"{INDENT}{name} = _marshal.text_buffer({', '.join(given)})"


def _passed(parameter: Parameter) -> str:
    """The C value of a Python argument."""
    name = parameter.name.python
    match parameter.type.kind:
        case Kind.HANDLE:
            return f'_marshal.handle({name}, {parameter.type.target}, "{name}")'
        case Kind.STRING:
            encode = "encode_optional" if parameter.nullable else "encode"
            return f'_marshal.{encode}({name}, "{name}")'
        case Kind.STRINGS:
            kind = "pairs" if parameter.name.alusus in pythonic.PAIRS_NAMES else "strings"
            return f'_marshal.{kind}({name}, "{name}")'
        case Kind.POINTER:
            return f"_marshal.pointer({name})"
        case Kind.INTEGER | Kind.FLOAT | Kind.BOOLEAN:
            return name
    raise AssertionError(f"Python cannot pass {parameter.type.notation}, for {name}")


def _listed(function: Function, structures: Mapping[str, Structure]) -> list[str]:
    """The body of a function that C has fill an array of structures."""
    *given, output, size = function.parameters
    assert (output.role, size.role) == (Role.OUTPUT, Role.OUTPUT_SIZE), (
        f"{function.symbol}: the array and its capacity have to be the last parameters"
    )
    structure = structures[output.type.target].name
    arguments = [f'"{structure.c}"', f"lib.{function.symbol}", *(_passed(p) for p in given)]
    return [
        *layout("found = _marshal.filled(", arguments, ")", 1),
        f"{INDENT}return [{structure.python}._from_c(c) for c in found]",
    ]


def _returned(signature: Signature, arguments: list[str], indent: int = 1) -> list[str]:
    """The call and what becomes of its result."""
    function = signature.serves
    margin = INDENT * indent
    call = f"lib.{function.symbol}("
    if function.returns.kind is Kind.VOID:
        return [*layout(call, arguments, ")", indent), f"{margin}_marshal.check()"]
    output = [p.name.python for p in function.parameters if p.role is Role.OUTPUT]
    text = [p.name.python for p in function.parameters if p.role is Role.TEXT]
    match function.returns.kind:
        case Kind.INTEGER if output:
            result = f"_marshal.copied({output[0]}, _marshal.checked(result))"
        case Kind.INTEGER if text and function.result_nullable:
            result = f"_marshal.checked_optional_buffer({text[0]}, result)"
        case Kind.INTEGER if text:
            result = f"_marshal.checked_buffer({text[0]}, result)"
        case Kind.INTEGER:
            result = "_marshal.checked(result)"
        case Kind.STRING if function.result_nullable:
            result = "_marshal.checked_text(result)"
        case Kind.STRING:
            result = "_marshal.decode(_marshal.checked_pointer(result))"
        case Kind.STRUCTURE if function.result_nullable:
            made = f"{function.returns.python}._from_c(result)"
            result = f"{made} if _marshal.checked_optional(result) else None"
        case Kind.STRUCTURE:
            result = f"{function.returns.python}._from_c(_marshal.checked_pointer(result))"
        case Kind.HANDLE:
            result = f"{function.returns.python}(_marshal.checked_pointer(result))"
        case Kind.POINTER:
            result = "_driver.user_data(_marshal.checked_optional(result))"
        case _:
            raise AssertionError(
                f"Python cannot return {function.returns.notation}, of {function.symbol}"
            )
    return [*layout(f"result = {call}", arguments, ")", indent), f"{margin}return {result}"]


# Overloads


def _pattern(argument: Argument) -> str:
    """The pattern of `match` for the values that an argument takes, bound to its name."""
    if argument.alternatives == ("object",):
        return argument.name
    patterns = []
    for alternative in argument.alternatives:
        if alternative.startswith("Mapping["):
            patterns.append("{}")
        elif alternative.startswith("Sequence["):
            patterns.append("[*_]")  # any sequence but a str
        elif argument.source.type.kind is Kind.CALLBACK and alternative != "NativeCallback":
            patterns.append("Callable()")
        else:
            patterns.append(f"{alternative}()")
    if argument.optional:
        patterns.append("None")
    return f"{' | '.join(patterns)} as {argument.name}"


# Texts

# What the spec says of C's memory, and of overloads for lengths of two widths, where Python has
# objects. The spec ends its lines anywhere.
_OF_MEMORY = re.compile(
    r",? (not )?NUL-terminated|, ended by null|; valid until the callback returns".replace(
        " ", r"\s+"
    )
)
_OF_OVERLOADS = re.compile(
    (
        r"The overloads differ [^.]*\. "
        r"|(; the| whose| with the) length( is)? counted as `\w+`(, or the text ends with NUL)?"
    ).replace(" ", r"\s+")
)


def _member_text(text: Documentation, name: str) -> str:
    return _OF_MEMORY.sub("", text.members.get(name, ""))


def _body_text(text: Documentation) -> str:
    return _OF_OVERLOADS.sub("", text.body)


def _argument_text(argument: Argument, text: Documentation) -> str:
    spec = _member_text(text, argument.source.name.alusus)
    match argument.source:
        case Parameter(role=Role.USER_DATA):
            return _USER_DATA
        case _ if argument.alternatives == pythonic.PAIRS:
            return _PAIRS
        case Parameter(role=Role.DATA):
            # What follows the first sentence is about null and lengths.
            return f"{_first_sentence(spec)} {_DATA}"
    return spec


def _first_sentence(text: str) -> str:
    return f"{text.partition('. ')[0].rstrip('.')}."


def _result_text(signature: Signature, text: Documentation) -> str:
    """The result without what Python raises in place of a value that says "failed"."""
    function = signature.serves
    output = pythonic.listed(function)
    if output is not None:
        return text.members[output.name.alusus].replace("; as many as `capacity` allows", "")
    if any(p.role is Role.TEXT for p in function.parameters):
        return _TEXT_OR_NONE if function.result_nullable else _TEXT
    failed = {"-1": "-1 ", "NULL": "null "}.get(function.failure, "")
    clauses = [
        clause
        for clause in text.result.split("; ")
        if function.result_nullable or not failed or not clause.startswith(failed)
    ]
    result = "; ".join(clauses)
    return f"{_RECEIVED} {result}" if result and signature.returns == "bytes" else result


def _raises(errors: str) -> Iterator[tuple[str, str]]:
    """The exceptions of a text that says "`AH_ERROR_X` when ..., `AH_ERROR_Y` for ..."."""
    for clause in " ".join(errors.split()).rstrip(".").split("; "):
        code, _, rest = clause.partition("` ")
        error = ERRORS.get(code.strip("`"), "")
        if error:
            yield error, rest
        elif clause:
            yield "HttpError", clause
