"""What one check of the connection means for the other bots of that market."""

import asyncio
from pathlib import Path

import pytest

from engine.core.events import ConnectivityChecked
from tests.exchange_server.faults import Fault
from tests.live.harness import BOT, FastTime, config_text, exchange, trading

SPEED = 20.0
OTHER = "other-bot"


@pytest.mark.spec("a failed check counts at once for every healthy bot of that market", section="decision 5")
def test_failed_check_of_one_bot_counts_for_a_healthy_one_whose_check_is_far_off(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange(speed=SPEED) as server:
            texts = [
                config_text(server.port, connectivity_check_interval=interval_s, bot_id=bot_id)
                for bot_id, interval_s in ((BOT, 20), (OTHER, 86_400))
            ]
            real_time = FastTime(SPEED, server.exchange.clock.market_ms())
            async with trading(tmp_path, *texts, real_time=real_time) as run:
                await run.until(lambda: run.events(ConnectivityChecked, OTHER) and run.world._duties.is_ready)
                server.exchange.faults.add(Fault("status", "GET /api/v3/time", status=502, when="before", times=1))
                await run.until(lambda: len(run.events(ConnectivityChecked)) >= 4)
                mine, others = (run.events(ConnectivityChecked, bot_id) for bot_id in (BOT, OTHER))
                assert [check.failure for check in mine if not check.reachable] == [1]
                assert [check.failure for check in others] == [0, 1, 0]
                at = {
                    bot_id: [
                        each.at_ms
                        for each in run.published
                        if each.stream == f"bot:{bot_id}"
                        and isinstance(each.event, ConnectivityChecked)
                        and not each.event.reachable
                    ]
                    for bot_id in (BOT, OTHER)
                }
                assert abs(at[BOT][0] - at[OTHER][0]) < 10_000, "half of the shorter interval"

    asyncio.run(scenario())
