"""Who asks the library for events and has them handled: threads, or the loop of asyncio.

A thread that serves one WebSocket alone asks for its events itself: a reader.

A batch of events becomes runs: a call that a worker of the server waits for, alone, or the calls of
one WebSocket that came together. A run belongs to one thread, so that the calls of one connection
come in order and never overlap.
"""

from __future__ import annotations

import math
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from . import _marshal
from ._library import ffi, lib
from ._marshal import CData

if TYPE_CHECKING:
    import asyncio

    from ._driver import Event, Server

# How many threads a server keeps waiting for events. It has more while all of them are busy, so
# that a callable that blocks, or one whose calls make C log through another callable, holds up
# nobody: as many as there are workers to post. Eight take a burst of requests without starting
# threads; those beyond end when they are done.
_KEPT_THREADS = 8

# What one batch may hold. More would save little, and keep those at its front waiting for longer.
_BATCH_EVENTS = 256
_BATCH_MEMORY = 1 << 16

# The same for one WebSocket.
_READ_EVENTS = 16
_READ_MEMORY = 1 << 13

_FOREVER = -1  # as a timeout of ah_next_events
_PATIENCE = 0.1  # seconds between two looks whether a loop still runs

_MESSAGE = lib.AH_EVENT_WEB_SOCKET_MESSAGE
_CLOSE = lib.AH_EVENT_WEB_SOCKET_CLOSE
_COPIED = lib.AH_EVENT_COPIED

# A callable with its arguments, behind the number under which it is answered, and its event.
Call: TypeAlias = "tuple[int, Event, Callable[..., object], tuple[object, ...]]"
Run: TypeAlias = list[Call]


class Later:
    """What a callable returns that has its answer later.

    The next event of its connection comes after that. The first answer counts. With a loop, its
    thread gives it.
    """

    __slots__ = ("_answer", "_lock", "_take")

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards both
        self._answer: int | None = None
        self._take: Callable[[int], object] | None = None

    def give(self, answer: int) -> None:
        """Answer."""
        with self._lock:
            if self._answer is not None:
                return
            self._answer, take = answer, self._take
        if take is not None:
            take(answer)

    def then(self, take: Callable[[int], object]) -> None:
        """Say who takes the answer, which may be there already."""
        with self._lock:
            self._take, answer = take, self._answer
        if answer is not None:
            take(answer)


class Poller(Protocol):
    """A way to poll a server's queue; each polls one."""

    def start(self, server: Server) -> None:
        """Begin."""

    def polls_here(self) -> bool:
        """Whether the calling thread is one that polls: it must not wait for callbacks."""

    def polls(self) -> bool:
        """Whether events are being taken, or will be."""

    def defer(self, function: Callable[[], object]) -> None:
        """Call when the callback has returned in which this thread is."""

    def leave(self) -> None:
        """End, or be ready for it when the queue is closed."""

    def join(self) -> None:
        """Wait for the end; the queue has been closed."""

    def abandon(self) -> None:
        """Answer what has been taken and is not done, for the interpreter ends."""


class _Batch:
    """Memory for what `ah_next_events` gives out.

    Attributes:
        memory: The arguments of that function which describe it.
    """

    # Members of an `ah_event`: id, kind, receiver, not the context, and of a message's arguments
    # connection, opcode, data and length. The arguments of ready and close begin alike.
    _EVENT = struct.Struct(f"@QiQ8xQiQQ{ffi.sizeof('ah_event') - 64}x")

    def __init__(
        self, server: Server, events: int = _BATCH_EVENTS, memory: int = _BATCH_MEMORY
    ) -> None:
        self._server = server
        self._events = ffi.new("ah_event[]", events)
        received = ffi.new("char[]", memory)
        self.memory = (self._events, events, received, memory)
        self._numbers = memoryview(ffi.buffer(self._events))
        self._bytes = ffi.buffer(received)
        self._begin = _marshal.number(received)

    def fill(self, timeout: int) -> int:
        """Wait for events; returns what `ah_next_events` does."""
        filled: int = lib.ah_next_events(self._server.queue, timeout, *self.memory)
        return filled

    def runs(self, filled: int) -> list[Run]:
        """Read the events. Of this memory, nothing is used afterwards."""
        registrations, connections = self._server.registrations, self._server.connections
        begin, received = self._begin, self._bytes
        runs: list[Run] = []
        run: Run = []
        arguments: tuple[object, ...]
        previous = 0
        index = 0
        members = self._EVENT.iter_unpack(self._numbers[: filled * self._EVENT.size])
        for number, kind, receiver, connection, opcode, address, size in members:
            registration = registrations[receiver]
            e, handler = registration.by_kind[kind]
            if kind == _MESSAGE and connection in connections:
                if size <= _COPIED:
                    offset = address - begin
                    data = received[offset : offset + size]
                else:
                    data = ffi.buffer(ffi.cast("char *", address), size)[:]
                arguments = (connections[connection], opcode, data, registration.user_data)
            else:
                event = self._events[index]
                self._server.know(event.context)
                arguments = e.arguments(event.arguments, registration.user_data)
                if kind == _CLOSE:
                    arguments = (connections.pop(connection, arguments[0]), *arguments[1:])
                    if registration.ends_with_web_socket:
                        self._server.unregister(receiver)
                elif e.mailed:
                    connections[connection] = arguments[0]
            index += 1
            if connection == previous and e.mailed:
                run.append((number, e, handler, arguments))
                continue
            run = [(number, e, handler, arguments)]
            runs.append(run)
            previous = connection if e.mailed else 0
        return runs


