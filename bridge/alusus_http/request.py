"""What a client asked for: the request of an HTTP handler, and the one that opened a WebSocket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

from . import http

__all__ = ["BadRequest", "Headers", "Query", "Request", "Upload"]


_NO_STREAM = "give the route stream=True"
_MOST_FIELDS = 1000  # of a query or form: each costs more to read than to send


class BadRequest(ValueError):
    """The client's request does not hold what the handler asked of it.

    A handler that lets it pass answers with 400, and its text as the body.
    """


class _Pairs(Mapping[str, str]):
    """Names and values in the order of the request, of which a name may occur more than once."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(pairs)
        self._first: dict[str, str] = {}
        for name, value in self._pairs:
            self._first.setdefault(self._key(name), value)

    @staticmethod
    def _key(name: str) -> str:
        return name

    def __getitem__(self, name: str) -> str:
        """Return the first value of a name.

        Raises:
            KeyError: There is none; `get` returns None then, as of any mapping.
        """
        return self._first[self._key(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)

    def __len__(self) -> int:
        return len(self._first)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._pairs)!r})"

    def all(self, name: str) -> list[str]:
        """Return every value of a name, in order; empty when there is none."""
        key = self._key(name)
        return [value for other, value in self._pairs if self._key(other) == key]

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return all names and values, as they came."""
        return self._pairs


class Headers(_Pairs):
    """The headers of a request: a mapping of names to values, the first where there are more.

    Case does not matter in the names (RFC 9110 section 5.1).
    """

    @staticmethod
    def _key(name: str) -> str:
        return name.lower()


class Query(_Pairs):
    """The fields of a query string or a form: a mapping of names to values, the first of each.

    Escapes are resolved in both.
    """

    @classmethod
    def parse(cls, text: str) -> Query:
        """Read `a=1&b=2`; a field without a value is empty.

        Raises:
            BadRequest: There are more than a thousand fields.
        """
        try:
            return cls(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
        except ValueError as error:
            raise BadRequest(f"there are more than {_MOST_FIELDS} fields") from error


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a form.

    Attributes:
        filename: Its name, as the client gave it: never a path to write to.
        content_type: Its type, as the client gave it.
        data: What is in it.
    """

    filename: str
    content_type: str
    data: bytes


