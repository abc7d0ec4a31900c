"""What pages say of the source is about all that there is, and only that."""

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


CODEGEN = (ROOT / "codegen/README.md").read_text(encoding="utf-8")


def test_the_generator_s_page_explains_the_modifiers_of_the_spec() -> None:
    blocks = "".join(
        block
        for name in ("http.md", "http.ar.md")
        for block in re.findall(
            r"^```alusus$(.*?)^```$",
            (ROOT / "spec" / name).read_text(encoding="utf-8"),
            re.M | re.S,
        )
    )
    used = set(re.findall(r"@([a-z]\w*)", blocks, re.ASCII))
    assert set(re.findall(r"^\| `@(\w+)", CODEGEN, re.MULTILINE)) == used


def test_the_generator_s_page_names_its_modules() -> None:
    folder = ROOT / "codegen/alusus_codegen"
    modules = {file.name.removesuffix(".py") for file in folder.iterdir() if file.name[0] != "_"}
    table = CODEGEN.partition("## The modules")[2]
    assert set(re.findall(r"`(\w+)`", table.split("|---|---|")[1])) >= modules
