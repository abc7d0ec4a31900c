"""What an HTTP handler answers with."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TypeAlias

from . import _options

__all__ = ["Body", "Response"]

Body: TypeAlias = str | bytes | Iterable[str | bytes] | AsyncIterable[str | bytes]

_NO_VALUE = re.compile(r"[\0\r\n]")  # RFC 9110 section 5.5: what would end a line early
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*")  # RFC 6265 section 4.1.1
_LOCATION = re.compile(r"[!-~]+")  # RFC 3986 section 2: what is not escaped
_STREAMS = (Iterable, AsyncIterable)
_SAME_SITE = ("Lax", "Strict", "None")
_REDIRECTS = (301, 302, 303, 307, 308)  # RFC 9110 section 15.4: those that lead elsewhere
_FRAMING = ("content-length", "transfer-encoding", "connection")


def _pairs(headers: object) -> Iterable[tuple[str, str]]:
    """Headers that are given as a mapping or as pairs.

    Raises:
        TypeError: They are given as something else.
    """
    if isinstance(headers, Mapping):
        return headers.items()
    if isinstance(headers, Iterable) and not isinstance(headers, str | bytes):
        pairs = list(headers)
        # Two letters of a str are none.
        if all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
            return pairs
    raise TypeError(f"headers: expected a mapping or pairs, got {headers!r}")


class Response:
    """An answer: a body, a status and headers.

    The length of the body, or its being chunked, is told the client by the server.

    Args:
        body: Text, which goes as UTF-8; bytes; or an iterable of either, whose parts are sent as
            they come. An async iterable is for async handlers.
        status: The status code, 200 to 599.
        headers: More headers, as a mapping or, where a name occurs twice, as pairs.
        content_type: The type of the body, for Content-Type. Without this it is
            `text/plain; charset=utf-8` for str, and `application/octet-stream` for any other body;
            one that is empty has none.

    Attributes:
        status: The status code.
        body: The body, as it was given.
        headers: Names and values in the order in which they are sent. What is put here and not
            given to `add_header` is not checked.

    Raises:
        TypeError: A body that cannot be sent, or headers that are none.
        ValueError: A name of a header that is none, a value with a line end, or a header that is
            the server's to send; or an impossible status.
    """

    def __init__(
        self,
        body: Body = b"",
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        content_type: str | None = None,
    ) -> None:
        is_plain = isinstance(body, str | bytes)
        if not is_plain and (isinstance(body, Mapping) or not isinstance(body, _STREAMS)):
            raise TypeError(
                f"body: expected str, bytes or an iterable of them, got {type(body).__name__}; "
                "Response.json makes one of a value"
            )
        if not isinstance(status, int):
            raise TypeError(f"status: expected an int, got {status!r}")
        if not 200 <= status <= 599:
            raise ValueError(f"status: {status} is none of an answer, 200 to 599")
        self.status: int = status
        self.body: Body = body
        self.headers: list[tuple[str, str]] = []
        self._file: tuple[str, str | None] | None = None  # in place of the body
        for name, value in _pairs(headers) if headers != () else ():
            self.add_header(name, value)
        if content_type is None and body and not self._has("content-type"):
            is_text = isinstance(body, str)
            content_type = "text/plain; charset=utf-8" if is_text else "application/octet-stream"
        if content_type is not None:
            self.add_header("Content-Type", content_type)

    def __repr__(self) -> str:  # noqa: D105
        return f"<Response {self.status}>"

    @classmethod
    def json(cls, value: object, status: int = 200) -> Response:
        """Answer with a value as JSON.

        Raises:
            TypeError: JSON has nothing for a part of it.
            ValueError: A number is infinite or NaN, which JSON has not, or it holds itself.
        """
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return cls(text.encode(), status, content_type="application/json")

    @classmethod
    def html(cls, text: str, status: int = 200) -> Response:
        """Answer with a page, as text/html in UTF-8."""
        return cls(text, status, content_type="text/html; charset=utf-8")

    @classmethod
    def redirect(cls, location: str, status: int = 303) -> Response:
        """Send the client elsewhere: with 303 to fetch a page (RFC 9110 section 15.4.4).

        Args:
            location: A path of this server or a whole URI, escaped.
            status: 301, 302, 303, 307 or 308; the last two have the client repeat its method and
                body there.

        Raises:
            TypeError: The location is no str.
            ValueError: The location is no URI or path, or not escaped, or the status leads nowhere.
        """
        if status not in _REDIRECTS:
            numbers = ", ".join(map(str, _REDIRECTS))
            raise ValueError(f"status: {status!r} leads nowhere: give one of {numbers}")
        _options.check_type("location", location, str, "a str, such as '/login'")
        if not _LOCATION.fullmatch(location):
            raise ValueError(
                f"location: {location!r} is no URI or path; escape what it has of spaces and "
                "letters outside of ASCII, with urllib.parse.quote"
            )
        return cls(b"", status, {"Location": location})

    @classmethod
    def file(cls, path: str | os.PathLike[str], *, content_type: str | None = None) -> Response:
        """Answer with a file, or a range of it, as the static files of the server are.

        It has the headers that go with it, and takes no others. What is no regular file is answered
        with 404.

        Args:
            path: The file. If a part of it comes from a client, see `http.send_file`.
            content_type: Its type; without this, the one that goes with its name.

        Raises:
            TypeError: The path is none.
        """
        response = cls()
        response._file = (_options.path("path", path), content_type)
        return response

    def add_header(self, name: str, value: str) -> None:
        """Add a header behind those that are there.

        Raises:
            TypeError: The name or the value is no str.
            ValueError: The name is none, the value has a line end, or the header is the server's to
                send (Content-Length, Transfer-Encoding, Connection); or the response is a `file`.
        """
        if self._file is not None:
            raise ValueError("a file is sent with the headers that go with it, and no others")
        if not isinstance(name, str):
            raise TypeError(f"the name of a header: expected a str, got {name!r}")
        if not isinstance(value, str):
            raise TypeError(f"{name}: expected a str, got {value!r}")
        if not _options.TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header (RFC 9110 section 5.6.2)")
        if _NO_VALUE.search(value):
            raise ValueError(f"{name}: {value!r} has a line end or NUL, which no header may have")
        if name.lower() in _FRAMING:
            raise ValueError(f"{name}: the server sends this header itself, as the body needs it")
        self.headers.append((name, value))

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        path: str = "/",
        domain: str = "",
        secure: bool = False,
        http_only: bool = True,
        same_site: str = "Lax",
    ) -> None:
        """Have the client keep a cookie (RFC 6265); `max_age=0` has it forgotten.

        Args:
            name: Its name.
            value: Its value: ASCII without spaces, quotes, commas, semicolons and backslashes.
            max_age: Seconds to keep it; without this, until the browser is closed.
            path: The path below which it is sent back; it begins with a slash.
            domain: The domain whose hosts get it; without this, the server's host alone.
            secure: Send it over TLS only.
            http_only: Keep it from the page's scripts.
            same_site: "Lax", "Strict" or "None".

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: A part cannot be in the header, or browsers do not heed it.
        """
        if not isinstance(name, str):
            raise TypeError(f"the name of a cookie: expected a str, got {name!r}")
        if not _options.TOKEN.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a cookie: give letters, digits and the like, such as 'id'"
            )
        if not isinstance(value, str):
            raise TypeError(f"{name}: expected a str, got {value!r}")
        if max_age is not None:
            _options.check_type("max_age", max_age, int, "an int, of seconds")
            if max_age < 0:
                raise ValueError(f"max_age: {max_age} is below 0, which has the cookie forgotten")
        _options.check_type("path", path, str, "a str, such as '/'")
        _options.check_type("domain", domain, str, "a str, such as 'example.org'")
        _options.check_type("secure", secure, bool, "True or False")
        _options.check_type("http_only", http_only, bool, "True or False")
        if path and not path.startswith("/"):
            raise ValueError(f"path: {path!r} does not begin with a slash, as browsers want it")
        if same_site not in _SAME_SITE:
            words = ", ".join(f'"{word}"' for word in _SAME_SITE)
            raise ValueError(f"same_site: {same_site!r} is none of {words}")
        if same_site == "None" and not secure:
            raise ValueError(f'{name}: browsers drop it: same_site="None" needs secure=True')
        if not _COOKIE_VALUE.fullmatch(value):
            raise ValueError(f"{name}: encode the value first, with urllib.parse.quote or base64")
        parts = [f"{name}={value}"]
        if max_age is not None:
            parts.append(f"Max-Age={max_age}")
        parts += [f"{key}={text}" for key, text in (("Domain", domain), ("Path", path)) if text]
        if any(";" in part for part in parts):
            raise ValueError(f"{name}: a semicolon in the path or domain")
        parts.append(f"SameSite={same_site}")
        parts += ["Secure"] * secure + ["HttpOnly"] * http_only
        self.add_header("Set-Cookie", "; ".join(parts))

    def _has(self, name: str) -> bool:
        return any(other.lower() == name for other, _ in self.headers)
