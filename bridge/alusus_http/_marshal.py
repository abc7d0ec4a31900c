"""Values on their way between Python and C."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from . import errors
from ._library import ffi, lib

CData: TypeAlias = Any  # cffi's objects have no types of their own

_INT32 = range(-(2**31), 2**31)

_ERRORS: dict[int, type[errors.HttpError]] = {
    lib.AH_ERROR_INVALID_HANDLE: errors.InvalidHandleError,
    lib.AH_ERROR_INVALID_ARGUMENT: errors.InvalidArgumentError,
    lib.AH_ERROR_ADDRESS_IN_USE: errors.AddressInUseError,
    lib.AH_ERROR_ACCESS_DENIED: errors.AccessDeniedError,
    lib.AH_ERROR_UNKNOWN_OPTION: errors.UnknownOptionError,
    lib.AH_ERROR_FILE_NOT_FOUND: errors.MissingFileError,
    lib.AH_ERROR_CONNECTION_CLOSED: errors.ConnectionClosedError,
    lib.AH_ERROR_WRONG_STATE: errors.WrongStateError,
    lib.AH_ERROR_NO_MEMORY: errors.NoMemoryError,
    lib.AH_ERROR_WRONG_THREAD: errors.WrongThreadError,
    lib.AH_ERROR_QUEUE_FULL: errors.QueueFullError,
    lib.AH_ERROR_TOO_LARGE: errors.TooLargeError,
    lib.AH_ERROR_MALFORMED: errors.MalformedError,
    lib.AH_ERROR_CONNECT_FAILED: errors.ConnectFailedError,
    lib.AH_ERROR_TIMED_OUT: errors.TimedOutError,
}

# Set in a child process that was forked while servers ran: their threads and locks exist in the
# parent only, and their sockets are shared with it.
forked = False


class Handle:
    """A number that the library knows something by: hashable, and equal to itself only.

    It is never an address, and the library never gives it to two things, so that holding one for
    too long is an error from the next call and nothing worse.
    """

    __slots__ = ("_number", "owner")

    owner: Any  # what our own code ties to a Connection, which is one object for all events

    def __init__(self, number: CData) -> None:
        self._number = number

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(self._number == other._number)

    def __hash__(self) -> int:
        return hash(self._number)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {number(self._number):#x}>"


class OutPointer:
    """A place in C memory that a callback may fill with an address, while it runs."""

    __slots__ = ("_place",)

    def __init__(self, place: CData) -> None:
        self._place = place

    @property
    def value(self) -> int | None:
        """The address that is there; None for null."""
        return address(self._open()[0])

    @value.setter
    def value(self, value: int | None) -> None:
        self._open()[0] = pointer(value)

    def release(self) -> None:
        """Forget the place: the callback has returned, and C may use the memory otherwise."""
        self._place = None

    def _open(self) -> CData:
        if self._place is None:
            raise errors.InvalidHandleError("the callback that was given this pointer has returned")
        return self._place


# To C


def require_unforked() -> None:
    """Refuse to work in a process that has only a copy of its parent's servers."""
    if forked:
        raise errors.HttpError(
            "this process was forked while a server ran, and the server's threads are in the "
            "parent only: start servers after forking, or start processes with the spawn method"
        )


def handle(value: Handle, expected: type[Handle], name: str) -> CData:
    """The number behind a Context or a Connection."""
    if forked:
        require_unforked()
    if not isinstance(value, expected):
        raise type_error(name, f"a {expected.__name__}", value)
    return value._number


def encode(value: str, name: str) -> bytes:
    """A text as C takes it. What `decode` kept of bytes that are no UTF-8 is restored."""
    if not isinstance(value, str):
        raise type_error(name, "a str", value)
    if "\0" in value:
        raise errors.InvalidArgumentError(
            f"{name}: a NUL character at position {value.index(chr(0))}, where C's texts end"
        )
    return value.encode("utf-8", "surrogateescape")


def encode_optional(value: str | None, name: str) -> CData:
    """A text as C takes it, or null."""
    return ffi.NULL if value is None else encode(value, name)


