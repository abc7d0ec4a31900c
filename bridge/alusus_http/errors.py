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
    """A server has no option of this name; the message gives the nearest one, if one is near."""


class WrongStateError(HttpError):
    """Not now: the server does not run, or runs already, or the connection is at another point.

    No request is being answered on it, for example, or no WebSocket is open.
    """


class WrongThreadError(HttpError):
    """The call is not for this thread, which would wait for its own end."""


class AddressInUseError(HttpError, OSError):
    """Another program, or another server of this one, listens on the port."""


class AccessDeniedError(HttpError, PermissionError):
    """The system does not let this process do that, such as listening on a port below 1024."""


class MissingFileError(HttpError, FileNotFoundError):
    """A file that an option names, such as a certificate, is not there."""


class ConnectionClosedError(HttpError, ConnectionError):
    """The other side has gone, or the connection is being closed."""


class QueueFullError(HttpError):
    """The other side takes messages too slowly: this one was dropped (websocket_queue_policy)."""


class TooLargeError(HttpError):
    """A form or a body exceeds a limit; 413 is the answer to its client."""


class MalformedError(HttpError):
    """What a client sent breaks the rules of its format; 400 is the answer to it."""


class ConnectFailedError(HttpError, ConnectionError):
    """No connection to another server could be opened; the message says which step failed."""


class TimedOutError(HttpError, TimeoutError):
    """The other side has sent nothing in time (connect_timeout_ms, request_timeout_ms).

    408 is the answer to a client whose body does not come.
    """


class NoMemoryError(HttpError, MemoryError):
    """The system has no memory left for this call."""


class ContractError(ImportError):
    """This package and the server library that was found come from different versions."""


class ConnectionClosed(ConnectionClosedError):
    """A WebSocket has ended: nothing more comes from it, and nothing can be sent.

    Attributes:
        code: The close code, of whichever side closed first (RFC 6455 section 7.4.1): 1000 when it
            was done, 1001 when a page was left or the server stopped, 1006 when the network ended
            it without a word, 4000 to 4999 as the program says.
        reason: The text that came with it, for a person to read.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"the WebSocket was closed with {code} {reason}".rstrip())
        self.code: int = code
        self.reason: str = reason


class ConnectionClosedOK(ConnectionClosed):
    """A WebSocket has ended as it should: with 1000, 1001, or without a code, which is 1005."""


class ConnectionClosedWithError(ConnectionClosed):
    """A WebSocket has ended with any other code."""
