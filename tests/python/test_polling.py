"""How events reach callables: batches, runs, blocked callables, and the loop of asyncio."""

from __future__ import annotations

import asyncio
import queue
import selectors
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

import alusus_http
from alusus_http import _driver, _marshal, _polling, http
from alusus_http._library import ffi, lib
from tests.python.serving import BINARY, CLOSE, TEXT, respond, serving, start, until
from tests.support import REPLY, free_port


def echo(connection: http.Connection, opcode: int, data: bytes, user_data: object) -> int:
    if opcode in (TEXT, BINARY):
        http.write_to_web_socket(connection, opcode, data)
    return 1


# Threads


def test_messages_that_come_together_stay_in_order() -> None:
    with serving() as server, ExitStack() as stack:
        http.set_web_socket_handler(server.context, "/", data_handler=echo)
        clients = [stack.enter_context(server.web_socket("/")) for _ in range(5)]
        numbers = [str(i) for i in range(500)]  # more than one batch holds
        for number in numbers:
            for client in clients:
                client.send(number)
        for client in clients:
            assert [client.recv(REPLY) for _ in numbers] == numbers


def test_messages_of_all_sizes_arrive_whole() -> None:
    with serving() as server:
        http.set_web_socket_handler(server.context, "/", data_handler=echo)
        messages = [bytes([size % 251]) * size for size in (0, 1, 4095, 4096, 4097, 65536, 900_000)]
        with server.web_socket("/") as client:
            for message in messages:
                client.send(message)
            assert [client.recv(REPLY) for _ in messages] == messages


