"""docs/reference/python.md has every name that a program can import and use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType

import alusus_http
from alusus_http import alusus, asgi, errors, testing, wsgi
from tests.support import ROOT

PAGE = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
PLACES = set(re.findall(r'<a id="([^"]+)">', PAGE))


def exported(module: ModuleType) -> Iterator[tuple[str, object]]:
    """What `__all__` says, or else the classes that the module defines."""
    for name, thing in vars(module).items():
        defined = isinstance(thing, type) and thing.__module__ == module.__name__
        if name in getattr(module, "__all__", [name] if defined else []):
            yield name, thing


def members(thing: object) -> set[str]:
    """The public attributes and methods of a class that are the package's own."""
    if not isinstance(thing, type):
        return set()
    owners = (owner for owner in thing.__mro__ if owner.__module__.startswith("alusus_http"))
    return {name for owner in owners for name in vars(owner) if not name.startswith("_")}


def test_every_name_is_there() -> None:
    for name in alusus_http.__all__:
        getattr(alusus_http, name)  # some are imported when they are asked for
    found = 0
    for module in (alusus_http, errors, testing, alusus, asgi, wsgi):
        for name, thing in exported(module):
            if isinstance(thing, ModuleType) or name == "__version__":
                continue  # these have a reference of their own, or a word in the introduction
            is_top = thing is getattr(alusus_http, name, None)
            title = name if is_top else f"{module.__name__.removeprefix('alusus_http.')}.{name}"
            assert title in PLACES, f"{module.__name__}.{name}"
            for member in members(thing):
                assert f"{title}.{member}" in PLACES, f"{title}.{member}"
                found += 1
    assert found > 50


def test_no_private_name_is_there() -> None:
    assert re.findall(r"\b_[a-z]\w*|TypeVar", PAGE) == []
