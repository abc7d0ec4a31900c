"""The types of ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application of ASGI 3: an async function of a scope, of `receive` and of `send`.

A scope and the events that are received and sent are dicts, as the specification of ASGI has them.
"""


def untyped(message: object) -> TypeError:
    """The error of a `send` that was given no event."""
    return TypeError(
        "send takes a dict whose 'type' says what it is, such as "
        f"{{'type': 'http.response.body', 'body': b'...'}}, and not {message!r}"
    )
