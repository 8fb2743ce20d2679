"""Trades that a look at the account finds: those that fill an order to its end, and those that come late."""

import asyncio
from pathlib import Path

from engine.core.events import (
    OrderCanceled,
    OrderCancelRequested,
    OrderFilled,
    PurchaseRecorded,
    SaleRecorded,
)
from tests.simulation.lives import Lives, story
from tests.simulation.test_reconciling import LOOK_S, NO_BUYS, TARGET, holds_a_sell


async def sold_while_away(lives: Lives) -> str:
    """Have a life that is killed while its sell rests, which is then met; give the sell's id."""
    async with lives.life() as run:
        sell = await holds_a_sell(run)
    lives.price(TARGET)
    await asyncio.sleep(10)
    lives.exchange.advance()
    assert not lives.placed("sell")[0].is_open
    lives.price(50_000)
    return sell.client_order_id


def test_trades_that_fill_an_order_while_away_are_booked_without_a_look_at_it(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        name = await sold_while_away(lives)
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: run.events(SaleRecorded))
            assert [each.client_order_id for each in run.events(OrderFilled)] == [name]
            assert run.count("fetch_order") == 0

    story(tmp_path, tell)


def test_trades_whose_fees_cannot_be_valued_now_are_booked_by_looking_the_order_up(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        name = await sold_while_away(lives)
        lives.fate.bring("value/request_lost")
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: run.events(SaleRecorded))
            assert run.count("fetch_order") == 1
            assert [each.client_order_id for each in run.events(OrderFilled)] == [name]
            assert run.events(SaleRecorded)[0].quantity == lives.placed("sell")[0].filled

    story(tmp_path, tell)


def test_order_that_moves_while_its_trades_are_valued_is_looked_up_and_booked_once(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        name = await sold_while_away(lives)
        lives.fate.bring("value/slow")
        async with lives.life(NO_BUYS) as run:
            run.at("exchange/value/before", lambda: asyncio.ensure_future(run.command("flatten")))
            await run.until(lambda: run.events(SaleRecorded))
            await run.pass_time(LOOK_S)
            assert [each.client_order_id for each in run.events(OrderCancelRequested)] == [name]
            assert [each.client_order_id for each in run.events(OrderFilled)] == [name]
            assert len(run.events(SaleRecorded)) == 1
            assert run.count("fetch_order")

    story(tmp_path, tell)


def test_trade_in_the_moment_of_a_cancellation_is_booked_once_the_list_of_trades_tells_it(tmp_path: Path) -> None:
    bot = {"buy_order_type": "limit", "buy_order_timeout": 60, "strategy_params": {"max_price": 50_000}}

    async def tell(lives: Lives) -> None:
        lives.fate.bring("late_fill")
        lives.fate.bring("late_fill/sort", 1)  # the order's end does not count it
        async with lives.life(bot) as run:
            await run.until(lambda: run.events(OrderCanceled))
            (canceled,) = run.events(OrderCanceled)
            assert canceled.filled == 0
            lives.price(50_001)  # nothing else is bought
            await run.until(lambda: run.events(PurchaseRecorded))
            (fill,) = run.events(OrderFilled)
            assert fill.client_order_id == canceled.client_order_id
            (bought, *_) = lives.placed("buy")
            assert [(fill.trade_id, fill.quantity)] == [(each.trade_id, each.quantity) for each in bought.trades]

    story(tmp_path, tell)


def test_late_trade_of_an_order_that_the_exchange_knows_no_longer_is_booked_all_the_same(tmp_path: Path) -> None:
    """World 217 of a wider campaign: the end of the order was told with what it traded, and then only the trade was."""
    bot = {"buy_order_type": "limit", "buy_order_timeout": 60, "strategy_params": {"max_price": 50_000}}

    async def tell(lives: Lives) -> None:
        lives.fate.bring("late_fill")
        lives.fate.bring("late_fill/wait", 2)
        async with lives.life(bot) as run:
            await run.until(lambda: run.events(OrderCanceled))
            (bought,) = lives.placed("buy")
            assert run.events(OrderCanceled)[0].filled == bought.filled > 0
            lives.lose(bought)
            lives.price(50_001)  # nothing else is bought
            await run.until(lambda: run.events(PurchaseRecorded), within_s=1_800)
            assert [each.quantity for each in run.events(OrderFilled)] == [bought.filled]

    story(tmp_path, tell)
