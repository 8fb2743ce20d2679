"""What a clock that is set anew between two sessions must not do: prove that an order was never placed."""

import asyncio
from pathlib import Path

import pytest

from engine.core.events import OrderFilled, OrderOutcomeUnknown, OrderRejected
from tests.exchange_server.faults import Fault
from tests.exchange_server.script import Visibility
from tests.live.harness import FastTime, config_text, exchange, orders_of, trading

SPEED = 20.0


@pytest.mark.spec(
    "An order is held to be not placed only after a wait that no clock set anew can shorten", section="Order protocol"
)
def test_clock_put_forward_while_the_engine_was_down_does_not_prove_that_an_order_was_not_placed(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with exchange(speed=SPEED, visibility=Visibility(orders_late_ms=20_000)) as server:
            server.exchange.faults.add(Fault("drop", times=None))  # the first may come after its window

            def clock(wrong_by_ms: int) -> FastTime:
                return FastTime(SPEED, server.exchange.clock.market_ms() + wrong_by_ms)

            text = config_text(server.port, sell_order_type="market", profit_target=50)
            async with trading(tmp_path, text, real_time=clock(0), crash=True) as run:
                await run.until(lambda: orders_of(server) and run.events(OrderOutcomeUnknown))
            assert len(orders_of(server)) == 1
            server.exchange.faults.clear()
            async with trading(tmp_path, text, real_time=clock(60_000)) as run:
                await run.until(lambda: run.events(OrderFilled) or run.events(OrderRejected))
                assert not run.events(OrderRejected)
            assert len(orders_of(server)) == 1

    asyncio.run(scenario())
