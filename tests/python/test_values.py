"""Cookies, variables, URLs and types: text in, text out."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alusus_http import http
from alusus_http.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("cookies", "name", "value"),
    [
        ("a=1", "a", "1"),
        ("a=1; b=2", "b", "2"),
        ("a=1;b=2;  c=3 ", "c", "3"),
        ("a=1; b=2", "c", None),
        ("", "a", None),
        (None, "a", None),
        ("aa=1; a=2", "a", "2"),
        ('a="x y"; b=1', "a", "x y"),
        ('a="b=2"; b=3', "b", "3"),
        ("a=x b=2", "b", None),
        ("A=1; a=2", "a", "2"),
        ("A=1", "a", "1"),
        ("a=1; a=2", "a", "1"),
        ("a=b=c", "a", "b=c"),
        ("a=", "a", ""),
        ("a", "a", None),
        ("session=%41; x=سلام", "session", "%41"),
        ("session=%41; x=سلام", "x", "سلام"),
        (";;;=;a=1", "a", "1"),
    ],
)
def test_cookies(cookies: str | None, name: str, value: str | None) -> None:
    assert http.get_cookie(cookies, name) == value
    assert http.get_last_error() is None


@pytest.mark.parametrize(
    ("data", "name", "value"),
    [
        ("a=1&b=2", "a", "1"),
        ("a=1&b=2", "b", "2"),
        ("a=1&b=2", "c", None),
        (None, "a", None),
        ("", "a", None),
        ("a=x+y%20z%2B", "a", "x y z+"),
        ("%61=1", "a", "1"),
        ("a=%", "a", "%"),
        ("a=%4", "a", "%4"),
        ("a=%zz", "a", "%zz"),
        ("a=&b=1", "a", ""),
        ("ab=1&a=2", "a", "2"),
        ("A=1&a=2", "a", "2"),
        ("A=1", "a", "1"),
        ("a=%00b", "a", "\0b"),
        ("a=%D8%B3", "a", "س"),
        ("x&a=1", "a", "1"),
        (b"a=\r\n\x01", "a", "\r\n\x01"),
        ("&&a=1&&", "a", "1"),
    ],
)
def test_variables(data: str | bytes | None, name: str, value: str | None) -> None:
    assert http.get_variable(data, name) == value


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
values = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(names.map(str.casefold), values, min_size=1))
def test_variables_as_urllib_writes_them(fields: dict[str, str]) -> None:
    data = urlencode(fields)
    assert dict(parse_qsl(data, keep_blank_values=True)) == fields
    for name, value in fields.items():
        assert http.get_variable(data, name) == value


@given(names)
def test_urls_are_escaped_as_urllib_does(text: str) -> None:
    escaped = http.encode_url(text)
    assert escaped == quote(text, safe="")
    assert http.decode_url(escaped, 0) == text
    assert http.decode_url(escaped, 1) == text


@given(st.text(st.characters(codec="ascii")))
def test_urls_are_unescaped_as_urllib_does(text: str) -> None:
    decoded = http.decode_url(text, 0)
    assert decoded is not None
    assert decoded.encode("utf-8", "surrogateescape") == unquote_to_bytes(text)


def test_a_plus_is_a_space_in_forms_only() -> None:
    assert http.decode_url("a+b%2B", 0) == "a+b+"
    assert http.decode_url("a+b%2B", 1) == "a b+"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "text/html"),
        ("/x/y.PNG", "image/png"),
        ("a.json", "application/json"),
        ("a.css", "text/css"),
        ("none", "text/plain"),
        ("", "text/plain"),
    ],
)
def test_mime_types(name: str, kind: str) -> None:
    assert http.get_mime_type(name) == kind


def test_names_with_nul() -> None:
    with pytest.raises(InvalidArgumentError, match="NUL"):
        http.get_cookie("a=1", "a\0")