class Request:
    """A request, complete but for a body that the handler reads itself.

    Attributes:
        method: The method as it was sent, such as "GET"; case matters in it.
        path: The path, its escapes resolved, without `.` and `..` segments.
        raw_path: The target of the request line without the query, its escapes resolved and its
            segments as they came.
        query_string: What followed the `?`, still escaped; "" for nothing.
        http_version: Such as "1.1".
        headers: The headers, by names in any case.
        peer: The client's address and port; behind a proxy they are the proxy's, and at a unix
            socket the address is "unix:".
        secure: Whether it came over TLS.
        user: The name that CivetWeb's password files let in; None without such a check.
        content_length: The length of the body in bytes, as the client has told it; -1 if it has
            not, having no body or sending it in chunks.
        state: Yours: what an `authorize` puts there, the WebSocket's handler finds.
    """

    def __init__(self, connection: http.Connection) -> None:
        info = http.get_request_info(connection)
        self.method: str = info.request_method
        self.path: str = info.local_uri or info.request_uri
        self.raw_path: str = info.request_uri
        self.query_string: str = info.query_string or ""
        self.http_version: str = info.http_version
        self.headers: Headers = Headers((h.name, h.value) for h in info.http_headers)
        self.peer: tuple[str, int] = (info.remote_addr, info.remote_port)
        self.secure: bool = bool(info.is_ssl)
        self.user: str | None = info.remote_user
        self.content_length: int = info.content_length
        self._body = b""
        self.state: SimpleNamespace = SimpleNamespace()
        self._chunks: Iterator[bytes] | AsyncIterator[bytes] | None = None

    def __repr__(self) -> str:  # noqa: D105
        return f"<Request {self.method} {self.path}>"

    @cached_property
    def query(self) -> Query:
        """The fields of the query string.

        Raises:
            BadRequest: There are more than a thousand.
        """
        return Query.parse(self.query_string)

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """The cookies that the client sent (RFC 6265 section 5.4), by their names."""
        found: dict[str, str] = {}
        for line in self.headers.all("Cookie"):
            for pair in line.split(";"):
                name, equals, value = pair.partition("=")
                if equals:
                    found.setdefault(name.strip(), value.strip().strip('"'))
        return found

    @property
    def content_type(self) -> str:
        """The type of the body without its parameters, in lower case; "" when none was given."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def body(self) -> bytes:
        """The whole body; b"" without one.

        Raises:
            RuntimeError: The route has `stream=True`.
        """
        if self._chunks is not None:
            name = "stream" if isinstance(self._chunks, Iterator) else "astream"
            raise RuntimeError(
                f"the route has stream=True: read its body with {name}, or leave stream=True out"
            )
        return self._body

    @property
    def text(self) -> str:
        """The body as text in UTF-8.

        Raises:
            BadRequest: It is not UTF-8.
            RuntimeError: As `body`.
        """
        try:
            return self.body.decode()
        except UnicodeDecodeError as error:
            raise BadRequest("the body is not UTF-8") from error

    def json(self) -> Any:
        """Read the body as JSON.

        Raises:
            BadRequest: It is no JSON.
            RuntimeError: As `body`.
        """
        try:
            return json.loads(self.body)
        except (RecursionError, ValueError) as error:  # the former for what is nested too deeply
            raise BadRequest("the body is not JSON") from error

    def form(self) -> Query:
        """Read the fields of a submitted form, of either type; those of files are left to `files`.

        Raises:
            BadRequest: The body is no form, or has more than a thousand fields and files.
            RuntimeError: As `body`.
        """
        if self.content_type == "application/x-www-form-urlencoded":
            return Query.parse(self.text)
        return Query((name, value) for name, value in self._parts if isinstance(value, str))

    def files(self) -> dict[str, Upload]:
        """Read the files of a submitted form by the names of their fields, the last one of each.

        Raises:
            BadRequest: The body is no form of type multipart/form-data, or has more than a thousand
                fields and files.
            RuntimeError: As `body`.
        """
        return {name: value for name, value in self._parts if isinstance(value, Upload)}

    @property
    def stream(self) -> Iterator[bytes]:
        """The body piece by piece, in a sync handler of a route with `stream=True`.

        Raises:
            RuntimeError: The route reads the body itself, into `body`; or the handler is async.
            MalformedError: The client's chunks break the rules. A handler that lets this pass
                answers with 400, as with the next one.
            ConnectionClosedError: The client has gone before the end.
            TimedOutError: Nothing has come for `request_timeout`; the answer is 408.
            TooLargeError: There is more of it than `max_body_size`; the answer is 413.
        """
        if self._chunks is None:
            raise RuntimeError(_NO_STREAM)
        if not isinstance(self._chunks, Iterator):
            raise RuntimeError("the handler is async: read the body with astream")
        return self._chunks

    @property
    def astream(self) -> AsyncIterator[bytes]:
        """The body piece by piece, in an async handler of a route with `stream=True`.

        Raises:
            RuntimeError: The route reads the body itself, into `body`; or the handler is sync.
            MalformedError: The client's chunks break the rules. A handler that lets this pass
                answers with 400, as with the next one.
            ConnectionClosedError: The client has gone before the end.
            TimedOutError: Nothing has come for `request_timeout`; the answer is 408.
            TooLargeError: There is more of it than `max_body_size`; the answer is 413.
        """
        if self._chunks is None:
            raise RuntimeError(_NO_STREAM)
        if not isinstance(self._chunks, AsyncIterator):
            raise RuntimeError("the handler is sync: read the body with stream")
        return self._chunks

    @cached_property
    def _parts(self) -> list[tuple[str, str | Upload]]:
        """The parts of a multipart/form-data body (RFC 7578)."""
        from . import _multipart  # here: few programs take uploads

        if self.content_type != "multipart/form-data":
            raise BadRequest(f"the body is no form: its type is {self.content_type or 'not given'}")
        try:
            parts = _multipart.parts(self.headers["Content-Type"], self.body, _MOST_FIELDS)
        except ValueError as error:
            raise BadRequest(str(error)) from error
        return [
            (
                part.name,
                part.data.decode("utf-8", "replace")
                if part.filename is None
                else Upload(part.filename, part.content_type, part.data),
            )
            for part in parts
        ]
