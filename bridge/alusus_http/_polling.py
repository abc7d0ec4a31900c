"""Who asks the library for events and has them handled: threads, or the loop of asyncio.

A thread that serves one WebSocket alone asks for its events itself: see _reading.py.

A batch of events becomes runs: a call that a worker of the server waits for, alone, or the calls of
one WebSocket that came together. A run belongs to one thread, so that the calls of one connection
come in order and never overlap. An exchange, for which nobody waits, is a run of its own for
threads, and one with its neighbours for a loop.
"""

from __future__ import annotations

import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from . import _marshal
from ._library import ffi, lib

if TYPE_CHECKING:
    import asyncio

    from ._driver import Server
    from ._registration import Event

# How many threads a server keeps waiting for events. It has more while all of them are busy, so
# that a callable that blocks, or one whose calls make C log through another callable, holds up
# nobody: as many as there are workers to post. Eight take a burst of requests without starting
# threads; those beyond end when they are done.
_KEPT_THREADS = 8

# What one batch may hold. More would save little, and keep those at its front waiting for longer.
_BATCH_EVENTS = 256
_BATCH_MEMORY = 1 << 16

# Events that follow each other and have one owner become one run. Besides a connection, whose
# handle is none of these numbers, that may be nobody (each is a run of its own) or the loop.
_NOBODY, _LOOP = 0, -1

_FOREVER = -1  # as a timeout of ah_next_events
_PATIENCE = 0.1  # seconds between two looks whether a loop still runs, or a thread is given up

_MESSAGE = lib.AH_EVENT_WEB_SOCKET_MESSAGE
_CLOSE = lib.AH_EVENT_WEB_SOCKET_CLOSE
_EXCHANGE = lib.AH_EVENT_EXCHANGE
_COPIED = lib.AH_EVENT_COPIED

# As ffi.new(), without filling the memory: what is never used of it costs nothing.
_allocate = ffi.new_allocator(should_clear_after_alloc=False)

# A callable with its arguments, behind the number under which it is answered, and its event.
Call: TypeAlias = "tuple[int, Event, Callable[..., object], tuple[object, ...]]"
Run: TypeAlias = list[Call]


class Later:
    """What a callable returns in place of its answer, which it gives later by `give`.

    The next event of its connection comes after that. The first answer counts. With a loop, it is
    given on the loop's thread.
    """

    __slots__ = ("_answer", "_lock", "_take")

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards both
        self._answer: int | None = None
        self._take: Callable[[int], object] | None = None

    def give(self, answer: int) -> None:
        """Answer; nothing happens when it has been answered already."""
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
    """Who polls the queue of one server, and calls `Server.perform` for each run of events."""

    def start(self, server: Server) -> None:
        """Begin to poll the server's queue."""

    def polls_here(self) -> bool:
        """Whether the calling thread is one that polls: it must not wait for callbacks."""

    def polls(self) -> bool:
        """Whether events are still taken; not if they were a loop's that has ended."""

    def defer(self, function: Callable[[], object]) -> None:
        """Call a function when the callback that runs on this thread has returned."""

    def leave(self) -> None:
        """Prepare for the queue to be closed, which ends the polling."""

    def join(self) -> None:
        """Wait until nobody polls any more; the queue has been closed."""

    def give_up(self) -> None:
        """Answer all events that have been taken, and have `join` not wait for their callables."""


