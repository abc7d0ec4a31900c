"""WebSockets of ASGI applications."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from . import _driver, http
from ._answer import Answer, check_headers, make_head
from ._asgi_types import Application, Message, Scope, untyped
from ._pacing import Line, write_in_turn
from ._polling import Later
from ._rfc6455 import ABNORMAL, BINARY, GOING_AWAY, INTERNAL_ERROR, TEXT
from .errors import ConnectionClosedError, InvalidHandleError, QueueFullError
from .websocket import AT_ONCE, MOST_UNREAD, close, how_it_ended

_log = logging.getLogger("alusus_http.asgi")

_ACCEPT, _REFUSE = 0, 1


class WebSocket:
    """A WebSocket, from the request for it to its end, and the application's work on it.

    Everything is called on the loop's thread.
    """

    __slots__ = (
        "_awake",
        "_changed",
        "_closing",
        "_connection",
        "_decided",
        "_disconnect",
        "_has_left",
        "_hastened",
        "_line",
        "_messages",
        "_opened",
        "_read",
        "_receiving",
        "_refusal",
        "decision",
        "scope",
        "task",
    )

    def __init__(self, connection: http.Connection, scope: Scope) -> None:
        loop = asyncio.get_running_loop()
        self.scope = scope
        self.decision = Later()  # whether it may open
        self.task: asyncio.Task[None]  # the loop itself keeps none alive
        self._connection = connection
        self._decided: int | None = None  # what the decision is
        # Few: an empty deque would be the largest thing of an idle WebSocket.
        self._messages: list[Message] = [{"type": "websocket.connect"}]
        self._changed = asyncio.Event()  # there is something to receive
        self._receiving = False  # somebody waits for it
        self._awake = False  # there are messages and nobody comes for them, and the library knows
        self._opened: asyncio.Future[None] = loop.create_future()
        self._read: Later | None = None  # given when few messages wait; until then, no more come
        self._line: Line = []  # of those who wait to send
        self._refusal: Answer | None = None  # of websocket.http.response, or for want of a decision
        self._disconnect: Message | None = None  # what `receive` returns from now on
        self._closing = False  # the application has sent websocket.close
        self._hastened = False  # messages wait for nobody
        self._has_left = False  # the client, before there was a decision

    # What happens to it

    def opened(self) -> None:
        """The handshake is over."""
        if not self._opened.done():
            self._opened.set_result(None)

    def arrived(self, opcode: int, data: bytes) -> int | Later:
        """A message has come; the answer is 1, now or when there is room for more."""
        if opcode == TEXT:
            self._messages.append({"type": "websocket.receive", "text": data.decode()})
        elif opcode == BINARY:
            self._messages.append({"type": "websocket.receive", "bytes": data})
        else:
            return 1
        self._changed.set()
        if not self._awake and not self._hastened:
            if not self._receiving:
                self._keep_awake(True)
            elif len(self._messages) == 2:
                # They are received before this is called, unless one keeps the application long.
                self._opened.get_loop().call_soon(self._look)
        if len(self._messages) < MOST_UNREAD or self._hastened:
            return 1
        self._read = Later()
        return self._read

    def left(self) -> None:
        """The client has gone, and does not wait any more to be let in."""
        if self._decided is None and self._refusal is None:
            self._note_refusal()
            self._has_left = True
            self.decision.give(_REFUSE)

    def closed(self) -> None:
        """It has ended."""
        try:
            over = how_it_ended(self._connection)
            self._disconnect_with(over.code, over.reason)
        except InvalidHandleError:  # the stop did not wait for what was called before this
            self._disconnect_with(GOING_AWAY, "")
        self._release()
        if not self._opened.done():
            self._opened.set_exception(ConnectionClosedError("the client has gone"))
            self._opened.exception()  # whoever waits gets it; nobody may

    async def stop(self) -> None:
        """The server stops: nobody decides any more, and messages wait for nobody."""
        self._hasten()
        if self._decided is None and self._refusal is None:
            await self._refuse(503)

    def _hasten(self) -> None:
        self._hastened = True
        if self._awake:
            self._keep_awake(False)
        self._release()

    def _release(self) -> None:
        if self._read is not None:
            read, self._read = self._read, None
            read.give(1)

    def _look(self) -> None:
        """See whether messages are left over."""
        if self._messages and not self._awake and not self._hastened:
            self._keep_awake(True)

    def _keep_awake(self, awake: bool) -> None:
        self._awake = awake
        _driver.keep_awake(self._connection, awake)

    def _disconnect_with(self, code: int, reason: str) -> None:
        self._disconnect = {"type": "websocket.disconnect", "code": code, "reason": reason}
        self._changed.set()

    def _note_refusal(self) -> None:
        self._decided = _REFUSE
        self._disconnect_with(ABNORMAL, "")

    # What the application does with it

    async def run(self, application: Application) -> None:
        """Have the application serve it."""
        code = 1000
        try:
            await application(self.scope, self.receive, self.send)
            if self._decided is None:
                raise RuntimeError("the application has neither accepted nor refused the WebSocket")
        except ConnectionClosedError:
            _log.debug("the client has gone before the application had done", exc_info=True)
        except Exception:
            _log.exception("the WebSocket %s failed", self.scope["path"])
            code = INTERNAL_ERROR
        finally:
            self._hasten()
            if self._decided == _ACCEPT:
                self._end(code, None)
            elif self._decided is None:
                await self._refuse(500)

    async def receive(self) -> Message:
        """Give the application the next event."""
        while not self._messages:
            if self._disconnect is not None:
                return self._disconnect
            self._changed.clear()
            self._receiving = True
            try:
                await self._changed.wait()
            finally:
                self._receiving = False
        message = self._messages.pop(0)
        if self._awake and not self._messages:
            self._keep_awake(False)
        if len(self._messages) < MOST_UNREAD // 2:
            self._release()
        return message

    async def send(self, message: Message) -> None:
        """Take an event from the application."""
        try:
            kind = message["type"]
        except (KeyError, TypeError):
            raise untyped(message) from None
        if self._decided is None:
            await self._decide(kind, message)
        elif self._decided == _REFUSE:
            if self._has_left:
                raise ConnectionClosedError("the client has gone")
            if self._hastened:
                raise ConnectionClosedError("the server stops, and has refused the WebSocket")
            raise RuntimeError(f"{kind} was sent after the WebSocket had been refused")
        elif kind == "websocket.send" and not self._closing:
            await self._send(message)
        elif kind == "websocket.close" and not self._closing:
            self._end(message.get("code", 1000), message.get("reason"))
        else:
            state = "closed" if self._closing else "accepted"
            raise RuntimeError(f"{kind} was sent after the WebSocket had been {state}")

    async def _decide(self, kind: str, message: Message) -> None:
        if self._refusal is not None:
            if kind != "websocket.http.response.body":
                raise RuntimeError(f"{kind} was sent where more of the answer was expected")
            await self._write_refusal(message.get("body", b""), not message.get("more_body", False))
        elif kind == "websocket.accept":
            headers = message.get("headers", ())
            try:
                lines = b"".join(b"%b: %b\r\n" % (n, v) for n, v in headers)
            except (TypeError, ValueError):
                check_headers(headers)
                raise
            http.set_web_socket_answer(
                self._connection,
                message.get("subprotocol"),
                lines.decode("utf-8", "surrogateescape") or None,
            )
            self._decided = _ACCEPT
            self.decision.give(_ACCEPT)
            await self._opened
        elif kind == "websocket.close":
            self._note_refusal()
            self.decision.give(_REFUSE)
        elif kind == "websocket.http.response.start":
            self._begin_refusal(message.get("status"), message.get("headers", ()))
        else:
            raise RuntimeError(f"{kind} was sent before the WebSocket was accepted or refused")

    def _begin_refusal(self, status: Any, headers: Iterable[tuple[bytes, bytes]]) -> None:
        refusal = Answer()
        refusal.closes = True
        refusal.begin(make_head(status, headers))
        self._refusal = refusal

    async def _write_refusal(self, body: bytes, last: bool) -> None:
        assert self._refusal is not None
        data = self._refusal.encode(body, last)
        if last:
            self._note_refusal()
        try:
            await asyncio.to_thread(http.write, self._connection, data)
        finally:
            if last:
                self.decision.give(_REFUSE)

    async def _refuse(self, status: int) -> None:
        """Refuse for the application; where it has sent a part of its answer, cut that off."""
        if self._refusal is not None and self._refusal.sent:
            self._note_refusal()
            self.decision.give(_REFUSE)
            return
        self._begin_refusal(status, [(b"content-type", b"text/plain")])
        with suppress(ConnectionClosedError):
            await self._write_refusal(HTTPStatus(status).phrase.encode(), last=True)

    async def _send(self, message: Message) -> None:
        if not self._line:
            try:
                return self._write(message)
            except QueueFullError:
                pass
        await write_in_turn(self._line, lambda: self._write(message))

    def _write(self, message: Message) -> None:
        text = message.get("text")
        try:
            opcode, data = (BINARY, message["bytes"]) if text is None else (TEXT, text.encode())
            if isinstance(data, str):  # which the library would take as UTF-8
                raise TypeError
            http.write_to_web_socket_within(self._connection, opcode, data, AT_ONCE)
        except InvalidHandleError as error:
            raise ConnectionClosedError("the client has gone") from error
        except (AttributeError, KeyError, TypeError):
            raise TypeError(
                "websocket.send takes a str as 'text' or bytes as 'bytes', and not "
                f"{message.get('bytes') if text is None else text!r}"
            ) from None

    def _end(self, code: int, reason: str | None) -> None:
        close(self._connection, code, reason or "")
        self._closing = True


def subprotocols(headers: list[tuple[bytes, bytes]]) -> list[str]:
    """What a client offers to speak, in its order."""
    offered = (value for name, value in headers if name == b"sec-websocket-protocol")
    return [name.strip() for value in offered for name in value.decode("latin-1").split(",")]
