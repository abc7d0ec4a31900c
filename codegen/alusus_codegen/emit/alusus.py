"""The Alusus package: the module with its English names, and the Arabic one beside it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from functools import partial
from typing import Any

from ..alusus_text import LINE_LENGTH, Notation
from ..model import Api, Declaration, Function, Section, Structure
from .templates import environment

PACKAGE = "alusus_stubs"


def emit(api: Api) -> dict[str, str]:
    """The files by their path in the project."""
    context: dict[str, Any] = {
        "api": api,
        "distinct": _distinct,
        "has_fields": _has_fields,
        "source": partial(_source, Notation(api, "en")),
        "summary": _summary,
    }
    templates = environment("alusus")
    english = templates.get_template("Http.alusus.j2").render(context)
    arabic = templates.get_template("arabic.j2").render(context)
    _check_complete(api, english, arabic)
    return {
        f"{PACKAGE}/{api.module.alusus}.alusus": english,
        f"{PACKAGE}/{api.module.arabic[0]}.أسس": arabic,
    }


def _check_complete(api: Api, english: str, arabic: str) -> None:
    names = frozenset(re.findall(r"\w+", english))
    aliases = frozenset(re.findall(r"\w+", arabic))
    for declaration in api.declarations:
        name = declaration.name
        assert name.alusus in names, f"{name.alusus} did not reach the module"
        assert aliases.issuperset(name.arabic), f"{name.alusus} lost an Arabic name"


def _summary(section: Section) -> str:
    text = " ".join(section.documentation["en"].summary.split())
    return "\n".join(f"// {line}" for line in textwrap.wrap(text, LINE_LENGTH))


def _source(notation: Notation, declaration: Declaration) -> str:
    """A declaration as a program writes it, with the only modifier that the compiler knows."""
    text = notation.declaration(declaration)
    match declaration:
        case Function(symbol=""):
            return f"{text.removesuffix(';')} {declaration.body};"
        case Function():
            return f"@expname[{declaration.symbol}]\n{text}"
        case Structure():
            return f"{text};"
        case _:
            return text


def _distinct(declarations: Iterable[Declaration]) -> list[Declaration]:
    """One of each name: an alias stands for all overloads."""
    return list({d.name.alusus: d for d in reversed(list(declarations))}.values())[::-1]


def _has_fields(declaration: Declaration) -> bool:
    return isinstance(declaration, Structure) and not declaration.opaque
