"""Real connections to rows of the table whose requests are answered by a function, kept open for many inputs.

Owns their event loop and their markets. Never sends anything.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from engine.exchanges.ccxt_account import CcxtAccount
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.credentials import Credentials, Secret
from engine.exchanges.streams import Pump
from engine.exchanges.venues import VENUES
from tests.exchanges.wire import KEYS, SYMBOL, Request, wire

T = TypeVar("T")
AT_MS = 1_900_000_000_000


class Links:
    """The connections by name; `answer` gives what is in the body of an answer."""

    def __init__(self) -> None:
        """Have none yet."""
        self.loop = asyncio.new_event_loop()
        self.answer: Callable[[Request], Any] = lambda _: {}
        self.accounts: dict[str, CcxtAccount] = {}
        self.connections: dict[str, CcxtConnection] = {}
        self.markets: dict[str, list[Any]] = {}

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        """Run a story on the loop, to its end."""
        return self.loop.run_until_complete(story)

    def connection(self, name: str) -> CcxtConnection:
        """Give a connection as if nothing had happened yet."""
        connection = self.connections[name]
        connection.offset_ms, connection.blocked_until_ms = 0, 0
        if connection.ccxt.markets is None or SYMBOL not in connection.ccxt.markets:
            connection.ccxt.set_markets(self.markets[name])
        return connection

    def listen(self, message: Any) -> None:
        """Tell a message of the stream to whoever listens at Binance."""
        for tap in self.connection("binance").taps:
            tap(message)

    async def open(self, name: str) -> None:
        """Make a connection and the account on it, listening to its stream."""
        keys = Credentials(Secret(KEYS["apiKey"]), Secret(KEYS["secret"]), Secret(KEYS["password"]))
        connection = CcxtConnection(
            VENUES[name], clock_ms=lambda: AT_MS + 60_000, credentials=keys, is_paced=False, timeout_ms=1_000
        )
        async with wire(VENUES[name]) as model:
            self.markets[name] = list(model.exchange.markets.values())

        async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            request = Request(method, url, headers or {}, body)
            text = json.dumps(self.answer(request))
            parsed = connection.ccxt.parse_json(text)
            connection.ccxt.handle_errors(200, "OK", url, method, {}, text, parsed, headers, body)
            return parsed

        connection.ccxt.fetch = fetch
        self.connections[name] = connection
        self.accounts[name] = CcxtAccount(connection)
        self.accounts[name]._hints._pumps[SYMBOL] = Pump(_never, lambda _, last: last)

    async def close(self) -> None:
        """Let go of everything."""
        for name, account in self.accounts.items():
            account._hints._pumps.clear()
            await account.close()
            await self.connections[name].close()


async def _never() -> None:
    await asyncio.Event().wait()


@contextmanager
def links(*names: str) -> Iterator[Links]:
    """Have connections to some exchanges."""
    opened = Links()
    try:
        for name in names:
            opened.run(opened.open(name))
        yield opened
    finally:
        opened.run(opened.close())
        opened.loop.close()
