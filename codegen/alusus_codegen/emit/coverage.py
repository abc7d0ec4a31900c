"""The pages that say what the API has in place of each function of CivetWeb."""

from __future__ import annotations

from ..model import LANGUAGES, Api
from .docs import PAGES as REFERENCE
from .templates import environment
from .wording import COVERAGE

PAGES = {"en": "docs/coverage.md", "ar": "docs/coverage.ar.md"}


def emit(api: Api) -> dict[str, str]:
    """The pages by their path in the project."""
    template = environment("docs").get_template("coverage.md.j2")
    pages = {}
    for language in LANGUAGES:
        words = COVERAGE[language]
        page = template.render(
            api=api,
            language=language,
            reference=REFERENCE[language].removeprefix("docs/"),
            words=words,
        )
        for entry in api.coverage:
            assert f"| `{entry.function}` |" in page, f"{entry.function} is not in {language}"
        pages[PAGES[language]] = page
    return pages
