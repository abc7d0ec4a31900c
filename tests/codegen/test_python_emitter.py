"""The Python binding: which functions it has, and whether it is good Python.

What it looks like as a whole is among the snapshots of all emitters.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from cffi import FFI

from alusus_codegen.docstring import Docstrings, Part
from alusus_codegen.emit import python
from alusus_codegen.generate import read_api
from alusus_codegen.model import Api, Function, Kind, Section
from alusus_codegen.pythonic import groups, python_lines
from tests.support import ROOT

PACKAGE = ROOT / "bridge/alusus_http"


# What a generated module rests on. The rest of the package uses functions that only the project's
# own spec has.
_FOUNDATION = ["_driver", "_library", "_marshal", "_overloads", "_polling", "errors", "native"]


@pytest.fixture(scope="module")
def api() -> Api:
    """The project's own spec."""
    return read_api(ROOT)


@pytest.fixture(params=["project", "sample"])
def files(request: pytest.FixtureRequest, sample: Path, tmp_path: Path) -> Path:
    """The package with the output for a spec in it, in a folder of its own."""
    package = tmp_path / "alusus_http"
    package.mkdir()
    (package / "__init__.py").write_text('"""The binding alone."""\n')
    for name in [*(f"{module}.py" for module in _FOUNDATION), "_native.pyi", "py.typed"]:
        shutil.copy(PACKAGE / name, package)
    emitted = python.emit(read_api(ROOT if request.param == "project" else sample))
    for name, text in emitted.items():
        (package / Path(name).name).write_text(text, encoding="utf-8")
    return package


def run(*command: str | Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *map(str, command)], capture_output=True, text=True, cwd=ROOT
    )
    assert result.returncode == 0, result.stdout + result.stderr


def signatures(api: Api, title: str) -> str:
    section = next(s for s in api.sections if s.title == title)
    of_section = [g for g in groups(api) if g.functions[0] in section.declarations]
    return "\n".join(python_lines(section, of_section))


# Which functions there are


def test_a_length_is_derived_from_its_data(api: Api) -> None:
    expected = "def write(connection: Connection, buffer: str | bytes) -> int"
    assert signatures(api, "write") == expected


def test_a_buffer_becomes_a_size_and_a_result(api: Api) -> None:
    assert signatures(api, "read") == "def read(connection: Connection, buffer_size: int) -> bytes"


def test_a_nullable_result_may_be_none(api: Api) -> None:
    expected = "def get_header(connection: Connection, name: str) -> str | None"
    assert signatures(api, "getHeader") == expected


def test_a_format_takes_values(api: Api) -> None:
    expected = "def print(connection: Connection, format: str, *args: object) -> int"
    assert signatures(api, "print") == expected


def test_overloads_that_look_the_same_in_python_are_one_function(api: Api) -> None:
    by_name = {group.name: group for group in groups(api)}
    (text,) = by_name["write_text_to_web_socket"].signatures
    assert text.serves.symbol == "ah_write_text_to_web_socket"  # not the one for C strings
    (handler,) = by_name["set_web_socket_handler"].signatures
    assert handler.serves.symbol == "ah_set_web_socket_message_handler"  # the widest lengths
    assert signatures(api, "setWebSocketHandler").endswith(
        "    user_data: object = None,\n) -> None"
    )


def test_overloads_of_different_shapes_stay_apart(api: Api) -> None:
    group = next(g for g in groups(api) if g.name == "start_server")
    shapes = [
        ([argument.name for argument in s.arguments], s.serves.symbol) for s in group.signatures
    ]
    # The shapes without user data come first: that would take any argument for itself.
    assert shapes == [
        (["callbacks", "options"], "ah_start_server"),
        (["callback", "options"], "ah_start_server_with_options"),
        (["callback", "port"], "ah_start_server_on_port"),
        (["callbacks", "user_data", "options"], "ah_start_server"),
        (["callback", "user_data", "options"], "ah_start_server_with_options"),
        (["callback", "user_data", "port"], "ah_start_server_on_port"),
    ]


def test_what_only_alusus_has_is_left_out(api: Api) -> None:
    assert signatures(api, "getBuildDependencies") == ""


