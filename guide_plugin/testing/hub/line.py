"""The line between the client and the Hub: it lets faults happen and notes every request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guide_plugin.testing.hub.faults import Fault, Faults, Log, Served


class Cut(OSError):
    """The connection was closed on purpose."""


class Line:
    """Wrap an application: `hang_up` closes the connection that a scope came over."""

    def __init__(self, app: ASGIApp, faults: Faults, log: Log, hang_up: Callable[[Scope], None]) -> None:
        self._app, self._faults, self._log, self._hang_up = app, faults, log, hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        fault = self._faults.due(f"{scope['method']} {path}")
        authorized = any(name == b"authorization" for name, _ in scope["headers"])

        def note(status: int | None, received: int, sent: int) -> None:
            self._log.add(Served(scope["method"], path, status, received, sent, authorized, fault))

        exchange = _Exchange(scope["method"], receive, send, fault, lambda: self._hang_up(scope), note)
        try:
            # Routes are matched before quotes are taken off: a branch may be called a/b.
            await exchange.run(self._app, {**scope, "path": scope["raw_path"].decode("latin-1")})
        finally:
            exchange.end()


class _Exchange:
    """One request and its reply, with the fault that happens to it."""

    def __init__(
        self,
        method: str,
        receive: Receive,
        send: Send,
        fault: Fault | None,
        hang_up: Callable[[], None],
        note: Callable[[int | None, int, int], None],
    ) -> None:
        self._has_body = method != "HEAD"
        self._receive, self._send, self._fault, self._hang_up, self._note = receive, send, fault, hang_up, note
        self._status: int | None = None
        self._received = self._sent = 0
        self._cut = self._read = self._ended = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Hand the request on, unless the fault answers it."""
        fault = self._fault
        if fault and fault.before:
            await run_in_threadpool(fault.before)
        if fault and fault.drop == "request":
            await self._close(lost=True)
            return
        if fault and fault.status is not None:
            app = _answer(fault.status, fault.retry_after)
            while not self._read and not self._cut:
                await self.receive()
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            if not self._cut:
                raise
        if fault and fault.drop == "reply":
            await self._close(lost=True)

    def end(self) -> None:
        """Note the exchange, once; before its last byte is sent, so that nobody who has it misses the note."""
        if not self._ended:
            self._ended = True
            self._note(self._status, self._received, self._sent)

    async def receive(self) -> Message:
        """Hand on a piece of the request, counted."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._cut = True
        elif message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._read = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Hand on a piece of the reply, as the fault leaves it."""
        if self._cut:
            return
        if message["type"] == "http.response.start":
            self._status = message["status"]
        if self._fault is None:
            await self._pass(message)
        elif self._fault.drop != "reply":
            await self._spoil(self._fault, message)

    async def _spoil(self, fault: Fault, message: Message) -> None:
        body = bytearray(message.get("body", b""))
        if message["type"] != "http.response.body":
            await self._send(message)
            if fault.cut_after == 0:
                await self._close()
                raise Cut
            return
        if fault.flip_byte is not None and 0 <= fault.flip_byte - self._sent < len(body):
            body[fault.flip_byte - self._sent] ^= 0xFF
        cut = fault.cut_after is not None and self._sent + len(body) >= fault.cut_after
        if cut and fault.cut_after is not None:
            del body[fault.cut_after - self._sent :]
        await self._send_slowly(bytes(body), message.get("more_body", False) or cut, fault.bytes_per_second)
        if cut:
            await self._close()
            raise Cut

    async def _send_slowly(self, body: bytes, more: bool, speed: int | None) -> None:
        step = max(1, speed // 10) if speed else max(1, len(body))
        while speed and len(body) > step:
            await self._pass({"type": "http.response.body", "body": body[:step], "more_body": True})
            body = body[step:]
            await asyncio.sleep(step / speed)
        await self._pass({"type": "http.response.body", "body": body, "more_body": more})

    async def _pass(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            if self._has_body:
                self._sent += len(message.get("body", b""))
            if not message.get("more_body", False):
                self.end()
        await self._send(message)

    async def _close(self, lost: bool = False) -> None:
        self._cut = True
        if lost:
            self._status = None
        self.end()
        self._hang_up()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _answer(status: int, retry_after: int | None) -> ASGIApp:
    text = f"The loopback Hub answers {status} on purpose."
    headers = {"X-Error-Message": text}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return JSONResponse({"error": text}, status, headers)
