"""The bytes of an answer: status line, headers and framing (RFC 9112 sections 4 to 7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import monotonic, time
from typing import Any

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}".encode() for s in HTTPStatus}

_BODILESS = frozenset((204, 304))

# What a header means here. What the server says itself, about the connection that it has with this
# client, it does not repeat for the application.
_PLAIN, _LENGTH, _DATE, _CONNECTION = range(4)
_MEANINGS = {
    b"content-length": _LENGTH,
    b"date": _DATE,
    b"connection": _CONNECTION,
    b"keep-alive": _CONNECTION,
    b"transfer-encoding": _CONNECTION,
}
_MOST_NAMES = 1000
MOST_HEADS = 256  # that are kept for answers which begin alike
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2


class _Names(dict[bytes, tuple[bytes, int]]):
    """How the line of a header begins and what it means, by its name as it was written."""

    def __missing__(self, name: bytes) -> tuple[bytes, int]:
        if _TOKEN.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of a header")
        known = b"\r\n%b: " % name, _MEANINGS.get(name.lower(), _PLAIN)
        if len(self) < _MOST_NAMES:
            self[bytes(name)] = known
        return known


_names = _Names()

_date_line = b""
_date_ends = 0.0  # when it is another one, by `monotonic`


def _date() -> bytes:
    """The line that RFC 9110 section 6.6.1 asks for, made once in a second."""
    global _date_line, _date_ends
    if monotonic() >= _date_ends:
        now = time()
        _date_line = b"\r\ndate: " + formatdate(now, usegmt=True).encode()
        _date_ends = monotonic() + 1 - now % 1  # last, for other threads look at it first
    return _date_line


@dataclass(frozen=True, slots=True)
class Head:
    """How an answer begins, as an application says: checked, and put together."""

    status: int
    lines: bytes  # without the end of the last one
    length: int | None  # of the body, if it is said
    dated: bool  # they have a date
    closes: bool  # the connection is to end with the answer
    bodiless: bool  # such an answer has no body


def make_head(
    status: Any, headers: Iterable[tuple[bytes, bytes]], line: bytes | None = None
) -> Head:
    """Check and put together how an answer begins.

    Args:
        status: The status code.
        headers: Names and values; what they say of the connection itself is left out, but for
            `Connection: close`, which is heeded.
        line: The status line without its end, when its reason is not the usual one.

    Raises:
        TypeError: The status is no int, or the headers are no pairs of bytes.
        ValueError: The status is none of an answer, or a header could not be sent as it is.
    """
    _check_status(status)
    pieces = [line or _STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status]
    length = None
    dated = closes = False
    try:
        for name, value in headers:
            start, meaning = _names[name]
            if meaning == _CONNECTION:
                closes = closes or value.lower() == b"close"
                continue
            if meaning == _LENGTH:
                if not value.isdigit():
                    raise ValueError(f"the header Content-Length is {value!r}, no number")
                length = int(value)
            elif meaning == _DATE:
                dated = True
            pieces += start, value
        lines = b"".join(pieces)
    except (AttributeError, TypeError, ValueError):
        check_headers(headers)
        raise
    breaks = len(pieces) - 1  # two for each header
    if len(lines.translate(None, b"\r\n\0")) != len(lines) - breaks:
        raise ValueError("a header has a line break or a NUL in its value, which cannot be sent")
    return Head(status, lines, length, dated, closes, status in _BODILESS)


@lru_cache(MOST_HEADS)
def _keep_head(status: Any, headers: tuple[tuple[bytes, bytes], ...]) -> Head:
    return make_head(status, headers)


def head_of(status: Any, headers: Iterable[tuple[bytes, bytes]]) -> Head:
    """As `make_head`, for an application that begins most of its answers in one of a few ways.

    Raises:
        TypeError: As there.
        ValueError: As there.
    """
    try:
        headers = tuple(headers)
        return _keep_head(status, headers)
    except TypeError:  # it is wrong, or of lists and the like, which cannot be looked up
        return make_head(status, headers)


class Answer:
    """One answer, from its status to its last byte.

    `begin` takes its head; `encode` returns what is to be sent for a piece of the body, the head
    with the first. A body whose length the headers do not say is sent with `Content-Length` when
    it is in one piece, and chunked when it is not; to a client of HTTP/1.0 its end is the end of
    the connection.
    """

    # What the request says about it; as most of them do.
    is_head = False  # the method is HEAD
    is_old = False  # the version is 1.0
    # The client waits until it is asked for the body. It may never send one that it was not asked
    # for, so that what it sends next is anybody's guess.
    unasked = False

    # As every answer begins.
    closes = False  # the connection ends with it
    status = 0  # 0 before `begin`
    sent = False  # `encode` has returned the head
    has_body = True  # neither the method nor the status forbids one
    _head: Head
    _chunked = False
    _left: int | None = None  # bytes of the body that are to come; None: not said

    def begin(self, head: Head) -> None:
        """Say how the answer begins. Until it is sent, it can be said again."""
        self._head = head
        self._left = head.length
        self.has_body = not (head.bodiless or self.is_head)
        self.status = head.status
        if head.closes:
            self.closes = True

    def be_last(self) -> None:
        """Have the connection end with it, if the client can still be told."""
        if not self.sent:
            self.closes = True

    def encode(self, body: bytes, last: bool) -> bytes:
        """What to send for a piece of the body.

        Raises:
            TypeError: The body is no bytes.
            ValueError: The body is not as long as the headers say.
        """
        try:
            left = self._left
            if left is not None and self.has_body:
                self._left = left = left - len(body)
                if left < 0 or (last and left > 0):
                    raise ValueError(
                        "the body is not as long as the header Content-Length says: "
                        + ("it is longer" if left < 0 else f"{left} bytes are missing")
                    )
            data = b"" if self.sent else self._encode_head(len(body), last)
            if self._chunked:
                if body:
                    data += b"%x\r\n%b\r\n" % (len(body), body)
                if last:
                    data += b"0\r\n\r\n"
            elif self.has_body:
                data += body
        except TypeError:
            self._chunked = self._chunked and self.sent
            raise TypeError(f"a body is given as bytes, not as {type(body).__name__}") from None
        self.sent = True
        return data

    def _encode_head(self, size: int, last: bool) -> bytes:
        """The head, now that the first piece of the body is there, and its size."""
        head = self._head
        lines = head.lines if head.dated else head.lines + _date()
        if self.unasked:
            self.closes = True
        if head.length is not None or head.bodiless:
            pass  # it ends where its headers say, or with them (RFC 9112 section 6.3)
        elif last and (size or not self.is_head):
            lines += b"\r\ncontent-length: %d" % size
        elif self.is_old:
            self.closes = True
        else:
            self._chunked = self.has_body
            lines += b"\r\ntransfer-encoding: chunked"
        if self.closes:
            return lines + b"\r\nconnection: close\r\n\r\n"
        if self.is_old:
            return lines + b"\r\nconnection: keep-alive\r\n\r\n"
        return lines + b"\r\n\r\n"


def _check_status(status: object) -> None:
    if not isinstance(status, int):
        raise TypeError(f"the status is given as an int, such as 200, and not as {status!r}")
    if not 200 <= status <= 999:
        raise ValueError(
            f"{status} is no status of an answer: those are 200 to 999, and 1xx say that one "
            "follows (RFC 9110 section 15.2)"
        )


def check_headers(headers: object) -> None:
    """Say what is wrong with headers that could not be put together.

    Raises:
        TypeError: They are no pairs of bytes.
    """
    pairs = headers if isinstance(headers, Iterable) else [headers]
    wrong = [pair for pair in pairs if not _is_pair_of_bytes(pair)]
    if wrong:
        raise TypeError(
            "headers are given as pairs of bytes, such as (b'content-type', b'text/plain'), "
            f"and not as {wrong[0]!r}"
        ) from None


def _is_pair_of_bytes(pair: object) -> bool:
    return (
        isinstance(pair, tuple | list)
        and len(pair) == 2
        and all(isinstance(text, bytes | bytearray | memoryview) for text in pair)
    )
