"""Bodies of requests that cannot be read to their end, and what their clients are told."""

from __future__ import annotations

from typing import ClassVar

from .errors import ConnectionClosedError, HttpError, MalformedError, TimedOutError


class UnreadableError(HttpError):
    """The body of this request could not be read, which is its client's fault.

    Who lets it pass has the client told. It is told apart from what a program's other calls raise,
    such as those of a client for another server: these are the program's own failures.

    Attributes:
        status: The status of the answer.
        reason: Its text.
    """

    status: ClassVar[int] = 400
    reason: ClassVar[str]


class _Malformed(UnreadableError, MalformedError):
    reason = "the body is malformed"  # RFC 9112 section 7.1


class _Late(UnreadableError, TimedOutError):
    status = 408
    reason = "the body has not come in time"


class _Incomplete(UnreadableError, ConnectionClosedError):
    reason = "the body is not complete"  # RFC 9112 section 8


# What `http.read` raises for a body, and what becomes of it.
_KINDS: dict[type[HttpError], type[UnreadableError]] = {
    MalformedError: _Malformed,
    TimedOutError: _Late,
    ConnectionClosedError: _Incomplete,
}
FAILURES = tuple(_KINDS)


def unreadable(error: HttpError) -> UnreadableError:
    """The error of a body, of one of FAILURES that reading it has raised."""
    return _KINDS[type(error)](str(error))
