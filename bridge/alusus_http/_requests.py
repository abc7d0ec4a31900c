"""How handlers answer HTTP requests: the body is read, the handler called, its response written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, cast

from . import _callables, http
from ._engine import Answer, Engine, logger
from ._unreadable import FAILURES, UnreadableError, unreadable
from .errors import ConnectionClosedError, InvalidHandleError, TooLargeError
from .request import BadRequest, Request
from .response import Response
from .websocket import Reject

Handler: TypeAlias = (
    Callable[[Request], Response | str | bytes]
    | Callable[[Request], Awaitable[Response | str | bytes]]
)

_PART = 64 << 10  # bytes of a body that are read at once


class _TooLarge(TooLargeError):
    """The body has more bytes than the route takes.

    It is told apart from what a program's other calls raise, as an `UnreadableError` is.
    """


@dataclass(frozen=True, slots=True)
class Route:
    """What `Server.route` was told about a path."""

    path: str
    handler: Handler
    methods: tuple[str, ...]
    max_body_size: int
    stream: bool

    @property
    def is_async(self) -> bool:
        """Whether the handler needs a loop."""
        return _callables.is_async(self.handler)


def check_handler(handler: object) -> None:
    """Refuse what cannot answer a request, when it is given.

    Raises:
        TypeError: It is no function of one argument, the request.
    """
    if not callable(handler):
        raise TypeError(f"{handler!r} is no handler: give a function of one argument, the request")
    _callables.check(
        handler, repr(handler), ("request",), instead="return Response(a generator) instead"
    )


def answer(engine: Engine, route: Route, connection: http.Connection, request: Request) -> Answer:
    """Answer a request by the handler of its path; the status is what the library is told."""
    if request.method not in route.methods:
        refusal = Response("method not allowed\n", 405, {"Allow": ", ".join(route.methods)})
        return engine.blocking(send, connection, refusal)
    if route.is_async:
        return _answer_async(engine, route, connection, request)
    return engine.blocking(_answer, route, connection, request)


def _answer(route: Route, connection: http.Connection, request: Request) -> int:
    try:
        if route.stream:
            request._chunks = _chunks(connection, request, route.max_body_size)
        else:
            request._body = _body(connection, request, route.max_body_size)
        response = route.handler(request)
    except BaseException as error:  # SystemExit, too, which would end the loop
        response = _failure(request, error)
    made = _as_response(response, request)
    if hasattr(made.body, "__aiter__"):
        needs = TypeError("a body that is an async iterable needs an async handler")
        made = _failure(request, needs)
    return send(connection, made, head=request.method == "HEAD")


async def _answer_async(
    engine: Engine, route: Route, connection: http.Connection, request: Request
) -> int:
    try:
        if route.stream:
            chunks = _chunks(connection, request, route.max_body_size)
            request._chunks = _chunks_async(engine, chunks)
        elif _has_body(request):
            request._body = await engine.thread(_body, connection, request, route.max_body_size)
        response = await cast("Awaitable[Response]", route.handler(request))
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        response = _failure(request, error)
    made = _as_response(response, request)
    if hasattr(made.body, "__aiter__") and request.method != "HEAD":
        return await _send_async(engine, connection, made)
    head = request.method == "HEAD"
    return await engine.thread(partial(send, connection, made, head=head))


def _as_response(value: object, request: Request) -> Response:
    if isinstance(value, Response):
        return value
    if isinstance(value, str | bytes):
        return Response(value)
    error = _callables.hidden_coroutine(value, f"the handler of {request.path}") or TypeError(
        f"the handler returned {value!r}: give a Response, str or bytes; Response.json makes one "
        "of a value"
    )
    return _failure(request, error)


def _failure(request: Request, error: BaseException) -> Response:
    """The answer to a request whose handler raised something.

    Nothing tells the client what that was, unless it is meant to.
    """
    if isinstance(error, Reject):
        return error.response
    if isinstance(error, BadRequest):
        return Response(f"{error}\n", 400)
    if isinstance(error, _TooLarge):
        return Response(f"{error}\n", 413)
    if isinstance(error, UnreadableError):
        logger.debug("%r: %s", request, error)
        return Response(f"{error.reason}\n", error.status)
    if isinstance(error, ConnectionClosedError | InvalidHandleError):
        logger.debug("%r: %s", request, error)
    else:
        logger.error("the handler of %r failed", request, exc_info=error)
    return Response("internal server error\n", 500)


# Bodies


def _has_body(request: Request) -> bool:
    return request.content_length > 0 or "Transfer-Encoding" in request.headers


def _body(connection: http.Connection, request: Request, limit: int) -> bytes:
    return b"".join(_chunks(connection, request, limit)) if _has_body(request) else b""


def _chunks(connection: http.Connection, request: Request, limit: int) -> Iterator[bytes]:
    """The body piece by piece.

    Raises:
        _TooLarge: There is more of it than may be.
        UnreadableError: It does not come to its end.
    """
    if not _has_body(request):
        return
    size = 0
    announced = request.content_length
    if announced > limit:
        raise _TooLarge(f"the body has {announced} bytes, and may have {limit}")
    while chunk := _read(connection):
        size += len(chunk)
        if size > limit:
            raise _TooLarge(f"the body has more than {limit} bytes")
        yield chunk


def _read(connection: http.Connection) -> bytes:
    try:
        return http.read(connection, _PART)
    except FAILURES as error:
        raise unreadable(error) from None


async def _chunks_async(engine: Engine, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (chunk := await engine.thread(next, chunks, None)) is not None:
        yield chunk


# Responses


def send(connection: http.Connection, response: Response, *, head: bool = False) -> int:
    """Send a response whose body is no async iterable, and wait until the system has taken it.

    With `head`, for a HEAD request, what makes the body is not asked for it.
    """
    try:
        if response._file is not None:
            http.send_file(connection, *response._file)
        elif isinstance(response.body, str | bytes):
            _send_whole(connection, response, response.body)
        else:
            _start(connection, response)
            if head:
                return response.status
            for part in cast("Iterable[str | bytes]", response.body):
                _send_part(connection, part)
            http.send_chunk(connection, b"")
    except Exception as error:
        _broken_off(response, error)
    finally:
        close = getattr(response.body, "close", None)
        if close is not None:
            close()
    return response.status


async def _send_async(engine: Engine, connection: http.Connection, response: Response) -> int:
    parts = cast("AsyncIterable[str | bytes]", response.body)
    try:
        await engine.thread(_start, connection, response)
        async for part in parts:
            await engine.thread(_send_part, connection, part)
        await engine.thread(http.send_chunk, connection, b"")
    except Exception as error:
        _broken_off(response, error)
    finally:
        close = getattr(parts, "aclose", None)
        if close is not None:
            await close()
    return response.status


def _send_whole(connection: http.Connection, response: Response, body: str | bytes) -> None:
    data = body.encode() if isinstance(body, str) else body
    if response.status in (204, 304):
        _start(connection, response)  # they have no body (RFC 9112 section 6.3)
    elif len(response.headers) <= 1 and all(
        n.lower() == "content-type" for n, _ in response.headers
    ):
        mime_type = response.headers[0][1] if response.headers else None
        http.respond(connection, response.status, mime_type, data)
    else:
        _start(connection, response, len(data))
        if data:
            http.send_chunk(connection, data)


def _start(connection: http.Connection, response: Response, length: int | None = None) -> None:
    http.start_response(connection, response.status)
    for name, value in response.headers:
        http.add_response_header(connection, name, value)
    if length is not None:
        http.add_response_header(connection, "Content-Length", str(length))
    http.send_response_headers(connection)


def _send_part(connection: http.Connection, part: str | bytes) -> None:
    if part:  # an empty one would be the end
        http.send_chunk(connection, part)


def _broken_off(response: Response, error: Exception) -> None:
    """Tell of a response that could not be finished: its connection is closed."""
    if isinstance(error, UnreadableError | ConnectionClosedError | InvalidHandleError):
        logger.debug("%r: %s", response, error)
    else:
        logger.error("%r failed half-way", response, exc_info=error)
