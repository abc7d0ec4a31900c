"""The bytes of an answer: status line, headers and framing (RFC 9112 sections 4 to 7)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}

_BODILESS = frozenset((*range(100, 200), 204, 304))

# What a header means here, by its name as an application has written it. What the server says
# itself, about the connection that it has with this client, it does not repeat for the application.
_PLAIN, _LENGTH, _DATE, _CONNECTION = range(4)
_MEANINGS = {
    b"content-length": _LENGTH,
    b"date": _DATE,
    b"connection": _CONNECTION,
    b"keep-alive": _CONNECTION,
    b"transfer-encoding": _CONNECTION,
}
_meanings = dict(_MEANINGS)  # and those of names that have been seen
_MOST_SEEN = 1000
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2

_date = (0, b"")


def _date_line() -> bytes:
    """The line that RFC 9110 section 6.6.1 asks for, made once in a second."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = now, f"date: {formatdate(now, usegmt=True)}\r\n".encode()
    return _date[1]


class Answer:
    """One answer, from its status to its last byte.

    `begin` notes the status and the headers; `encode` returns what is to be sent for a piece of
    the body, the head with the first. A body whose length the headers do not say is sent with
    `Content-Length` when it is in one piece, and chunked when it is not; to a client of HTTP/1.0
    its end is the end of the connection.
    """

    __slots__ = (
        "_body",
        "_chunked",
        "_head",
        "_is_head",
        "_left",
        "_old",
        "closes",
        "sent",
        "status",
        "unasked",
    )

    def __init__(self, method: str, version: str, keeps_alive: bool) -> None:
        self.status = 0  # 0 before `begin`
        self.closes = not keeps_alive  # the connection ends with this answer
        self.sent = False  # `encode` has returned the head
        # The client waits until it is asked for the body. It may never send one that it was not
        # asked for, so that what it sends next is anybody's guess.
        self.unasked = False
        self._head: list[bytes] = []
        self._is_head = method == "HEAD"
        self._body = True  # the answer has one
        self._old = version == "1.0"
        self._chunked = False
        self._left: int | None = None  # bytes of the body that are to come; None: not said

    def begin(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], line: bytes | None = None
    ) -> None:
        """Say how the answer begins. Until it is sent, it can be said again.

        Args:
            status: The status code.
            headers: Names and values; what they say of the connection itself is left out, but for
                `Connection: close`, which is heeded.
            line: The status line, when its reason is not the usual one.

        Raises:
            ValueError: A header could not be sent as it is.
        """
        self._left = None
        pieces = [line or _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        lines = 1
        dated = False
        for name, value in headers:
            meaning = _meanings.get(name)
            if meaning != _PLAIN:
                if meaning is None:
                    meaning = _look_at(name)
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
            pieces += (name, b": ", value, b"\r\n")
        head = b"".join(pieces)
        if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
            raise ValueError(
                "a header has a line break or a NUL in its value, which cannot be sent"
            )
        if not dated:
            head += _date_line()
        self.status = status
        self._body = not self._is_head and status not in _BODILESS
        self._head = [head]

    @property
    def result(self) -> int:
        """The status as `Exchange.write` takes it with the last piece."""
        return -self.status if self.closes else self.status

    def encode(self, body: bytes, last: bool) -> bytes:
        """What to send for a piece of the body.

        Raises:
            ValueError: The body is not as long as the headers say.
        """
        if self._left is not None and self._body:
            self._left -= len(body)
            if self._left < 0 or (last and self._left > 0):
                raise ValueError(
                    "the body is not as long as the header Content-Length says: "
                    + ("it is longer" if self._left < 0 else f"{self._left} bytes are missing")
                )
        if self.sent:
            parts = []
        else:
            self._frame(len(body), last)
            self.sent = True
            parts = self._head
        if self._body and not self._chunked:
            parts.append(body)
        elif self._body:
            if body:
                parts += (b"%x\r\n" % len(body), body, b"\r\n")
            if last:
                parts.append(b"0\r\n\r\n")
        return b"".join(parts)

    def _frame(self, size: int, last: bool) -> None:
        """Finish the head, now that the first piece of the body is there."""
        if self.unasked:
            self.closes = True
        if self.status in _BODILESS or self._left is not None:
            pass  # it ends with its headers (RFC 9112 section 6.3), or where they say
        elif last and (size or not self._is_head):
            self._head.append(b"content-length: %d\r\n" % size)
        elif self._old:
            self.closes = True
        else:
            self._chunked = True
            self._head.append(b"transfer-encoding: chunked\r\n")
        if self.closes:
            self._head.append(b"connection: close\r\n\r\n")
        elif self._old:
            self._head.append(b"connection: keep-alive\r\n\r\n")
        else:
            self._head.append(b"\r\n")


def _look_at(name: bytes) -> int:
    """What a header means whose name has not been seen in this writing."""
    meaning = _MEANINGS.get(name.lower(), _PLAIN)
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a header")
    if len(_meanings) < _MOST_SEEN:
        _meanings[bytes(name)] = meaning
    return meaning
