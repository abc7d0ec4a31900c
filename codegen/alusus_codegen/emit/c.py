"""The C library's generated part: public headers, exported functions, event adapters, contract."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from ..model import (
    Api,
    Callback,
    Declaration,
    Documentation,
    Function,
    Kind,
    Parameter,
    Role,
    Structure,
)
from ..typemap import C_SPELLINGS
from .templates import environment

INCLUDE = "civetweb/include/alusus_http"
GENERATED = "civetweb/generated"

LINE_LENGTH = 120
COMMENT_LENGTH = 100

# The runtime's object behind each handle, and the handle's kind in its table.
_HANDLES = {
    "Context": ("struct server", "HANDLE_CONTEXT"),
    "Client": ("struct client", "HANDLE_CLIENT"),
    "Connection": ("struct connection", "HANDLE_CONNECTION"),
}

# What the runtime gets as a size_t, whatever its width.
_SIZES = {Role.LENGTH, Role.OUTPUT_SIZE, Role.TEXT_SIZE}

_THREADS = {
    "worker": "one of the server's threads; calls for one connection never overlap",
    "starter": "the thread that is in `ah_start_server` or `ah_stop_server`",
    "any": "any of the server's threads",
}


def emit(api: Api) -> dict[str, str]:
    """The files by their path in the project."""
    context: dict[str, Any] = {
        "api": api,
        "attributes": attributes,
        "checks": checks,
        "comment_for": Comments(api).comment_for,
        "forwarded": forwarded,
        "handle": handle,
        "objects": _HANDLES,
        "posted": posted,
        "prototype": prototype,
        "runtime_prototypes": runtime_prototypes(api),
        "typedef": typedef,
        "user_data": user_data,
    }
    templates = environment("c")

    def render(name: str) -> str:
        return templates.get_template(f"{name}.j2").render(context)

    files = {
        f"{INCLUDE}/alusus_http.h": render("alusus_http.h"),
        f"{INCLUDE}/alusus_http_events.h": render("alusus_http_events.h"),
        f"{GENERATED}/runtime.h": render("runtime.h"),
        f"{GENERATED}/exports.c": render("exports.c"),
        f"{GENERATED}/event_posts.c": render("event_posts.c"),
        f"{GENERATED}/contract_table.c": render("contract_table.c"),
        f"{GENERATED}/exports.map": render("exports.map"),
    }
    _check_complete(api, files)
    return files


def _check_complete(api: Api, files: dict[str, str]) -> None:
    words = {
        name: frozenset(re.findall(r"\w+", files[name]))
        for name in (f"{INCLUDE}/alusus_http.h", f"{GENERATED}/contract_table.c")
    }
    for c_name, _ in api.contract:
        for file, found in words.items():
            assert c_name in found, f"{c_name} did not reach {file}"


# Declarations


def _parameter_list(declarations: Iterable[str]) -> str:
    return ", ".join(declarations) or "void"


def _wrap(text: str) -> str:
    """A C declaration on lines of bounded length, continued below its opening parenthesis."""
    start = text.rindex("(", 0, text.index(",")) + 1 if "," in text else 0
    lines = [""]
    for part in text.split(", "):
        if lines[-1] and len(lines[-1]) + len(part) + 3 > LINE_LENGTH:
            lines[-1] += ","
            lines.append(" " * start + part)
        else:
            lines[-1] += f", {part}" if lines[-1] else part
    return "\n".join(lines)


def prototype(function: Function) -> str:
    """The declaration of an exported function, without the semicolon."""
    declarations = [p.type.declare(p.name.c) for p in function.parameters]
    if function.variadic:
        declarations.append("...")
    return _wrap(function.returns.declare(f"{function.symbol}({_parameter_list(declarations)})"))


def attributes(function: Function) -> str:
    """What follows the declaration, for the compiler to check the values of a format."""
    if any(p.role is Role.FORMAT for p in function.parameters):
        count = len(function.parameters)
        return f" AH_PRINTF({count}, {count + 1})"
    return ""


def typedef(callback: Callback) -> str:
    """The definition of a callback's type."""
    declarations = _parameter_list(p.type.declare(p.name.c) for p in callback.parameters)
    return _wrap(f"typedef {callback.returns.declare(f'(*{callback.name.c})({declarations})')};")


