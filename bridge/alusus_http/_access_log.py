"""The access log, by the logger "alusus_http.access".

CivetWeb makes a line for each answer, in the common log format with the referring page and the
client's name behind it. It does so only for a server that has a callback for it: a server without
an access log does nothing for one.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime

from . import http

logger = logging.getLogger("alusus_http.access")

# address - user [time] "method target HTTP/version" status bytes referer agent
_LINE = re.compile(
    r"(?P<common>(?P<client>\S+) - (?P<user>.*?) \[(?P<time>[^]]*)\] "
    r'"(?P<method>\S+) (?P<target>\S+) HTTP/(?P<version>\S+)" (?P<status>\d+) (?P<bytes>\d+))'
    r"(?: (?P<referer>\S+) (?P<agent>.*))?",
    re.DOTALL,
)


def common(connection: http.Connection | None, line: str) -> int:
    """Log a line in the common log format, without the client's free words behind it."""
    match = _LINE.fullmatch(line)
    if match is not None:
        logger.info("%s", match["common"])
    return 1


def as_json(connection: http.Connection | None, line: str) -> int:
    """Log a line as a JSON object; what the client did not say is left out."""
    match = _LINE.fullmatch(line)
    if match is not None:
        logger.info("%s", json.dumps(_fields(match)))
    return 1


def _fields(match: re.Match[str]) -> dict[str, str | int]:
    texts = match.groupdict()
    del texts["common"]
    fields: dict[str, str | int] = {
        name: text for name, text in texts.items() if text is not None and text != "-"
    }
    fields["time"] = datetime.strptime(texts["time"], "%d/%b/%Y:%H:%M:%S %z").isoformat()
    fields["status"] = int(texts["status"])
    fields["bytes"] = int(texts["bytes"])
    return fields


FORMATS: dict[str, http.LogAccessCallback] = {"common": common, "json": as_json}
