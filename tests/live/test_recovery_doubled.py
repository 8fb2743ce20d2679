"""A recovery that meets one thing twice: two sells that were out for one lot, one market that two bots learn of.

Method: a bot that traded at the local exchange, in this process; its log loses the end and is recovered.
"""

import asyncio
from decimal import Decimal
from pathlib import Path

from engine.core.events import (
    BotEvent,
    DustRecorded,
    MarketRulesObserved,
    OrderReconciled,
    OrderRejected,
    PriceObserved,
    PurchaseRecorded,
    SaleRecorded,
)
from engine.core.reducers.orders import REJECTION_HOLD_MS, STALE
from engine.runtime.bot import Bot
from engine.runtime.feed_stream import FeedStream
from engine.runtime.replica import restore_bot, restore_view
from engine.runtime.reports import NOT_PLACED
from engine.store.reader import LogReader
from engine.store.schema import WITNESS_NAME
from engine.store.sqlite import SqliteLog
from tests.live.harness import BOT, FastTime, config_text, exchange, orders_of, set_price, trading
from tests.live.recovery import bought, cut, decides_the_same, events, quieten, recovered, state_of


async def happen(log: Path, *moments: BotEvent | PriceObserved, later_ms: int = 0) -> None:
    """Have the bot of a log observe these one after the other, so much later, each with what follows from it."""
    store = await SqliteLog.open(log, linger=asyncio.sleep)
    try:
        for moment in moments:
            state, head = restore_bot(store, BOT)
            assert state.feed is not None
            bot, feed, at_ms = Bot(state, head), FeedStream(restore_view(store, state.feed)), head.at_ms + later_ms
            if isinstance(moment, PriceObserved):
                told = feed.record([moment], at_ms)
                followed = bot.see(moment, at_ms, feed.view)
                assert followed is not None, moment
                await store.append([told, followed], urgent=True)
            else:
                await store.append([bot.observe([moment], at_ms, feed.view)], urgent=True)
    finally:
        await store.close()


def test_sell_that_never_left_is_withdrawn_when_the_one_before_it_sold_its_lot(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            await bought(log, server)
            cut(log, after="order_sent", skip=1)
            (log / WITNESS_NAME).unlink()
            (first,) = state_of(log).orders.values()
            price = PriceObserved(last=Decimal(50_000))
            await happen(log, OrderRejected(first.client_order_id, NOT_PLACED, "a test"))
            await happen(log, price, later_ms=REJECTION_HOLD_MS)
            (second,) = state_of(log).orders.values()
            await happen(
                log,
                OrderReconciled(first.client_order_id, "rejected", "open"),
                OrderRejected(second.client_order_id, STALE, "a test"),
                price,
            )
            assert [(order.number, order.status) for order in state_of(log).orders.values()] == [
                (first.number, "open"),
                (4, "requested"),
            ]
            set_price(server, "60000")
            assert orders_of(server)[1].status == "FILLED"
            (log / WITNESS_NAME).write_bytes(b"x" * 128)
            quieten(log)
            (bot,) = (await recovered(log)).bots
            assert bot.unmatched == ()
            assert bot.balance == 1 + bot.held_after
            state = state_of(log)
            assert state.orders == {}
            (last,) = [order for order in state.done_orders.values() if order.number == 4]
            assert (last.status, last.cancel_reason) == ("canceled", "superseded")
            (sale,) = [each for each in events(log) if isinstance(each, SaleRecorded)]
            assert sale.client_order_id == first.client_order_id
            assert len(orders_of(server)) == 2, "a recovery sends nothing"
            later = FastTime(start_ms=FastTime().wall_ms() + 2 * REJECTION_HOLD_MS)
            async with trading(log, config_text(server.port), real_time=later) as run:
                await run.until(lambda: run.events(DustRecorded))
                assert run.state().halted is None
                assert not run.state().lots.get(1), "what no order can sell is dust, and no lot"
            assert decides_the_same(log)

    asyncio.run(scenario())


def test_two_bots_of_one_market_whose_rules_were_lost_have_them_recorded_once(tmp_path: Path) -> None:
    log, names = tmp_path / "log", (BOT, "other-bot")

    async def scenario() -> None:
        async with exchange() as server:
            async with trading(log, *(config_text(server.port, bot_id=name) for name in names)) as run:
                await run.until(lambda: all(run.events(PurchaseRecorded, name) for name in names))
                await run.until(lambda: len(orders_of(server)) == 4)
                held = {name: run.state(name).position for name in names}
            cut(log, after="bot_created", skip=1)
            report = await recovered(log)
            assert {bot.bot_id: (bot.held_after, bot.unmatched) for bot in report.bots} == {
                name: (position, ()) for name, position in held.items()
            }
            with LogReader.open(log) as reader:
                feeds = {restore_bot(reader, name)[0].feed for name in names}
                told = [each.event for feed in feeds for each in reader.read(feed)]
            assert [type(each) for each in told] == [MarketRulesObserved]

    asyncio.run(scenario())
