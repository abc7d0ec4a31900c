"""The driver of callbacks: how a Python callable comes to answer a call of the server's.

C never calls into Python. It posts events; Python asks for them and answers:

1. `http.start_server` and `http.set_web_socket_handler` hand their callables to a `Registration`.
   In place of each callable, C gets the library's function `ah_post_<event>`, and as user data a
   receiver, which leads back to the registration (_registration.py).
2. A client does something. For a request, a worker thread of the server calls `ah_post_<event>`,
   which puts the call into the server's queue and waits for the answer. For an open WebSocket
   nobody waits: step 3 reads its socket, too.
3. A polling thread calls `ah_next_events`, without the interpreter's lock, and gets a batch of
   events. `_polling` makes runs of them: a call of a worker's, or what one WebSocket has got, in
   order. The receiver of an event gives the registration, its kind the callable and the `Event`
   that reads the arguments out of C's memory: handles are wrapped, texts decoded, data copied.
4. The callables run, run by run, with nothing of C's below them on the stack. What one raises is
   logged at once and kept, and its answer is then the value that the spec gives for a callback
   that fails. What they write to WebSockets, C gathers.
5. `ah_answer_events` takes a worker's answer back to it at once, and tells for the WebSockets of a
   batch together that they may have more. The next `ah_next_events` sends what was gathered.
6. `http.stop_server` waits for all workers, closes the queue, which ends the polling, lets go of
   the callables, and raises what the first failed callable raised.

A thread that serves one WebSocket alone asks for its events itself, by a `_reading.Reader`.

So the calls of one connection never overlap; those of different connections do, when a callable
blocks. Who polls is a `_polling.Poller`: by default threads, or the loop of asyncio for what is
started within `polled_by`:

    loop = asyncio.get_running_loop()
    with _driver.polled_by(lambda: _polling.Asyncio(loop)):
        context = http.start_server(...)
    ...
    await asyncio.to_thread(http.stop_server, context)

Then all callables run on the loop's thread, and there is no other thread of Python's. They are
plain functions with the arguments that `http` says, and are to return soon: one that has to wait
creates a task and returns. What tasks write to WebSockets in the turn of the loop that follows a
batch is gathered with what the callables write. A callback that would run on the very thread that
starts the server, such as `init_context`, is not called: whoever needs it starts the server in
another thread (`asyncio.to_thread`).
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from . import _marshal
from ._library import ffi, lib
from ._marshal import CData
from ._polling import Later, Poller, Run, Threads
from ._reading import Reader
from ._registration import Event, Handler, Registration
from .errors import ConnectionClosedError, InvalidHandleError

# Seconds that a wait lasts at most while signals are heeded: Python calls the handler of one that
# came between its last look and the wait only after the wait.
SIGNAL_PATIENCE = 0.5

_PATIENCE = 0.1  # seconds between two looks for callables to give up

_LARGEST = 2**31 - 1  # that a callback may answer with

# Running servers by their context, and registrations by their receiver, to find them by what C
# passes on. Both are handles, which the library gives out once. Threads come and go in these and in
# the dictionaries of a server without a lock: each entry is one thread's at a time, and all are
# looked at by list(), which unlike tuple() copies at once without the interpreter's lock, too.
_servers: dict[int, Server] = {}
_registrations: dict[int, Registration] = {}


class Server:
    """The events of one server, what answers them, and what went wrong."""

    def __init__(
        self, registration: Registration, poller: Poller, end: Callable[[CData], None]
    ) -> None:
        self.handlers = registration  # of the callbacks that the server was started with
        self._end = end  # the library's function that stops it
        self.stopped = threading.Event()
        self.poller = poller
        self.queue = _marshal.checked_pointer(lib.ah_open_event_queue())
        # What an event names: the handlers by their receiver, and the open WebSockets.
        self.registrations: dict[int, Registration] = {}
        self.connections: dict[int, object] = {}
        self.readers: set[Reader] = set()
        self._context: CData = ffi.NULL
        # Events for which workers wait, with the answers that they get when the callable is given
        # up, and its arguments. Whoever takes an entry out answers it.
        self._running: dict[int, tuple[int, tuple[object, ...]]] = {}
        # Those that are answered later, with the last ones of their runs.
        self._held: dict[int, int] = {}
        self._ending = False  # the interpreter ends: nothing more is called
        self._lock = threading.Lock()  # guards the three below
        self._registered = 0  # how many registrations there have been
        self._failure: BaseException | None = None
        self._failures = 0
        try:
            if not registration.native:
                self.register(registration)
            poller.start(self)
        except BaseException:
            self.close()
            raise

    def register(self, registration: Registration) -> int:
        """Give a registration its receiver, and keep its callables until the server stops."""
        with self._lock:
            self._registered += 1
            number = self._registered
        receiver = _marshal.checked_pointer(lib.ah_event_receiver(self.queue, number))
        registration.pointer = receiver
        self.registrations[number] = registration
        _registrations[_marshal.number(receiver)] = registration
        return number

    def unregister(self, number: int) -> None:
        """Let go of a registration's callables: C has nothing that leads to them."""
        registration = self.registrations.pop(number, None)
        if registration is not None:  # else another thread has done so
            del _registrations[_marshal.number(registration.pointer)]

    def bind(self, context: CData) -> CData:
        """Be known as the server of this context, which a function that starts one returned."""
        self._context = _marshal.checked_pointer(context)
        _servers[_marshal.number(context)] = self
        return context

    def know(self, context: CData) -> None:
        """Be known as the server of this context before the function that starts it returns.

        A callback that is called meanwhile may want to set handlers.
        """
        if not self._context:
            self.bind(context)

    def close(self) -> None:
        """End the polling and let go of the callables; no worker is left to post events."""
        self.poller.leave()
        lib.ah_close_event_queue(self.queue)
        _marshal.check()
        self.poller.join()
        self._forget()

    def stop(self) -> None:
        """Stop the server; to be called on a thread that answers no events."""
        self._end(self._context)
        _marshal.check()
        self.close()

    def stop_once(self) -> None:
        """Stop the server, unless somebody else does."""
        with suppress(InvalidHandleError):
            self.stop()

    def poll_by_threads(self) -> None:
        """Have threads poll in place of the loop, which has ended before the server."""
        self.poller.leave()
        self.poller = Threads()
        self.poller.start(self)

    def give_up(self) -> None:
        """Have nobody wait any longer for the callables that run now, so that a stop can end.

        Workers go on as after a failure, and WebSockets are closed. The callables run on, and what
        they do to the server fails.
        """
        for number in list(self._running):
            self._finish(number)
        self.poller.give_up()

    def abandon(self) -> None:
        """Stop because the interpreter ends, without waiting for callables that still run."""
        self._ending = True
        self.give_up()
        for first, last in list(self._held.items()):
            self.answer(first, last, 1)
        for reader in list(self.readers):
            self.answer(*reader.taken, 1)
        lib.ah_close_event_queue(self.queue)
        self._end(self._context)

    def serves_here(self) -> bool:
        """Whether the calling thread serves one WebSocket alone, so that a stop waits for it."""
        this = threading.get_ident()
        return any(reader.thread == this for reader in list(self.readers))

    def raise_failure(self) -> None:
        """Raise what the first failed callable raised, if one did."""
        if self._failure is not None:
            raise self._failure

    def answer(self, first: int, last: int, result: int) -> None:
        """Answer the events with these numbers, but for those that have been answered."""
        lib.ah_answer_events(self.queue, first, last, result)

    def perform(self, run: Run) -> bool:
        """Call the callables of a run, one after the other.

        Returns:
            True when they have been called: who polls answers the run with 1, together with its
            neighbours, and what has got another answer here keeps that. False when one of them
            answers later: this has answered what comes before it, and sees to the rest then.
        """
        if self._ending:
            return True
        if run[0][1].awaited:
            return self._perform_for_worker(run)
        for index, (number, e, handler, arguments) in enumerate(run):
            try:
                result = handler(*arguments)
                if isinstance(result, int) and 0 < result <= _LARGEST:
                    continue
                if isinstance(result, Later):
                    self.answer(run[0][0], number - 1, 1)
                    self._hold(result, run[index:])
                    return False
                if e.on_failure is None or _marshal.int32(result) != 0:
                    continue
            except BaseException as error:
                self._note(e, error)
                if e.on_failure is None:
                    continue
            # This closes the WebSocket at once.
            self.answer(run[0][0], number - 1, 1)
            self.answer(number, number, 0)
        return True

    def _hold(self, later: Later, run: Run) -> None:
        """Leave a run until its first callable answers."""
        number, last = run[0][0], run[-1][0]
        self._held[number] = last

        def go_on(answer: int) -> None:
            del self._held[number]
            self.answer(number, number, answer)
            if len(run) > 1 and self.perform(run[1:]):
                self.answer(number + 1, last, 1)

        later.then(go_on)

    def _perform_for_worker(self, run: Run) -> bool:
        ((number, e, handler, arguments),) = run
        self._running[number] = e.on_failure or 0, arguments
        try:
            result = handler(*arguments)
            if isinstance(result, Later):
                result.then(lambda answer: self._finish(number, answer))
                return False
            self._finish(number, 0 if e.on_failure is None else _marshal.int32(result))
        except BaseException as error:
            self._note(e, error)
            self._finish(number)
        return True

    def _finish(self, number: int, answer: int | None = None) -> None:
        """Answer a worker; from then on, the memory behind the arguments is not the callable's.

        None is the answer of a callable that has failed. The first answer counts.
        """
        on_failure, arguments = self._running.pop(number, (0, ()))
        for argument in arguments:
            if isinstance(argument, _marshal.OutPointer):
                argument.release()
        self.answer(number, number, on_failure if answer is None else answer)

    def log(self, message: str, error: BaseException, level: str = "ERROR") -> None:
        """Log an error, by the name of its level."""
        import logging  # here, because most programs that import this package never get here

        logger = logging.getLogger("alusus_http")
        logger.log(logging.getLevelNamesMapping()[level], "%s", message, exc_info=error)

    def _note(self, e: Event, error: BaseException) -> None:
        """Log what a callable raised, and keep it for `raise_failure`."""
        if isinstance(error, ConnectionClosedError):
            # Clients go when they like: a handler that notices it by a write is not at fault.
            self.log(f"the callback {e.name} wrote to a client that has gone", error, "DEBUG")
            return
        with self._lock:
            self._failures += 1
            if self._failure is None:
                self._failure = error
        substitute = "" if e.on_failure is None else f"; the server gets {e.on_failure} instead"
        self.log(f"the callback {e.name} failed{substitute}", error)

    def _forget(self) -> None:
        for number in list(self.registrations):
            self.unregister(number)
        self.connections.clear()
        if self._failure is not None and self._failures > 1:
            self._failure.add_note(f"the log has {self._failures - 1} more that callbacks raised")
        _servers.pop(_marshal.number(self._context), None)
        self.stopped.set()