def test_types_and_callbacks_have_lines_as_well(api: Api) -> None:
    assert signatures(api, "RequestCallback") == "RequestCallback = Callable[[Connection], int]"
    assert signatures(api, "Header") == "class Header:\n    name: str\n    value: str"
    assert "    http_headers: tuple[Header, ...]" in signatures(api, "RequestInfo").splitlines()
    assert "    query_string: str | None" in signatures(api, "RequestInfo").splitlines()


# The files


def test_types_are_right(files: Path) -> None:
    run("mypy", "--strict", "--no-incremental", files)


def test_style_is_right(files: Path) -> None:
    configuration = ROOT / "pyproject.toml"
    run("ruff", "check", "--no-cache", "--config", configuration, files)
    run("ruff", "format", "--no-cache", "--check", "--config", configuration, files)


def test_cffi_takes_the_declarations(files: Path) -> None:
    ffi = FFI()
    ffi.cdef((files / "_cdef.h").read_text(encoding="utf-8"))
    assert ffi.typeof("ah_event").kind == "struct"


def test_a_type_that_python_cannot_return_is_an_error(api: Api) -> None:
    def float_result(function: Function) -> Function:
        returns = replace(function.returns, kind=Kind.FLOAT, notation="Float")
        return replace(function, returns=returns)

    with pytest.raises(AssertionError, match="Python cannot return Float, of ah_write"):
        python.emit(with_functions(api, "write", float_result))


def test_a_declaration_that_reaches_no_file_is_an_error(api: Api) -> None:
    lost = replace(api.callbacks[0].name, c="ah_lost_callback", python="LostCallback")
    section = next(s for s in api.sections if s.title == "RequestCallback")
    declaration = replace(api.callbacks[0], name=lost)
    sections = [
        replace(s, declarations=(*s.declarations, declaration)) if s is section else s
        for s in api.sections
    ]
    with pytest.raises(AssertionError, match=r"LostCallback did not reach http\.py"):
        python.emit(replace(api, sections=tuple(sections)))


def with_functions(api: Api, title: str, change: Callable[[Function], Function]) -> Api:
    def changed(section: Section) -> Section:
        if section.title != title:
            return section
        functions = [change(d) for d in section.declarations if isinstance(d, Function)]
        return replace(section, declarations=tuple(functions))

    return replace(api, sections=tuple(map(changed, api.sections)))


@pytest.mark.parametrize("words", ["The overloads differ", "ended by None", "`Int`", "`ArchWord`"])
def test_docstrings_say_nothing_of_how_c_and_alusus_pass_values(api: Api, words: str) -> None:
    assert words not in python.emit(api)["bridge/alusus_http/http.py"]


# Docstrings

NAMES: Mapping[str, str] = {"startServer": "start_server", "userData": "user_data"}


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("Short.", '"""Short."""'),
        ("Calls `startServer(a, userData)`.", '"""Calls `start_server(a, user_data)`."""'),
        ("May be null, as is a null-terminated list.", "May be None, as is a null-terminated"),
        ("See [RFC 6455](https://example.org).", '"""See RFC 6455."""'),
        ('Ends in "quotes"', '"""Ends in "quotes"\n    """'),
        ("A `\\r\\n` ends it.", 'r"""A `\\r\\n` ends it."""'),
        ("One.\n\nTwo\nlines.", '"""One.\n\n    Two lines.\n    """'),
        ("Two:\n\n- one;\n- two.", '"""Two:\n\n    - one;\n    - two.\n    """'),
        ("One.\n\n```alusus\nfunc f();\n```\n\nTwo.", '"""One.\n\n    Two.\n    """'),
    ],
)
def test_markdown_becomes_plain_text(markdown: str, expected: str) -> None:
    assert expected in Docstrings(NAMES).write(markdown)


def test_a_long_summary_is_cut_at_a_clause() -> None:
    text = "It does " + "this and that and " * 3 + "more; " + "and much more " * 4 + "too."
    summary, blank, rest = Docstrings(NAMES).write(text).splitlines()[:3]
    assert summary.endswith("more.") and not blank and rest.startswith("    And much more")


def test_parts_are_indented_and_wrapped() -> None:
    part = Part("Args", (("userData", "kept " * 30), ("port", "")))
    lines = Docstrings(NAMES).write("Short.", [part]).splitlines()
    assert lines[2] == "    Args:"
    assert lines[3].startswith("        userData: Kept kept")
    assert lines[4].startswith("            kept")
    assert lines[5] == "        port"
    assert max(map(len, lines)) <= 100
