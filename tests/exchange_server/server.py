"""The server: an exchange behind a plain port and a TLS port on this machine, in any event loop.

Owns the sockets and the pump that lets time pass. Never listens on an address that other machines reach.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from tests.exchange_server.connections import Connections
from tests.exchange_server.control import Control
from tests.exchange_server.exchange import Exchange
from tests.exchange_server.market_streams import MarketStreams
from tests.exchange_server.rest import Rest
from tests.exchange_server.script import Script
from tests.exchange_server.tls import make_certificates
from tests.exchange_server.user_stream import UserStreams

HOST = "127.0.0.1"
_SHUTDOWN_S = 0.2


class Server:
    """A local exchange that can be connected to. `port`, `tls_port` and `ca_file` are there once it is started."""

    def __init__(self, script: Script, folder: Path) -> None:
        """Take the script and the folder for the certificates."""
        self.exchange = Exchange(script)
        self.connections = Connections(script.ping_s, script.stream_faults)
        self.port = 0
        self.tls_port = 0
        self.ca_file, self._tls = make_certificates(folder)
        self._markets = MarketStreams(self.exchange, self.connections)
        self._users = UserStreams(self.exchange, self.connections)
        self._control = Control(self.exchange, self.connections, self._markets.publish)
        self._rest = Rest(self.exchange)
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=_SHUTDOWN_S)
        self._pump: asyncio.Task[None] | None = None

    async def start(self, port: int = 0, tls_port: int = 0) -> None:
        """Listen; port 0 means any that is free. Raises OSError if a port is taken."""
        await self._runner.setup()
        self.port = await self._listen(port, None)
        self.tls_port = await self._listen(tls_port, self._tls)
        self._pump = asyncio.create_task(self._let_time_pass())

    async def stop(self) -> None:
        """Close everything."""
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump
        self.connections.shut_down()
        await self._runner.cleanup()

    async def _listen(self, port: int, context: ssl.SSLContext | None) -> int:
        site = web.TCPSite(self._runner, HOST, port, ssl_context=context)
        await site.start()
        return int(self._runner.addresses[-1][1])

    async def _let_time_pass(self) -> None:
        while True:
            self.exchange.advance()
            self._markets.publish()
            await asyncio.sleep(self.exchange.script.pump_ms / 1_000)

    def _app(self) -> web.Application:
        app = web.Application()
        app.add_routes(self._control.routes())
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return await self._rest.handle(request)
        fault = self.exchange.faults.next("GET", request.path)
        if fault is not None:
            raise web.HTTPServiceUnavailable
        streams = self._users if request.path.startswith("/ws-api/") else self._markets
        return await streams.handle(request)


@asynccontextmanager
async def running(script: Script | None = None) -> AsyncIterator[Server]:
    """Have a server in this event loop, on free ports."""
    with TemporaryDirectory(prefix="local-exchange-") as folder:
        server = Server(script or Script(), Path(folder))
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
