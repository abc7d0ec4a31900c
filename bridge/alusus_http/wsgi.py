"""WSGI applications on the server (PEP 3333): Django, Flask and every other.

    from alusus_http import wsgi
    server = wsgi.Server(application, {"listening_ports": "127.0.0.1:8000"})
    server.start()

The application runs on threads of this package, as many at a time as there are requests, and may
block.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from . import _driver, _exchange, _hosting, http
from ._answer import MOST_HEADS, Head, make_head
from ._exchange import Exchange, Key
from ._unreadable import UnreadableError
from .errors import ConnectionClosedError, WrongStateError

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = ["Server"]

ExceptionInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
)
Headers: TypeAlias = list[tuple[str, str]]

_log = logging.getLogger("alusus_http.wsgi")

# Names of a module's cost more, for each request.
_REQUEST = _exchange.REQUEST
_MORE_BODY = _exchange.MORE_BODY

_MOST_VARIABLES = 1000  # names of headers come from clients
_INPUT_BUFFER = 64 << 10


class _Input(io.RawIOBase):
    """The body of a request: what has come with it, then what the client sends."""

    def __init__(self, exchange: Exchange, body: bytes) -> None:
        self._exchange = exchange
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._body:
            return self._exchange.read_now(buffer)
        count = min(len(buffer), len(self._body))
        buffer[:count] = self._body[:count]
        self._body = self._body[count:]
        return count


class _Variables(dict[str, str]):
    """The variables of headers by their names; empty for one that could be taken for another's."""

    def __missing__(self, name: str) -> str:
        variable = "" if "_" in name else "HTTP_" + name.upper().replace("-", "_")
        if len(self) < _MOST_VARIABLES:
            self[name] = variable
        return variable


_variables = _Variables({"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"})


class _Call(Exchange):
    """A request, and the call of the application that answers it."""

    def run(self, application: WSGIApplication, environ: dict[str, Any]) -> None:
        """Have the application answer."""
        result = application(environ, self._start_response)
        try:
            if isinstance(result, (list, tuple)):
                try:
                    whole = b"".join(result)
                except TypeError:
                    raise _no_bytes(*result) from None
                self._send(whole, last=True)
                return
            try:
                pieces = iter(result)
            except TypeError as error:
                raise _no_iterable(result) from error
            for piece in pieces:
                if piece:
                    self._send(piece)
            self._send(b"", last=True)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _start_response(
        self, status: str, headers: Headers, exc_info: ExceptionInfo | None = None
    ) -> Callable[[bytes], object]:
        if exc_info is not None and exc_info[1] is not None:
            try:
                if self.sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # breaks a cycle through the traceback
        elif self.status:
            raise RuntimeError("start_response was called twice without exc_info")
        try:
            head = _keep_head(status, tuple(headers))
        except TypeError:  # it is wrong, or of lists, which cannot be looked up
            head = _make_head(status, headers)
        self.begin(head)
        return self._send

    def _send(self, piece: bytes, last: bool = False) -> None:
        if not self.status:
            raise RuntimeError("the application has not called start_response")
        try:
            if last:
                self.write(piece, last=True)
            else:
                self.write_now(piece)
        except TypeError:
            raise _no_bytes(piece) from None


# RFC 9112 section 4; the space is there without a reason, too.
_STATUS = re.compile("[0-9]{3} ")


def _make_head(status: str, headers: Iterable[tuple[str, str]]) -> Head:
    try:
        line = b"HTTP/1.1 " + status.encode("latin-1")
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if _STATUS.match(status) is None:
            raise ValueError(status)
        code = int(status[:3])
    except (AttributeError, TypeError, ValueError):
        _check_start(status, headers)
        raise
    return make_head(code, fields, line)


@lru_cache(MOST_HEADS)
def _keep_head(status: str, headers: tuple[tuple[str, str], ...]) -> Head:
    """The same, for an application that begins most of its answers in one of a few ways."""
    return _make_head(status, headers)


def _no_iterable(result: object) -> TypeError:
    return TypeError(
        f"the application has returned {result!r}: return a list of bytes, such as [b'text'], or "
        "another iterable of bytes"
    )


def _no_bytes(*pieces: object) -> TypeError:
    """The error of pieces of which one is none."""
    wrong = next(piece for piece in pieces if not isinstance(piece, bytes | bytearray | memoryview))
    return TypeError(
        f"a piece of the body is of the type {type(wrong).__name__}: return a list of bytes, such "
        "as [b'text'], or another iterable of bytes"
    )


