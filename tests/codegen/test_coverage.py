"""The table of CivetWeb's functions: whole, true, and with errors that say what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alusus_codegen.generate import read_api
from alusus_codegen.source import SpecErrors
from tests.support import BUILD, ROOT


def civetweb_header() -> str:
    """Return the header of the CivetWeb that the library was built with, without its comments."""
    cache = (BUILD / "CMakeCache.txt").read_text(encoding="utf-8")
    found = re.search(r"^civetweb_checked:INTERNAL=(.+)$", cache, re.MULTILINE)
    assert found, f"{BUILD} does not say where CivetWeb's source is: run `make library`"
    text = Path(found[1], "include", "civetweb.h").read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)


def test_every_public_function_of_civetweb_is_in_the_table() -> None:
    header = set(re.findall(r"\bCIVETWEB_API\b[^;{]*?\b(mg_\w+)\s*\(", civetweb_header()))
    assert len(header) > 80
    table = {entry.function for entry in read_api(ROOT).coverage}
    assert header - table == set(), "spec/coverage.toml lacks these: say what stands for each"
    assert table - header == set(), "spec/coverage.toml has these, which civetweb.h has not"


def test_the_links_lead_to_sections_of_the_reference() -> None:
    for page in ("coverage.md", "coverage.ar.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        links = re.findall(r"\]\((reference/[\w.]+)#([\w-]+)\)", text)
        assert len(links) > 20
        for file, anchor in links:
            reference = (ROOT / "docs" / file).read_text(encoding="utf-8")
            assert f'<a id="{anchor}">' in reference, f"{page}: {file}#{anchor}"


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ('["printText"]', '["printTextt"]', "2:15", "the spec declares no printTextt"),
        ("Header.name", "Header.worth", "3:25", "the spec declares no Header.worth"),
        ('"mg_md5"', '"mg_read"', "3:1", "mg_read is here twice"),
        ('ar = "', 'arabic = "', "6:15", "this reason has no text for 'ar'"),
        ("[counterparts]", "[counterparts", "", "cannot be read"),
    ],
)
def test_errors_name_the_place(sample: Path, old: str, new: str, place: str, message: str) -> None:
    file = sample / "spec/coverage.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecErrors) as caught:
        read_api(sample)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"spec/coverage.toml:{place}")
    assert message in line
