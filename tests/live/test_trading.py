"""A live bot trades, is stopped and goes on, with the exchange's ledger as the truth."""

import asyncio
from pathlib import Path

import pytest

from engine.core.events import OrderFilled, PurchaseRecorded, SaleRecorded
from engine.runtime.redecide import redecide
from engine.store.reader import LogReader
from tests.live.harness import BOT, config_text, exchange, orders_of, set_price, trading

SPEC = pytest.mark.spec


@SPEC("every purchase and sale of a live bot is the exchange's, trade by trade", section="Order protocol")
def test_live_bot_buys_at_market_and_sells_at_its_target(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange() as server, trading(tmp_path, config_text(server.port)) as run:
            await run.until(lambda: run.events(PurchaseRecorded))
            (lot,) = run.state().lots.values()
            await run.until(lambda: len(orders_of(server)) == 2)
            assert lot.target is not None
            set_price(server, str(lot.target + 1))
            await run.until(lambda: run.events(SaleRecorded))
            assert run.state().stats.winning_trades == 1
            booked = {(fill.trade_id, fill.price, fill.quantity, fill.fee) for fill in run.events(OrderFilled)}
            theirs = {
                (str(trade.trade_id), trade.price, trade.quantity, trade.commission)
                for trade in server.exchange.matching.trades
            }
            assert {each for each in theirs if each[0] in {name for name, *_ in booked}} == booked
        with LogReader.open(tmp_path) as reader:
            report = redecide(reader, BOT)
        assert report.is_faithful, report.divergences
        assert not report.divergences

    asyncio.run(scenario())


@SPEC("fills while the engine was down are booked at the start, by their trade ids", section="Order protocol")
def test_fills_while_the_engine_was_down_are_booked_at_the_next_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange() as server:
            text = config_text(server.port, profit_target=1)
            async with trading(tmp_path, text) as run:
                await run.until(lambda: len(orders_of(server)) == 2 and run.state().lots)
            set_price(server, "51000")
            async with trading(tmp_path, text) as run:
                await run.until(lambda: run.events(SaleRecorded))
                assert any("1 trade while away, drift 0" in text for text in run.said), run.said
                assert run.state().stats.winning_trades == 1

    asyncio.run(scenario())
