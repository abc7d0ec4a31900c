"""A spec's Markdown: its headings, the declarations in its fenced blocks, and the text for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from markdown_it import MarkdownIt
from markdown_it.token import Token

from .parser import parse_source
from .source import Diagnostic, Source, Span, SpecErrors
from .syntax import Statement

# Of most texts only the blocks are read: what is inside of them is parsed where it is needed.
_BLOCKS = MarkdownIt("commonmark").disable("inline")
_INLINE = MarkdownIt("commonmark")

BLOCK_LANGUAGES = frozenset({"alusus", "ألوسوس", "الأسس", "أسس"})
# The words that may stand before the colon in a list without a single name.
_RESULT_WORDS = frozenset({"Returns", "Errors", "يعيد", "الأخطاء"})


@dataclass(frozen=True, slots=True)
class DocItem:
    """One item of a documenting list: "- `uri`: where the handler answers"."""

    names: tuple[str, ...]  # the code spans before the colon: ("uri",), ("مسار", "uri")
    word: str  # the plain word before the colon ("Returns", "يعيد") when there are no names
    text: str  # the Markdown behind the colon
    span: Span


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it, up to the next heading of any level."""

    title: str  # plain text
    level: int  # 1 for `#`
    span: Span  # of the heading
    statements: tuple[Statement, ...]  # of its alusus blocks, in order
    text: str  # its Markdown without those blocks and without the documenting list
    items: tuple[DocItem, ...]  # of its last documenting list


@dataclass(frozen=True, slots=True)
class Document:
    """A Markdown file. `top` is its level 1 heading, or what stands before any heading."""

    path: str
    top: Section
    sections: tuple[Section, ...]  # all the others, in order, whatever their level

    @property
    def title(self) -> str:
        """The level 1 heading, or ""."""
        return self.top.title

    @property
    def introduction(self) -> str:
        """The Markdown between the title and the next heading."""
        return self.top.text

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Every block's statements, in the order of the file."""
        return tuple(s for section in (self.top, *self.sections) for s in section.statements)


def read_document(source: Source) -> Document:
    """Read a Markdown file; raises SpecErrors with every error of every block."""
    return _Reader(source).document()


class _Reader:
    """Collects the sections of one file, and the errors of all its blocks."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines = source.text.split("\n")
        self.tokens = _BLOCKS.parse(source.text)
        self.diagnostics: list[Diagnostic] = []

    def document(self) -> Document:
        headings = [
            index
            for index, token in enumerate(self.tokens)
            if token.type == "heading_open" and token.level == 0
        ]
        sections = [
            self.section(start, end) for start, end in pairwise([*headings, len(self.tokens)])
        ]
        top = self.section(0, headings[0] if headings else len(self.tokens), headed=False)
        if sections and sections[0].level == 1:
            first = sections.pop(0)
            top = replace(
                first,
                statements=top.statements + first.statements,
                text="\n\n".join(filter(None, (top.text, first.text))),
            )
        if self.diagnostics:
            raise SpecErrors(self.diagnostics)
        return Document(self.source.path, top, tuple(sections))

    def section(self, start: int, end: int, headed: bool = True) -> Section:
        """The section made of the tokens from `start` to `end`; the first is its heading's."""
        tokens = self.tokens[start:end]
        first_line = _lines_of(tokens[0])[1] if headed else 0
        last_line = len(self.lines)
        if end < len(self.tokens):
            last_line = _lines_of(self.tokens[end])[0]
        statements: list[Statement] = []
        left_out: list[tuple[int, int]] = []
        items: tuple[DocItem, ...] = ()
        list_lines = None
        for index, token in enumerate(tokens):
            if token.type == "fence" and _language(token) in BLOCK_LANGUAGES:
                statements += self.block(token)
                left_out.append(_lines_of(token))
            elif token.type == "bullet_list_open" and token.level == 0:
                found = self.doc_items(tokens[index:])
                if found:
                    items = found
                    list_lines = _lines_of(token)
        if list_lines:
            left_out.append(list_lines)
        return Section(
            title=_plain_text(tokens[1].content) if headed else "",
            level=int(tokens[0].tag[1:]) if headed else 1,
            span=self.place(_lines_of(tokens[0])[0] if headed else 0),
            statements=tuple(statements),
            text=self.text(first_line, last_line, left_out),
            items=items,
        )

    def place(self, line: int, column: int = 1) -> Span:
        return Span(self.source.path, self.source.first_line + line, column)

    def block(self, fence: Token) -> tuple[Statement, ...]:
        """The statements of a fenced block, with the places that they have in the file."""
        start, end = _lines_of(fence)
        content = fence.content.split("\n")[:-1]
        if end - start < len(content) + 2:
            problem = "this block is never closed"
            expected = f"expected a line of '{fence.markup}' behind it"
            self.diagnostics.append(Diagnostic(self.place(start), problem, expected))
            return ()
        whole = self.lines[start + 1 : end - 1]
        margins = tuple(len(line) - len(part) for line, part in zip(whole, content, strict=True))
        first_line = self.source.first_line + start + 1
        try:
            return parse_source(Source(self.source.path, fence.content, first_line, margins))
        except SpecErrors as errors:
            self.diagnostics += errors.diagnostics
            return ()

    def doc_items(self, tokens: Sequence[Token]) -> tuple[DocItem, ...]:
        """The items of the list that starts here, or nothing if it documents no declaration."""
        items: list[DocItem] = []
        of_list = takewhile(lambda token: token.type != "bullet_list_close" or token.level, tokens)
        for token in of_list:
            if token.type != "list_item_open" or token.level != 1:
                continue
            start, end = _lines_of(token)
            first = self.lines[start]
            content = first.lstrip()[1:].lstrip()
            width = len(first) - len(content)
            rest = (_outdent(line, width) for line in self.lines[start + 1 : end])
            item = _doc_item("\n".join([content, *rest]), self.place(start, width + 1))
            if item is None:
                return ()
            items.append(item)
        documents = any(item.names or item.word in _RESULT_WORDS for item in items)
        return tuple(items) if documents else ()

    def text(self, start: int, end: int, left_out: list[tuple[int, int]]) -> str:
        """The lines from `start` to `end`, without some and the empty ones behind those."""
        hidden: set[int] = set()
        for first, last in left_out:
            while last < end and not self.lines[last].strip():
                last += 1
            hidden.update(range(first, last))
        shown = (self.lines[line] for line in range(start, end) if line not in hidden)
        return "\n".join(shown).strip()


def _lines_of(token: Token) -> tuple[int, int]:
    """The first line of a block, and the line behind it, from 0."""
    assert token.map is not None  # only inline tokens and closing ones have none
    return token.map[0], token.map[1]


def _language(fence: Token) -> str:
    return fence.info.strip().partition(" ")[0].lower()


def _outdent(line: str, width: int) -> str:
    return line[min(width, len(line) - len(line.lstrip())) :]


def _plain_text(markdown: str) -> str:
    (inline,) = _INLINE.parseInline(markdown)
    children = inline.children or []
    return "".join(child.content for child in children if child.type in ("text", "code_inline"))


def _doc_item(text: str, span: Span) -> DocItem | None:
    """An item that reads "`name` (`other name`): text" or "Word: text"."""
    key, colon, rest = text.partition(":")
    pieces = key.split("`")
    names = pieces[1::2]  # what stands between two backticks
    word = "".join(pieces[::2]).strip(" \n()/,،")
    fits = all(map(str.isidentifier, names)) and not word if names else word.isalpha()
    if not colon or not fits or len(pieces) % 2 == 0:
        return None
    return DocItem(tuple(names), word, rest.strip(), span)