def _check_start(status: object, headers: Any) -> None:
    """Say what is wrong with arguments of `start_response` that could not be put together.

    Raises:
        TypeError: They are of other types than PEP 3333 says.
        ValueError: The status, or a text, is not as PEP 3333 says.
    """
    if not isinstance(status, str):
        raise TypeError(
            f"the status is given as a str, such as '200 OK', and not as {status!r}"
        ) from None
    if _STATUS.match(status) is None:
        raise ValueError(
            "the status is its number, a space and a reason, as in '200 OK': it must not be "
            f"{status!r}"
        ) from None
    pairs = headers if isinstance(headers, Iterable) else [headers]
    wrong = [pair for pair in pairs if not _is_pair_of_str(pair)]
    if wrong:
        raise TypeError(
            "headers are given as pairs of str, such as ('Content-Type', 'text/plain'), and not "
            f"as {wrong[0]!r}"
        ) from None
    for text in (status, *(text for pair in headers for text in pair)):
        if not text.isascii() and max(text) > "\xff":
            raise ValueError(
                f"{text!r} has characters beyond Latin-1, which cannot be sent as they are: "
                "text.encode().decode('latin-1') sends them as UTF-8"
            ) from None


def _is_pair_of_str(pair: object) -> bool:
    return (
        isinstance(pair, tuple | list)
        and len(pair) == 2
        and all(isinstance(text, str) for text in pair)
    )


class Server(_hosting.Server["WSGIApplication"]):
    """An application of WSGI that is served, each request of it on a thread of this package."""

    def _prepare(self) -> None:
        self._environ_of = lru_cache(_hosting.MOST_PEERS)(self._make_environ)
        # Held while it starts and while it stops. A signal's handler may stop it in the midst.
        self._changing = threading.RLock()
        self._running: dict[Key, _Call] = {}  # the requests that are being answered
        self._stopping = False  # set before `stop` looks at those that run

    def start(self) -> None:
        """Start the server, and return.

        Raises:
            WrongStateError: It runs already.
            HttpError: Those of `http.start_server`.
        """
        with self._changing:
            if self._context is not None:
                raise WrongStateError(_hosting.RUNS_ALREADY)
            self._stopping = False
            self._context = _exchange.start(self._handle, self._options, self._log_access)

    def stop(self) -> None:
        """Stop; what has begun is finished, within ten seconds.

        Called while a request is answered, by its thread, it only begins that and returns. Nothing
        happens to a server that does not run.
        """
        if _driver.polls_here():
            threading.Thread(target=self._stop, name="alusus_http stop", daemon=True).start()
        else:
            self._stop()

    def _stop(self) -> None:
        with self._changing:
            context, self._context = self._context, None
            if context is None:
                return
            deadline = time.monotonic() + _hosting.GRACE
            self._stopping = True
            try:
                _hosting.stop_listening(context)  # or there would always be a request
                for call in list(self._running.values()):
                    call.be_last()
                _hosting.await_requests(context, deadline)
            except BaseException:  # such as that of Ctrl-C
                self._context = context  # which can still be stopped
                raise
            with _driver.giving_up(context, deadline):
                http.stop_server(context)

    def _handle(self, key: Key, what: int, flags: int, data: bytes, head: int) -> None:
        if what != _REQUEST:
            return  # of no use to an application that blocks
        call = self._running[key] = _Call(key, flags)
        if self._stopping:
            call.be_last()
        method, path, query, peer, *headers = data[:head].decode("latin-1").split("\0")
        complete = False
        try:
            environ = self._environ_of(peer).copy()
            environ["REQUEST_METHOD"] = method
            environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
            environ["QUERY_STRING"] = query
            environ["REQUEST_URI"] = f"{path}?{query}" if query else path
            body = data[head:]
            environ["wsgi.input"] = (
                io.BufferedReader(_Input(call, body), _INPUT_BUFFER)
                if flags & _MORE_BODY
                else io.BytesIO(body)
            )
            each = iter(headers)
            for name, value in zip(each, each):  # noqa: B905 - names and values in turn
                variable = _variables[name]
                if variable in environ:
                    environ[variable] += ("; " if name == "cookie" else ",") + value
                elif variable:
                    environ[variable] = value
            call.run(self._application, environ)
            complete = True
        except UnreadableError as error:
            _log.debug("%s %s: %s", method, path, error)
            call.fail(error.status, error.reason)
        except ConnectionClosedError:
            _log.debug("the client has gone before it had the answer", exc_info=True)
        except BaseException:
            _log.exception("%s %s failed", method, path)
            call.fail()
        finally:
            if not complete:
                call.abandon()  # which does nothing when it has been answered with 500
            del self._running[key]

    def _make_environ(self, peer: str) -> dict[str, Any]:
        """What is the same in all environs of a connection."""
        version, client, client_port, server, server_port = peer.split(" ")
        return {
            "SCRIPT_NAME": self._root_path,
            "SERVER_PROTOCOL": "HTTP/" + version,
            "SERVER_NAME": server or "localhost",
            "SERVER_PORT": server_port,
            "REMOTE_ADDR": client,
            "REMOTE_PORT": client_port,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self._scheme,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,  # reading ends by itself, chunked bodies included
        }
