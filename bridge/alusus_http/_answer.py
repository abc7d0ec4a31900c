"""The bytes of an answer: status line, headers and framing (RFC 9112 sections 4 to 7)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}".encode() for s in HTTPStatus}

_BODILESS = frozenset((*range(100, 200), 204, 304))

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
# How the line of a header begins and what it means, by its name as an application has written it.
_seen: dict[bytes, tuple[bytes, int]] = {}
_MOST_SEEN = 1000
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2

_date = (0.0, b"")  # until when it holds


def _date_line() -> bytes:
    """The line that RFC 9110 section 6.6.1 asks for, made once in a second."""
    global _date
    now = time.time()
    end, line = _date
    if not end - 1 <= now < end:
        line = b"\r\ndate: " + formatdate(now, usegmt=True).encode()
        _date = int(now) + 1.0, line
    return line


class Answer:
    """One answer, from its status to its last byte.

    `begin` notes the status and the headers; `encode` returns what is to be sent for a piece of
    the body, the head with the first. A body whose length the headers do not say is sent with
    `Content-Length` when it is in one piece, and chunked when it is not; to a client of HTTP/1.0
    its end is the end of the connection.
    """

    # As every answer begins.
    status = 0  # 0 before `begin`
    sent = False  # `encode` has returned the head
    # The client waits until it is asked for the body. It may never send one that it was not asked
    # for, so that what it sends next is anybody's guess.
    unasked = False
    _head = b""  # without the end of its last line
    _body = True  # the answer has one
    _chunked = False
    _left: int | None = None  # bytes of the body that are to come; None: not said

    def __init__(self, method: str, version: str, keeps_alive: int) -> None:
        self.closes = not keeps_alive  # the connection ends with this answer
        self._is_head = method == "HEAD"
        self._old = version == "1.0"

    def begin(
        self, status: Any, headers: Iterable[tuple[bytes, bytes]], line: bytes | None = None
    ) -> None:
        """Say how the answer begins. Until it is sent, it can be said again.

        Args:
            status: The status code.
            headers: Names and values; what they say of the connection itself is left out, but for
                `Connection: close`, which is heeded.
            line: The status line without its end, when its reason is not the usual one.

        Raises:
            TypeError: The status is no int, or the headers are no pairs of bytes.
            ValueError: The status is none, or a header could not be sent as it is.
        """
        self._left = None
        pieces = [line or _STATUS_LINES.get(status) or _status_line(status)]
        lines = 0
        dated = False
        try:
            for name, value in headers:
                start, meaning = _seen.get(name) or _look_at(name)
                if meaning != _PLAIN:
                    if meaning == _CONNECTION:
                        if value.lower() == b"close":
                            self.closes = True
                        continue
                    if meaning == _LENGTH:
                        if not value.isdigit():
                            raise ValueError(f"the header Content-Length is {value!r}, no number")
                        self._left = int(value)
                    elif meaning == _DATE:
                        dated = True
                lines += 1
                pieces += (start, value)
            head = b"".join(pieces)
        except (AttributeError, TypeError, ValueError):
            check_headers(headers)
            raise
        if len(head.translate(None, b"\r\n\0")) != len(head) - 2 * lines:
            raise ValueError(
                "a header has a line break or a NUL in its value, which cannot be sent"
            )
        self._head = head if dated else head + _date_line()
        self.status = status
        self._body = not self._is_head and status not in _BODILESS

    @property
    def result(self) -> int:
        """The status as `Exchange.write` takes it with the last piece."""
        return -self.status if self.closes else self.status

    def encode(self, body: bytes, last: bool) -> bytes:
        """What to send for a piece of the body.

        Raises:
            TypeError: The body is no bytes.
            ValueError: The body is not as long as the headers say.
        """
        try:
            if self._left is not None and self._body:
                self._left -= len(body)
                if self._left < 0 or (last and self._left > 0):
                    raise ValueError(
                        "the body is not as long as the header Content-Length says: "
                        + ("it is longer" if self._left < 0 else f"{self._left} bytes are missing")
                    )
            head = b"" if self.sent else self._head + self._end_of_head(len(body), last)
            if not self._body:
                data = head
            elif not self._chunked:
                data = head + body
            else:
                chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
                data = head + chunk + (b"0\r\n\r\n" if last else b"")
        except TypeError:
            self._chunked = self._chunked and self.sent
            raise TypeError(f"a body is given as bytes, not as {type(body).__name__}") from None
        self.sent = True
        return data

    def _end_of_head(self, size: int, last: bool) -> bytes:
        """The last lines of the head, now that the first piece of the body is there."""
        if self.unasked:
            self.closes = True
        framing = b""
        if self._left is not None or self.status in _BODILESS:
            pass  # it ends where its headers say, or with them (RFC 9112 section 6.3)
        elif last and (size or not self._is_head):
            framing = b"\r\ncontent-length: %d" % size
        elif self._old:
            self.closes = True
        else:
            self._chunked = True
            framing = b"\r\ntransfer-encoding: chunked"
        if self.closes:
            return framing + b"\r\nconnection: close\r\n\r\n"
        if self._old:
            return framing + b"\r\nconnection: keep-alive\r\n\r\n"
        return framing + b"\r\n\r\n"


def _look_at(name: bytes) -> tuple[bytes, int]:
    """What is to be known of a header whose name has not been seen in this writing."""
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a header")
    known = b"\r\n%b: " % name, _MEANINGS.get(name.lower(), _PLAIN)
    if len(_seen) < _MOST_SEEN:
        _seen[bytes(name)] = known
    return known


def _status_line(status: object) -> bytes:
    """The line of a status that has no usual reason."""
    if not isinstance(status, int):
        raise TypeError(f"the status is given as an int, such as 200, and not as {status!r}")
    if not 100 <= status <= 999:
        raise ValueError(f"{status} is no status: they have three digits, such as 200")
    return b"HTTP/1.1 %d " % status


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
