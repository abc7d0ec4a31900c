"""WebSockets of ASGI applications."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from . import http
from ._answer import Answer, check_headers
from ._asgi_types import Application, Message, Scope, untyped
from ._marshal import type_error
from ._polling import Later
from .errors import ConnectionClosedError, InvalidHandleError

_log = logging.getLogger("alusus_http.asgi")

_TEXT, _BINARY, _CLOSE = 1, 2, 8
_NO_CODE, _LOST, _FAILED = 1005, 1006, 1011

# How many messages wait for the application until its client does, too.
_MUCH_UNREAD = 16

_ACCEPT, REFUSE = 0, 1


class WebSocket:
    """A WebSocket, from the request for it to its end, and the application's work on it.

    Everything is called on the loop's thread.
    """

    __slots__ = (
        "_changed",
        "_close",
        "_closing",
        "_connection",
        "_decided",
        "_disconnect",
        "_hastened",
        "_messages",
        "_opened",
        "_read",
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
        self._opened: asyncio.Future[None] = loop.create_future()
        self._read: Later | None = None  # given when few messages wait; until then, no more come
        self._refusal: Answer | None = None  # of websocket.http.response
        self._disconnect: Message | None = None  # what `receive` returns from now on
        self._closing = False  # the application has sent websocket.close
        self._hastened = False  # messages wait for nobody
        self._close: tuple[int, str] | None = None  # of the client's close frame

    # What happens to it

    def opened(self) -> None:
        """The handshake is over."""
        if not self._opened.done():
            self._opened.set_result(None)

    def arrived(self, opcode: int, data: bytes) -> int | Later:
        """A message has come; the answer is 1, now or when there is room for more."""
        if opcode == _CLOSE:
            code = int.from_bytes(data[:2], "big") if data else _NO_CODE
            self._close = code, data[2:].decode("utf-8", "replace")
            return 1
        if opcode == _TEXT:
            self._messages.append({"type": "websocket.receive", "text": data.decode()})
        elif opcode == _BINARY:
            self._messages.append({"type": "websocket.receive", "bytes": data})
        else:
            return 1
        self._changed.set()
        if len(self._messages) < _MUCH_UNREAD or self._hastened:
            return 1
        self._read = Later()
        return self._read

    def closed(self) -> None:
        """It has ended, or has never been opened."""
        code, reason = self._close or (_LOST, "")
        self._disconnect = {"type": "websocket.disconnect", "code": code, "reason": reason}
        self._changed.set()
        self._release()
        if not self._opened.done():
            self._opened.set_exception(ConnectionClosedError("the client has gone"))
            self._opened.exception()  # whoever waits gets it; nobody may

    def hasten(self) -> None:
        """Take all messages from now on: nobody may read any, or the server stops."""
        self._hastened = True
        self._release()

    def _release(self) -> None:
        if self._read is not None:
            read, self._read = self._read, None
            read.give(1)

    def _decide_on(self, answer: int) -> None:
        self._decided = answer
        self.decision.give(answer)

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
            code = _FAILED
        finally:
            self.hasten()
            if self._decided is None:
                await self._refuse(500, [], b"")
            elif self._decided == _ACCEPT:
                self._end(code, None)

    async def receive(self) -> Message:
        """Give the application the next event."""
        while not self._messages:
            if self._disconnect is not None:
                return self._disconnect
            self._changed.clear()
            await self._changed.wait()
        message = self._messages.pop(0)
        if len(self._messages) < _MUCH_UNREAD // 2:
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
        elif self._refusal is not None or self._decided == REFUSE:
            raise RuntimeError(f"{kind} was sent after the WebSocket had been refused")
        elif kind == "websocket.send" and not self._closing:
            await self._write(message)
        elif kind == "websocket.close" and not self._closing:
            self._end(message.get("code", 1000), message.get("reason"))
        else:
            state = "closed" if self._closing else "accepted"
            raise RuntimeError(f"{kind} was sent after the WebSocket had been {state}")

    async def _decide(self, kind: str, message: Message) -> None:
        if self._refusal is not None:
            if kind != "websocket.http.response.body":
                raise RuntimeError(f"{kind} was sent where more of the answer was expected")
            await self._write_refusal(message.get("body", b""), message.get("more_body", False))
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
            self._decide_on(_ACCEPT)
            await self._opened
        elif kind == "websocket.close":
            self._decide_on(REFUSE)
        elif kind == "websocket.http.response.start":
            self._refusal = Answer(self.scope["method"], "1.1", keeps_alive=False)
            self._refusal.begin(message.get("status"), message.get("headers", ()))
        else:
            raise RuntimeError(f"{kind} was sent before the WebSocket was accepted or refused")

    async def _refuse(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        if self._refusal is None:
            self._refusal = Answer("GET", "1.1", keeps_alive=False)
            self._refusal.begin(status, headers)
        await self._write_refusal(body, False)

    async def _write_refusal(self, body: bytes, more: bool) -> None:
        assert self._refusal is not None
        data = self._refusal.encode(body, not more)
        try:
            await asyncio.to_thread(http.write, self._connection, data)
        finally:
            if not more and self._decided is None:
                self._decide_on(REFUSE)

    async def _write(self, message: Message) -> None:
        text = message.get("text")
        try:
            opcode, data = (_BINARY, message["bytes"]) if text is None else (_TEXT, text.encode())
            if isinstance(data, str):  # which the library would take as UTF-8
                raise TypeError
            http.write_to_web_socket(self._connection, opcode, data)
        except InvalidHandleError as error:
            raise ConnectionClosedError("the client has gone") from error
        except (AttributeError, KeyError, TypeError):
            raise TypeError(
                "websocket.send takes a str as 'text' or bytes as 'bytes', and not "
                f"{message.get('bytes') if text is None else text!r}"
            ) from None

    def _end(self, code: int, reason: str | None) -> None:
        if not isinstance(code, int):
            raise type_error("code", "an int, such as 1000", code)
        with suppress(ConnectionClosedError, InvalidHandleError):  # the client has closed it
            http.close_web_socket_with_reason(self._connection, code, reason or None)
        self._closing = True


def subprotocols(headers: list[tuple[bytes, bytes]]) -> list[str]:
    """What a client offers to speak, in its order."""
    offered = (value for name, value in headers if name == b"sec-websocket-protocol")
    return [name.strip() for value in offered for name in value.decode("latin-1").split(",")]
