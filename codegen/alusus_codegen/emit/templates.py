"""Jinja2, set up for text that is not HTML and in which a misspelt name is an error."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def environment(folder: str) -> Environment:
    """The templates of one emitter: those of `templates/<folder>`."""
    return Environment(
        loader=PackageLoader("alusus_codegen", f"templates/{folder}"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
