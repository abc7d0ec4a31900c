"""The driver of callbacks: how a Python callable comes to answer a call of the server's.

C never calls into Python. It posts events; threads of this module ask for them and answer:

1. `http.start_server` and `http.set_web_socket_handler` hand their callables to a `Registration`.
   In place of each callable, C gets the library's function `ah_post_<event>`, and as user data a
   receiver, which leads back to the registration.
2. A client does something. The server's worker thread calls `ah_post_<event>`, which puts the
   call into the server's queue and waits for the answer.
3. A thread in `Server._take` waits in `ah_next_event`, without the interpreter's lock, and takes
   the event. When no other thread is left to wait, it starts one first.
4. The event's receiver gives the registration, its kind the callable and the `Event` that reads
   the arguments out of C's memory: handles are wrapped, texts decoded, data copied.
5. The callable runs, with nothing of C's below it on the stack. What it raises is logged at once
   and kept, and the answer is then the value that the spec gives for a callback that fails.
6. `ah_answer_event` takes the answer back to the worker of step 2, which returns it to the server.
   From here on, the memory of the arguments is C's again.
7. `http.stop_server` waits for all workers, closes the queue, which ends the threads, lets go of
   the callables, and raises what the first failed callable raised.

For an open WebSocket nobody waits in step 2: its events stay in order, each is given out when the
one before it has been answered, and answering a message with 0 closes the WebSocket. So the calls
of one connection never overlap; those of different connections do.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from . import _marshal
from ._library import ffi, lib
from ._marshal import CData
from .errors import ConnectionClosedError, InvalidHandleError
from .native import NativeCallback

# How many threads a server keeps waiting for events. It has more while all of them are busy, so
# that a callable that blocks, or one whose calls make C log through another callable, holds up
# nobody: as many as there are workers to post. Eight take a burst of requests without starting
# threads; those beyond end when they are done.
_KEPT_THREADS = 8

_FOREVER = -1  # as a timeout of ah_next_event

Handler: TypeAlias = Callable[..., object] | NativeCallback | None
ReadArguments: TypeAlias = Callable[[CData, object], tuple[object, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One callback of the spec, on its way to Python."""

    name: str
    kind: int
    post: CData  # the C function that stands in for a callable
    arguments: ReadArguments
    on_failure: int | None  # None where the callback returns nothing


def event(kind: int, post: str, on_failure: int | None = None) -> Callable[[ReadArguments], Event]:
    """Make an Event of the function that reads its arguments, `_on_<event>`."""

    def make(arguments: ReadArguments) -> Event:
        name = arguments.__name__.removeprefix("_on_")
        return Event(name, kind, ffi.addressof(lib, post), arguments, on_failure)

    return make


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
        # What C keeps as user data; `Server.register` puts the receiver here.
        self.pointer = ffi.cast("void *", user_data or 0) if self.native else ffi.NULL

    def function(self, e: Event) -> CData:
        """The function pointer that C gets for a handler; null where none was given."""
        handler = self._handlers.get(e)
        if handler is None:
            return ffi.NULL
        if isinstance(handler, NativeCallback):
            return ffi.cast(ffi.typeof(e.post), handler.address)
        return e.post

    def table(self, struct: str, events: Mapping[str, Event]) -> CData:
        """A C struct of function pointers."""
        return ffi.new(f"{struct} *", {name: self.function(e) for name, e in events.items()})


# Running servers by their context, and registrations by their receiver, to find them by what C
# passes on. Both are handles, which the library gives out once.
_servers: dict[int, Server] = {}
_registrations: dict[int, Registration] = {}