# Exported functions


def handle(function: Function) -> Parameter | None:
    """The handle that an exported function resolves before it calls the runtime."""
    found = [p for p in function.parameters if p.type.kind is Kind.HANDLE and not p.consumed]
    assert len(found) <= 1, f"{function.symbol} takes several handles, which no template can print"
    return found[0] if found else None


def checks(function: Function) -> list[str]:
    """The C expressions that are false for arguments that the function refuses."""
    lengths = {p.name.alusus: p for p in function.parameters}
    expressions = []
    for parameter in function.parameters:
        name, c = f'"{parameter.name.alusus}"', parameter.name.c
        if parameter.role in _SIZES:
            if parameter.type.signed:
                expressions.append(f"check_length({name}, {c})")
        elif parameter.role in {Role.DATA, Role.OUTPUT, Role.TEXT}:
            length = lengths[parameter.partner].name.c
            expressions.append(f"check_data({name}, {c}, (uint64_t){length})")
        elif _must_be_given(parameter):
            expressions.append(f"check_given({name}, {c} != NULL)")
    # Lengths first: the check of data relies on a length that is not negative.
    return sorted(expressions, key=lambda e: not e.startswith("check_length"))


def _must_be_given(parameter: Parameter) -> bool:
    # Whether a handle is one is found out when it is looked up.
    is_handle = parameter.type.kind is Kind.HANDLE
    return parameter.type.may_be_null and not is_handle and not parameter.nullable


def forwarded(function: Function) -> str:
    """The arguments with which an exported function calls the runtime."""
    resolved = handle(function)
    arguments = []
    for parameter in function.parameters:
        if parameter is resolved:
            arguments.append("pinned")
        elif parameter.role in _SIZES and parameter.type.c != "size_t {}":
            arguments.append(f"(size_t){parameter.name.c}")
        else:
            arguments.append(parameter.name.c)
    if function.variadic:
        arguments.append("values")
    return ", ".join(arguments)


def runtime_prototypes(api: Api) -> tuple[str, ...]:
    """The runtime's functions, each once: names of two generations may share one."""
    found = dict.fromkeys(_runtime_prototype(f) for f in api.exports if f.runtime)
    return tuple(found)


def _runtime_prototype(function: Function) -> str:
    """The declaration of the hand-written function behind an exported one."""
    resolved = handle(function)
    declarations = []
    for parameter in function.parameters:
        if parameter is resolved:
            declarations.append(f"{_HANDLES[parameter.type.target][0]} *{parameter.name.c}")
        elif parameter.role in _SIZES:
            declarations.append(f"size_t {parameter.name.c}")
        else:
            declarations.append(parameter.type.declare(parameter.name.c))
    if function.variadic:
        declarations.append(f"va_list {function.pack}")
    return _wrap(function.returns.declare(f"{function.runtime}({_parameter_list(declarations)})"))


# Events


def posted(callback: Callback) -> str:
    """The declaration of the function that posts a callback's calls as events."""
    declarations = _parameter_list(p.type.declare(p.name.c) for p in callback.parameters)
    return _wrap(callback.returns.declare(f"ah_post_{callback.event}({declarations})"))


def user_data(callback: Callback) -> str:
    """The C expression for where the event's receiver is found."""
    found = [p.name.c for p in callback.parameters if p.role is Role.USER_DATA]
    return found[0] if found else "NULL"


# Comments


# A code span that names something: a declaration, a parameter, a member of a class, a type.
_NAMING_SPAN = re.compile(r"`(\w+(?:\.\w+|\[\d+\])*)`")


