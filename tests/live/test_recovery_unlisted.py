"""A recovery that finds an order and cannot list its trades, or cannot read one: what it leaves, and that it ends.

Method: a bot that traded at the local exchange, in this process; its log loses the end and is recovered.
"""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.core.errors import UnreachableError
from engine.core.events import OrderAdopted, OrderReconciled, PurchaseRecorded
from tests.exchange_server.faults import Fault
from tests.exchange_server.server import Server
from tests.live.harness import exchange, orders_of
from tests.live.recovery import bought, cut, decides_the_same, events, forget_orders, recovered, state_of


def hide_trades(server: Server, skip: int) -> None:
    """Have the exchange answer one question for trades with an error, after so many others."""
    server.exchange.faults.add(Fault("status", on="GET /api/v3/myTrades*", skip=skip))


async def denied(log: Path, server: Server) -> None:
    """Recover a log while the exchange knows no order: the log then holds its own to be not placed."""
    forget_orders(server)
    await recovered(log, confirm=lambda _: False)
    server.exchange.faults.clear()
    assert [each.status for each in state_of(log).done_orders.values()] == ["rejected"]


@pytest.mark.parametrize(
    ("after", "skip", "is_denied"),
    [("order_sent", 0, False), ("bot_created", 1, False), ("order_sent", 1, True)],
    ids=["held", "lost", "held to be not placed"],
)
def test_order_whose_trades_cannot_be_listed_is_left_until_the_recovery_is_repeated(
    tmp_path: Path, after: str, skip: int, *, is_denied: bool
) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            before = await bought(log, server)
            placed = len(orders_of(server))
            cut(log, after=after)
            if is_denied:
                await denied(log, server)
            held = [(order.client_order_id, order.status) for order in state_of(log).orders.values()]
            hide_trades(server, skip)
            with pytest.raises(UnreachableError, match="could not be looked up"):
                await recovered(log)
            assert server.exchange.faults.struck() == [1]
            state = state_of(log)
            assert state.recovery is not None
            assert [(order.client_order_id, order.status) for order in state.orders.values()] == held
            assert state.position == 0
            assert not [each for each in events(log) if isinstance(each, OrderAdopted | OrderReconciled)]
            report = await recovered(log)
            assert report.confirmed
            assert report.bots[0].unmatched == ()
            assert state_of(log).position == before.position
            assert len([each for each in events(log) if isinstance(each, PurchaseRecorded)]) == 1
            assert decides_the_same(log)
            assert len(orders_of(server)) == placed, "a recovery sends nothing"

    asyncio.run(scenario())


def trades_late(server: Server, fee_asset: str) -> int:
    """Have the buy trade once more after it had ended, for a fee in this asset; give the id of the trade."""
    record = next(iter(server.exchange.matching.records.values()))
    late = replace(record.trades[-1], trade_id=record.trades[-1].trade_id + 1, commission_asset=fee_asset)
    record.trades.append(late)
    return late.trade_id


def test_trade_of_an_ended_order_that_makes_no_sense_is_listed_and_ends_no_recovery(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            before = await bought(log, server)
            cut(log, after="purchase_recorded")
            late = trades_late(server, fee_asset="")
            report = await recovered(log)
            assert report.confirmed
            (told,) = report.bots[0].unmatched
            (order,) = [each for each in state_of(log).done_orders.values() if each.number == 1]
            names = f"{order.client_order_id}, at the exchange {order.exchange_order_id}"
            assert told.startswith(f"Order 1 ({names}): its trade {late} is not booked"), told
            assert "in which asset" in told
            assert state_of(log).position == before.position

    asyncio.run(scenario())


def test_trade_of_an_ended_order_whose_fee_cannot_be_valued_for_want_of_an_answer_ends_the_recovery(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            await bought(log, server)
            cut(log, after="purchase_recorded")
            late = trades_late(server, fee_asset="BNB")
            server.exchange.faults.add(Fault("status", on="GET /api/v3/ticker*"))
            with pytest.raises(UnreachableError):
                await recovered(log)
            assert server.exchange.faults.struck() == [1]
            assert state_of(log).recovery is not None
            report = await recovered(log)
            assert report.bots[0].unmatched == ()
            (buy, *_) = [order for order in state_of(log).done_orders.values() if order.side == "buy"]
            assert str(late) in buy.trade_ids

    asyncio.run(scenario())
