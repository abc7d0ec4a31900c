"""What the server can call, and how, found out when that is given."""

from __future__ import annotations

import inspect


def check(function: object, name: str, arguments: tuple[str, ...], *, instead: str) -> None:
    """Refuse what cannot be called with these arguments, or would do nothing when it is.

    Args:
        function: What is to be a function.
        name: How the error names it.
        arguments: The names of the arguments that it is called with, all of them positional.
        instead: What to do in place of a `yield`, for the error.

    Raises:
        TypeError: It is no function, takes other arguments, or is a generator function.
    """
    call = f"({', '.join(arguments)})"
    if not callable(function):
        raise TypeError(f"{name} is {function!r}: give a function of {call}")
    itself = getattr(function, "__call__", None)  # noqa: B004 - an object's may be a generator
    if any(
        inspect.isgeneratorfunction(f) or inspect.isasyncgenfunction(f) for f in (function, itself)
    ):
        raise TypeError(
            f"{name} is a generator, since it has a yield, and would never run: {instead}"
        )
    try:
        signature = inspect.signature(function)
    except (AttributeError, NameError, ValueError):
        return  # some in C have none, and annotations may name what is not there yet (PEP 649)
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise TypeError(f"{name} takes {signature}, but is called with {call}: {error}") from None


def is_async(function: object) -> bool:
    """Whether a call makes a coroutine, be it of a function or of an object that can be called."""
    itself = getattr(function, "__call__", None)  # noqa: B004 - an object's may be async
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(itself)


def hidden_coroutine(answer: object, name: str) -> TypeError | None:
    """The error of a function that was taken for a sync one, if it has returned a coroutine."""
    if not inspect.iscoroutine(answer):
        return None
    answer.close()  # or Python warns that it was never awaited, which is what the error says
    return TypeError(
        f"{name} returned a coroutine, though it is no async function: the decorator of an async "
        "function has to make one, too"
    )
