"""Websocket connections: how messages leave, and how connections break on purpose.

Owns the queue, the pings and the faults of each connection. Never knows what the messages say.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import msgspec
from aiohttp import WSMsgType, web

from tests.exchange_server.faults import Action, StreamFault

Kind = Literal["market", "user"]
_BACKLOG = 10_000


class Connection:
    """One websocket connection."""

    def __init__(self, kind: Kind, ping_s: float, fault: StreamFault | None) -> None:
        """Take what it is for and what is to happen to it."""
        self.kind: Kind = kind
        self._ws = web.WebSocketResponse(compress=False)
        self._transport: asyncio.Transport | None = None
        self._ping_s = ping_s
        self._fault = fault
        self._mode: Action = "resume"
        self._sent = 0
        self._held: str | None = None
        self._queue: asyncio.Queue[str] = asyncio.Queue(_BACKLOG)
        self.on_terminate: Callable[[], None] = lambda: None

    def send(self, message: Any) -> None:
        """Queue a message; a client that reads too slowly is cut off, as the real exchange does."""
        self.send_text(msgspec.json.encode(message).decode())

    def send_text(self, text: str) -> None:
        """Queue a message that is already written."""
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            if self._transport is not None:
                self._transport.abort()

    async def run(self, request: web.Request, on_message: Callable[[Any], None]) -> web.StreamResponse:
        """Serve the connection until it ends, giving each message of the client to `on_message`."""
        self._transport = request.transport
        try:
            await self._ws.prepare(request)
        except ConnectionError:  # the socket went before the stream began: nobody is left to be told
            return web.Response()
        writer = asyncio.create_task(self._write())
        try:
            async for message in self._ws:
                if message.type is WSMsgType.TEXT:
                    on_message(message.data)
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await writer
        return self._ws

    async def act(self, action: Action, code: int = 1001) -> None:
        """Do to the connection what a fault says."""
        transport = self._transport
        match action:
            case "close":
                await self._ws.close(code=code)
            case "abort":
                if transport is not None:
                    transport.abort()
            case "terminate":
                self.on_terminate()
            case _:
                self._mode = action
        if transport is not None and not transport.is_closing():
            if action == "freeze":
                transport.pause_reading()
            elif action == "resume":
                transport.resume_reading()

    def shut_down(self) -> None:
        """Let go of the socket at the end of the server."""
        if self._transport is not None:
            self._transport.abort()

    async def _write(self) -> None:
        while True:
            if self._fault is not None and self._sent >= self._fault.after_messages:
                fault, self._fault = self._fault, None
                await self.act(fault.action, fault.code)
            try:
                text = await asyncio.wait_for(self._queue.get(), self._ping_s)
            except TimeoutError:
                if self._mode != "freeze":
                    await self._ws.ping()
                continue
            self._sent += 1
            for line in self._altered(text):
                await self._ws.send_str(line)

    def _altered(self, text: str) -> list[str]:
        match self._mode:
            case "silence" | "freeze":
                return []
            case "repeat":
                return [text, text]
            case "lose":
                return [text] if self._sent % 2 else []
            case "swap":
                if self._held is None:
                    self._held = text
                    return []
            case _:
                pass
        held, self._held = self._held, None
        return [text] if held is None else [text, held]


class Connections:
    """All websocket connections, and the faults that wait for new ones."""

    def __init__(self, ping_s: float, faults: tuple[StreamFault, ...]) -> None:
        """Start with the faults of a script."""
        self._ping_s = ping_s
        self._faults: list[StreamFault] = list(faults)
        self._struck: list[int] = [0] * len(faults)
        self.all: list[Connection] = []
        self.opened = 0

    def open(self, kind: Kind) -> Connection:
        """Make a connection, with the fault that is its lot."""
        self.opened += 1
        connection = Connection(kind, self._ping_s, self._next_fault(kind))
        self.all.append(connection)
        return connection

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self.all.remove(connection)

    def add(self, *faults: StreamFault) -> None:
        """Put faults at the end of the list."""
        self._faults += faults
        self._struck += [0] * len(faults)

    async def act(self, fault: StreamFault) -> int:
        """Do something to all connections of a kind at once, and say to how many."""
        struck = [c for c in self.all if fault.on in {"*", c.kind}]
        for connection in struck:
            await connection.act(fault.action, fault.code)
        return len(struck)

    def shut_down(self) -> None:
        """Let go of all sockets."""
        for connection in self.all:
            connection.shut_down()

    def _next_fault(self, kind: Kind) -> StreamFault | None:
        for index, fault in enumerate(self._faults):
            if fault.on in {"*", kind} and (fault.times is None or self._struck[index] < fault.times):
                self._struck[index] += 1
                return fault
        return None
