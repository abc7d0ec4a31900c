"""A server's counters in the text format of Prometheus."""

from __future__ import annotations

from . import http

_PREFIX = "alusus_http_websocket"

_CLOSED = (
    ("normal", "closed_normally"),
    ("going_away", "closed_going_away"),
    ("protocol_error", "closed_protocol_error"),
    ("invalid_data", "closed_invalid_data"),
    ("too_big", "closed_too_big"),
    ("abnormal", "closed_abnormally"),
    ("other", "closed_otherwise"),
)


def prometheus(stats: http.WebSocketStatistics) -> str:
    """Write them one to a line, each behind what it is."""
    lines: list[str] = []

    def add(name: str, kind: str, text: str, *values: tuple[str, int]) -> None:
        lines.append(f"# HELP {_PREFIX}_{name} {text}")
        lines.append(f"# TYPE {_PREFIX}_{name} {kind}")
        lines.extend(f"{_PREFIX}_{name}{labels} {value}" for labels, value in values)

    add("open", "gauge", "WebSockets that are open.", ("", stats.open))
    add(
        "handshakes_total",
        "counter",
        "Handshakes, by whether they succeeded.",
        ('{result="accepted"}', stats.opened),
        ('{result="refused"}', stats.refused),
    )
    add(
        "messages_total",
        "counter",
        "Text and binary messages.",
        ('{direction="received"}', stats.messages_received),
        ('{direction="sent"}', stats.messages_sent),
    )
    add(
        "bytes_total",
        "counter",
        "Their payloads, uncompressed.",
        ('{direction="received"}', stats.bytes_received),
        ('{direction="sent"}', stats.bytes_sent),
    )
    add(
        "closed_total",
        "counter",
        "WebSockets that have ended, by how.",
        *((f'{{reason="{label}"}}', getattr(stats, name)) for label, name in _CLOSED),
    )
    return "\n".join(lines) + "\n"