class Batch:
    """Memory for what `ah_next_events` gives out, and how to read it.

    Args:
        server: Whose events they are.
        events: How many there may be.
        memory: Bytes for the data of those that are copied.
        joins_exchanges: Whether exchanges that follow each other are one run, as for a loop; else
            each is one, which threads may share.

    Attributes:
        memory: The arguments of that function which describe the memory.
    """

    # Members of an `ah_event`: id, kind, receiver, not the context; then the arguments of an
    # exchange: connection, what it is, flags, data, length, number and size of the head. Those of a
    # message begin alike: connection, opcode, nothing, data and length.
    _EVENT = struct.Struct(f"@QiQ8xQiiQQQQ{ffi.sizeof('ah_event') - 80}x")

    __slots__ = (
        "_begin",
        "_bytes",
        "_events",
        "_numbers",
        "_owner_of_exchanges",
        "_server",
        "memory",
    )

    def __init__(
        self,
        server: Server,
        events: int = _BATCH_EVENTS,
        memory: int = _BATCH_MEMORY,
        *,
        joins_exchanges: bool = False,
    ) -> None:
        self._server = server
        self._events = _allocate("ah_event[]", events)
        received = _allocate("char[]", memory)
        self.memory = (self._events, events, received, memory)
        self._numbers = memoryview(ffi.buffer(self._events))
        self._bytes = ffi.buffer(received)
        self._begin = _marshal.number(received)
        self._owner_of_exchanges = _LOOP if joins_exchanges else _NOBODY

    def fill(self, timeout: int) -> int:
        """Wait for so many milliseconds for events; returns what `ah_next_events` does."""
        filled: int = lib.ah_next_events(self._server.queue, timeout, *self.memory)
        return filled

    def runs(self, filled: int, first: int = 0) -> list[Run]:
        """Read the events, from one of them on, and copy what is needed of their data."""
        registrations, connections = self._server.registrations, self._server.connections
        begin, received = self._begin, self._bytes
        runs: list[Run] = []
        run: Run = []
        arguments: tuple[object, ...]
        last = _NOBODY  # whose the last run is
        taken = slice(first * self._EVENT.size, filled * self._EVENT.size)
        members = self._EVENT.iter_unpack(self._numbers[taken])
        # Most events are messages and exchanges: an access to C's memory by cffi costs more than
        # all their numbers here.
        for number, kind, receiver, connection, what, flags, place, size, exchange, head in members:
            registration = registrations[receiver]
            e, handler = registration.by_kind[kind]
            if (kind == _MESSAGE and connection in connections) or kind == _EXCHANGE:
                if size <= _COPIED:
                    offset = place - begin
                    data = received[offset : offset + size]
                else:
                    data = ffi.buffer(ffi.cast("char *", place), size)[:]
                if kind == _MESSAGE:
                    owner = connection
                    arguments = (connections[connection], what, data, registration.user_data)
                else:
                    owner = self._owner_of_exchanges
                    arguments = ((connection, exchange), what, flags, data, head)
            else:
                assert e.arguments is not None
                owner = connection if e.mailed else _NOBODY
                event = self._events[number - self._events[0].id]  # they count up by one
                self._server.know(event.context)
                arguments = e.arguments(event.arguments, registration.user_data)
                if kind == _CLOSE:
                    arguments = (connections.pop(connection, arguments[0]), *arguments[1:])
                    if registration.ends_with_web_socket:
                        self._server.unregister(receiver)
                elif e.mailed:
                    connections[connection] = arguments[0]
            if owner == last and owner != _NOBODY:
                run.append((number, e, handler, arguments))
                continue
            run = [(number, e, handler, arguments)]
            runs.append(run)
            last = owner
        return runs


class _Share:
    """What one thread has taken and may lose to others.

    Its own thread takes runs from the left, others from the right. So what it has done is always
    the front of its batch, and one pair of numbers tells it.
    """

    __slots__ = ("asked", "done", "held_up", "runs", "taken")

    def __init__(self) -> None:
        self.runs: deque[Run] = deque()
        self.taken = (0, 0)  # the first and the last number of the batch, or of what it helps with
        self.done = (0, 0)  # the same of the runs that are done; (0, 0) answers nothing
        self.held_up = False  # what is done is answered at once, and not with the whole batch
        self.asked = 0  # the number of `Threads` before its thread asked for the batch


