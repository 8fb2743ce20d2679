"""What the tests of the gateway share: a connection to the local exchange, orders, and a row for Binance.US.

Owns the venue of the tests: the codes that prove a refusal there. Never changes a class of the engine.
"""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

import msgspec

from engine.core.state import Order
from engine.exchanges.ccxt_account import CcxtAccount
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.credentials import Credentials, Secret
from engine.exchanges.port import Rejected
from engine.exchanges.venues import VENUES, Pages, Venue
from tests.exchange_server.client import LocalResolver, local_session
from tests.exchange_server.harness import MODES, Mode, placed
from tests.exchange_server.server import HOST, Server

__all__ = [
    "CANARY_KEY",
    "CANARY_SECRET",
    "MODES",
    "SYMBOL",
    "Mode",
    "client",
    "impatient",
    "keyless",
    "now_ms",
    "order_of",
    "placed",
]

SYMBOL = "BTC/USD"
CANARY_KEY, CANARY_SECRET = "localkey", "localsecret"
_CODES = frozenset({-1003, -1008, -1013, -1015, -1021, -1022, -1100, -1102, -1116, -1121, -2010, -2014, -2015})


class LocalVenue(Venue, frozen=True, kw_only=True):
    """Binance.US as these tests need it, until the real row is there."""

    pages: Pages | None = VENUES["binanceus"].pages

    def create_params(self, client_order_id: str, signed_ms: int) -> dict[str, Any]:
        """Name our id, the time an order is signed with, and its window."""
        return {"clientOrderId": client_order_id, "timestamp": signed_ms, "recvWindow": self.valid_ms}

    def refusal(self, status: int, body: str) -> Rejected | None:
        """Take the known codes for proof, but the one of a duplicate: that order is live."""
        try:
            told = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return None
        code = told.get("code") if isinstance(told, dict) else None
        if status < 400 or code not in _CODES or "Duplicate" in told["msg"]:
            return None
        return Rejected(str(code), told["msg"])

    def config(self) -> dict[str, Any]:
        """Ask for spot markets alone, and lead the stream of accounts to the American host."""
        options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
        streams = {"ws-api": {"spot": "wss://ws-api.binance.us:443/ws-api/v3"}}
        return {"options": options, "urls": {"api": {"ws": streams}}}


def now_ms() -> int:
    """Give the time of this machine."""
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def keyless(server: Server, mode: Mode = "plain", **changes: Any) -> AsyncIterator[CcxtConnection]:
    """Have a connection without keys, for market data alone."""
    connection = _connection(server, mode, "binanceus", {"credentials": None, **changes})
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def client(
    server: Server, mode: Mode = "plain", venue: str | Venue = "binanceus", **changes: Any
) -> AsyncIterator[tuple[CcxtConnection, CcxtAccount]]:
    """Have a connection and its account, by the plain port or under the real host names."""
    connection = _connection(server, mode, venue, changes)
    account = CcxtAccount(connection)
    try:
        yield connection, account
    finally:
        await connection.close()


@contextmanager
def impatient(link: CcxtConnection, timeout_ms: int = 300) -> Iterator[None]:
    """Wait only so long for what is asked within: what must be answered is asked before, or has longer."""
    usual_ms, link.ccxt.timeout = link.ccxt.timeout, timeout_ms
    try:
        yield
    finally:
        link.ccxt.timeout = usual_ms


def _connection(server: Server, mode: Mode, venue: str | Venue, changes: dict[str, Any]) -> CcxtConnection:
    settings: dict[str, Any] = {
        "clock_ms": now_ms,
        "credentials": Credentials(Secret(CANARY_KEY), Secret(CANARY_SECRET)),
        "is_paced": False,
    }
    if mode == "plain":
        settings["endpoint"] = f"http://{HOST}:{server.port}"
    else:
        settings["session_factory"] = lambda: local_session(LocalResolver(server.tls_port), server.ca_file)
    row = LocalVenue(id=venue) if isinstance(venue, str) else venue
    return CcxtConnection(row, **{**settings, **changes})


def order_of(
    client_order_id: str = "k0a1b2c3d4e0000001",
    side: Any = "buy",
    quantity: str = "0.001",
    limit: str | None = None,
    **changes: Any,
) -> Order:
    """Give an order that is about to leave."""
    return Order(
        client_order_id=client_order_id,
        number=1,
        side=side,
        kind="market" if limit is None else "limit",
        quantity=Decimal(quantity),
        purpose="test",
        seen_price=Decimal(50_000),
        requested_ms=now_ms(),
        limit_price=None if limit is None else Decimal(limit),
        **{"sent_ms": now_ms(), **changes},
    )
