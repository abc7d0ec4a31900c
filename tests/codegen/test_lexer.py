"""Alusus text to tokens: every row of the language's lexical table."""

from __future__ import annotations

import pytest

from alusus_codegen.lexer import (
    NUMBER,
    PUNCTUATION,
    STRING,
    WORD,
    Tokens,
    string_literal,
    string_value,
    tokenize,
)
from alusus_codegen.source import Source


def lex(text: str) -> Tokens:
    return tokenize(Source("test.alusus", text))


def texts(text: str) -> list[str]:
    result = lex(text)
    assert not result.errors
    return result.texts[:-1]


def messages(text: str) -> list[str]:
    return [str(error) for error in lex(text).errors.values()]


@pytest.mark.parametrize(
    "word", ["a", "_x9", "camelCase", "سياق", "سـياق", "عرّف", "بيانات_المستخدم2", "مُؤشّر", "ڤ"]
)
def test_identifier_is_one_word_as_written(word: str) -> None:
    result = lex(word)
    assert (result.kinds[:-1], result.texts[:-1]) == ([WORD], [word])


def test_tatweel_and_harakat_tell_identifiers_apart() -> None:
    assert len(set(texts("سياق سـياق سِياق"))) == 3


@pytest.mark.parametrize("space", [" ", "\t", "\r", "\n", "\u200f", " \u200f\n"])
def test_white_space(space: str) -> None:
    assert texts(f"{space}a{space}b{space}") == ["a", "b"]


def test_comments() -> None:
    assert texts('a // b ( " \n c # d " [\n e /* f \n // " */ g /* */ h //') == list("acegh")


def test_block_comments_do_not_nest() -> None:
    assert texts("/* /* */ a") == ["a"]


@pytest.mark.parametrize(
    "number",
    [
        *("0", "42", "5u", "5U", "2i32", "0b101", "0B1", "0o17", "0O7"),
        *("0h1F", "0H1f", "0xAb", "0XAB", "0x100u", "0x100ui8"),
        *("1.5", "1.5f", "2f", "2F", "1e10", "1.5E-3f"),
    ],
)
def test_number(number: str) -> None:
    result = lex(number + ";")
    assert (result.kinds[:-1], result.texts[:-1]) == ([NUMBER, PUNCTUATION], [number, ";"])
    assert not result.errors


def test_sign_is_an_operator() -> None:
    assert texts("-2i32") == ["-", "2i32"]


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ('"text"', "text"),
        ('""', ""),
        ('"two\nlines"', "two\nlines"),
        (r'"\\ \" \' \n\t\f\r"', "\\ \" ' \n\t\f\r"),
        (r'"\h41\x42\u0633\U0001F600"', "ABس\U0001f600"),
        (r'"\xD8\xB3"', "س"),
        (r'"سطر\ن\ت\ر"', "سطر\n\t\r"),
    ],
)
def test_string(literal: str, value: str) -> None:
    result = lex(literal)
    assert (result.kinds[:-1], result.texts[:-1]) == ([STRING], [literal])
    assert not result.errors
    assert string_value(literal) == value


@pytest.mark.parametrize("value", ["plain", 'a "b" \\ c', "tab\tline\nreturn\r", "عربي"])
def test_string_literal_and_back(value: str) -> None:
    (literal,) = texts(string_literal(value))
    assert string_value(literal) == value


def test_strings_hide_what_is_in_them() -> None:
    assert texts('"// no { comment" a') == ['"// no { comment"', "a"]


def test_characters() -> None:
    assert texts(r"'a' '\n' 'س'") == ["'a'", r"'\n'", "'س'"]


def test_arabic_punctuation_equals_ascii() -> None:
    assert texts("a؛ b، c؟") == ["a", ";", "b", ",", "c", "?"]


def test_operators_are_taken_as_long_as_possible() -> None:
    assert texts("...any => != <<= a~b ++c :") == [
        *("...", "any", "=>", "!=", "<<=", "a", "~", "b", "++", "c", ":"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a\n "b', "2:2: this string has no end; expected '\"' before the file ends"),
        ("a /* b", "1:3: this comment has no end; expected '*/' before the file ends"),
        ("x ٣٤ y", "1:3: stray character '٣' (U+0663); expected a number in ASCII digits (0-9)"),
        ("“x", "1:1: stray character '“' (U+201C); expected '\"' around a string"),
        ("a\u00a0b", "1:2: stray character U+00A0; expected Alusus code"),
        ("12ab", "1:1: '12ab' is not a number; expected a number, or a name"),
        ("0b12", "1:1: '0b12' is not a number; expected a number, or a name"),
        ("1.5x", "1:1: '1.5x' is not a number; expected a number, or a name"),
        (r'"ab\q"', r"1:4: unknown escape '\q'; expected one of "),
        (r'"\x4"', r"1:2: unknown escape '\x'; expected one of "),
        (r'"\uD800"', r"1:2: '\uD800' is not a Unicode character; expected one of "),
    ],
)
def test_error(text: str, message: str) -> None:
    (found,) = messages(text)
    assert found.startswith(f"test.alusus:{message}")


def test_columns_count_code_points() -> None:
    (error,) = lex("عرف 😀").errors.values()
    assert (error.span.line, error.span.column) == (1, 5)


def test_lexing_goes_on_behind_an_error() -> None:
    result = lex("a ` b ` c")
    assert result.texts == ["a", "b", "c", ""]
    assert len(result.errors) == 2


@pytest.mark.parametrize(
    "text", ['"' + "a\\" * 20_000, "/" * 20_000 + "\n/*" * 20_000, "٣" * 50_000]
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    lex(text)  # a regular expression that backtracks would not end within the time limit
