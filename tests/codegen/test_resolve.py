"""The model: what the spec's types, modifiers and texts become, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from alusus_codegen.generate import read_api
from alusus_codegen.model import Api, Function, Kind, Role
from alusus_codegen.source import SpecErrors


@pytest.fixture
def api(sample: Path) -> Api:
    return read_api(sample)


def function(api: Api, symbol: str) -> Function:
    return next(f for f in api.functions if f.symbol == symbol)


def test_a_structure_is_laid_out_as_c_does(api: Api) -> None:
    header = next(s for s in api.structures if s.name.alusus == "Header")
    assert [(f.name.c, f.offset, f.type.size) for f in header.fields] == [
        ("name", 0, 8),
        ("flag", 8, 1),
        ("sizes", 10, 6),
    ]
    assert (header.size, header.alignment) == (16, 8)


def test_roles_come_from_modifiers_and_names(api: Api) -> None:
    roles = {
        symbol: [p.role for p in function(api, symbol).parameters]
        for symbol in ("ah_write_data", "ah_read_data", "ah_print_text", "ah_set_handler")
    }
    assert roles == {
        "ah_write_data": [Role.VALUE, Role.DATA, Role.LENGTH],
        "ah_read_data": [Role.VALUE, Role.OUTPUT, Role.OUTPUT_SIZE],
        "ah_print_text": [Role.VALUE, Role.FORMAT],
        "ah_set_handler": [Role.VALUE, Role.VALUE, Role.USER_DATA],
    }


def test_what_a_failed_call_returns_follows_its_type(api: Api) -> None:
    assert function(api, "ah_write_data").failure == "-1"
    assert function(api, "ah_find_name").failure == "NULL"
    assert function(api, "ah_stop_server").failure == ""


def test_an_overload_with_a_body_is_for_alusus_only(api: Api) -> None:
    overloads = [f for f in api.functions if f.name.alusus == "setHandler"]
    assert [bool(f.symbol) for f in overloads] == [True, False, True]
    assert "setHandler(connection, handler, none);" in overloads[1].body


def test_the_wider_callback_supersedes_the_narrower(api: Api) -> None:
    assert {c.name.alusus: c.supersedes for c in api.callbacks} == {
        "DataCallback": "",
        "MessageCallback": "DataCallback",
        "ClosedCallback": "",
    }


def test_names_in_all_languages(api: Api) -> None:
    name = function(api, "ah_set_handler").name
    assert (name.alusus, name.python) == ("setHandler", "set_handler")
    assert name.arabic == ("حدد_معالجا", "ضع_معالجا")
    assert name.arabic_ours == {"حدد_معالجا", "ضع_معالجا"}
    parameter = function(api, "ah_read_data").parameters[1].name
    assert (parameter.alusus, parameter.arabic) == ("buffer", ("ذاكرة",))


def test_types_in_c(api: Api) -> None:
    types = {p.name.c: p.type for f in api.functions for p in f.parameters}
    assert types["names"].declare("names") == "const char *const *names"
    assert types["connection"].kind is Kind.HANDLE
    assert types["connection"].declare("c") == "ah_connection *c"


def test_a_checksum_changes_with_the_declaration_and_with_nothing_else(
    sample: Path, api: Api, edit_spec: EditSpec
) -> None:
    before = dict(api.contract)
    edit_spec("Writes. A comment", "Writes and more. A comment")
    assert dict(read_api(sample).contract) == before
    edit_spec("data: CharsPtr, dataLen: Int): Int;", "data: CharsPtr, dataLen: ArchWord): Int;")
    after = dict(read_api(sample).contract)
    assert {name for name in before if before[name] != after[name]} == {"ah_write_data"}
    assert read_api(sample).contract_checksum != api.contract_checksum


EditSpec = Callable[[str, str], None]


@pytest.fixture
def edit_spec(sample: Path) -> EditSpec:
    path = sample / "spec/http.md"

    def edit(old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("dataLen: Int): Int;", "dataLen: Int[24]): Int;", "Int[24] has no such width"),
        ("names: ptr[CharsPtr]", "names: ptr[Nothing]", "points to something"),
        ("names: ptr[CharsPtr]", "names: Header", "pass the class Header by value"),
        ("names: ptr[CharsPtr]", "names: ptr[func (a: Int)]", "a callback has no name here"),
        ("names: ptr[CharsPtr]", "names: Array[CharsPtr]", "which C has not"),
        ("@expname[ah_find_name]", "@expname[find_name]", "outside of the library's names"),
        ("@expname[ah_find_name]", "@expname[ah_read_data]", "declared a second time"),
        ("@expname[ah_find_name] @nullable[result]", "@nullable[result]", "neither a C symbol"),
        ("@nullable[result]", "@nulable[result]", "@nulable says nothing here"),
        ("@nullable[result]", "@nullable[results]", "results, which is no parameter"),
        ("@lifetime[result, connection]", "@lifetime[result, ever]", "cannot live for a ever"),
        ("@thread[any]", "@thread[some]", "@thread is not complete"),
        ("@thread[any] def closed", "def closed", "on which thread ClosedCallback runs"),
        ("@thread[worker] @onFailure[0]", "@thread[worker]", "DataCallback returns a value"),
        ("@thread[any]", "@thread[any] @onFailure[1]", "ClosedCallback returns nothing"),
        (
            "- `names`: what to look for, ended by null.\n",
            "",
            "names of findName is not documented",
        ),
        ("- `names`: what", "- `name`: what", "name is documented, but no declaration"),
        ("- Returns: the name, or null.\n", "", "the result of findName is not documented"),
        ("Finds the first of some names.\n", "", "findName is not documented"),
        (
            "Finds the first of some",
            "Finds `the\nfirst` of some",
            "a code span of findName goes over",
        ),
        ("what to look for", "what `to look\n  for`", "a code span of findName goes over"),
        ("### findName", "### findNames", "no section of the English spec is called"),
        ("def LIMIT: 64;", "LIMIT = 64;", "declares nothing"),
    ],
)
def test_errors_name_the_place_and_what_was_expected(
    sample: Path, edit_spec: EditSpec, old: str, new: str, problem: str
) -> None:
    edit_spec(old, new)
    with pytest.raises(SpecErrors) as caught:
        read_api(sample)
    matching = [d for d in caught.value.diagnostics if problem in d.problem]
    assert matching, str(caught.value)
    assert matching[0].span.line > 0
    assert matching[0].expected.startswith("expected")
