"""Numbers in an answer that would keep the library busy for minutes are refused at once, as no sensible answer."""

import asyncio
import time
from typing import Any

import pytest

from engine.core.errors import EngineError, UnreachableError
from tests.exchanges.answered import AT_MS, answered
from tests.exchanges.wire import SYMBOL

SOON_S = 20.0
TRADE = {
    "symbol": "BTCUSDT",
    "execId": "x1",
    "orderId": "7",
    "side": "Buy",
    "execPrice": "100",
    "execQty": "1",
    "execFee": "0.1",
    "feeCurrency": "USDT",
    "execTime": str(AT_MS),
    "execType": "Trade",
}


@pytest.mark.spec("an exchange's answer stops the engine for a bounded time", section="What comes from outside")
@pytest.mark.parametrize("number", ["1E-99999999", "1e99999999", "-1e-99999999"])
@pytest.mark.parametrize("name", ["execFee", "execPrice", "execQty"])
def test_trade_with_an_endless_number_is_no_sensible_answer(name: str, number: str) -> None:
    async def scenario() -> None:
        told = {"retCode": 0, "result": {"list": [{**TRADE, name: number}]}}
        async with answered("bybit", lambda _: told) as account:
            begun = time.perf_counter()
            with pytest.raises(UnreachableError):
                await account.fills(SYMBOL, await account.trades(SYMBOL, AT_MS - 1_000))
            assert time.perf_counter() - begun < SOON_S

    asyncio.run(scenario())


def test_trade_with_ordinary_exponents_is_read() -> None:
    async def scenario() -> None:
        told = {"retCode": 0, "result": {"list": [{**TRADE, "execFee": "1E-7", "execQty": "2e+1"}]}}
        async with answered("bybit", lambda _: told) as account:
            (fill,) = await account.fills(SYMBOL, (await account.trades(SYMBOL, AT_MS - 1_000))[:1])
            assert f"{fill.fee:f} {fill.quantity:f}" == "0.0000001 20"

    asyncio.run(scenario())


def test_market_with_endless_decimals_is_no_sensible_answer() -> None:
    market: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "baseAssetPrecision": 999_999_999,
        "quotePrecision": 999_999_999,
        "isSpotTradingAllowed": True,
        "filters": [],
    }

    async def scenario() -> None:
        async with answered("binance", lambda _: {"symbols": [market]}) as account:
            connection = account._connection
            connection.ccxt.markets = None
            begun = time.perf_counter()
            with pytest.raises(EngineError):
                await connection.rules(SYMBOL)
            assert time.perf_counter() - begun < SOON_S

    asyncio.run(scenario())