# What makes the poller of a server that is started in this context.
_poller: ContextVar[Callable[[], Poller]] = ContextVar("_poller", default=Threads)


@contextmanager
def polled_by(poller: Callable[[], Poller]) -> Iterator[None]:
    """Have servers that the body starts polled by what this returns; see above."""
    token = _poller.set(poller)
    try:
        yield
    finally:
        _poller.reset(token)


@contextmanager
def starting(
    handlers: Mapping[Event, Handler], user_data: object, end: Callable[[CData], None]
) -> Iterator[Server]:
    """A server or client that is about to start: events are answered from here on.

    Starting posts some, already. `end` is the library's function that will stop it. The body starts
    it and calls `bind`; when it raises, nothing of the server remains.
    """
    _marshal.require_unforked()
    server = Server(Registration(handlers, user_data), _poller.get()(), end)
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


@contextmanager
def connecting(
    client: CData, handlers: Mapping[Event, Handler], user_data: object
) -> Iterator[Registration]:
    """Handlers of one WebSocket that the body opens as a client, for as long as it lives."""
    with registering(client, handlers, user_data) as registration:
        registration.ends_with_web_socket = True
        yield registration


def stop(context: CData, end: Callable[[CData], None]) -> None:
    """Stop a server or client, and raise what the first of its failed callbacks raised.

    In a callback, and on the thread of a loop that polls, this returns at once: the server stops
    when the callback has returned. So it does on a thread that serves one WebSocket alone: the
    server stops meanwhile.
    """
    server = _servers.get(_marshal.number(context))
    if server is None:
        end(context)
        _marshal.check()
        return
    stopping = threading.Thread(target=server.stop_once, name="alusus_http stop", daemon=True)
    if server.serves_here():
        stopping.start()
        return
    polls_here = [s.poller for s in list(_servers.values()) if s.poller.polls_here()]
    for poller in polls_here:
        if poller.polls():
            poller.defer(stopping.start)
            return
    if not server.poller.polls():
        server.poll_by_threads()
    if polls_here:  # a loop that has ended in the midst of it: to C, this is still a callback
        stopping.start()
        stopping.join()
    else:
        server.stop()
    server.raise_failure()