def contents(value: str | bytes, name: str) -> bytes:
    """Data with a length of its own; a str goes as UTF-8."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise type_error(name, "a str or bytes", value)


def optional_contents(value: str | bytes | None, name: str) -> bytes:
    """The same, where None stands for no data."""
    return b"" if value is None else contents(value, name)


def strings(values: Sequence[str] | None, name: str) -> list[CData]:
    """C strings with a null behind the last one; cffi makes an array of them for one call."""
    if values is None:
        return [ffi.NULL]
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise type_error(name, "a sequence of str", values)
    return [*(ffi.new("char[]", encode(value, name)) for value in values), ffi.NULL]


def pairs(values: Mapping[str, str] | Sequence[str] | None, name: str) -> list[CData]:
    """Names and values in turn, with a null behind the last one."""
    if not isinstance(values, Mapping):
        return strings(values, name)
    return strings([text for pair in values.items() for text in pair], name)


def formatted(template: str, values: tuple[object, ...]) -> CData:
    """The text of `template % values`, for a "%s" of C."""
    return ffi.new("char[]", encode(template % values, "the formatted text"))


def buffer(size: int, name: str) -> CData:
    """Memory that a function fills."""
    if size < 0:
        raise errors.InvalidArgumentError(f"{name}: {size} is below zero")
    return ffi.new("char[]", size)


def text_buffer(*texts: str | bytes | None) -> CData:
    """Memory for what a function makes of texts: escaping makes at most three bytes of one."""
    size = sum(len(text) * (1 if isinstance(text, bytes) else 4) for text in texts if text)
    return ffi.new("char[]", 3 * size + 1)


def pointer(value: int | None) -> CData:
    """An address that Python only passes on."""
    return ffi.cast("void *", value or 0)


# From C


def filled(structure: str, function: Callable[..., int], *args: CData) -> Iterator[CData]:
    """The structures of a function that fills an array and returns how many there are in all.

    Each is to be read before the next: they are parts of an array that lasts as long as this does.
    """
    capacity = checked(function(*args, ffi.NULL, 0))
    while True:
        array = ffi.new(f"{structure}[]", capacity)
        count = checked(function(*args, array, capacity))
        if count <= capacity:
            yield from (array[i] for i in range(count))
            return
        capacity = count  # there are more now


def decode(text: CData) -> str:
    """A text of C's, "" for null; bytes that are no UTF-8 become lone surrogates."""
    return decode_or_none(text) or ""


def decode_or_none(text: CData) -> str | None:
    """A text of C's, None for null."""
    if not text:
        return None
    decoded: str = ffi.string(text).decode("utf-8", "surrogateescape")
    return decoded


def copied(data: CData, length: int) -> bytes:
    """The bytes of a buffer whose memory C will use again."""
    taken: bytes = ffi.buffer(data, length)[:] if length else b""
    return taken


def number(value: CData) -> int:
    """A handle or an address as a plain number."""
    return int(ffi.cast("uintptr_t", value))


def address(value: CData) -> int | None:
    """An address that Python only passes on; None for null."""
    return number(value) or None


def int32(value: object) -> int:
    """What a callback answers with."""
    if not isinstance(value, int):
        raise TypeError(f"the callback returned {value!r} where an int is expected")
    if value not in _INT32:
        raise OverflowError(f"the callback returned {value}, which is outside 32 bits")
    return int(value)


# Results and errors


def last_error() -> errors.HttpError | None:
    """Why the calling thread's last call failed; None when it did not."""
    code = lib.ah_last_error_code()
    if code == lib.AH_OK:
        return None
    text = _FUNCTION.sub(_by_its_name_here, decode(lib.ah_last_error()))
    return _ERRORS.get(code, errors.HttpError)(text)


# Between quotes there is what the program has given, such as a path, which stays as it is.
_FUNCTION = re.compile(r'"[^"]*"|\b[a-z]+(?:[A-Z][a-z]*)+\b')


def _by_its_name_here(match: re.Match[str]) -> str:
    """The Python name of a function that a message calls as Alusus does."""
    name = re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", match[0])
    return f"alusus_http.http.{name}()" if hasattr(lib, f"ah_{name}") else match[0]


def check() -> None:
    """Raise what the last call failed with, if it did."""
    error = last_error()
    if error is not None:
        raise error


def checked(result: int) -> int:
    """The result of a function that returns -1 when it fails."""
    if result < 0:
        check()
    return result


def checked_buffer(buffer: CData, length: int) -> str:
    """The text that a function has written into a buffer."""
    return copied(buffer, checked(length)).decode("utf-8", "surrogateescape")


def checked_optional_buffer(buffer: CData, length: int) -> str | None:
    """The same of a function that returns -1 also when there is no text, which is no error."""
    if length < 0:
        check()
        return None
    return checked_buffer(buffer, length)


def checked_optional(result: CData) -> CData:
    """The result of a function that returns null when it fails, and when there is nothing."""
    if not result:
        check()
    return result


def checked_text(result: CData) -> str | None:
    """The text of such a function; None when there is nothing."""
    return decode_or_none(checked_optional(result))


def checked_pointer(result: CData) -> CData:
    """The result of a function that returns null only when it fails."""
    if not result:
        check()
        raise errors.HttpError("the library returned null and gave no reason")
    return result


def type_error(name: str, expected: str, value: object) -> TypeError:
    """The error of an argument that is not of the type it should be."""
    return TypeError(f"{name}: expected {expected}, got {type(value).__name__}")
