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
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from . import _exchange, http
from ._answer import Answer
from ._exchange import Exchange, Key
from ._hosting import GRACE, bound_ports, server_options
from .errors import ConnectionClosedError

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
_KEEPS_ALIVE = _exchange.KEEPS_ALIVE
_MORE_BODY = _exchange.MORE_BODY
_EXPECTS_CONTINUE = _exchange.EXPECTS_CONTINUE

_VARIABLES = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_MOST_VARIABLES = 1000  # names of headers come from clients
_INPUT_BUFFER = 64 << 10


class _Input(io.RawIOBase):
    """The body of a request: what has come with it, then what the client sends."""

    def __init__(self, exchange: Exchange, answer: Answer, body: bytes) -> None:
        self._exchange = exchange
        self._answer = answer
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._body:
            self._answer.unasked = False
            return self._exchange.read_now(buffer)
        count = min(len(buffer), len(self._body))
        buffer[:count] = self._body[:count]
        self._body = self._body[count:]
        return count


class Host:
    """One application, as a handler of requests."""

    def __init__(self, application: WSGIApplication, *, root_path: str, https: bool) -> None:
        self._application = application
        self._running = 0
        self._lock = threading.Lock()  # guards the number above
        self._none_running = threading.Condition(self._lock)
        self._environ: dict[str, Any] = {
            "SCRIPT_NAME": root_path,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if https else "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,  # reading ends by itself, chunked bodies included
        }

    def handle(self, key: Key, what: int, flags: int, data: bytes, head: int) -> None:
        """Answer a request; other events are of no use to an application that blocks."""
        if what != _REQUEST:
            return
        with self._lock:
            self._running += 1
        try:
            self._answer(Exchange(key), flags, data, head)
        finally:
            with self._lock:
                self._running -= 1
                if self._running == 0:
                    self._none_running.notify_all()

    def finish(self, timeout: float) -> None:
        """Wait until no request is being answered, for so many seconds at most."""
        with self._none_running:
            self._none_running.wait_for(lambda: self._running == 0, timeout)

    def _answer(self, exchange: Exchange, flags: int, data: bytes, head: int) -> None:
        texts = data[: head - 1].decode("latin-1").split("\0")
        method, path, _, version, *_ = texts
        answer = Answer(method, version, flags & _KEEPS_ALIVE)
        if flags & _EXPECTS_CONTINUE:
            answer.unasked = True
        complete = False
        try:
            environ = self._make_environ(exchange, answer, texts, flags, data[head:])
            _Call(exchange, answer).run(self._application, environ)
            complete = True
        except ConnectionClosedError:
            _log.debug("the client has gone before it had the answer", exc_info=True)
        except BaseException:
            _log.exception("%s %s failed", method, path)
            if not answer.sent:
                with suppress(ConnectionClosedError):
                    exchange.fail(answer)
        finally:
            if not complete:
                exchange.abandon()  # which does nothing when it has been answered with 500

    def _make_environ(
        self, exchange: Exchange, answer: Answer, texts: list[str], flags: int, body: bytes
    ) -> dict[str, Any]:
        environ = self._environ.copy()
        method, path, query, version, client, client_port, server, server_port = texts[:8]
        environ["REQUEST_METHOD"] = method
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
        environ["QUERY_STRING"] = query
        environ["REQUEST_URI"] = f"{path}?{query}" if query else path
        environ["SERVER_PROTOCOL"] = "HTTP/" + version
        environ["SERVER_NAME"] = server or "localhost"
        environ["SERVER_PORT"] = server_port
        environ["REMOTE_ADDR"] = client
        environ["REMOTE_PORT"] = client_port
        if flags & _MORE_BODY:
            environ["wsgi.input"] = io.BufferedReader(_Input(exchange, answer, body), _INPUT_BUFFER)
        else:
            environ["wsgi.input"] = io.BytesIO(body)
        for name, value in zip(texts[8::2], texts[9::2], strict=True):
            variable = _VARIABLES.get(name) or _make_variable(name)
            if variable not in environ:
                environ[variable] = value
            elif variable:
                environ[variable] += ("; " if name == "cookie" else ",") + value
        environ.pop("", None)
        return environ


