"""A key that the exchange refuses while the bot runs is told, and asked with again; the engine lives on."""

import asyncio
from pathlib import Path

import pytest

from engine.core.events import OrderCancelRequested, PurchaseRecorded, SaleRecorded
from tests.live.harness import FastTime, config_text, exchange, set_price, trading

SPEED = 20.0


@pytest.mark.spec(
    "A key refused for a while does not end a running bot, and nothing that happened meanwhile is lost",
    section="Order protocol",
)
def test_key_refused_for_a_while_does_not_end_the_engine(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange(speed=SPEED) as server:
            time = FastTime(SPEED, server.exchange.clock.market_ms())
            account = server.exchange.accounts["trader"]
            async with trading(tmp_path, config_text(server.port, profit_target=1), real_time=time) as run:
                await run.until(lambda: run.events(PurchaseRecorded))
                account.revoked = True
                for connection in list(server.connections.all):
                    await connection.act("abort")
                set_price(server, "51000")
                begun_ms = time.wall_ms()
                await run.until(lambda: run.outcome is not None or time.wall_ms() > begun_ms + 130_000)
                assert not run.events(SaleRecorded)
                assert not run.events(OrderCancelRequested)
                account.revoked = False
                await run.until(lambda: run.events(SaleRecorded))

    asyncio.run(scenario())
