"""An account at a real row of the table whose requests are answered by a function instead of a network."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from engine.exchanges.ccxt_account import CcxtAccount
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.credentials import Credentials, Secret
from engine.exchanges.venues import VENUES
from engine.exchanges.wire import Answer, current
from tests.exchanges.gateway_harness import order_of
from tests.exchanges.wire import KEYS, Request, wire

AT_MS = 1_900_000_000_000
"""When everything happens there; it is a minute later now."""

OURS = "k0123456789abcdefg"
ORDER = {
    "symbol": "BTCUSDT",
    "orderId": 7,
    "clientOrderId": OURS,
    "side": "BUY",
    "type": "LIMIT",
    "price": "100",
    "origQty": "1",
    "time": AT_MS,
}
RESTS = {**ORDER, "status": "NEW", "executedQty": "0"}
FILLED = {**ORDER, "status": "FILLED", "executedQty": "1"}
COST = {"price": "100", "commission": "0.1", "commissionAsset": "USDT"}


def ours() -> Any:
    """Give the order that is asked for."""
    return order_of(OURS, quantity="1", limit="100")


@asynccontextmanager
async def answered(name: str, answer: Callable[[Request], Any]) -> AsyncIterator[CcxtAccount]:
    """Have an account; `answer` gives what is in the body of an answer."""
    keys = Credentials(Secret(KEYS["apiKey"]), Secret(KEYS["secret"]), Secret(KEYS["password"]))
    link = CcxtConnection(VENUES[name], clock_ms=lambda: AT_MS + 60_000, credentials=keys, is_paced=False)
    link.offset_ms = 0
    async with wire(VENUES[name]) as model:
        link.ccxt.set_markets(list(model.exchange.markets.values()))

    async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        record = current()
        if record is not None:
            record.leaving(method, AT_MS)
        told = answer(Request(method, url, headers or {}, body))
        if record is not None:
            record.answered(Answer(200, json.dumps(told)), AT_MS)
        return told

    link.ccxt.fetch = fetch
    try:
        yield CcxtAccount(link)
    finally:
        await link.close()
