"""What a program gives where the spec has callbacks, and what C gets in its place.

A function of `http` that takes callbacks makes a `Registration` of them. For a Python callable, C
gets the library's function that posts the call as an event, described by an `Event`; for a
`NativeCallback` the compiled function itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ._library import ffi, lib
from ._marshal import CData
from .native import NativeCallback

Handler: TypeAlias = Callable[..., object] | NativeCallback | None
ReadArguments: TypeAlias = Callable[[CData, object], tuple[object, ...]]

_MAILED = (
    lib.AH_EVENT_WEB_SOCKET_READY,
    lib.AH_EVENT_WEB_SOCKET_MESSAGE,
    lib.AH_EVENT_WEB_SOCKET_CLOSE,
)


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One callback of the spec, on its way to Python."""

    name: str
    kind: int
    post: CData  # the C function that stands in for a callable
    arguments: ReadArguments | None  # None: a batch has them already
    on_failure: int | None  # C's result for one that fails; None: the callback returns nothing
    mailed: bool  # it is of an open WebSocket
    awaited: bool  # a worker waits for the answer


def event(kind: int, post: str, on_failure: int | None = None) -> Callable[[ReadArguments], Event]:
    """Make an Event of the function that reads its arguments, `_on_<event>`."""

    def make(arguments: ReadArguments) -> Event:
        name = arguments.__name__.removeprefix("_on_")
        mailed = kind in _MAILED
        post_function = ffi.addressof(lib, post)
        return Event(name, kind, post_function, arguments, on_failure, mailed, not mailed)

    return make


def _nothing(*arguments: object) -> None:
    """Stand in for a handler that was not given."""


class Registration:
    """The handlers that were given in one call, and the user data that goes with them.

    They are all Python's or all native, because C keeps one user data for them: the receiver that
    leads back here, or the address that native handlers want.
    """

    def __init__(self, handlers: Mapping[Event, Handler], user_data: object) -> None:
        self.user_data = user_data
        self._handlers = {e: handler for e, handler in handlers.items() if handler is not None}
        natives = [isinstance(handler, NativeCallback) for handler in self._handlers.values()]
        self.native = any(natives)
        if self.native and not all(natives):
            raise TypeError("the handlers of one call are all callables or all NativeCallbacks")
        if self.native and not isinstance(user_data, int | None):
            raise TypeError(
                "user_data: native handlers take an address (an int) or None, "
                f"got {type(user_data).__name__}"
            )
        self.by_kind: dict[int, tuple[Event, Callable[..., object]]] = {}
        for e, handler in self._handlers.items():
            if callable(handler):
                self.by_kind[e.kind] = (e, handler)
            elif not self.native:
                raise TypeError(
                    f"{e.name}: expected a callable or a NativeCallback, "
                    f"got {type(handler).__name__}"
                )
        self.ends_with_web_socket = False  # it is for one, and let go of at its end
        # What C keeps as user data. For Python's handlers the driver puts the receiver here, by
        # which an event leads back to this.
        self.pointer = ffi.cast("void *", user_data or 0) if self.native else ffi.NULL

    def function(self, e: Event) -> CData:
        """The function pointer that C gets for a handler; null where none was given."""
        handler = self._handlers.get(e)
        if handler is None and self.by_kind and e.kind == lib.AH_EVENT_WEB_SOCKET_CLOSE:
            self.by_kind[e.kind] = (e, _nothing)  # for then its Connection is forgotten
            return e.post
        if handler is None:
            return ffi.NULL
        if isinstance(handler, NativeCallback):
            return ffi.cast(ffi.typeof(e.post), handler.address)
        return e.post

    def table(self, struct: str, events: Mapping[str, Event]) -> CData:
        """A C struct of function pointers."""
        return ffi.new(f"{struct} *", {name: self.function(e) for name, e in events.items()})


def members(table: object, events: Mapping[str, Event]) -> dict[Event, Handler]:
    """The handlers in a dataclass of callables; None has none."""
    return {} if table is None else {e: getattr(table, name) for name, e in events.items()}
