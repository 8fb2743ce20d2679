"""A live bot loses the end of its log: what the exchange knows of it comes back, and nothing is sent twice."""

import asyncio
from pathlib import Path

import pytest

from engine.core.events import PurchaseRecorded, SaleRecorded
from tests.live.harness import config_text, exchange, orders_of, set_price, trading
from tests.live.recovery import bought, cut, decides_the_same, numbers, recovered, state_of


@pytest.mark.parametrize(
    ("after", "skip"),
    [
        ("bot_created", 0),
        ("market_rules_observed", 0),
        ("order_requested", 0),
        ("order_sent", 0),
        ("order_accepted", 0),
        ("order_filled", 0),
        ("purchase_recorded", 0),
        ("order_requested", 1),
    ],
    ids=["created", "rules", "requested", "sent", "accepted", "filled", "purchase", "sell-requested"],
)
def test_bot_that_lost_its_purchase_has_it_back_and_sells_it_once(tmp_path: Path, after: str, skip: int) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            text = config_text(server.port)
            before = await bought(log, server)
            cut(log, after=after, skip=skip)
            report = await recovered(log)
            assert report.confirmed
            (told,) = report.bots
            assert told.unmatched == ()
            assert told.held_after == before.position
            assert told.balance == 1 + before.position
            state = state_of(log)
            assert state.position == before.position
            assert [lot.cost for lot in state.lots.values()] == [lot.cost for lot in before.lots.values()]
            assert decides_the_same(log)
            placed = numbers(server)
            async with trading(log, text) as run:
                await run.until(lambda: len(run.state().orders) == 1 and run.state().has_looked)
                set_price(server, "60000")
                await run.until(lambda: run.events(SaleRecorded))
                assert not run.state().halted
            assert decides_the_same(log)
            assert len(numbers(server)) == len(set(numbers(server)))
            assert numbers(server)[:2] == placed
            sold = [order for order in orders_of(server) if order.wish.side == "SELL" and order.status == "FILLED"]
            assert len(sold) == 1

    asyncio.run(scenario())


def test_bot_that_lost_the_sell_of_a_stopped_lot_looks_it_up_and_does_not_sell_again(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            text = config_text(server.port, risk={"stop_loss_percent": 1}, sell_order_type="market")
            async with trading(log, text) as run:
                await run.until(lambda: run.events(PurchaseRecorded))
                set_price(server, "49000")
                await run.until(lambda: run.events(SaleRecorded))
            placed = orders_of(server)
            cut(log, after="order_requested", skip=1)
            (told,) = (await recovered(log)).bots
            assert told.unmatched == ()
            assert orders_of(server) == placed
            state = state_of(log)
            assert sum(order.filled for order in state.done_orders.values() if order.side == "sell") > 0
            assert [lot.number for lot in state.closed_lots][:1] == [1]
            assert decides_the_same(log)

    asyncio.run(scenario())