def _make_variable(name: str) -> str:
    """The variable of a header; empty for one that could be taken for another's."""
    variable = "" if "_" in name else "HTTP_" + name.upper().replace("-", "_")
    if len(_VARIABLES) < _MOST_VARIABLES:
        _VARIABLES[name] = variable
    return variable


class _Call:
    """One call of an application."""

    def __init__(self, exchange: Exchange, answer: Answer) -> None:
        self._exchange = exchange
        self._answer = answer

    def run(self, application: WSGIApplication, environ: dict[str, Any]) -> None:
        result = application(environ, self._start_response)
        try:
            if isinstance(result, (list, tuple)):
                try:
                    whole = b"".join(result)
                except TypeError:
                    raise _no_bytes(*result) from None
                self._finish(whole)
                return
            try:
                pieces = iter(result)
            except TypeError as error:
                raise _no_iterable(result) from error
            for piece in pieces:
                if piece:
                    self._write(piece)
            self._finish(b"")
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _start_response(
        self, status: str, headers: Headers, exc_info: ExceptionInfo | None = None
    ) -> Callable[[bytes], object]:
        if exc_info is not None and exc_info[1] is not None:
            try:
                if self._answer.sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # breaks a cycle through the traceback
        elif self._answer.status:
            raise RuntimeError("start_response was called twice without exc_info")
        try:
            line = b"HTTP/1.1 " + status.encode("latin-1")
            fields = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers]
            code = int(status[:3])
        except (AttributeError, TypeError, ValueError):
            _check_start(status, headers)
            raise
        self._answer.begin(code, fields, line)
        return self._write

    def _write(self, piece: bytes) -> None:
        data = self._encode(piece, False)
        if data:
            self._exchange.write_now(data)

    def _finish(self, piece: bytes) -> None:
        data = self._encode(piece, True)
        self._exchange.write(data, self._answer.result)

    def _encode(self, piece: bytes, last: bool) -> bytes:
        if not self._answer.status:
            raise RuntimeError("the application has not called start_response")
        try:
            return self._answer.encode(piece, last)
        except TypeError:
            raise _no_bytes(piece) from None


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


def _check_start(status: object, headers: object) -> None:
    """Say what is wrong with arguments of `start_response` that could not be put together.

    Raises:
        TypeError: They are of other types than PEP 3333 says.
        ValueError: The status has no number.
    """
    if not isinstance(status, str):
        raise TypeError(
            f"the status is given as a str, such as '200 OK', and not as {status!r}"
        ) from None
    if not status[:3].isdigit():
        raise ValueError(
            f"the status begins with its number, as in '200 OK', and {status!r} does not"
        )
    pairs = headers if isinstance(headers, Iterable) else [headers]
    wrong = [pair for pair in pairs if not _is_pair_of_str(pair)]
    if wrong:
        raise TypeError(
            "headers are given as pairs of str, such as ('Content-Type', 'text/plain'), and not "
            f"as {wrong[0]!r}"
        ) from None


def _is_pair_of_str(pair: object) -> bool:
    return (
        isinstance(pair, tuple | list)
        and len(pair) == 2
        and all(isinstance(text, str) for text in pair)
    )


class Server:
    """An application that is served, on threads of this package.

    Args:
        application: The application.
        options: Options of the server, as for `http.start_server`.
        root_path: Where the application is mounted, as seen from outside, when a proxy in front
            takes this off the path; it becomes `SCRIPT_NAME`.
        log_access: Called with each line for the access log.
    """

    def __init__(
        self,
        application: WSGIApplication,
        options: Mapping[str, str] | None = None,
        *,
        root_path: str = "",
        log_access: http.LogAccessCallback | None = None,
    ) -> None:
        self._options = server_options(options)
        self._log_access = log_access
        self._host = Host(
            application, root_path=root_path, https="ssl_certificate" in self._options
        )
        self._context: http.Context | None = None

    @property
    def ports(self) -> list[int]:
        """The ports it listens on; empty before the start."""
        return bound_ports(self._context)

    def start(self) -> None:
        """Start the server, and return.

        Raises:
            HttpError: Those of `http.start_server`.
        """
        self._context = _exchange.start(self._host.handle, self._options, self._log_access)

    def stop(self) -> None:
        """Stop; what has begun is finished, within ten seconds."""
        if self._context is None:
            return
        self._host.finish(GRACE)
        http.stop_server(self._context)
