"""Functions that take arguments of several shapes, as overloads do in Alusus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def bindings(
    args: tuple[object, ...], kwargs: Mapping[str, object], shapes: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """For each shape that the arguments fit by number and by name, their values by name.

    A shape is written like the parameters of a function: "callback, user_data=None".
    """
    for shape in shapes:
        parameters = [parameter.partition("=") for parameter in shape.split(", ")]
        bound: dict[str, Any] = dict(zip((name for name, _, _ in parameters), args, strict=False))
        if len(bound) < len(args) or bound.keys() & kwargs.keys():
            continue
        bound |= kwargs
        for name, default, _ in parameters:
            if default:
                bound.setdefault(name, None)
        if bound.keys() == {name for name, _, _ in parameters}:
            yield bound


def mismatch(
    function: str, args: tuple[object, ...], kwargs: Mapping[str, object], shapes: tuple[str, ...]
) -> TypeError:
    """The error for arguments that fit no shape."""
    given = [type(value).__name__ for value in args]
    given += [f"{name}={type(value).__name__}" for name, value in kwargs.items()]
    calls = "\n".join(f"  {function}({shape})" for shape in shapes)
    return TypeError(f"{function}({', '.join(given)}) fits none of\n{calls}")
