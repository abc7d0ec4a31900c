"""Every emitter's output for the sample spec, to the letter.

A change of a template or of the model shows here what it reaches. When it is what was wanted:
`pytest tests/codegen/test_snapshots.py --update-snapshots`, and read the difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from alusus_codegen.generate import read_api, render

SNAPSHOTS = Path(__file__).parent / "data" / "snapshots"


@pytest.fixture
def rendered(sample: Path) -> dict[str, str]:
    return render(read_api(sample))


def test_output_is_that_of_the_snapshots(
    rendered: dict[str, str], request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--update-snapshots"):
        for name, text in rendered.items():
            path = SNAPSHOTS / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    stored = {
        str(path.relative_to(SNAPSHOTS)): path.read_text(encoding="utf-8")
        for path in SNAPSHOTS.rglob("*")
        if path.is_file()
    }
    assert rendered.keys() == stored.keys()
    for name, text in rendered.items():
        assert text == stored[name], f"{name}: run with --update-snapshots if this is wanted"


def test_every_file_says_what_it_was_made_from(rendered: dict[str, str]) -> None:
    for name, text in rendered.items():
        first = text.split("\n", 1)[0]
        assert "alusus-codegen" in first, name
        assert "spec/http.md" in first, name
        assert "make gen" in first, name


def test_lines_end_without_white_space(rendered: dict[str, str]) -> None:
    for name, text in rendered.items():
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n"), name
        if not name.endswith(".md"):
            for number, line in enumerate(text.splitlines(), 1):
                assert line == line.rstrip(), f"{name}:{number}"
