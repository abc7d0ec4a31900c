"""Errors of Alusus texts: each is reported once, at its place, and parsing goes on behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alusus_codegen.printer import print_program
from alusus_codegen.source import Source, SpecErrors
from tests.codegen.parsing import errors, parse, places


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # The invalid texts of published programs.
        (
            "دالة أ(س: صحيح؛\nدالة ب() {}",
            "1:15: unexpected '؛'; expected ',' or ')' behind a parameter",
        ),
        (
            'دالة أ() {\n  اطبع("نص"؛\n  ب()؛\n}',
            "2:12: unexpected '؛'; expected ')' for the '(' at 2:7",
        ),
        ('Console.print("x";\nf();', "1:18: unexpected ';'; expected ')' for the '(' at 1:14"),
        (
            "func p(format: CharsPtr, ...): Int;",
            "1:26: the argument pack '...' has no type; expected 'any' or a type behind it",
        ),
        (
            "func p(format: CharsPtr, : ...any): Int;",
            "1:26: unexpected ':'; expected a parameter: 'name: type' or a type",
        ),
        (
            "func p(format ...any): Int;",
            "1:15: unexpected '...'; expected ',' or ')' behind a parameter",
        ),
        (
            'import "A";\nimport "\nimport "B";\ndef x: Int;',
            "2:8: the file name of this import has no end; expected '\"' on the same line",
        ),
        (
            'def x: Int; import "',
            "1:20: the file name of this import has no end; expected '\"' on the same line",
        ),
        (
            "module M {\n  func f() {\n    a();\n  }\n  func g() {\n",
            "5:12: this '{' is never closed; expected '}' before the text ends at line 5",
        ),
        (
            "class A {\n  def x: Int;\n",
            "1:9: this '{' is never closed; expected '}' before the text ends at line 2",
        ),
        # Declarations.
        ("func f(a:, b: Int);", "1:10: unexpected ','; expected the type of the parameter 'a'"),
        ("func f(a: Int b: Int);", "1:15: unexpected 'b'; expected ',' or ')' behind a parameter"),
        (
            "func f(a: Int = 5);",
            "1:15: Alusus has no default arguments; expected ',' or ')': overloads do their work",
        ),
        (
            "func f(...any, a: Int);",
            "1:16: a parameter behind an argument pack; expected the pack to be the last parameter",
        ),
        (
            "func f(...[Int, 1, 2, 3]);",
            "1:8: wrong bounds of an argument pack; expected [type, minimum, maximum]",
        ),
        ("func f(a: Int): ;", "1:17: unexpected ';'; expected the type of the result"),
        ("func f(a: Int)): Int;", "1:15: unexpected ')'; expected a statement"),
        ("func 5();", "1:6: unexpected '5'; expected the function's name"),
        ("fnc f(a: Int): Int;", "1:14: unexpected ':'; expected a statement"),
        ("def x Int;", "1:7: unexpected 'Int'; expected ':' behind the name 'x'"),
        ("def 5: Int;", "1:5: unexpected '5'; expected a name to define"),
        ("def x: Int = ;", "1:14: unexpected ';'; expected an expression"),
        (
            "def x: ptr[Int;",
            "1:15: unexpected ';'; expected ',' or ']' behind an argument of the type",
        ),
        ("def x: Int(5;", "1:13: unexpected ';'; expected ')' for the '(' at 1:11"),
        ("class A def x: Int;", "1:9: unexpected 'def'; expected '{' and the class's members"),
        ("module { }", "1:8: unexpected '{'; expected the module's name"),
        ("import x;", "1:8: unexpected 'x'; expected a file name in quotes"),
        ("use 5;", "1:5: unexpected '5'; expected the name of a module"),
        ("@;", "1:2: unexpected ';'; expected a modifier's name behind '@'"),
        ("@m;", "1:3: unexpected ';'; expected a declaration behind the modifier"),
        (
            "@m[a; def x: Int;",
            "1:5: unexpected ';'; expected ',' or ']' behind an argument of the modifier",
        ),
        ("macro 5 { }", "1:7: unexpected '5'; expected the macro's name"),
        ("func f [5] ();", "1:9: unexpected '5'; expected the name of a template parameter"),
        (
            "class A { handler ; }",
            "1:19: unexpected ';'; expected what is handled: 'this' and a name, operator or '('",
        ),
        ("class A { handler this + ; }", "1:26: unexpected ';'; expected a type"),
        # Anything else.
        ("a + ;", "1:5: unexpected ';'; expected an expression"),
        ("a. ;", "1:4: unexpected ';'; expected a name behind '.'"),
        ("f(a];", "1:4: unexpected ']'; expected ')' for the '(' at 1:2"),
        ("f() }", "1:5: unexpected '}'; expected a statement: no '{' is open here"),
        ("func f() { a) }", "1:13: unexpected ')'; expected '}' or a statement"),
        (
            "func f(a: Int",
            "1:14: unexpected the end of the text; expected ',' or ')' behind a parameter",
        ),
        ("func f() { /* }", "1:12: this comment has no end; expected '*/' before the file ends"),
        ('func f() { "} }', "1:12: this string has no end; expected '\"' before the file ends"),
        (
            "def ٣: Int;",
            "1:5: stray character '٣' (U+0663); expected a number in ASCII digits (0-9)",
        ),
    ],
)
def test_one_error_at_its_place(text: str, message: str) -> None:
    assert [str(error) for error in errors(text)] == [f"test.alusus:{message}"]


def test_all_errors_of_a_text_are_reported_together() -> None:
    text = """\
