"""What the hosts of applications have in common."""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from . import _driver, _options, http
from ._marshal import require_unforked
from .errors import HttpError, InvalidHandleError

Application = TypeVar("Application")

# What applications need of the server; whoever starts it may say otherwise.
_DEFAULTS = {
    "enable_keep_alive": "yes",
    "keep_alive_timeout_ms": "5000",
    "num_threads": "100",  # connections that are served at a time
    "decode_url": "no",  # applications get the path as it was sent, and decode it themselves
}

# How long requests that have begun may take to end when the server is stopped, in seconds.
GRACE = 10.0

RUNS_ALREADY = "this server runs already: stop it first"

# Of how many connections a host keeps what all their requests have in common.
MOST_PEERS = 4096


class Server(ABC, Generic[Application]):
    """An application that is served."""

    def __init__(
        self,
        application: Application,
        options: _options.Options | None = None,
        *,
        root_path: str = "",
        log_access: http.LogAccessCallback | None = None,
    ) -> None:
        """Prepare to serve.

        Args:
            application: The application.
            options: Options of the server by their names in `http.start_server`. Where they say
                nothing else, `enable_keep_alive` is on, `keep_alive_timeout_ms` is 5000,
                `num_threads` is 100, and `decode_url` is off.
            root_path: Where the application is mounted, as seen from outside, when a proxy in front
                takes this off the path; for WSGI, `SCRIPT_NAME`.
            log_access: Called for each answer, with the connection or None and the line for the
                access log; see `http.Callbacks`.

        Raises:
            TypeError: The application cannot be called, the options are no mapping, or one of them
                has a value that none can have.
        """
        if not callable(application):
            raise TypeError(f"{application!r} is no application: it cannot be called")
        self._application = application
        self._options = {**_DEFAULTS, **({} if options is None else _options.given(options))}
        self._root_path = root_path
        self._log_access = log_access
        self._scheme = "https" if "ssl_certificate" in self._options else "http"
        self._context: http.Context | None = None
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Make what else a server of this kind has."""

    @property
    def ports(self) -> list[int]:
        """The ports it listens on; empty while it does not run."""
        return bound_ports(self._context)


def url(scheme: str, listening_ports: str, ports: Sequence[int]) -> str:
    """Where clients on this machine find a server, by its option and the ports that are bound.

    That is its first TCP port, or the unix socket of one that has none.
    """
    entries = [entry.strip() for entry in listening_ports.split(",")]
    if not ports:
        return f"{scheme}+unix:{entries[0].removeprefix('x')}:"
    first = next(entry for entry in entries if not entry.startswith("x"))
    host = first.rpartition(":")[0].strip("[]")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    secure = "s" if first.endswith("s") else ""
    return f"{scheme}{secure}://{f'[{host}]' if ':' in host else host}:{ports[0]}"


def bound_ports(context: http.Context | None) -> list[int]:
    """The ports that a server listens on; none if it has not been started."""
    return [] if context is None else [port.port for port in http.get_server_ports(context)]


def stop_listening(context: http.Context) -> None:
    """Let nobody new connect to a server that is about to be stopped.

    The stop goes on where that cannot be done, for want of files or as it has been stopped already.
    """
    require_unforked()
    try:
        http.stop_listening(context)
    except InvalidHandleError:
        pass
    except HttpError as error:
        logger = logging.getLogger("alusus_http")
        logger.warning("new clients still come while the server stops: %s", error)


def await_requests(context: http.Context, deadline: float) -> bool:
    """Wait until all requests are answered, on a thread that answers none.

    Signals are heeded meanwhile.

    Returns:
        Whether they were by a time of time.monotonic().
    """
    try:
        while True:
            left = max(0.0, deadline - time.monotonic())
            longest = min(left, _driver.SIGNAL_PATIENCE)
            if not http.await_requests(context, math.ceil(longest * 1000)):
                return True
            if left == 0:
                return False
    except InvalidHandleError:
        return True  # it has been stopped already
