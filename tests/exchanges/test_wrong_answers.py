"""Answers about another order, or that tell half of what they should, are never taken for what was asked."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from engine.core.errors import UnreachableError
from engine.exchanges.port import Accepted, OrderReport, Unknown
from engine.exchanges.venues import Pages
from tests.exchange_server.harness import quiet_script
from tests.exchange_server.server import running
from tests.exchanges import gateway_harness
from tests.exchanges.answered import AT_MS, COST, FILLED, OURS, RESTS, answered, ours
from tests.exchanges.gateway_harness import LocalVenue, client, now_ms, order_of
from tests.exchanges.wire import SYMBOL, Request

D = Decimal


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        pytest.param(RESTS, Accepted, id="ours"),
        pytest.param({**RESTS, "clientOrderId": None}, Accepted, id="without-our-id"),
        pytest.param({**RESTS, "clientOrderId": "web_1"}, Unknown, id="of-another"),
        pytest.param({**RESTS, "orderId": None}, Unknown, id="without-an-id"),
    ],
)
def test_new_order_answered_with_that_of_another_is_unknown(told: Any, outcome: type) -> None:
    async def scenario() -> None:
        async with answered("binance", lambda _: told) as account:
            answer = await account.create(SYMBOL, ours())
            assert isinstance(answer, outcome), answer

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("quantities", "whole"),
    [(["0.4", "0.6"], True), (["0.4"], False), ([], False), (["0.4", "0.6", "0.1"], False)],
    ids=["all", "some", "none", "too-many"],
)
def test_new_order_told_with_other_trades_than_were_filled_is_to_be_looked_up(
    quantities: list[str], *, whole: bool
) -> None:
    trades = [{**COST, "tradeId": number, "qty": quantity} for number, quantity in enumerate(quantities)]

    async def scenario() -> None:
        async with answered("binance", lambda _: {**FILLED, "fills": trades}) as account:
            answer = await account.create(SYMBOL, ours())
            assert isinstance(answer, Accepted)
            assert (answer.is_whole, sum(fill.quantity for fill in answer.fills)) == (whole, D(whole))

    asyncio.run(scenario())


def test_look_up_answered_with_another_order_is_unknown_and_never_absent() -> None:
    async def scenario() -> None:
        told = RESTS
        async with answered("binance", lambda _: told) as account:
            report = await account.query(SYMBOL, ours())
            assert isinstance(report, OrderReport)
            assert (report.exchange_order_id, report.status) == ("7", "open")
            told = {**RESTS, "orderId": 8, "clientOrderId": "web_1"}
            assert isinstance(await account.query(SYMBOL, ours()), Unknown)

    asyncio.run(scenario())


def test_order_asked_for_by_its_id_and_answered_with_another_tells_nothing() -> None:
    async def scenario() -> None:
        async with answered("binance", lambda _: RESTS) as account:
            assert await account.client_order_id_of(SYMBOL, "7") == OURS
            with pytest.raises(UnreachableError, match="another order than 8"):
                await account.client_order_id_of(SYMBOL, "8")
            with pytest.raises(UnreachableError, match="another order than 8"):
                await account.placed_order(SYMBOL, "8")

    asyncio.run(scenario())


def test_trades_of_other_orders_in_the_list_of_one_are_left_out() -> None:
    trade = {**COST, "symbol": "BTCUSDT", "qty": "1", "time": AT_MS, "isMaker": True}
    trades = [{**trade, "id": 1, "orderId": 6}, {**trade, "id": 2, "orderId": 7}, {**trade, "id": 3, "orderId": 8}]

    def answer(request: Request) -> Any:
        return trades if request.address.endswith("/myTrades") else FILLED

    async def scenario() -> None:
        async with answered("binance", answer) as account:
            report = await account.query(SYMBOL, ours())
            assert isinstance(report, OrderReport)
            assert [fill.trade_id for fill in report.fills] == ["2"]

    asyncio.run(scenario())


def test_trades_of_other_orders_are_left_out_where_no_list_is_of_one_order() -> None:
    venue = LocalVenue(id="binanceus", pages=Pages("next id", "fromId", 1_000, is_exact=True))

    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server, venue=venue) as (_, account):
            orders = [order_of(f"k{number}", sent_ms=now_ms()) for number in range(3)]
            for order in orders:
                assert isinstance(await account.create(gateway_harness.SYMBOL, order), Accepted)
            report = await account.query(gateway_harness.SYMBOL, orders[1])
            assert isinstance(report, OrderReport)
            truth = [trade.trade_id for trade in list(server.exchange.matching.records.values())[1].trades]
            assert [fill.trade_id for fill in report.fills] == [str(trade_id) for trade_id in truth]

    asyncio.run(scenario())
