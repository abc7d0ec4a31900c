"""Web servers and WebSockets on the compiled server library that Alusus and C programs share.

`alusus_http.http` is the API, function by function as Alusus has it. What goes wrong is raised:
`alusus_http.errors` has the exceptions. An exception in a callback is logged at once through the
logger "alusus_http" and raised again by `http.stop_server` and `wait`.
"""

from __future__ import annotations

from . import _driver, _marshal, errors, http
from ._contract import PACKAGE_VERSION as __version__
from .native import NativeCallback, native

__all__ = ["NativeCallback", "__version__", "errors", "http", "native", "wait"]


def wait(context: http.Context) -> None:
    """Wait until a server is stopped by another thread; Ctrl+C ends the wait at once.

    Args:
        context: The running server. One that has been stopped needs no waiting.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl+C. The server goes on: stop it with
            `http.stop_server`.
        Exception: What the first callback that failed had raised, once the server is stopped.
    """
    _driver.wait(_marshal.handle(context, http.Context, "context"))
