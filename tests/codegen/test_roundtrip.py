"""Any tree, printed, parses to the same tree."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from alusus_codegen.lexer import KEYWORDS, TYPE_NAMES
from alusus_codegen.printer import print_program
from alusus_codegen.source import Span
from alusus_codegen.syntax import (
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
from tests.codegen.parsing import parse

T = TypeVar("T")


def some(items: SearchStrategy[T], least: int = 0, most: int = 3) -> SearchStrategy[tuple[T, ...]]:
    return st.lists(items, min_size=least, max_size=most).map(tuple)


def optional(items: SearchStrategy[T]) -> SearchStrategy[T | None]:
    return st.none() | items


nowhere = st.just(Span("", 1, 1))  # trees compare without their places
names = (
    st.from_regex(r"[abXY_][abXY_0-9]{0,5}", fullmatch=True)
    | st.from_regex(r"[سق][سـياقُ_0-9]{0,5}", fullmatch=True)
).filter(lambda name: name not in KEYWORDS and name not in TYPE_NAMES)
paths = some(names, least=1).map(".".join)
values = st.sampled_from(['"a;b{"', "5", "0x1Fu", "-2i32", "1.5e3f", r'"\n\""', "'c'", "1 << 3"])
calls = st.sampled_from(["a(1, {b})", "a + b[c]", "x~ptr~cast[T].y", "-a.b", "a // c\n + b"])
blocks = st.sampled_from(["{}", '{ a("}"); }', "{\n  // }\n  b {{c}}\n}", "{ دالة؛ }"])
bodies = st.just("") | blocks
statements_as_bodies = st.sampled_from(["return this.x", "a(1)", "if b { c } else d()", "e = f"])
actions = st.sampled_from(["Main.start()", "a = b, c", "if a { b } else { c }", "++i", "{ a; b }"])
expressions = st.builds(Expression, calls, nowhere)
literals = st.builds(Literal, st.sampled_from(["48", '"a]"', "0b1u", "2.5"]), nowhere)
computed = st.builds(Expression, st.sampled_from(["n + 1", "N * 2", "-1", "a(1)"]), nowhere)


def compound(types: SearchStrategy[Type]) -> SearchStrategy[Type]:
    """A level more: types made of such as there are."""
    arguments: SearchStrategy[tuple[TypeArgument, ...]] = some(types | literals | computed)
    named = st.builds(NamedType, paths, arguments, nowhere)
    queried = st.builds(MemberType, named, st.just("~"), names, arguments, nowhere)
    with_arguments = st.builds(NamedType, paths, some(types, least=1), nowhere)
    reached = st.builds(MemberType, with_arguments, st.just("."), names, arguments, nowhere)
    called = st.builds(FunctionType, parameters_of(types), optional(types), nowhere, st.booleans())
    return named | queried | reached | called


def parameters_of(types: SearchStrategy[Type]) -> SearchStrategy[tuple[Parameter, ...]]:
    maybe_named = st.just("") | names
    bounds = st.sampled_from([("", ""), ("1", ""), ("1", "5")])
    packs: SearchStrategy[Type] = st.builds(
        lambda item, place, limits: PackType(item, place, *limits), types, nowhere, bounds
    )
    plain = some(st.builds(Parameter, maybe_named, types, nowhere))
    pack = some(st.builds(Parameter, maybe_named, packs, nowhere), most=1)
    return st.builds(lambda some_, last: some_ + last, plain, pack)


types: SearchStrategy[Type] = st.recursive(
    st.builds(NamedType, paths, st.just(()), nowhere), compound, max_leaves=5
)
parameters = parameters_of(types)
modifiers = some(st.builds(Modifier, names, some(expressions), nowhere), most=2)
template = some(
    st.builds(
        TemplateParameter,
        names,
        st.sampled_from(["", "type", "type or ast"]),
        st.sampled_from(["", "5", "ptr[Int]"]),
        nowhere,
    ),
    most=2,
)

variables = st.builds(
    Variable,
    names,
    types.filter(lambda type_: not isinstance(type_, FunctionType)),
    nowhere,
    modifiers,
    optional(st.builds(Expression, st.sampled_from(["()", "(1, (a))"]), nowhere)),
    optional(expressions),
)
handlers = st.builds(
    Handler,
    st.sampled_from(["this", "this.a", "this~init", "this~cast[ptr[A]]", "-this", "this.سـ"]),
    st.just(""),
    optional(parameters),
    optional(types),
    nowhere,
    modifiers,
    template,
    st.sampled_from(["", "as_ptr", "set_ptr"]),
    bodies,
)
operators = st.builds(
    Handler,
    st.sampled_from(["this", "this.a"]),
    st.sampled_from(["+", "==", "=", "<<="]),
    some(st.builds(Parameter, st.just("") | names, types, nowhere), least=1, most=2),
    optional(types),
    nowhere,
    body=bodies | statements_as_bodies,
)
declarations: SearchStrategy[Statement] = st.one_of(
    st.builds(Import, some(st.text('a/\\"\nسـ.', max_size=5), least=1), nowhere, modifiers),
    st.builds(Use, paths, nowhere, modifiers),
    st.builds(Alias, names, types, nowhere, modifiers),
    st.builds(Constant, names, values, nowhere, modifiers),
    variables,
    st.builds(Function, names, parameters, optional(types), nowhere, modifiers, template, bodies),
    st.builds(Macro, names, template, blocks | statements_as_bodies, nowhere, modifiers),
    handlers,
    operators,
    st.builds(Action, actions, nowhere, modifiers),
)
members = st.recursive(
    some(declarations),
    lambda inner: some(
        st.builds(Class, names, inner, nowhere, modifiers, template)
        | st.builds(Module, paths, inner, nowhere, modifiers)
        | declarations
    ),
    max_leaves=3,
)


@settings(max_examples=100, deadline=None)
@given(members)
def test_printed_tree_parses_to_the_same_tree(tree: tuple[Statement, ...]) -> None:
    text = print_program(tree)
    again = parse(text)
    assert again == tree
    assert print_program(again) == text
