"""Python's keyword arguments as CivetWeb's options."""

from __future__ import annotations

import math
import os
import re
import socket
from collections.abc import Iterable, Mapping, Sequence

from .errors import InvalidArgumentError, MissingFileError

Options = Mapping[str, str | int | float | bool]

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # a name in HTTP: RFC 9110 section 5.6.2
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # of a host, or an IPv4 address
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s,]+")  # RFC 6454 section 6.2


def check_type(name: str, value: object, wanted: type, words: str) -> None:
    """Refuse a value of another type.

    Raises:
        TypeError: It is one.
    """
    # True is an int to Python, and a mistake here.
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise TypeError(f"{name}: expected {words}, got {value!r}")


def listening_ports(host: str, port: int, secure: bool) -> str:
    """What CivetWeb's option of that name says for one address.

    Raises:
        InvalidArgumentError: The port is none, or the host is no address or name.
        TypeError: The port is no int, or the host no str.
    """
    check_type("port", port, int, "an int, such as 8080")
    check_type("host", host, str, 'a str, such as "127.0.0.1"')
    if not 0 <= port <= 65535:
        raise InvalidArgumentError(f"port: {port} is outside of 0 to 65535")
    if not _NAME.fullmatch(host) and not _is_ipv6(host):
        raise InvalidArgumentError(
            f'host: {host!r} is no address; give one of this machine\'s, such as "127.0.0.1" or '
            '"::1", or "0.0.0.0" or "::" for all of them; the port is an argument of its own'
        )
    address = f"[{host}]" if ":" in host else host
    return f"{address}:{port}{'s' if secure else ''}"


def _is_ipv6(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, host)
    except (OSError, ValueError):
        return False
    return True


def seconds(name: str, value: float) -> float:
    """A time in seconds.

    Raises:
        InvalidArgumentError: It is below zero, or without an end.
        TypeError: It is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: expected a number of seconds, got {value!r}")
    if not 0 <= value < math.inf:
        raise InvalidArgumentError(f"{name}: {value} is no number of seconds from 0 on")
    return value


def milliseconds(name: str, value: float) -> str:
    """A time in seconds as CivetWeb takes it.

    Raises:
        InvalidArgumentError: It is below zero, without an end, or too short to be counted.
        TypeError: It is no number.
    """
    if seconds(name, value) < 0.001:
        raise InvalidArgumentError(f"{name}: {value} s is too short; give 0.001 or more")
    return str(round(value * 1000))


def milliseconds_or_never(name: str, value: float | None) -> str:
    """The same where None stands for never."""
    if value is None:
        return "0"
    if value == 0:
        raise InvalidArgumentError(f"{name}: 0 s is too short; None stands for never")
    return milliseconds(name, value)


def size(name: str, value: int) -> str:
    """A number of bytes, or of anything else that there has to be one of.

    Raises:
        InvalidArgumentError: It is not above zero.
        TypeError: It is no int.
    """
    check_type(name, value, int, "an int")
    if value <= 0:
        raise InvalidArgumentError(f"{name}: {value} is not above zero")
    return str(value)


def choice(name: str, value: bool) -> str:
    """Yes or no.

    Raises:
        TypeError: It is no bool: the text "no" would be true.
    """
    check_type(name, value, bool, "True or False")
    return "yes" if value else "no"


def path(name: str, value: str | os.PathLike[str]) -> str:
    """The name of a file or folder.

    Raises:
        TypeError: It is none; bytes are not, either.
    """
    given = os.fspath(value) if isinstance(value, os.PathLike) else value
    check_type(name, given, str, "the path of a file or folder")
    return given


def check_folder(options: Mapping[str, str]) -> None:
    """Refuse a folder of static files that is not there.

    Raises:
        MissingFileError: There is no such folder.
    """
    folder = options.get("document_root")
    if folder is not None and not os.path.isdir(folder):
        raise MissingFileError(
            f"document_root: there is no folder {os.path.abspath(folder)}; give that of the files "
            "to serve, or make it first"
        )


def names(name: str, values: Sequence[str]) -> tuple[str, ...]:
    """A list of names.

    Raises:
        InvalidArgumentError: It is one str, whose letters would be the items.
        TypeError: An item is no str.
    """
    if isinstance(values, str):
        raise InvalidArgumentError(f"{name}: give a list of str, not one str")
    if not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a list of str, got {values!r}")
    given = tuple(values)
    for value in given:
        check_type(name, value, str, "str in the list")
    return given


def methods(values: Sequence[str]) -> tuple[str, ...]:
    """The methods of a route, in upper case; HEAD comes with GET.

    Raises:
        InvalidArgumentError: There is none, one is no method, or it is one str.
        TypeError: An item is no str.
    """
    given = tuple(value.upper() for value in names("methods", values))
    if not given:
        raise InvalidArgumentError('methods: give at least one, such as ["GET"]')
    for value in given:
        if not TOKEN.fullmatch(value):
            raise InvalidArgumentError(f'methods: {value!r} is none; give such as ["GET", "POST"]')
    return (*given, "HEAD") if "GET" in given and "HEAD" not in given else given


def subprotocols(values: Sequence[str]) -> tuple[str, ...]:
    """Names of subprotocols (RFC 6455 section 4.1).

    Raises:
        InvalidArgumentError: One is no token, or it is one str.
        TypeError: An item is no str.
    """
    given = names("subprotocols", values)
    for value in given:
        if not TOKEN.fullmatch(value):
            raise InvalidArgumentError(
                f'subprotocols: {value!r} is none; give names without spaces, such as "chat.v1"'
            )
    return given


def origins(values: Sequence[str]) -> tuple[str, ...]:
    """Origins as browsers write them.

    Raises:
        InvalidArgumentError: No page has such an origin, or it is one str.
        TypeError: An item is no str.
    """
    given = names("origins", values)
    for value in given:
        if not _ORIGIN.fullmatch(value) and value != "null":
            raise InvalidArgumentError(
                f'origins: {value!r} is none; give them as browsers do: "https://example.org", '
                "with the port if it is not the usual one, and no path; None stands for any"
            )
    return given


def given(options: Options) -> dict[str, str]:
    """Options by CivetWeb's names, with Python's values: True for yes, a number for its digits.

    Raises:
        TypeError: It is no mapping, or a value is none that an option can have.
    """
    if not isinstance(options, Mapping):
        raise TypeError(
            f'options: expected a dict, such as {{"num_threads": 200}}, got {options!r}'
        )
    return {name: _value(name, value) for name, value in options.items()}


def _value(name: str, value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return choice(name, value)
    if not isinstance(value, str | int | float):
        raise TypeError(f"options: {name}: expected a str, number or bool, got {value!r}")
    return str(value)
