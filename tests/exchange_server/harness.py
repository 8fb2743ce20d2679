"""What the tests of the local exchange share: unmodified ccxt classes that talk to it, both ways, and raw requests.

Owns the one import of ccxt in this folder. Never changes a ccxt class.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from importlib import import_module
from typing import Any, Literal

import aiohttp
import pytest

from tests.exchange_server.client import LocalResolver, keep_local, keys, local_session, plain_config
from tests.exchange_server.script import AccountScript, Fixed, MarketScript, Script
from tests.exchange_server.server import HOST, Server
from tests.exchange_server.signing import signature_of

Mode = Literal["plain", "real-names"]
MODES: tuple[Mode, ...] = ("plain", "real-names")
PRICE = Decimal(50_000)
# They are untyped, and this way mypy need not be told so.
ccxt: Any = import_module("ccxt.async_support")
ccxt_pro: Any = import_module("ccxt.pro")


def quiet_script(**changes: Any) -> Script:
    """Describe an exchange whose prices stand still: BTC at 50000, and one account."""
    balances = {"USD": Decimal(100_000), "USDT": Decimal(100_000), "BTC": Decimal(1), "BNB": Decimal(10)}
    market = changes.pop("market", {})
    account = changes.pop("account", {})
    return Script(
        markets=(
            MarketScript("BTC", "USD", Fixed(PRICE), **market),
            MarketScript("BTC", "USDT", Fixed(PRICE), **market),
            MarketScript("BNB", "USD", Fixed(Decimal(500)), step=Decimal("0.001")),
        ),
        accounts=(AccountScript(**{"balances": balances, **account}),),
        **changes,
    )


@asynccontextmanager
async def ccxt_client(
    server: Server, mode: Mode, exchange_id: str = "binanceus", *, pro: bool = False, **config: Any
) -> AsyncIterator[Any]:
    """Have a ccxt instance, with websockets or without, that talks to a server in one of two ways.

    Those are its plain port, and its TLS port under the real host names. `resolver`, set on the instance, tells in the
    second case which names were asked for.
    """
    resolver = LocalResolver(server.tls_port)
    session = local_session(resolver, server.ca_file) if mode == "real-names" else None
    settings = plain_config(server.port) if session is None else {**keys(), "session": session}
    settings |= {"enableRateLimit": False, "cafile": str(server.ca_file)}
    exchange = getattr(ccxt_pro if pro else ccxt, exchange_id)({**settings, **config})
    exchange.number = str
    exchange.timeout_on_exit = 0
    exchange.resolver = resolver
    if session is None:
        keep_local(exchange.urls, server.port)
    try:
        yield exchange
    finally:
        await exchange.close()
        if session is not None:
            await session.close()


class Raw:
    """A client that writes requests by hand."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        """Take the server and a session."""
        self._base = f"http://{HOST}:{server.port}"
        self._session = session
        self._server = server

    async def get(self, path: str) -> tuple[int, Any, dict[str, str]]:
        """Ask without a key: status, body, headers."""
        return await self.send("GET", path, headers={})

    async def signed(self, method: str, path: str, **parameters: object) -> tuple[int, Any, dict[str, str]]:
        """Ask with a key, a time and a signature, all in the query."""
        shown = {"timestamp": self._server.exchange.clock.now_ms(), **parameters}
        query = "&".join(f"{name}={value}" for name, value in shown.items())
        signature = signature_of("localsecret", query)
        return await self.send(method, f"{path}?{query}&signature={signature}")

    async def send(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Send as it is, with the usual key unless other headers are given."""
        sent = {"X-MBX-APIKEY": "localkey"} if headers is None else headers
        async with self._session.request(method, self._base + path, data=body or None, headers=sent) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else await answer.text(), dict(answer.headers)


@asynccontextmanager
async def raw_client(server: Server) -> AsyncIterator[Raw]:
    """Have a client that writes requests by hand."""
    async with aiohttp.ClientSession() as session:
        yield Raw(server, session)


@contextmanager
def refused(name: str, *, exactly: bool = True) -> Iterator[None]:
    """Expect the ccxt error of a name; an error derived from it counts only if `exactly` is off."""
    expected = getattr(ccxt, name)
    with pytest.raises(expected) as caught:
        yield
    if exactly:
        assert caught.type is expected, caught.value


async def eventually(is_so: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait until something is so. Raises TimeoutError if it never is."""
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.005)


def placed(server: Server) -> int:
    """Count the orders that the exchange really has."""
    return len(server.exchange.matching.records)


async def subscribed(server: Server, times: int) -> None:
    """Wait until a client has subscribed to the account's stream so many times, and could read the answer."""
    name = "WS /ws-api/v3 userDataStream.subscribe.signature"
    await eventually(lambda: server.exchange.ledger.calls[name] == times)
    await asyncio.sleep(0.05)
