"""How often the open orders are looked at depends on whether the account's stream can be relied on."""

import asyncio
from pathlib import Path

from tests.live.harness import FastTime, Run, config_text, exchange, orders_of, trading

SPEED = 60.0
HALF_AN_HOUR_MS = 1_800_000


def test_stream_that_is_quiet_from_the_start_spares_looks_like_one_that_spoke(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange(speed=SPEED) as server:
            text = config_text(server.port, profit_target=10, sell_order_type="limit")

            def fast() -> FastTime:
                return FastTime(SPEED, server.exchange.clock.market_ms())

            async with trading(tmp_path, text, real_time=fast()) as run:
                await run.until(lambda: len(orders_of(server)) == 2 and run.state().lots)
            async with trading(tmp_path, text, real_time=fast()) as run:  # nothing will happen to the account any more
                await run.until(lambda: _is_ready(run))
                begun, calls = server.exchange.clock.market_ms(), server.exchange.ledger.calls.copy()
                await run.until(lambda: server.exchange.clock.market_ms() - begun > HALF_AN_HOUR_MS, 60)
                looks = (server.exchange.ledger.calls - calls)["GET /api/v3/openOrders"]
                assert looks <= HALF_AN_HOUR_MS / 180_000 + 3

    asyncio.run(scenario())


def _is_ready(run: Run) -> bool:
    return run.world._duties.is_ready