class Comments:
    """The comment of each declaration, from the English text of its section."""

    def __init__(self, api: Api) -> None:
        self._sections = {id(d): s for s in api.sections for d in s.declarations}
        self._names = _c_names(api)

    def comment_for(self, declaration: Declaration) -> str:
        section = self._sections.get(id(declaration))
        if section is None:  # the member of a table: the table's comment has it
            return ""
        return comment("\n\n".join(self._blocks(declaration, section.documentation["en"])))

    def _blocks(self, declaration: Declaration, text: Documentation) -> Iterator[str]:
        yield self._in_c(text.body)
        if items := "\n".join(f"- {item}" for item in _comment_items(declaration, text)):
            yield self._in_c(items)
        if isinstance(declaration, Function):
            yield f"In Alusus: `{declaration.notation}`"

    def _in_c(self, text: str) -> str:
        """The text with the names that C has; it names everything as Alusus does."""

        def spelled(span: re.Match[str]) -> str:
            return f"`{'.'.join(self._names.get(part, part) for part in span[1].split('.'))}`"

        return _NAMING_SPAN.sub(spelled, text)


def _c_names(api: Api) -> dict[str, str]:
    """What C calls things, by their Alusus names; of overloads, the one that has the name alone."""
    found = dict(C_SPELLINGS)
    for declaration in (*api.declarations, *api.callbacks):
        match declaration:
            case Function() | Callback():
                found |= {p.name.alusus: p.name.c for p in declaration.parameters}
            case Structure():
                found |= {f.name.alusus: f.name.c for f in declaration.fields}
    for declaration in sorted(api.declarations, key=lambda d: len(d.name.c), reverse=True):
        if declaration.name.c:
            found[declaration.name.alusus] = declaration.name.c
    return found


def _comment_items(declaration: Declaration, text: Documentation) -> Iterator[str]:
    names: tuple[tuple[str, str], ...] = ()
    match declaration:
        case Function() | Callback():
            names = tuple((p.name.alusus, p.name.c) for p in declaration.parameters)
        case Structure():
            names = tuple((f.name.alusus, f.name.c) for f in declaration.fields)
    for alusus, c in names:
        yield f"{c}: {text.members[alusus]}"
    if isinstance(declaration, Function) and declaration.pack:
        yield f"...: {text.members[declaration.pack]}"
    if isinstance(declaration, Function | Callback):
        if text.result:
            yield f"Returns: {text.result}"
        if text.errors:
            yield f"Errors: {text.errors}"
    if isinstance(declaration, Callback):
        yield f"Thread: {_THREADS[declaration.thread]}."
        if declaration.on_failure is not None:
            yield f"Where callbacks can fail (Python), a failed one gives {declaration.on_failure}."


def comment(markdown: str) -> str:
    """A C comment of Markdown text: paragraphs and list items wrapped, code left as it is."""
    lines: list[str] = []
    for block in markdown.replace("*/", "* /").replace("/*", "/ *").strip().split("\n\n"):
        lines.extend(["", *_comment_lines(block)])
    body = "\n".join(f" * {line}".rstrip() for line in lines[1:])
    return f"/*\n{body}\n */"


def _comment_lines(block: str) -> Iterator[str]:
    if block.startswith(("```", "|")):
        yield from block.splitlines()
        return
    paragraph: list[str] = []
    for line in block.splitlines():
        if line.lstrip().startswith("- ") and paragraph:
            yield from _wrapped(paragraph)
            paragraph = []
        paragraph.append(line.strip())
    yield from _wrapped(paragraph)


def _wrapped(paragraph: list[str]) -> list[str]:
    text = " ".join(paragraph)
    return textwrap.wrap(
        text,
        COMMENT_LENGTH - 3,
        subsequent_indent="  " if text.startswith("- ") else "",
        break_long_words=False,
        break_on_hyphens=False,
    )
