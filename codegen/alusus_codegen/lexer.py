"""Alusus text to tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from .source import Diagnostic, Source

# Kinds of tokens, numbered as the groups of the expression that finds them.
END, WORD, PUNCTUATION, NUMBER, STRING = range(5)

# Every keyword with its other spellings. Words are keywords by their place only: any of them may
# be a name elsewhere.
_SPELLINGS = {
    "import": ("اشمل",),
    "def": ("عرف", "عرّف"),
    "use": ("استخدم",),
    "alias": ("لقب",),
    "func": ("function", "دالة", "دالّة"),
    "closure": ("مغلفة",),
    "class": ("صنف",),
    "module": ("وحدة",),
    "macro": ("ماكرو",),
    "handler": ("عملية",),
    "preprocess": ("تمهيد",),
    "this": ("هذا",),
    "or": ("أو",),
    "and": ("و",),
    "not": ("ليس",),
    "if": ("إذا", "اذا"),
    "else": ("وإلا", "والا"),
    "while": ("بينما",),
    "for": ("لكل",),
    "return": ("أرجع", "ارجع"),
    "continue": (),
    "break": (),
}
KEYWORDS = {
    spelling: keyword
    for keyword, spellings in _SPELLINGS.items()
    for spelling in (keyword, *spellings)
}

# Types that are printed in English whatever the language of the text.
TYPE_NAMES = {"مؤشر": "ptr", "مصفوفة": "array", "سند": "ref", "أيما": "any"}


class Tokens(NamedTuple):
    """What the lexer made of a source: token by token, the last one being END.

    Arabic punctuation has become its ASCII equal, all other text is as written.
    """

    kinds: list[int]
    texts: list[str]
    starts: list[int]  # offsets in the source's text
    errors: dict[int, Diagnostic]  # by offset, in order
    complete: bool  # False when an unterminated string or comment swallowed the rest of the text


_ARABIC = "\u0620-\u065f\u066e-\u06dc"  # letters, tatweel and harakat, no digits
_LETTER = f"A-Za-z_{_ARABIC}"
_ARABIC_PUNCTUATION = {"؛": ";", "،": ",", "؟": "?"}

_TOKEN = re.compile(
    rf"""
    (?: [ \t\r\n\u200f]+ | //[^\n]* | \#[^\n]* | /\*.*?\*/ )*
    (?: ( [{_LETTER}][{_LETTER}0-9]* )
    | ( (?!/\*)
        (?: \.\.\. | <<=? | >>=? | [-+*/%&|$^!=<>]= | => | -> | \+\+ | -- | && | \|\| | !!
          | [-+*/%&|$^!~=<>:.?@,;()\[\]{{}}؛،؟] ) )
    | ( (?: (?: 0[bB][01]+ | 0[oO][0-7]+ | 0[hHxX][0-9A-Fa-f]+ ) [uU]? (?: [iI][0-9]+ )?
          | [0-9]+ [uU]? (?: [iI][0-9]+ )?
          | [0-9]+ (?: \.[0-9]+ )? (?: [eE][+-]?[0-9]+ )? (?: [fF][0-9]* )?
        ) (?! [{_LETTER}0-9] | \.[0-9] ) )
    | ( "[^"\\]*(?:\\.[^"\\]*)*" | '(?: [^'\\\n] | \\[^\n][^'\n]{{0,8}} )' )
    | (?P<malformed> [0-9][{_LETTER}0-9]* (?: \.[0-9][{_LETTER}0-9]* )* )
    | (?P<unclosed> " | /\* )
    | (?P<stray> [^\x00-\x7f]+? (?= [\x00-\x7f{_ARABIC}؛،؟\u200f] | \Z ) | . )
    | \Z )
    """,
    re.VERBOSE | re.DOTALL,
)

# The published facts do not list the Arabic escapes, so any Arabic letter may follow a backslash;
# those for n, t and r are known.
_ESCAPE = re.compile(
    rf"""\\(?: (?P<same> [\\"'] ) | (?P<letter> [ntfr{_ARABIC}] ) | [hHxX](?P<byte>[0-9A-Fa-f]{{2}})
    | u(?P<short>[0-9A-Fa-f]{{4}}) | U(?P<long>[0-9A-Fa-f]{{8}}) | (?P<wrong>.) )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
_ESCAPE_LETTERS |= {"ن": "\n", "ج": "\n", "ت": "\t", "ر": "\r"}


def tokenize(source: Source) -> Tokens:
    """All the tokens of a source, and all its lexical errors."""
    text = source.text
    kinds: list[int] = []
    texts: list[str] = []
    starts: list[int] = []
    errors: dict[int, Diagnostic] = {}
    complete = True

    def add(kind: int, text: str, start: int) -> None:
        kinds.append(kind)
        texts.append(text)
        starts.append(start)

    def error(offset: int, problem: str, expected: str) -> None:
        errors[offset] = Diagnostic(source.span(offset), problem, expected)

    def names_import() -> bool:
        return bool(texts) and KEYWORDS.get(texts[-1]) == "import"

    def cut_import(start: int) -> int:
        """A file name never spans lines: end it with its line, so that what follows is read."""
        error(start, "the file name of this import has no end", "expected '\"' on the same line")
        add(STRING, '""', start)
        end = text.find("\n", start)
        return len(text) if end < 0 else end

    position: int | None = 0
    while position is not None:
        matches = _TOKEN.finditer(text, position)
        position = None
        for match in matches:
            kind = match.lastindex
            if kind is None:
                break
            value = match[kind]
            start = match.start(kind)
            if kind <= NUMBER:
                kinds.append(kind)
                texts.append(_ARABIC_PUNCTUATION.get(value, value))
                starts.append(start)
            elif kind == STRING:
                if "\n" in value and names_import():
                    position = cut_import(start)
                    break
                if "\\" in value:
                    _check_escapes(value, start, error)
                add(STRING, value, start)
            elif match["malformed"]:
                error(start, f"'{value}' is not a number", "expected a number, or a name")
                add(NUMBER, value, start)
            elif match["stray"]:
                error(start, f"stray character {_show(value[0])}", _expected_instead(value[0]))
            elif value == '"' and names_import():
                position = cut_import(start)
                break
            else:
                what, end = ("string", '"') if value == '"' else ("comment", "*/")
                error(start, f"this {what} has no end", f"expected '{end}' before the file ends")
                complete = False
                break
    add(END, "", len(text))
    return Tokens(kinds, texts, starts, errors, complete)


def string_value(literal: str) -> str:
    r"""The text that a string literal stands for; bytes given as \hHH are taken for UTF-8."""

    def replace(match: re.Match[str]) -> str:
        group = match.lastgroup or ""
        value = match[group]
        if group == "letter":
            return _ESCAPE_LETTERS.get(value, value)
        if group == "byte":
            byte = int(value, 16)
            return chr(byte if byte < 0x80 else 0xDC00 + byte)
        if group in ("short", "long"):
            return chr(int(value, 16))
        return value

    text = _ESCAPE.sub(replace, literal[1:-1])
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def string_literal(value: str) -> str:
    """The literal for a text."""
    for plain, escaped in ("\\", r"\\"), ('"', r"\""), ("\n", r"\n"), ("\t", r"\t"), ("\r", r"\r"):
        value = value.replace(plain, escaped)
    return f'"{value}"'


def _check_escapes(literal: str, start: int, error: Callable[[int, str, str], None]) -> None:
    for match in _ESCAPE.finditer(literal):
        code = match["short"] or match["long"]
        if match["wrong"]:
            problem = f"unknown escape '{match[0]}'"
        elif code and (int(code, 16) > 0x10FFFF or 0xD800 <= int(code, 16) <= 0xDFFF):
            problem = f"'{match[0]}' is not a Unicode character"
        else:
            continue
        expected = r"expected one of \\ \" \' \n \t \f \r \hHH \xHH \uHHHH \UHHHHHHHH"
        error(start + match.start(), problem, expected)


def _show(character: str) -> str:
    code = f"U+{ord(character):04X}"
    return f"'{character}' ({code})" if character.isprintable() else code


def _expected_instead(character: str) -> str:
    if character.isdigit():
        return "expected a number in ASCII digits (0-9)"
    if character in "“”„«»'`":
        return "expected '\"' around a string"
    return "expected Alusus code"
