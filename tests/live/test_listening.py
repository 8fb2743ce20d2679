"""How often the open orders are looked at depends on whether the account's stream can be relied on."""

import asyncio
from pathlib import Path

from tests.live.harness import FastTime, Run, config_text, exchange, orders_of, trading

SPEED = 60.0
ORDERS_SPEED = 10.0
"""A busy machine misses an order's window of 5 s at the other speed, and its clock seems wrong."""

HALF_AN_HOUR_MS = 1_800_000


def test_stream_that_is_quiet_from_the_start_spares_looks_like_one_that_spoke(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange(speed=ORDERS_SPEED) as server:
            text = config_text(server.port, profit_target=10, sell_order_type="limit")

            def fast(speed: float) -> FastTime:
                return FastTime(speed, server.exchange.clock.market_ms())

            async with trading(tmp_path, text, real_time=fast(ORDERS_SPEED)) as run:
                await run.until(lambda: len(orders_of(server)) == 2 and run.state().lots, 60)
            server.exchange.clock.set_speed(SPEED)
            async with trading(tmp_path, text, real_time=fast(SPEED)) as run:  # nothing will happen there any more
                await run.until(lambda: _is_ready(run))
                begun = server.exchange.clock.market_ms()
                await run.until(lambda: server.exchange.clock.market_ms() - begun > HALF_AN_HOUR_MS, 60)
                looks = [each for each in server.exchange.ledger.requests if each.path == "/api/v3/openOrders"]
                answered = [each for each in looks if each.came_ms > begun and each.code is None]
                assert len(answered) <= HALF_AN_HOUR_MS / 180_000 + 3

    asyncio.run(scenario())


def _is_ready(run: Run) -> bool:
    return run.world._duties.is_ready