def test_who_comes_behind_a_blocked_callable_is_served() -> None:
    blocked = threading.Event()
    release = threading.Event()

    def on_message(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        if data == b"block":
            http.write_text_to_web_socket(connection, "before")  # sent, although this goes on
            blocked.set()
            assert release.wait(REPLY)
        return echo(connection, opcode, data, None)

    with serving() as server, ExitStack() as stack:
        http.set_web_socket_handler(server.context, "/", data_handler=on_message)
        clients = [stack.enter_context(server.web_socket("/")) for _ in range(20)]
        clients[0].send(b"block")
        clients[0].send(b"next")
        for client in clients[1:]:
            client.send(b"quick")
        assert clients[0].recv(REPLY) == "before"
        assert [client.recv(REPLY) for client in clients[1:]] == [b"quick"] * 19
        assert blocked.is_set() and not release.is_set()
        release.set()
        assert [clients[0].recv(REPLY), clients[0].recv(REPLY)] == [b"block", b"next"]


def test_calls_of_one_connection_never_overlap_while_others_block() -> None:
    at_work: set[http.Connection] = set()
    overlaps: list[http.Connection] = []

    def on_message(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        if connection in at_work:
            overlaps.append(connection)
        at_work.add(connection)
        time.sleep(0.005)  # longer than the driver's patience
        at_work.remove(connection)
        return echo(connection, opcode, data, None)

    with serving() as server, ExitStack() as stack:
        http.set_web_socket_handler(server.context, "/", data_handler=on_message)
        clients = [stack.enter_context(server.web_socket("/")) for _ in range(6)]
        for i in range(10):
            for client in clients:
                client.send(str(i))
        for client in clients:
            assert [client.recv(REPLY) for _ in range(10)] == [str(i) for i in range(10)]
    assert not overlaps


def test_nothing_is_told_behind_the_end_that_came_while_a_callable_blocked() -> None:
    told: list[object] = []

    def on_message(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        told.append(opcode)
        if opcode == BINARY:
            http.close_web_socket(connection)
            until(lambda: http.get_web_socket_statistics(server.context).open == 0)
        return 1

    def on_close(connection: http.Connection, _: object) -> None:
        told.append("end")

    with serving(websocket_close_timeout_ms="100") as server:
        http.set_web_socket_handler(
            server.context, "/", data_handler=on_message, close_handler=on_close
        )
        with server.web_socket("/") as client:
            client.send(b"block")
            with suppress(ConnectionClosed):
                client.recv(REPLY)
    assert told == [BINARY, CLOSE, "end"]


def test_a_message_that_is_answered_with_zero_closes_before_those_behind_it() -> None:
    refused: queue.Queue[type[Exception]] = queue.Queue()

    def on_message(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        if data == b"behind":
            try:
                http.write_text_to_web_socket(connection, "too late")
            except ConnectionError as error:
                refused.put(type(error))
        return 0 if data == b"last" else 1

    with serving() as server:
        http.set_web_socket_handler(server.context, "/", data_handler=on_message)
        with server.web_socket("/") as client:
            messages = (b"first", b"last", b"behind")
            frames = (Frame(Opcode.BINARY, message) for message in messages)
            # In one segment, so that they come in one batch.
            client.socket.sendall(b"".join(frame.serialize(mask=True) for frame in frames))
            assert refused.get(timeout=REPLY)
            assert list(client) == []
            assert client.close_code == 1000


def test_a_client_that_sends_too_much_is_not_read_on() -> None:
    release = threading.Event()
    received: queue.Queue[int] = queue.Queue()

    def on_message(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        assert release.wait(REPLY)
        received.put(len(data))
        return 1

    with serving() as server:
        http.set_web_socket_handler(server.context, "/", data_handler=on_message)
        message = bytes(1 << 20)
        sent = 0

        def send() -> None:
            nonlocal sent
            for _ in range(40):
                client.send(message)
                sent += 1

        with server.web_socket("/") as client:
            sending = threading.Thread(target=send)
            sending.start()
            time.sleep(0.5)  # nothing tells when a client waits: what it could send, it has by now
            stalled = sent
            release.set()
            sending.join(REPLY)
            assert [received.get(timeout=REPLY) for _ in range(40)] == [len(message)] * 40
    assert stalled < 40


def test_a_web_socket_callback_may_stop_the_server() -> None:
    closed: list[http.Connection] = []

    def on_message(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        if data == b"stop":
            http.stop_server(server.context)
            http.write_text_to_web_socket(connection, "good bye")
        return 1

    server = start()
    http.set_web_socket_handler(
        server.context,
        "/",
        data_handler=on_message,
        close_handler=lambda connection, _: closed.append(connection),
    )
    with server.web_socket("/") as client:
        client.send(b"stop")
        assert client.recv(REPLY) == "good bye"
        assert list(client) == []
        assert client.close_code == 1001
    alusus_http.wait(server.context)
    assert len(closed) == 1


def test_servers_stop_each_other_from_callbacks() -> None:
    def stop(connection: http.Connection) -> int:
        http.stop_server(other.context)
        return respond(connection, "stopped")

    with serving(stop) as one, serving() as other:
        assert one.fetch().body == b"stopped"
        alusus_http.wait(other.context)
        assert one.fetch("/").status == 500  # the other one has been stopped already


# The loop of asyncio


def in_loop(test: Callable[[int, http.Context], Awaitable[None]], **callbacks: object) -> None:
    """Run a server that the loop polls, and a test beside it."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        port = free_port()
        with _driver.polled_by(lambda: _polling.Asyncio(loop)):
            context = http.start_server(
                http.Callbacks(**callbacks),  # type: ignore[arg-type]
                None,
                {"listening_ports": f"127.0.0.1:{port}"},
            )
        try:
            await test(port, context)
        finally:
            await asyncio.to_thread(http.stop_server, context)

    asyncio.run(run())


def test_the_loop_answers_requests_and_messages_on_its_own_thread() -> None:
    threads: set[int] = set()

    def on_request(connection: http.Connection) -> int:
        threads.add(threading.get_ident())
        return respond(connection, "from the loop")

    def on_message(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        threads.add(threading.get_ident())
        return echo(connection, opcode, data, None)

    async def test(port: int, context: http.Context) -> None:
        http.set_web_socket_handler(context, "/", data_handler=on_message)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"from the loop")
        writer.close()
        async with connect(f"ws://127.0.0.1:{port}/") as client:
            numbers = [str(i) for i in range(1000)]
            for number in numbers:
                await client.send(number)
            assert [await client.recv() for _ in numbers] == numbers

    in_loop(test, begin_request=on_request)
    assert threads == {threading.get_ident()}


def test_tasks_answer_messages() -> None:
    tasks: set[asyncio.Task[None]] = set()

    async def answer(connection: http.Connection, data: bytes) -> None:
        await asyncio.sleep(0)
        http.write_to_web_socket(connection, BINARY, data)

    def on_message(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        if opcode == BINARY:
            task = asyncio.get_running_loop().create_task(answer(connection, data))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return 1

    async def test(port: int, context: http.Context) -> None:
        http.set_web_socket_handler(context, "/", data_handler=on_message)
        async with connect(f"ws://127.0.0.1:{port}/") as client:
            await client.send(b"x")
            assert await client.recv() == b"x"

    in_loop(test)


def test_the_server_answers_while_a_callable_holds_the_loop_up() -> None:
    def on_message(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
        if opcode == TEXT:
            http.write_text_to_web_socket(connection, "at once")
            assert sent.wait(REPLY)  # the loop does not turn meanwhile
        return 1

    sent = threading.Event()

    def visit(port: int) -> str | bytes:
        from websockets.sync.client import connect as connect_now

        with connect_now(f"ws://127.0.0.1:{port}/") as client:
            client.send("x")
            answer = client.recv(REPLY)
            assert client.ping().wait(REPLY)  # answered by the library's own thread
            sent.set()
            return answer

    async def test(port: int, context: http.Context) -> None:
        http.set_web_socket_handler(context, "/", data_handler=on_message)
        assert await asyncio.to_thread(visit, port) == "at once"

    in_loop(test)


def test_a_callable_on_the_loop_may_stop_the_server() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        port = free_port()

        def on_message(connection: http.Connection, opcode: int, data: bytes, _: object) -> int:
            if opcode == TEXT:
                http.stop_server(context)
            return 1

        with _driver.polled_by(lambda: _polling.Asyncio(loop)):
            context = http.start_server(None, None, {"listening_ports": f"127.0.0.1:{port}"})
        http.set_web_socket_handler(context, "/", data_handler=on_message)
        async with connect(f"ws://127.0.0.1:{port}/") as client:
            await client.send("stop")
            assert [message async for message in client] == []
            assert client.close_code == 1001
        await asyncio.to_thread(alusus_http.wait, context)

    asyncio.run(run())


def test_a_server_whose_loop_has_ended_can_be_stopped() -> None:
    async def run() -> http.Context:
        loop = asyncio.get_running_loop()
        with _driver.polled_by(lambda: _polling.Asyncio(loop)):
            return http.start_server(None, None, {"listening_ports": "127.0.0.1:0"})

    context = asyncio.run(run())
    http.stop_server(context)


# The descriptor


def test_a_descriptor_tells_that_events_wait() -> None:
    events = lib.ah_open_event_queue()
    taken = ffi.new("ah_event[4]")
    memory = ffi.new("char[]", lib.AH_EVENT_COPIED)

    def take(timeout: int = 0) -> int:
        count: int = lib.ah_next_events(events, timeout, taken, 4, memory, len(memory))
        return count

    with selectors.DefaultSelector() as selector, serving() as server:
        selector.register(lib.ah_event_queue_descriptor(events), selectors.EVENT_READ)
        assert take() == 0
        assert not selector.select(0)
        receiver = lib.ah_event_receiver(events, 7)
        lib.ah_set_web_socket_message_handler(
            ffi.cast("ah_context *", _marshal.number(server.context._number)),
            b"/",
            ffi.NULL,
            ffi.NULL,
            ffi.addressof(lib, "ah_post_web_socket_message"),
            ffi.NULL,
            receiver,
        )
        leaving = ExitStack()
        client = leaving.enter_context(server.web_socket("/"))
        client.send("hello")
        until(lambda: selector.select(0) and take() == 1)
        event = taken[0].arguments.web_socket_message
        assert taken[0].receiver == 7
        assert ffi.buffer(event.data, event.data_len)[:] == b"hello"
        assert lib.ah_answer_events(events, taken[0].id, taken[0].id, 1) == 1
        assert lib.ah_answer_events(events, taken[0].id, taken[0].id, 1) == -1  # once only
        assert take() == 0
        assert not selector.select(0)

        def end() -> None:
            leaving.close()
            http.stop_server(server.context)

        ending = threading.Thread(target=end)
        ending.start()
        while ending.is_alive():
            selector.select(0.05)
            if (count := take()) > 0:
                lib.ah_answer_events(events, taken[0].id, taken[count - 1].id, 1)
        selector.unregister(lib.ah_event_queue_descriptor(events))
    lib.ah_close_event_queue(events)
