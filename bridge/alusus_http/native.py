"""Handlers that are not Python: functions of a shared library, called by the server directly."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NativeCallback:
    """A compiled function that may stand wherever a callback is taken.

    The server calls it on its own threads, without Python on the way. Its C type has to be the one
    that alusus_http.h declares for the callback that it stands for, which nothing can check; for
    the messages of a WebSocket that is ah_web_socket_message_callback, with a length of size_t.

    Attributes:
        address: Where the function is. It has to stay there until the server is stopped.
        name: What messages call it.
    """

    address: int
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be a function."""
        if self.address <= 0:
            raise ValueError(f"address: expected that of a function, got {self.address}")


def native(path: str | os.PathLike[str], symbol: str) -> NativeCallback:
    """Find a function in a shared library, such as an Alusus or C program compiled to one.

    The library is loaded once and stays loaded until the process ends.

    Args:
        path: The shared library.
        symbol: The function's C name; in Alusus, what its @expname says.

    Raises:
        OSError: The library cannot be loaded.
        AttributeError: It has no such symbol.
    """
    import ctypes  # here, so that programs without native handlers do not pay for it

    function = getattr(ctypes.CDLL(os.fspath(path)), symbol)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None  # ctypes raises AttributeError for what it does not find
    return NativeCallback(address, symbol)
