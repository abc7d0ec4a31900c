"""What the hosts of applications have in common."""

from __future__ import annotations

from collections.abc import Mapping

from . import http

# What applications need of the server; whoever starts it may say otherwise.
_DEFAULTS = {
    "enable_keep_alive": "yes",
    "keep_alive_timeout_ms": "5000",
    "num_threads": "100",  # connections that are served at a time
    "decode_url": "no",  # applications get the path as it was sent, and decode it themselves
}


def server_options(given: Mapping[str, str] | None) -> dict[str, str]:
    """The options of a server that hosts an application."""
    return {**_DEFAULTS, **(given or {})}


# How long requests that have begun may take to end when the server is stopped, in seconds.
GRACE = 10.0


def listening_host(options: Mapping[str, str]) -> str:
    """The address that a server listens at, the first one; empty for a unix socket."""
    first = options.get("listening_ports", "").split(",")[0]
    host = first.rpartition(":")[0].strip("[]")
    return "" if first.startswith("x") else host or "0.0.0.0"


def bound_ports(context: http.Context | None) -> list[int]:
    """The ports that a server listens on; none if it has not been started."""
    return [] if context is None else [port.port for port in http.get_server_ports(context)]
