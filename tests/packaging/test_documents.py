"""docs/architecture.md is about the files that there are, and about all of them."""

from __future__ import annotations

import re

from tests.support import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"[`/]([\w.]+\.(?:c|h|py))`", PAGE))


def sources(*folders: str) -> set[str]:
    """Return the names of the source files below some folders."""
    files = [file for folder in folders for file in (ROOT / folder).rglob("*")]
    return {file.name for file in files if file.suffix in (".c", ".h", ".py")}


def test_every_source_file_has_its_place_in_the_architecture() -> None:
    written = sources("civetweb/src", "bridge", "codegen/alusus_codegen")
    nameless = {name for name in written - NAMED if not name.endswith(".h")}
    assert nameless == set(), "say in docs/architecture.md what they are for"


def test_the_architecture_names_no_file_that_is_not_there() -> None:
    assert NAMED - sources("civetweb", "bridge", "codegen", "tools") == set()
