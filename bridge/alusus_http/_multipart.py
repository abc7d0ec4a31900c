"""Bodies of forms with files: multipart/form-data (RFC 7578), as python-multipart takes them apart.

The parser of the standard library's `email` needs minutes for some headers of a hundred kilobytes.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

# The parser warns of each malformed form, besides raising: any client could fill the program's log.
_SILENCE = logging.Logger(__name__, logging.CRITICAL + 1)


class Part(NamedTuple):
    """One part of a form."""

    name: str
    filename: str | None  # None: it is no file
    content_type: str  # "text/plain" where the client does not say (RFC 7578 section 4.4)
    data: bytes


def parts(content_type: str, body: bytes, most: int) -> list[Part]:
    """Take a body apart.

    Args:
        content_type: The header Content-Type of the request.
        body: The whole body.
        most: How many parts there may be: each costs more to read than to send.

    Raises:
        ValueError: It is not well-formed, or has too many parts; the message says which.
    """
    sent = content_type.encode("utf-8", "surrogateescape")
    boundary = parse_options_header(sent)[1].get(b"boundary")
    if not boundary:
        raise ValueError("the body is no form: its type has no boundary")
    try:
        form = _Form(boundary, most)
        form.parser.write(body)
    except FormParserError as error:
        raise ValueError(f"the form is malformed: {error}") from error
    if not form.is_complete:
        raise ValueError("the form has no end")
    return form.parts


class _Form:
    """What the parser has told."""

    def __init__(self, boundary: bytes, most: int) -> None:
        self.parts: list[Part] = []
        self.is_complete = False
        self._most = most
        # Of the part at hand:
        self._headers: dict[bytes, bytes] = {}
        self._field = self._value = b""
        self._data: list[bytes] = []
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )
        self.parser.logger = _SILENCE

    def _on_part_begin(self) -> None:
        if len(self.parts) == self._most:
            raise ValueError(f"the form has more than {self._most} parts")
        self._headers = {}
        self._data = []

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def _on_part_end(self) -> None:
        kind, parameters = parse_options_header(self._headers.get(b"content-disposition"))
        name, filename = parameters.get(b"name"), parameters.get(b"filename")
        if kind != b"form-data" or name is None:
            raise ValueError("a part of the form has no name")
        content_type, _ = parse_options_header(self._headers.get(b"content-type"))
        self.parts.append(
            Part(
                _text(name),
                None if filename is None else _text(filename),
                _text(content_type) or "text/plain",
                b"".join(self._data),
            )
        )

    def _on_end(self) -> None:
        self.is_complete = True


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")  # as browsers write it (RFC 7578 section 5.1)
