"""Links of the project's pages lead somewhere: to a file, and to a place in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.support import ROOT

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "alusus_stubs/*.md", "codegen/*.md", "spec/*.md")
    for path in ROOT.glob(pattern)
)
_LINK = re.compile(r"\]\((?!\w+:)([^()\s#]*)(?:#([^()\s]+))?\)")


@cache
def places(page: Path) -> set[str]:
    """The anchors that are written out, and those that GitHub makes of headings."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    words = (re.sub(r"<[^>]*>|[^\w\- ]", "", heading) for heading in headings)
    return {word.strip().lower().replace(" ", "-") for word in words} | set(
        re.findall(r'<a id="([^"]+)">', text)
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for file, place in _LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{file} is not there"
        assert not place or place in places(target), f"{target.name} has no place {place}"
