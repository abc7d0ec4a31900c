"""Python docstrings from the Markdown of the spec."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from .pythonic import INDENT, LINE_LENGTH

_IDENTIFIER = re.compile(r"\b[A-Za-z_]\w*\b")
_NULL = re.compile(r"\b[Nn]ull\b(?!-)")
_MARKDOWN = MarkdownIt("commonmark")


@dataclass(frozen=True, slots=True)
class Part:
    """A section of a docstring in Google's style: a title, and items of a name and a text."""

    title: str
    items: tuple[tuple[str, str], ...]


class Docstrings:
    """Writes docstrings; `names` gives the Python names of what the spec's code spans name."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """Keep the names for all that is written."""
        self._names = names
        self._plain: dict[str, str] = {}

    def write(self, text: str, parts: Iterable[Part] = (), indent: int = 1) -> str:
        """The literal of a docstring, `indent` levels deep; its first line has no margin."""
        margin = INDENT * indent
        width = LINE_LENGTH - len(margin)
        blocks = [*self._blocks(text)]
        _, first = blocks[0]
        summary, rest = _summary(first, width)
        lines = [summary]
        for bullet, block in [("", rest), *blocks[1:]] if rest else blocks[1:]:
            # The items of a list stay together.
            if not (bullet and lines[-1].startswith(("- ", "  "))):
                lines.append("")
            lines += _wrap(block, width, first=bullet, rest="  " if bullet else "")
        for part in parts:
            lines += ["", f"{part.title}:"]
            for name, item in part.items:
                head = f"{name}: " if name and item else name
                entry = head + _sentence(self.plain(item))
                lines += _wrap(entry, width, INDENT, INDENT * 2 if name else INDENT)
        return _literal("\n".join(lines), margin)

    def plain(self, text: str) -> str:
        """One paragraph of Markdown as plain text."""
        if text not in self._plain:  # most parameters are explained many times over
            (token,) = _MARKDOWN.parseInline(text)
            self._plain[text] = "".join(self._inline(token.children or ()))
        return self._plain[text]

    def _blocks(self, text: str) -> Iterator[tuple[str, str]]:
        """The paragraphs and list items, each with its bullet; code blocks show Alusus."""
        bullet = ""
        for token in _MARKDOWN.parse(text):
            if token.type == "list_item_open":
                bullet = "- "
            elif token.type == "inline":
                yield bullet, "".join(self._inline(token.children or ()))
                bullet = ""

    def _inline(self, tokens: Iterable[Token]) -> Iterator[str]:
        for token in tokens:
            match token.type:
                case "text":
                    yield _NULL.sub("None", token.content)
                case "code_inline":
                    yield f"`{_IDENTIFIER.sub(self._name, token.content)}`"
                case "softbreak" | "hardbreak":
                    yield " "

    def _name(self, match: re.Match[str]) -> str:
        return self._names.get(match[0], match[0])


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _summary(text: str, width: int) -> tuple[str, str]:
    """The line of the opening quotes, and what of the first paragraph comes below it."""
    if len(text) <= width - len('r"""'):
        return text, ""
    for mark in (". ", "; "):
        head, found, rest = text.partition(mark)
        if found and len(head) < width - len('r"""'):
            return f"{head}.", rest[:1].upper() + rest[1:]
    return text, ""


def _wrap(text: str, width: int, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _literal(text: str, margin: str) -> str:
    prefix = "r" if "\\" in text else ""
    line = f'{prefix}"""{text}"""'
    if "\n" not in text and len(margin) + len(line) <= LINE_LENGTH and not text.endswith('"'):
        return line
    body = text.replace("\n", f"\n{margin}")
    body = "\n".join(line.rstrip() for line in body.splitlines())
    return f'{prefix}"""{body}\n{margin}"""'
