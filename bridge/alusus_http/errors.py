"""What a failed call raises.

Everything that the server library refuses is an `HttpError`. Where Python has an exception of its
own for the same thing, the error is that as well, so `except FileNotFoundError` works as usual.
"""

from __future__ import annotations


class HttpError(RuntimeError):
    """A call failed; the message says why and what to do about it."""


class InvalidHandleError(HttpError):
    """The server has been stopped, or the connection has ended."""


class InvalidArgumentError(HttpError, ValueError):
    """An argument is outside what the function takes."""


class UnknownOptionError(InvalidArgumentError):
    """A server has no option of this name; the message gives the nearest one."""


class WrongStateError(HttpError):
    """Not now: no request is being answered on the connection, or no WebSocket is open on it."""


class WrongThreadError(HttpError):
    """The call would wait for itself: a server cannot be stopped from one of its callbacks."""


class AddressInUseError(HttpError, OSError):
    """Another program, or another server of this one, listens on the port."""


class AccessDeniedError(HttpError, PermissionError):
    """The system does not let this process do that, such as listening on a port below 1024."""


class MissingFileError(HttpError, FileNotFoundError):
    """A file that an option names, such as a certificate, is not there."""


class ConnectionClosedError(HttpError, ConnectionError):
    """The other side has gone, or the connection is being closed."""


class QueueFullError(HttpError):
    """The client takes messages too slowly: this one was dropped (websocket_queue_policy)."""


class NoMemoryError(HttpError, MemoryError):
    """The system has no memory left for this call."""


class ContractError(ImportError):
    """This package and the server library that was found come from different versions."""
