"""The Arabic pages say what the English ones say, and can be read from right to left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

PAGES = sorted(
    path
    for folder in ("spec", "docs", "alusus_stubs")
    for path in ROOT.glob(f"{folder}/**/*.ar.md")
)
READ = [page for page in PAGES if page.parent.name != "spec"]  # what it becomes is read

_FENCE = re.compile(r"^```(.*)\n(?:.*\n)*?```$", re.MULTILINE)
_HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
# Names of options, errors and functions of C, numbers of RFCs, status and close codes, limits.
_FACT = re.compile(r"[A-Za-z]+(?:_\w+)+|RFC \d+|\b\d{3,}\b", re.ASCII)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"(<span dir=\"ltr\">)?`([^`\n]+)`")
_ARABIC = re.compile(r"[\u0620-\u06dc]")
# Other words for what these pages call by the second one.
_SYNONYMS = {
    "بنغ": "فحص",
    "بونغ": "جواب الفحص",
    "طابور": "رتل",
    "كلمة السر": "كلمة المرور",
    "كلمات سر": "كلمات المرور",
    "ملف ارتباط": "ارتباط",
    "إعادة توجيه": "تحويل",
    "وكلاء": "وسطاء",
    "حمولة": "محتوى",
    "م.ب": "ميبي بايت",
    "ستة عشري": "ست عشري",
}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def english(page: Path) -> Path:
    return page.with_name(page.name.replace(".ar.md", ".md"))


def sections(page: Path) -> Iterator[tuple[str, str]]:
    """The headings of a page, each with the text below it, without its programs."""
    parts = _HEADING.split(_FENCE.sub("", page.read_text(encoding="utf-8")))
    return zip(parts[2::3], parts[3::3], strict=True)


def test_there_are_arabic_pages() -> None:
    assert len(READ) >= 4


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_it_is_built_as_the_english_page(page: Path) -> None:
    def structure(path: Path) -> tuple[list[str], list[str], int]:
        text = path.read_text(encoding="utf-8")
        headings = [level for level, _ in _HEADING.findall(_FENCE.sub("", text))]
        return headings, _FENCE.findall(text), len(re.findall(r"^\|", text, re.MULTILINE))

    assert structure(page) == structure(english(page))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_it_states_the_facts_of_the_english_page(page: Path) -> None:
    for (title, text), (arabic_title, arabic) in zip(
        sections(english(page)), sections(page), strict=True
    ):
        facts = set(_FACT.findall(text)), set(_FACT.findall(arabic))
        assert facts[0] == facts[1], f"{title} and {arabic_title} differ"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_it_has_one_word_for_each_thing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    words = [word for word in _SYNONYMS if re.search(rf"\b\w?\w?{re.escape(word)}", text)]
    assert not words, f"call it {_SYNONYMS[words[0]]}, as everywhere"


@pytest.mark.parametrize("page", READ, ids=named)
def test_it_leads_to_arabic_pages_where_there_are_some(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        file = (page.parent / target.partition("#")[0]).resolve()
        if file == english(page) or file.suffix != ".md":
            continue  # the link to the same page in English
        assert not file.with_suffix(".ar.md").exists(), f"{target} has an Arabic page"


@pytest.mark.parametrize("page", READ, ids=named)
def test_signs_at_the_edges_of_latin_code_stay_there(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    assert text.count('<div dir="rtl">') == 1
    for marked, code in _CODE.findall(text):
        if not _ARABIC.search(code) and not re.fullmatch(r"\w(.*\w)?", code):
            assert marked, f'write <span dir="ltr">`{code}`</span>: the page turns its signs around'
