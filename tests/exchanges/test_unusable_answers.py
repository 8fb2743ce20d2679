"""What cannot be used of an answer is refused; an order is said not to have left only where that is sure."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.core.errors import ConfigError, UnreachableError
from engine.core.events import Balance
from engine.exchanges.ccxt_account import CcxtAccount
from engine.exchanges.port import Accepted, NotSent, Unknown
from engine.exchanges.readings import balances_of, rules_of
from engine.exchanges.wire import Answer, Record, current
from tests.exchanges.answered import AT_MS, COST, FILLED, RESTS, answered, ours
from tests.exchanges.gateway_harness import order_of
from tests.exchanges.wire import SYMBOL

D = Decimal


async def never(*_: Any, **__: Any) -> Any:
    await asyncio.Event().wait()


async def leaves_and_is_not_answered(*_: Any, **__: Any) -> Any:
    record = current()
    assert record is not None
    record.leaving("POST", AT_MS)
    await asyncio.Event().wait()


def before_it_is_sent(account: CcxtAccount) -> None:
    account._connection.load_markets = never  # type: ignore[method-assign]


def in_the_library(account: CcxtAccount) -> None:
    account._ccxt.create_order = never


def on_its_way(account: CcxtAccount) -> None:
    account._ccxt.fetch = leaves_and_is_not_answered


@pytest.mark.parametrize(
    ("held_up", "outcome"), [(before_it_is_sent, NotSent), (in_the_library, Unknown), (on_its_way, Unknown)]
)
def test_order_under_way_when_the_account_is_closed_is_not_sent_only_where_nothing_could_leave(
    monkeypatch: pytest.MonkeyPatch, held_up: Callable[[CcxtAccount], None], outcome: type
) -> None:
    monkeypatch.setattr("engine.exchanges.ccxt_account.LINGER_S", 0.01)

    async def scenario() -> None:
        async with answered("binance", lambda _: RESTS) as account:
            held_up(account)
            creating = asyncio.ensure_future(account.create(SYMBOL, ours()))
            await asyncio.sleep(0)
            await account.close()
            assert isinstance(await creating, outcome)

    asyncio.run(scenario())


def test_market_buy_where_an_exchange_takes_money_only_is_not_sent() -> None:
    async def scenario() -> None:
        async with answered("coinbase", lambda _: {}) as account:
            outcome = await account.create(SYMBOL, order_of())
            assert outcome == NotSent("coinbase cannot buy a quantity by a market order; use limit orders.")

    asyncio.run(scenario())


def test_new_order_whose_trades_cannot_be_read_is_accepted_and_to_be_looked_up() -> None:
    async def scenario() -> None:
        trade = {**COST, "tradeId": 1, "qty": "1", "commission": None}
        async with answered("binance", lambda _: {**FILLED, "fills": [trade]}) as account:
            assert await account.create(SYMBOL, ours()) == Accepted("7", is_whole=False)

    asyncio.run(scenario())


def test_answers_of_another_shape_are_refused() -> None:
    async def nothing(*_: Any) -> Any:
        return None

    async def no_list(*_: Any) -> Any:
        return {"7": RESTS}

    async def scenario() -> None:
        async with answered("binance", lambda _: RESTS) as account:
            account._ccxt.fetch_balance, account._ccxt.fetch_open_orders = nothing, no_list
            with pytest.raises(UnreachableError, match="gave no data"):
                await account.balances()
            with pytest.raises(UnreachableError, match="gave no list"):
                await account.open_orders(SYMBOL)

    asyncio.run(scenario())


def test_more_open_orders_than_can_be_kept_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.exchanges.ccxt_account.MOST_LISTED", 1)

    async def scenario() -> None:
        rows = [RESTS]
        async with answered("binance", lambda _: rows) as account:
            assert [order.exchange_order_id for order in await account.open_orders(SYMBOL)] == ["7"]
            rows = [RESTS, {**RESTS, "orderId": 8}]
            with pytest.raises(UnreachableError, match="lists 2 open orders, more than can be kept"):
                await account.open_orders(SYMBOL)

    asyncio.run(scenario())


def test_account_waits_as_long_as_the_table_says_for_its_exchange() -> None:
    async def scenario() -> None:
        async with answered("gate", lambda _: {}) as account:
            assert (account.valid_ms, account.grace_ms) == (60_000, 60_000)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "row", [{"info": {}, "free": {"BTC": "1"}}, {"info": {"a": 1}}, {"info": {"a": 1}, "free": []}]
)
def test_answer_that_names_no_balances_is_not_taken_for_an_empty_account(row: dict[str, Any]) -> None:
    with pytest.raises(UnreachableError, match="named no balances"):
        balances_of(row)


def test_balance_without_sense_counts_only_where_it_is_asked_for() -> None:
    free = dict.fromkeys(("BTC", "ODD", "NIL"))
    row = {
        "info": {"a": 1},
        "free": free,
        "BTC": {"free": "1", "used": None},
        "ODD": {"free": "x"},
        "NIL": {"free": "0"},
    }
    assert balances_of(row, {"BTC"}) == {"BTC": Balance(D(1), D(0))}
    for asked in (None, {"ODD"}):
        with pytest.raises(UnreachableError, match="no sensible balance of ODD"):
            balances_of(row, asked)


@pytest.mark.parametrize("nameless", ["symbol", "base", "quote"])
def test_market_that_does_not_name_its_assets_is_refused(nameless: str) -> None:
    row = {"symbol": "BTC/USD", "base": "BTC", "quote": "USD", "precision": {"price": "0.01", "amount": "0.001"}}
    with pytest.raises(ConfigError, match="does not name the assets"):
        rules_of({**row, nameless: None})


def test_answer_that_comes_although_nothing_left_is_the_answer_to_nothing() -> None:
    record = Record()
    record.answered(Answer(200, "{}"), AT_MS)
    assert (record.is_empty, record.last) == (True, None)