def polls_here() -> bool:
    """Whether this thread brings the events of a server, so that it must not wait for any."""
    pollers = [server.poller for server in list(_servers.values())]
    return any(poller.polls_here() and poller.polls() for poller in pollers)


def read(context: _marshal.Handle, connection: _marshal.Handle, longest: int) -> Reader:
    """Have the calling thread, or one that it starts, handle the further events of a WebSocket.

    This is for the callback of its ready event. Messages up to a length are received from what it
    returns, longer ones are handled as other events are.
    """
    return Reader(_servers[_marshal.number(context._number)], connection._number, longest)


def keep_awake(connection: _marshal.Handle, awake: bool) -> None:
    """Say whether messages of a WebSocket wait in Python, so that its client is not idle."""
    lib.ah_keep_web_socket_awake(connection._number, awake)


@contextmanager
def giving_up(
    context: _marshal.Handle, deadline: float, late: Callable[[], object] | None = None
) -> Iterator[None]:
    """Stop a server in the block, which waits for callables until a time of time.monotonic().

    Then `late` is called, and those that run are given up, as are those that begin to run.
    """
    server = _servers.get(_marshal.number(context._number))
    ended = threading.Event()

    def watch() -> None:
        if ended.wait(max(0.0, deadline - time.monotonic())):
            return
        if late is not None:
            late()
        while server is not None and not ended.wait(_PATIENCE):
            server.give_up()

    threading.Thread(target=watch, name="alusus_http stop", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def wait(context: CData) -> None:
    """Wait until a server is stopped, and raise what the first of its failed callbacks raised."""
    server = _servers.get(_marshal.number(context))
    if server is not None:
        while not server.stopped.wait(SIGNAL_PATIENCE):
            pass
        server.raise_failure()


def user_data(pointer: CData) -> object:
    """What the program gave as user data; an address when C or native code gave it."""
    registration = _registrations.get(_marshal.number(pointer))
    return _marshal.address(pointer) if registration is None else registration.user_data


def _at_exit() -> None:
    for server in list(_servers.values()):
        server.abandon()


def _after_fork() -> None:
    _marshal.forked = bool(_servers) or _marshal.forked
    _servers.clear()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_after_fork)