class Server:
    """The events of one server, the threads that answer them, and what went wrong on them."""

    def __init__(self, registration: Registration) -> None:
        self.handlers = registration  # of the callbacks that the server was started with
        self.stopped = threading.Event()
        self._context: CData = ffi.NULL
        self._receivers: dict[int, Registration] = {}
        self._numbers = count(1)
        # Events whose callables run, with the answers that they get if the interpreter ends.
        self._running: dict[int, int] = {}
        self._ending = False
        self._lock = threading.Lock()  # guards the four below
        self._threads: set[threading.Thread] = set()
        self._waiting = 0  # threads in ah_next_event
        self._failure: BaseException | None = None
        self._failures = 0
        self._queue = _marshal.checked_pointer(lib.ah_open_event_queue())
        try:
            if not registration.native:
                self.register(registration)
            self._start_thread()
        except BaseException:
            self.close()
            raise

    def register(self, registration: Registration) -> int:
        """Give a registration its receiver, and keep its callables until the server stops."""
        number = next(self._numbers)
        receiver = _marshal.checked_pointer(lib.ah_event_receiver(self._queue, number))
        registration.pointer = receiver
        self._receivers[number] = registration
        _registrations[_marshal.number(receiver)] = registration
        return number

    def unregister(self, number: int) -> None:
        """Let go of a registration's callables: C has nothing that leads to them."""
        registration = self._receivers.pop(number)
        del _registrations[_marshal.number(registration.pointer)]

    def bind(self, context: CData) -> CData:
        """Be known as the server of this context, which a function that starts one returned."""
        self._context = _marshal.checked_pointer(context)
        _servers[_marshal.number(context)] = self
        return context

    def close(self) -> None:
        """End the threads and let go of the callables, when no worker is left to post."""
        lib.ah_close_event_queue(self._queue)
        _marshal.check()
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join()
        for number in tuple(self._receivers):
            self.unregister(number)
        if self._failure is not None and self._failures > 1:
            self._failure.add_note(f"the log has {self._failures - 1} more that callbacks raised")
        _servers.pop(_marshal.number(self._context), None)
        self.stopped.set()

    def abandon(self) -> None:
        """Stop because the interpreter ends, without waiting for callables that still run."""
        self._ending = True
        for number, answer in tuple(self._running.items()):
            lib.ah_answer_event(self._queue, number, answer)
        lib.ah_close_event_queue(self._queue)
        lib.ah_stop_server(self._context)

    def raise_failure(self) -> None:
        """Raise what the first failed callable raised, if one did."""
        if self._failure is not None:
            raise self._failure

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._poll, name="alusus_http", daemon=True)
        with self._lock:  # which the thread needs first of all, so that it is known before it works
            thread.start()
            self._threads.add(thread)

    def _poll(self) -> None:
        posted = ffi.new("ah_event *")
        while self._take(posted):
            self._answer(posted)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _take(self, posted: CData) -> bool:
        with self._lock:
            if self._waiting == _KEPT_THREADS:
                return False
            self._waiting += 1
        taken: bool = lib.ah_next_event(self._queue, _FOREVER, posted) > 0
        with self._lock:
            self._waiting -= 1
            alone = self._waiting == 0
        if taken and alone:
            try:
                self._start_thread()
            except RuntimeError as error:
                # The system has no room for one more thread: those that there are go on.
                _log("no thread could be started to answer more callbacks meanwhile", error)
        return taken

    def _answer(self, posted: CData) -> None:
        if not self._context:
            self.bind(posted.context)  # a callback of the start may want to set handlers
        e, handler = self._receivers[posted.receiver].by_kind[posted.kind]
        user_data = self._receivers[posted.receiver].user_data
        number, answer = posted.id, e.on_failure or 0
        self._running[number] = answer
        arguments: tuple[object, ...] = ()
        try:
            if not self._ending:
                arguments = e.arguments(posted.arguments, user_data)
                result = handler(*arguments)
                answer = 0 if e.on_failure is None else _marshal.int32(result)
        except ConnectionClosedError as error:
            # Clients go when they like: a handler that notices it by a write is not at fault.
            _log(f"the callback {e.name} wrote to a client that has gone", error, "DEBUG")
        except BaseException as error:
            self._keep(error)
            substitute = "" if e.on_failure is None else f"; the server gets {answer} instead"
            _log(f"the callback {e.name} failed{substitute}", error)
        finally:
            for argument in arguments:
                if isinstance(argument, _marshal.OutPointer):
                    argument.release()
            del self._running[number]
            lib.ah_answer_event(self._queue, number, answer)

    def _keep(self, error: BaseException) -> None:
        with self._lock:
            self._failures += 1
            if self._failure is None:
                self._failure = error


def _log(message: str, error: BaseException, level: str = "ERROR") -> None:
    import logging  # here, because most programs that import this package never get here

    logger = logging.getLogger("alusus_http")
    logger.log(logging.getLevelNamesMapping()[level], "%s", message, exc_info=error)


def members(table: object, events: Mapping[str, Event]) -> dict[Event, Handler]:
    """The handlers in a dataclass of callables; None has none."""
    return {} if table is None else {e: getattr(table, name) for name, e in events.items()}


@contextmanager
def starting(handlers: Mapping[Event, Handler], user_data: object) -> Iterator[Server]:
    """A server that is about to start: events are answered from here on, since starting posts some.

    The body starts it and calls `bind`; when it raises, nothing of the server remains.
    """
    _marshal.require_unforked()
    server = Server(Registration(handlers, user_data))
    try:
        yield server
    except BaseException:
        server.close()
        raise


@contextmanager
def registering(
    context: CData, handlers: Mapping[Event, Handler], user_data: object
) -> Iterator[Registration]:
    """Handlers that the body sets on a running server; when it raises, they are let go again."""
    registration = Registration(handlers, user_data)
    server = _servers.get(_marshal.number(context))
    if not registration.by_kind:  # native handlers, or none: nothing comes through the driver
        yield registration
        return
    if server is None:
        raise InvalidHandleError(
            "context: this server has been stopped, or this process did not start it from Python, "
            "so that nothing would call Python's handlers"
        )
    receiver = server.register(registration)
    try:
        yield registration
    except BaseException:
        server.unregister(receiver)
        raise


def stop(context: CData) -> None:
    """Stop a server, and raise what the first of its failed callbacks raised."""
    server = _servers.get(_marshal.number(context))
    lib.ah_stop_server(context)
    _marshal.check()
    if server is not None:
        server.close()
        server.raise_failure()


def wait(context: CData) -> None:
    """Wait until a server is stopped, and raise what the first of its failed callbacks raised."""
    server = _servers.get(_marshal.number(context))
    if server is not None:
        server.stopped.wait()
        server.raise_failure()


def user_data(pointer: CData) -> object:
    """What the program gave as user data; an address when C or native code gave it."""
    registration = _registrations.get(_marshal.number(pointer))
    return _marshal.address(pointer) if registration is None else registration.user_data


def _at_exit() -> None:
    for server in tuple(_servers.values()):
        server.abandon()


def _after_fork() -> None:
    _marshal.forked = bool(_servers) or _marshal.forked
    _servers.clear()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_after_fork)