def a Int;
func f(b: Int {
    c(;
}
class D {
    def e: ;
    func g(h: ptr[Int): Int;
    def fine: Int;
    module { def i ; }
}
import j;
func k(l: Int;
func fine();
@m[
def n: Int;
"""
    assert places(text) == [
        *((1, 7), (2, 15), (3, 7), (6, 12), (7, 22), (9, 12), (11, 8), (12, 14), (15, 11)),
    ]


def test_statements_behind_an_error_are_parsed() -> None:
    # Were the class's end lost with its broken member, the last line would be an error.
    assert places("class A { func f(a: ; }\ndef x: Int; }") == [(1, 21), (2, 13)]


def test_an_error_is_reported_once_though_its_text_is_read_twice() -> None:
    assert places("def x: Foo({ (a; }).c;") == [(1, 16)]


@pytest.mark.parametrize(
    "text",
    [
        "def x: " + "ptr[" * 300 + "Int" + "]" * 300 + ";",
        "def x: " + "func(" * 300,
        "if a " * 300 + "b",
        "def x: y = " * 300,
    ],
)
def test_too_deep_nesting_is_an_error(text: str) -> None:
    messages = [error.problem for error in errors(text)]
    assert messages == ["more than 100 levels of nesting"]


PROGRAM = """\
import "Srl/Console" or "x";
@m[a, "b"] module M {
    use Srl.Console;
    @expname[c] func f [T: type = Int] (a: ptr[Int], func (Int): Bool, b: ...[any, 1]) => Int {
        g("x", { 1; 2 });
    };
    class A {
        def x: array[Char, N * 2](1) = 5;
        handler this.y(a: Int): Int set_ptr { return this.x }
        handler this == o: Int => Bool return this.x;
        def B: alias ptr[func (a: Int)];
    };
    def m: macro [a, b] { a + {{b}} };
    عرف ن: 5؛
};
if M.f(1)~cast[Int] == 'c' { x = closure (a: Int) { b } } else for i = 0, i < 5, ++i p.{ q }
"""


def test_a_text_cut_off_anywhere_gives_at_most_errors() -> None:
    parse(PROGRAM)
    for end in range(len(PROGRAM)):
        try:
            parse(PROGRAM[:end])
        except SpecErrors as failure:
            assert len(failure.diagnostics) == 1, PROGRAM[:end]


def test_a_text_with_any_piece_missing_gives_at_most_errors() -> None:
    for start in range(len(PROGRAM)):
        try:
            parse(PROGRAM[:start] + PROGRAM[start + 1 :])
        except SpecErrors as failure:
            assert failure.diagnostics


PIECES = [
    *('"', "/*", "*/", "//", "\n", "\\", "٥", "'c'", "5", "a", "b", "س", "؛", "،"),
    *(
        "@",
        "@m",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "{{",
        ",",
        ";",
        ":",
        "=>",
        "=",
        "...",
        "~",
        ".",
        "+",
    ),
    *(
        "import",
        "def",
        "عرف",
        "use",
        "alias",
        "func",
        "دالة",
        "class",
        "module",
        "macro",
        "handler",
    ),
    *("this", "any", "or", "closure", "if", "else", "for", "return", "preprocess"),
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_text_gives_a_tree_or_errors(pieces: list[str]) -> None:
    try:
        statements = parse(" ".join(pieces))
    except SpecErrors as failure:
        assert failure.diagnostics
    else:
        assert parse(print_program(statements)) == statements


def test_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "bad.alusus"
    path.write_bytes("// سطر\nعر".encode() + b"\xff")
    with pytest.raises(SpecErrors) as raised:
        Source.read(str(path))
    assert str(raised.value) == f"{path}:2:3: this byte is not valid UTF-8; expected UTF-8 text"