class _Share:
    """What one thread has taken and may lose to others.

    Its own thread takes runs from the left, others from the right. So what it has done is always
    the front of its batch, and one pair of numbers tells it.
    """

    __slots__ = ("done", "runs", "taken")

    def __init__(self) -> None:
        self.runs: deque[Run] = deque()
        self.taken = (0, 0)  # the first and the last number of the batch
        self.done = (0, 0)  # the same of the runs that are done; (0, 0) answers nothing


class Threads:
    """Threads that poll: one works, the others take over what a callable that blocks holds up."""

    def __init__(self) -> None:
        self._server: Server
        self._lock = threading.Lock()  # held where threads come and go
        self._threads: set[threading.Thread] = set()
        self._shares: list[_Share] = []
        self._free: set[threading.Thread] = set()  # those that have nothing to do
        self._deferred: dict[int, list[Callable[[], object]]] = {}  # by thread

    def start(self, server: Server) -> None:
        """Begin with one thread; it starts another one when it gets something to do."""
        self._server = server
        self._start_thread()

    def polls_here(self) -> bool:
        """Whether the calling thread is one of them."""
        return threading.current_thread() in self._threads

    def polls(self) -> bool:
        """They do until the queue is closed."""
        return True

    def defer(self, function: Callable[[], object]) -> None:
        """Call when the run is done in which this thread is."""
        self._deferred.setdefault(threading.get_ident(), []).append(function)

    def leave(self) -> None:
        """They end when the queue is closed."""

    def join(self) -> None:
        """Wait for all of them."""
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join()

    def abandon(self) -> None:
        """Answer the runs of all threads, those that are being handled, too."""
        for share in tuple(self._shares):
            self._server.answer(*share.taken, 1)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._poll, name="alusus_http", daemon=True)
        with self._lock:  # which the thread needs first of all, so that it is known before it works
            thread.start()
            self._threads.add(thread)
            self._free.add(thread)

    def _poll(self) -> None:
        batch, share, this = _Batch(self._server), _Share(), threading.current_thread()
        with self._lock:
            self._shares.append(share)
        filled = 0
        while filled >= 0 and (len(self._free) <= _KEPT_THREADS or not self._is_spare(this)):
            self._help(this, filled == 0)
            filled = batch.fill(_FOREVER)
            if filled > 0:
                self._begin(this)
                self._work(share, batch.runs(filled))
                self._free.add(this)
        with self._lock:
            self._shares.remove(share)
            self._threads.discard(this)
            self._free.discard(this)

    def _is_spare(self, this: threading.Thread) -> bool:
        """Whether enough threads are free without this one, which then ends."""
        with self._lock:  # one after the other, or all would rely on each other, and end
            spare = len(self._free) > _KEPT_THREADS
            if spare:
                self._free.discard(this)
            return spare

    def _begin(self, this: threading.Thread) -> None:
        """Have something to do, which may take long: another thread is to be free for the rest."""
        self._free.discard(this)
        if self._free:
            return
        try:
            self._start_thread()
        except RuntimeError as error:
            # The system has no room for one more thread: those that there are go on.
            self._server.log("no thread could be started to answer more callbacks meanwhile", error)

    def _work(self, share: _Share, taken: list[Run]) -> None:
        first = taken[0][0][0]
        share.taken = (first, taken[-1][-1][0])
        if len(taken) == 1:  # nothing to share
            if self._perform(taken[0]):
                self._server.answer(*share.taken, 1)
            return
        runs = share.runs
        runs.extend(taken)
        while runs:
            try:
                run = runs.popleft()
            except IndexError:
                break  # another thread was faster
            if self._perform(run):
                share.done = (first, run[-1][0])
            else:
                self._server.answer(*share.done, 1)
                share.done = (0, 0)
                first = run[-1][0] + 1
        self._server.answer(*share.done, 1)

    def _help(self, this: threading.Thread, asked: bool) -> None:
        """Take over what other threads have not begun."""
        for share in tuple(self._shares):
            if asked:  # what its thread has done need not wait for what holds it up
                self._server.answer(*share.done, 1)
            while share.runs:
                self._begin(this)
                try:
                    run = share.runs.pop()
                except IndexError:
                    break
                if self._perform(run):
                    self._server.answer(run[0][0], run[-1][0], 1)
        self._free.add(this)

    def _perform(self, run: Run) -> bool:
        done = self._server.perform(run)
        if self._deferred:
            for function in self._deferred.pop(threading.get_ident(), ()):
                function()
        return done