class Threads:
    """Threads that poll: one works, the others take over what a callable that blocks holds up."""

    def __init__(self) -> None:
        self._server: Server
        self._lock = threading.Lock()  # held where threads come and go
        self._threads: set[threading.Thread] = set()
        self._shares: list[_Share] = []
        self._free: set[threading.Thread] = set()  # those that have nothing to do
        self._given_up: set[threading.Thread] = set()  # those that nobody waits for
        self._deferred: dict[int, list[Callable[[], object]]] = {}  # by thread
        # Changes when a thread is asked to help, which may find that who needs it has not come as
        # far as to share.
        self._asked = 0

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
        """Wait for all of them, as long as they are not given up."""
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            while thread.is_alive() and thread not in self._given_up:
                thread.join(_PATIENCE)

    def give_up(self) -> None:
        """Answer the runs of all threads, those that are being handled, too."""
        with self._lock:
            self._given_up |= self._threads - self._free
            shares = tuple(self._shares)
        for share in shares:
            self._server.answer(*share.taken, 0)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._poll, name="alusus_http", daemon=True)
        with self._lock:  # which the thread needs first of all, so that it is known before it works
            thread.start()
            self._threads.add(thread)
            self._free.add(thread)

    def _poll(self) -> None:
        batch, share, this = Batch(self._server), _Share(), threading.current_thread()
        with self._lock:
            self._shares.append(share)
        filled, asked = 0, True
        while filled >= 0:
            self._help(this, share, asked)
            if len(self._free) > _KEPT_THREADS and self._is_spare(this):
                break
            share.asked = self._asked
            filled = batch.fill(_FOREVER)
            asked = filled == 0
            if asked:
                self._asked += 1
            elif filled > 0:
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
        if not self._free:
            self._add_thread()

    def _ask_for_help(self) -> None:
        if lib.ah_ask_for_help(self._server.queue) == 0:
            self._add_thread()

    def _add_thread(self) -> None:
        """Start a thread, which helps first of all."""
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
        if share.asked != self._asked:
            self._ask_for_help()
        while runs:
            try:
                run = runs.popleft()
            except IndexError:
                break  # another thread was faster
            if self._perform(run):
                share.done = (first, run[-1][0])
                if share.held_up:
                    self._server.answer(*share.done, 1)
            else:
                self._server.answer(*share.done, 1)
                share.done = (0, 0)
                first = run[-1][0] + 1
        share.held_up = False
        self._server.answer(*share.done, 1)

    def _help(self, this: threading.Thread, mine: _Share, asked: bool) -> None:
        """Take over what other threads have not begun.

        Some of them are held up, when this thread was asked. What they have done need not wait.
        """
        for share in tuple(self._shares):
            if asked:
                share.held_up = True
                self._server.answer(*share.done, 1)
            while share.runs:
                self._begin(this)
                try:
                    run = share.runs.pop()
                except IndexError:
                    break
                if share.runs:  # this one may hold up this thread, too
                    self._ask_for_help()
                mine.taken = (run[0][0], run[-1][0])
                if self._perform(run):
                    self._server.answer(*mine.taken, 1)
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
        self._batch: Batch
        self._thread: int | None = None  # that of the loop, once it polls
        self._descriptor = -1
        self._taken = (0, 0)  # the first and the last number of the last batch
        self._scheduled = False  # for the next turn of the loop, whatever the descriptor says
        self._closed = False

    def start(self, server: Server) -> None:
        """Begin, on the loop's own thread at once."""
        self._server = server
        self._batch = Batch(server, joins_exchanges=True)
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

    def give_up(self) -> None:
        """Answer the batch that is being handled."""
        self._server.answer(*self._taken, 0)

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
        first, last = self._taken = (runs[0][0][0], runs[-1][-1][0])
        for run in runs:
            if not self._server.perform(run):
                self._server.answer(first, run[0][0] - 1, 1)
                first = run[-1][0] + 1
        self._server.answer(first, last, 1)
        self._scheduled = True
        self._loop.call_soon(self._poll)
