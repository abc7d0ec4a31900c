"""Handlers that are not Python: functions of a shared library, called by the server directly."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class NativeCallback:
    """A compiled function that may stand wherever a callback is taken.

    The server calls it on its own threads, without Python on the way. Its C type has to be the one
    that alusus_http.h declares for the callback that it stands for, which nothing can check; for
    the messages of a WebSocket that is ah_web_socket_message_callback, with a length of size_t.

    Attributes:
        address: Where the function is. It has to stay there until the server is stopped.
        name: What messages call it.

    Raises:
        TypeError: The address is no int.
        ValueError: It is not above zero.
    """

    address: int
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be a function."""
        if not isinstance(self.address, int):
            raise TypeError(
                f"address: expected an int, got {self.address!r}; native() finds that of a name"
            )
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
        AttributeError: It has no such function.
    """
    import ctypes  # here, so that programs without native handlers do not pay for it

    # dlopen(3) searches its own folders for a name without a slash, which Path("./x.so") is, too.
    path = os.path.abspath(path)
    function = getattr(ctypes.CDLL(path), symbol)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None  # ctypes raises AttributeError for what it does not find
    _check_symbol(path, symbol, address)
    return NativeCallback(address, symbol)


def _check_symbol(path: str, symbol: str, address: int) -> None:
    """Refuse what the loader finds by a name, but what is no function of the library.

    It looks in the libraries that this one needs, too, and finds data as it finds functions; to
    call either would end the process.
    """
    import ctypes

    class Found(ctypes.Structure):  # Dl_info of dladdr(3)
        _fields_ = (
            ("file", ctypes.c_char_p),
            ("base", ctypes.c_void_p),
            ("name", ctypes.c_char_p),
            ("address", ctypes.c_void_p),
        )

    class Symbol(ctypes.Structure):  # Elf64_Sym of elf(5)
        _fields_ = (("name", ctypes.c_uint32), ("info", ctypes.c_uint8))

    found, entry = Found(), ctypes.POINTER(Symbol)()
    dladdr1 = ctypes.CDLL(None).dladdr1
    of_symbol = 1  # RTLD_DL_SYMENT
    if not dladdr1(ctypes.c_void_p(address), ctypes.byref(found), ctypes.byref(entry), of_symbol):
        return
    file = os.fsdecode(found.file)
    if not os.path.samefile(file, path):
        raise AttributeError(f"{path} has no function {symbol}: the one of that name is {file}'s")
    if entry and entry.contents.info & 0xF != 2:  # STT_FUNC
        raise AttributeError(f"{symbol} of {path} is no function")


@dataclass(frozen=True, slots=True)
class NativeHandlers:
    """Compiled functions that serve the WebSockets of a path, with no Python on the way.

    Attributes:
        callbacks: The functions by the names of `http.set_web_socket_handler`'s parameters.
        user_data: An address that is passed to each of them; it outlives the server.
    """

    callbacks: Mapping[str, NativeCallback]
    user_data: int | None = None

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        connect: str | None = None,
        ready: str | None = None,
        data: str | None = None,
        close: str | None = None,
        user_data: int | None = None,
    ) -> NativeHandlers:
        """Find the functions in a shared library, a compiled Alusus or C program.

        Each name has to be that of a function in this very library. A compiled function does not
        tell its types: see `NativeCallback` for what they have to be.

        Args:
            path: The shared library, which stays loaded until the process ends.
            connect: The C name of the function that decides on each client; in Alusus, what its
                @expname says.
            ready: That of the one that is told of each open WebSocket.
            data: That of the one that gets each message.
            close: That of the one that is told of the end.
            user_data: An address that is passed to each of them.

        Raises:
            OSError: The library cannot be loaded.
            AttributeError: It has no such function.
            InvalidArgumentError: No function is named.
        """
        names = {
            "connect_handler": connect,
            "ready_handler": ready,
            "data_handler": data,
            "close_handler": close,
        }
        callbacks = {
            parameter: native(path, symbol) for parameter, symbol in names.items() if symbol
        }
        if not callbacks:
            raise InvalidArgumentError("name at least one function: connect, ready, data or close")
        return cls(callbacks, user_data)
