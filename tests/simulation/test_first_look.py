"""The first look of a life at its account: how far back it lists the trades, what it takes for news, what it survives.

Every look lists the trades since a time; the tests note which, and who asks when.
"""

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from engine.core.events import (
    BalancesObserved,
    OrderCanceled,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderRequested,
    OrdersSurveyed,
    PurchaseRecorded,
    SaleRecorded,
)
from engine.core.identity import client_order_id
from engine.core.reducers import orders as order_reducers
from engine.exchanges.port import OwnTrade
from engine.testing.simulation.exchange.client import ExchangeClient
from tests.simulation.lives import Lives, Run, story
from tests.simulation.test_reconciling import LOOK_S, NO_BUYS, TARGET, holds_a_sell, was_looked_at

HOUR_MS: Final = 3_600_000
FAR, NEAR = 6 * HOUR_MS, HOUR_MS
"""So far do the first look and every look go back."""


LIMIT: Final = {"buy_order_type": "limit", "buy_order_timeout": 60, "strategy_params": {"max_price": 50_000}}


class Listing(NamedTuple):
    """A list of trades that was asked for: since when, and at what time."""

    since_ms: int
    asked_ms: int


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[Listing]:
    """Note every list of trades that is asked for."""
    asked: list[Listing] = []
    trades = ExchangeClient.trades

    async def noting(client: ExchangeClient, symbol: str, since_ms: int) -> tuple[OwnTrade, ...]:
        asked.append(Listing(since_ms, client.engine_ms()))
        return await trades(client, symbol, since_ms)

    monkeypatch.setattr(ExchangeClient, "trades", noting)
    return asked


# --- how far a look goes back


@pytest.mark.parametrize(
    ("faults", "back_ms"),
    [(0, [FAR]), (1, [FAR, NEAR]), (2, [FAR, NEAR, FAR])],
    ids=["listed", "too much", "no list at all"],
)
def test_first_look_goes_six_hours_back_or_one_and_later_looks_an_hour_before_the_last(
    tmp_path: Path, listings: list[Listing], faults: int, back_ms: list[int]
) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            await holds_a_sell(run)
            (bought,) = run.state().done_orders.values()
        listings.clear()
        lives.fate.bring("trades/request_lost", *([1] * faults or [0]))
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: was_looked_at(run))
            assert [bought.requested_ms - each.since_ms for each in listings] == back_ms
            begun_ms = listings[-len(back_ms) if faults < 2 else -1].asked_ms
            listings.clear()
            await run.until(lambda: len(listings) == 2, 3 * LOOK_S)
            assert [each.since_ms for each in listings] == [begun_ms - NEAR, listings[0].asked_ms - NEAR]

    story(tmp_path, tell)


# --- a trade that cannot be read


async def leaves_a_late_trade(lives: Lives) -> None:
    """Have a life that is killed once a buy has ended with nothing in the log, of which the exchange shows a trade."""
    lives.fate.bring("late_fill")
    lives.fate.bring("late_fill/sort", 1)  # the order's end does not count it
    async with lives.life(LIMIT) as run:
        await run.until(lambda: run.events(OrderCanceled))
        assert run.events(OrderCanceled)[0].filled == 0
    (bought,) = lives.placed("buy")
    assert bought.filled
    await asyncio.sleep(600)


def test_trade_of_an_ended_order_that_cannot_be_read_is_told_and_keeps_nobody_from_trading(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        await leaves_a_late_trade(lives)
        (bought,) = lives.placed("buy")
        lives.place("web_1", price=40_000)
        lives.fate.bring("value/request_lost")
        async with lives.life(LIMIT) as run:
            await run.until(lambda: was_looked_at(run), 60)
            (unknown,) = run.events(OrderOutcomeUnknown)
            assert unknown.client_order_id == bought.wish.client_order_id
            assert unknown.error
            assert len(run.events(OrdersSurveyed)) == 1, "the rest of the look went on"
            assert run.events(BalancesObserved)
            assert not run.events(OrderFilled)
            await run.until(lambda: run.events(OrderRequested), 60)
            lives.price(50_001)
            await run.until(lambda: run.events(PurchaseRecorded))
            assert [each.quantity for each in run.events(OrderFilled)] == [bought.filled], "the next look reads it"

    story(tmp_path, tell)


def test_trade_of_an_ended_order_that_look_after_look_cannot_read_is_told_once(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        await leaves_a_late_trade(lives)
        lives.fate.bring("value/request_lost", 1, 1, 1)
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: run.events(OrderFilled), 4 * LOOK_S)
            assert len(run.events(OrderOutcomeUnknown)) == 1

    story(tmp_path, tell)


# --- orders that a log remembers no longer


@pytest.fixture
def remembers_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a log remember but the last order that ended."""
    monkeypatch.setattr(order_reducers, "DONE_ORDERS_KEPT", 1)


async def forgets_its_buy(lives: Lives, run: Run) -> str:
    """Have a bot that remembers one order buy and sell; give the id of the buy, which it has forgotten then."""
    await run.until(lambda: run.events(PurchaseRecorded))
    lives.price(51_000)
    await run.until(lambda: run.events(SaleRecorded))
    first = client_order_id(run.state().log_id, 1)
    assert run.state().order(first) is None
    return first


@pytest.mark.parametrize("is_old", [True, False])
@pytest.mark.usefixtures("remembers_one")
def test_trade_of_an_own_order_is_told_as_forgotten_only_if_it_is_younger_than_all_that_was_forgotten(
    tmp_path: Path, *, is_old: bool
) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            first = await forgets_its_buy(lives, run)
            lives.price(50_000)
        if not is_old:
            lives.place(first, price=None)
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: was_looked_at(run))
            assert run.count("fetch_order") > 0, "it was asked whose the trade is"
            await run.pass_time(60)
            assert [each.forgotten for each in run.events(OrdersSurveyed)] == ([] if is_old else [(first,)])
            assert run.state().halted is None

    story(tmp_path, tell)


@pytest.mark.usefixtures("remembers_one")
def test_trade_of_a_forgotten_order_is_no_news_although_a_sell_that_rested_longer_is_remembered(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life({"max_open_lots": 2}) as run:
            await run.until(lambda: len(run.events(PurchaseRecorded)) == 1)
            await holds_a_sell(run)
            lives.price(50_050)
            await run.until(lambda: len(run.events(PurchaseRecorded)) == 2)
            second = lives.placed("buy")[1]
            lives.price(TARGET)
            await run.until(lambda: run.events(SaleRecorded))
            (sold,) = run.state().done_orders.values()
            assert sold.side == "sell"
            assert sold.requested_ms < second.at_ms
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: was_looked_at(run))
            assert run.count("fetch_order") > 0, "it was asked whose the trade is"
            await run.pass_time(60)
            assert not run.events(OrdersSurveyed)

    story(tmp_path, tell)
