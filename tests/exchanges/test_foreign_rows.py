"""What others do with the account is read for ids only: nothing odd about it may keep a bot from trading."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from engine.core.errors import UnreachableError
from engine.core.events import Balance
from tests.exchanges.answered import AT_MS, answered
from tests.exchanges.wire import SYMBOL, Request

OURS = "k0123456789abcdefg"
TRADE = {"symbol": "BTCUSDT", "price": "100", "qty": "1", "commission": "0.1", "time": AT_MS, "isMaker": False}
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "price": "100", "status": "NEW", "time": AT_MS}


def account_with(asset: str, free: str, locked: str = "0") -> Any:
    """Answer with a balance of an asset besides two that are as they should be."""
    plain = [{"asset": "BTC", "free": "1", "locked": "0"}, {"asset": "USDT", "free": "5", "locked": "1"}]
    return {"balances": [*plain, {"asset": asset, "free": free, "locked": locked}]}


def test_trade_of_others_is_listed_by_its_ids_whatever_it_cost() -> None:
    rows = [
        {**TRADE, "id": 1, "orderId": 7, "commissionAsset": "USDT"},
        {**TRADE, "id": 2, "orderId": 8, "commissionAsset": "ODD"},
        {**TRADE, "id": 3, "orderId": 9, "commissionAsset": "USDT", "price": "0", "qty": None},
        {**TRADE, "id": 4, "commissionAsset": "USDT"},
    ]

    async def scenario() -> None:
        async with answered("binance", lambda _: rows) as account:
            trades = await account.trades(SYMBOL, AT_MS - 1_000)
            assert [(trade.exchange_order_id, trade.trade_id) for trade in trades] == [
                ("7", "1"),
                ("8", "2"),
                ("9", "3"),
            ]
            (fill,) = await account.fills(SYMBOL, trades[:1])
            assert (fill.trade_id, fill.fee_quote) == ("1", Decimal("0.1"))
            with pytest.raises(UnreachableError):
                await account.fills(SYMBOL, trades[2:])

    asyncio.run(scenario())


def test_open_order_of_others_is_listed_without_its_amount() -> None:
    rows = [
        {**ORDER, "orderId": 7, "clientOrderId": OURS, "origQty": "1", "executedQty": "0.4"},
        {**ORDER, "orderId": 8, "clientOrderId": "web_1"},
        {**ORDER, "orderId": 9, "clientOrderId": "web_2", "origQty": "1e20", "executedQty": "1e20", "side": "?"},
    ]

    async def scenario() -> None:
        async with answered("binance", lambda _: rows) as account:
            ours, *others = await account.open_orders(SYMBOL)
            assert (ours.client_order_id, ours.filled) == (OURS, Decimal("0.4"))
            assert [order.exchange_order_id for order in others] == ["8", "9"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("free", "locked"), [("0.1234567890123456789", "0"), ("1e16", "0"), ("1", "1e16"), (None, "0")]
)
def test_balance_that_makes_no_sense_matters_only_if_the_asset_does(free: Any, locked: str) -> None:
    def answer(request: Request) -> Any:
        assert request.address.endswith("/account")
        return account_with("ODD", free, locked)

    async def scenario() -> None:
        async with answered("binance", answer) as account:
            held = await account.balances({"BTC", "USDT"})
            assert held == {"BTC": Balance(Decimal(1)), "USDT": Balance(Decimal(5), Decimal(1))}
            for assets in (None, {"ODD", "BTC"}):
                with pytest.raises(UnreachableError, match="sensible balance of ODD"):
                    await account.balances(assets)

    asyncio.run(scenario())


def test_order_of_others_is_told_as_far_as_it_is_in_our_terms() -> None:
    odd = {**ORDER, "orderId": 9, "clientOrderId": "web_2", "type": "ODD", "origQty": "0", "side": "BUY"}
    ours = {**ORDER, "orderId": 7, "clientOrderId": OURS, "origQty": "1", "executedQty": "0.4"}
    rows = {"7": ours, "9": odd}

    def asked(request: Request) -> Any:
        return rows[request.fields["orderId"]]

    async def scenario() -> None:
        async with answered("binance", asked) as account:
            own, other = [await account.placed_order(SYMBOL, name) for name in rows]
            assert own is not None
            assert (own.client_order_id, own.side, own.kind) == (OURS, "buy", "limit")
            assert (own.quantity, own.limit_price) == (Decimal(1), Decimal(100))
            assert other is not None
            assert (other.client_order_id, other.kind, other.quantity) == ("web_2", None, None)

    asyncio.run(scenario())
