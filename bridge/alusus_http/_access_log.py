"""The access log, by the logger "alusus_http.access".

CivetWeb makes a line for each answer, in the common log format with the referring page and the
client's name behind it. It does so only for a server that has a callback for it: a server without
an access log does nothing for one.

The last two are the client's free words with a space between them and spaces within, so that nobody
can tell where one ends: the JSON lines take them from the request's headers. A WebSocket that has
opened has left its request behind; its line is all that there is.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime

from . import http
from .errors import WrongStateError

logger = logging.getLogger("alusus_http.access")

# address - user [time] "method target HTTP/version" status bytes referer agent
_LINE = re.compile(
    r"(?P<client>\S+) - (?P<user>.*?) \[(?P<time>[^]]*)\] "
    r'"(?P<method>\S+) (?P<target>\S+) HTTP/(?P<version>\S+)" (?P<status>\d+) (?P<bytes>\d+)'
    r"(?: (?P<words>.*))?",
    re.DOTALL,
)
_HEADERS = {"referer": "referer", "user-agent": "agent"}


def common(connection: http.Connection | None, line: str) -> int:
    """Log a line in the common log format, without the client's free words behind it."""
    match = _LINE.fullmatch(line)
    if match is not None:
        begin, end = match.span("target")
        # A quote would end the field early. As %22 the target means the same (RFC 3986 section 2).
        target = match["target"].replace('"', "%22")
        logger.info("%s%s%s", line[:begin], target, line[end : match.end("bytes")])
    return 1


def as_json(connection: http.Connection | None, line: str) -> int:
    """Log a line as a JSON object; what the client did not say is left out."""
    match = _LINE.fullmatch(line)
    if match is not None:
        words = _words_of_line(match) if connection is None else _words(connection)
        logger.info("%s", json.dumps(_fields(match) | words))
    return 1


def _fields(match: re.Match[str]) -> dict[str, str | int]:
    texts = match.groupdict()
    del texts["words"]
    fields: dict[str, str | int] = {name: text for name, text in texts.items() if text != "-"}
    fields["time"] = datetime.strptime(texts["time"], "%d/%b/%Y:%H:%M:%S %z").isoformat()
    fields["status"] = int(texts["status"])
    fields["bytes"] = int(texts["bytes"])
    return fields


def _words(connection: http.Connection) -> dict[str, str]:
    """What the client says of itself and of the page that it comes from."""
    try:
        headers = http.get_request_info(connection).http_headers
    except WrongStateError:  # the request could not be read
        return {}
    named = ((_HEADERS.get(header.name.lower()), header.value) for header in headers)
    return {name: _utf8(value) for name, value in named if name is not None and value}


def _words_of_line(match: re.Match[str]) -> dict[str, str]:
    """The same where only the line has it: the page is a URI, which has no spaces (RFC 3986)."""
    referer, _, agent = (match["words"] or "").partition(" ")
    named = {"referer": referer, "agent": agent}
    return {name: _utf8(value) for name, value in named.items() if value not in ("", "-")}


def _utf8(value: str) -> str:
    r"""A text whose bytes that are not UTF-8 are told as \xff: many refuse surrogates in JSON."""
    return value.encode(errors="surrogateescape").decode(errors="backslashreplace")


FORMATS: dict[str, http.LogAccessCallback] = {"common": common, "json": as_json}
