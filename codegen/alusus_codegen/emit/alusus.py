"""The Alusus package: the module with its English names, and the Arabic one beside it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Any

from ..model import Api, Declaration, Function, Section, Structure
from .templates import environment

PACKAGE = "alusus_stubs"
_LINE_LENGTH = 100


def emit(api: Api) -> dict[str, str]:
    """The files by their path in the project."""
    context: dict[str, Any] = {
        "api": api,
        "distinct": _distinct,
        "has_fields": _has_fields,
        "source": _source,
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
    return "\n".join(f"// {line}" for line in textwrap.wrap(text, _LINE_LENGTH))


def _source(declaration: Declaration) -> str:
    """A declaration as a program writes it, with the only modifier that the compiler knows."""
    if not isinstance(declaration, Function):
        return f"{declaration.notation};"
    signature = _wrapped(declaration.notation)
    if declaration.symbol:
        return f"@expname[{declaration.symbol}]\n{signature};"
    return f"{signature} {declaration.body};"


def _wrapped(signature: str) -> str:
    """A function's declaration, with each parameter on a line of its own when it is long."""
    if len(signature) <= _LINE_LENGTH:
        return signature
    start, end = signature.index("(") + 1, signature.rindex(")")
    parameters = signature[start:end].replace(", ", ",\n    ")
    return f"{signature[:start]}\n    {parameters}\n{signature[end:]}"


def _distinct(declarations: Iterable[Declaration]) -> list[Declaration]:
    """One of each name: an alias stands for all overloads."""
    return list({d.name.alusus: d for d in reversed(list(declarations))}.values())[::-1]


def _has_fields(declaration: Declaration) -> bool:
    return isinstance(declaration, Structure) and not declaration.opaque