class Asyncio:
    """The loop of asyncio that polls, on its own thread.

    Callables run on the loop's thread, one after the other, and so hold up the loop while they run.
    One batch is handled in each turn of the loop: what its callables have scheduled, tasks for
    instance, runs before the next one, and what that writes to WebSockets is gathered, too.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._server: Server
        self._batch: _Batch
        self._thread: int | None = None  # that of the loop, once it polls
        self._descriptor = -1
        self._scheduled = False  # for the next turn of the loop, whatever the descriptor says
        self._closed = False

    def start(self, server: Server) -> None:
        """Begin, on the loop's own thread at once."""
        self._server = server
        self._batch = _Batch(server)
        import asyncio  # not above: most programs that import this package do without

        if asyncio._get_running_loop() is self._loop:
            self._attach()
        else:
            self._loop.call_soon_threadsafe(self._attach)

    def polls_here(self) -> bool:
        """Whether the calling thread is the loop's."""
        return threading.get_ident() == self._thread

    def polls(self) -> bool:
        """It does while the loop runs."""
        return self._loop.is_running()

    def defer(self, function: Callable[[], object]) -> None:
        """Call in the next turn of the loop."""
        self._loop.call_soon(function)

    def leave(self) -> None:
        """Let go of the descriptor."""
        detached = threading.Event()
        if self.polls() and not self.polls_here():
            self._loop.call_soon_threadsafe(self._detach, detached)
            while not detached.wait(_PATIENCE) and self.polls():
                pass
        elif not self._loop.is_closed():
            self._detach(detached)

    def join(self) -> None:
        """There is nobody to wait for."""

    def abandon(self) -> None:
        """Nothing is left to answer: batches are handled as a whole, or answered by others."""

    def _attach(self) -> None:
        if not self._closed:
            self._thread = threading.get_ident()
            self._descriptor = _marshal.checked(lib.ah_event_queue_descriptor(self._server.queue))
            self._loop.add_reader(self._descriptor, self._on_readable)

    def _detach(self, detached: threading.Event) -> None:
        self._closed = True
        self._thread = None
        self._loop.remove_reader(self._descriptor)
        detached.set()

    def _on_readable(self) -> None:
        if not self._scheduled:
            self._poll()

    def _poll(self) -> None:
        self._scheduled = False
        if self._closed:
            return
        filled = self._batch.fill(0)
        if filled <= 0:
            return
        runs = self._batch.runs(filled)
        first = runs[0][0][0]
        for run in runs:
            if not self._server.perform(run):
                self._server.answer(first, run[0][0] - 1, 1)
                first = run[-1][0] + 1
        self._server.answer(first, runs[-1][-1][0], 1)
        self._scheduled = True
        self._loop.call_soon(self._poll)


class Reader:
    """What a thread has that waits for the events of one WebSocket, beginning in its ready event.

    The events are handled as others are, but on that thread, and answered when it comes back for
    more. It is one thread at a time.

    Attributes:
        taken: The first and the last number of the events that it got last.
    """

    __slots__ = ("_batch", "_connection", "_handled", "_lock", "_released", "_server", "taken")

    def __init__(self, server: Server, connection: CData) -> None:
        self._server = server
        self._connection = connection
        self._batch = _Batch(server, _READ_EVENTS, _READ_MEMORY)
        self.taken = (0, 0)
        self._lock = threading.Lock()  # guards the two below
        # Whoever sets the second of the two answers what has been taken: C's memory is in use until
        # it is handled.
        self._handled = True
        self._released = False
        _marshal.checked(lib.ah_claim_web_socket(connection))
        server.readers.add(self)

    def read(self, timeout: float | None) -> bool:
        """Wait for events, for so many seconds, and handle them; False when none has come.

        Raises:
            HttpError: None will come: it has ended or been released.
        """
        milliseconds = _FOREVER if timeout is None else max(0, math.ceil(timeout * 1000))
        filled = _marshal.checked(
            lib.ah_next_events_of(
                self._connection, self.taken[1], milliseconds, *self._batch.memory
            )
        )
        if filled == 0:
            return False
        with self._lock:
            self._handled = False
        (run,) = self._batch.runs(filled)
        self.taken = (run[0][0], run[-1][0])
        self._server.perform(run)
        with self._lock:
            self._handled = True
            released = self._released
        if released:
            self._server.answer(*self.taken, 1)
        return True

    def release(self) -> None:
        """Leave the events to others, from any thread; a `read` that waits fails."""
        self._server.readers.discard(self)
        lib.ah_release_web_socket(self._connection)
        with self._lock:
            self._released = True
            handled = self._handled
        if handled:
            self._server.answer(*self.taken, 1)
