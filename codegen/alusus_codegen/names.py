"""How a name of the spec is written in C and in Python."""

from __future__ import annotations

import re

C_PREFIX = "ah_"
RUNTIME_PREFIX = "rt_"
CALLBACK_SUFFIX = "Callback"

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake(name: str) -> str:
    """`setWebSocketHandler` -> `set_web_socket_handler`."""
    return _WORD_START.sub("_", name).lower()


def c_type(name: str) -> str:
    """`RequestInfo` -> `ah_request_info`."""
    return C_PREFIX + snake(name)


def member_callback(member: str) -> str:
    """The type of a table's member that has no alias: `endRequest` -> `EndRequestCallback`."""
    return member[0].upper() + member[1:] + CALLBACK_SUFFIX


def event(callback: str) -> str:
    """`WebSocketDataCallback` -> `web_socket_data`."""
    return snake(callback.removesuffix(CALLBACK_SUFFIX))
