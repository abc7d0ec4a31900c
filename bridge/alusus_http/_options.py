"""Python's keyword arguments as CivetWeb's options."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from .errors import InvalidArgumentError

Options = Mapping[str, str | int | float | bool]


def listening_ports(host: str, port: int, secure: bool) -> str:
    """What CivetWeb's option of that name says for one address.

    Raises:
        InvalidArgumentError: The port is none.
    """
    if not 0 <= port <= 65535:
        raise InvalidArgumentError(f"port: {port} is outside of 0 to 65535")
    address = f"[{host}]" if ":" in host else host
    return f"{address}:{port}{'s' if secure else ''}"


def milliseconds(name: str, seconds: float | None) -> str:
    """A time as CivetWeb takes it; None for never.

    Raises:
        InvalidArgumentError: It is below zero, or too short to be counted.
    """
    if seconds is None:
        return "0"
    if seconds < 0.001:
        raise InvalidArgumentError(f"{name}: {seconds} s is too short; None stands for never")
    return str(round(seconds * 1000))


def size(name: str, value: int) -> str:
    """A number of bytes, or of anything else that there has to be one of.

    Raises:
        InvalidArgumentError: It is not above zero.
    """
    if value <= 0:
        raise InvalidArgumentError(f"{name}: {value} is not above zero")
    return str(value)


def choice(value: bool) -> str:
    """Yes or no."""
    return "yes" if value else "no"


def path(value: str | os.PathLike[str]) -> str:
    """The name of a file or folder."""
    return os.fspath(value)


def names(name: str, values: Sequence[str]) -> str:
    """A list, separated by commas.

    Raises:
        InvalidArgumentError: An item could not be told from its neighbours.
    """
    if isinstance(values, str):
        raise InvalidArgumentError(f"{name}: give a list of str, not one str")
    for value in values:
        if "," in value:
            raise InvalidArgumentError(f"{name}: {value!r} has a comma in it")
    return ",".join(values)


def given(options: Options) -> dict[str, str]:
    """Options by CivetWeb's names, with Python's values: True for yes, a number for its digits."""
    return {
        name: choice(value) if isinstance(value, bool) else str(value)
        for name, value in options.items()
    }
