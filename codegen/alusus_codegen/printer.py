"""The syntax tree back to Alusus, in one style; parsing the result gives the same tree."""

from __future__ import annotations

from collections.abc import Iterable

from .lexer import string_literal
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

_INDENTATION = "    "


def print_program(statements: Iterable[Statement]) -> str:
    """A whole program, or the members of a scope: each statement on lines of its own."""
    return "".join(print_statement(statement) + "\n" for statement in statements)


def print_statement(statement: Statement, indentation: str = "") -> str:
    """A statement with its modifiers, each on a line; bodies keep the lines they have."""
    lines = [indentation + print_modifier(modifier) for modifier in statement.modifiers]
    lines.append(indentation + _print_bare(statement, indentation))
    return "\n".join(lines)


def print_modifier(modifier: Modifier) -> str:
    """`@name[argument, ...]`."""
    arguments = f"[{', '.join(modifier.words)}]" if modifier.arguments else ""
    return f"@{modifier.name}{arguments}"


def print_signature(function: Function) -> str:
    """A function's declaration without modifiers, body and semicolon."""
    head = " ".join(filter(None, ("func", function.name))) + _print_template(function.template)
    gap = "" if function.name and not function.template else " "
    return f"{head}{gap}{_print_call(function.parameters, function.returns)}"


def print_parameter(parameter: Parameter) -> str:
    """`name: type`, or the type alone."""
    text = print_type(parameter.type)
    return f"{parameter.name}: {text}" if parameter.name else text


def print_type(type_: TypeArgument) -> str:
    """A type, or an argument of one."""
    match type_:
        case NamedType(name, arguments):
            return name + _print_arguments(arguments)
        case MemberType(owner, operator, name, arguments):
            return print_type(owner) + operator + name + _print_arguments(arguments)
        case FunctionType(parameters, returns):
            word = "closure" if type_.closure else "func"
            return f"{word} {_print_call(parameters, returns)}"
        case PackType(item):
            bounds = [bound for bound in (type_.minimum, type_.maximum) if bound]
            text = print_type(item)
            return f"...[{', '.join([text, *bounds])}]" if bounds else f"...{text}"
        case Expression(text) | Literal(text):
            return text


def _print_arguments(arguments: tuple[TypeArgument, ...]) -> str:
    return f"[{', '.join(map(print_type, arguments))}]" if arguments else ""


def _print_call(parameters: tuple[Parameter, ...], returns: Type | None) -> str:
    return f"({', '.join(map(print_parameter, parameters))}){_print_result(returns)}"


def _print_result(returns: Type | None) -> str:
    return f": {print_type(returns)}" if returns else ""


def _print_template(parameters: tuple[TemplateParameter, ...]) -> str:
    if not parameters:
        return ""
    texts = (
        parameter.name
        + (f": {parameter.kind}" if parameter.kind else "")
        + (f" = {parameter.default}" if parameter.default else "")
        for parameter in parameters
    )
    return f" [{', '.join(texts)}]"


def _print_bare(statement: Statement, indentation: str) -> str:
    match statement:
        case Import(paths):
            return f"import {' or '.join(map(string_literal, paths))};"
        case Use(path):
            return f"use {path};"
        case Alias(name, target):
            return f"def {name}: alias {print_type(target)};"
        case Constant(name, value):
            return f"def {name}: {value};"
        case Variable():
            return _print_variable(statement)
        case Function():
            return print_signature(statement) + _print_body(statement.body)
        case Class(name, members):
            head = " ".join(filter(None, ("class", name))) + _print_template(statement.template)
            return f"{head} {_print_scope(members, indentation)}"
        case Module(name, members):
            return f"module {name} {_print_scope(members, indentation)}"
        case Macro(name, parameters, body):
            return f"macro {name}{_print_template(parameters)}{_print_body(body)}"
        case Handler():
            return _print_handler(statement)
        case Action(text):
            return f"{text};"


def _print_variable(variable: Variable) -> str:
    type_ = print_type(variable.type) if variable.type else ""
    arguments = variable.arguments.text if variable.arguments else ""
    value = variable.value.text if variable.value else ""
    gap = " = " if type_ and value else ""
    return f"def {variable.name}: {type_}{arguments}{gap}{value};"


def _print_handler(handler: Handler) -> str:
    parameters = handler.parameters
    head = f"handler{_print_template(handler.template)} {handler.subject}"
    result = _print_result(handler.returns)
    if handler.operator and parameters:
        *others, operand = parameters
        if others:
            head += _print_call(tuple(others), None)
        text = print_parameter(operand)
        if operand.name and handler.returns and not isinstance(operand.type, FunctionType):
            result = f" => {print_type(handler.returns)}"
        elif operand.name or isinstance(operand.type, FunctionType):
            text = f"({text})"
        head += f" {handler.operator} {text}"
    elif parameters is not None:
        head += _print_call(parameters, None)
    pointer = f" {handler.pointer}" if handler.pointer else ""
    return f"{head}{result}{pointer}{_print_body(handler.body)}"


def _print_body(body: str) -> str:
    if not body:
        return ";"
    return f" {body}" if body.startswith("{") else f" {body};"


def _print_scope(members: tuple[Statement, ...], indentation: str) -> str:
    if not members:
        return "{}"
    lines = [print_statement(member, indentation + _INDENTATION) for member in members]
    return "\n".join(["{", *lines, indentation + "}"])
