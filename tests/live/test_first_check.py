"""The first check of the connection fails before the market has said a word."""

import asyncio
from pathlib import Path

import pytest

from engine.core.events import BackoffStarted, ConnectivityChecked, PurchaseRecorded
from engine.runtime.redecide import redecide
from engine.store.reader import LogReader
from tests.exchange_server.faults import Fault
from tests.live.harness import BOT, FastTime, config_text, exchange, trading

SPEC = pytest.mark.spec


@SPEC(
    "deciding again gives the same decisions, also before the first word of a market",
    section="What was seen is logged too",
)
def test_start_whose_first_check_fails_is_decided_again_alike(tmp_path: Path) -> None:
    async def scenario() -> None:
        down = Fault("status", "GET /api/v3/time", status=502, when="before", times=1)
        async with exchange(faults=(down,), speed=20) as server:
            real_time = FastTime(20, server.exchange.clock.market_ms())
            async with trading(tmp_path, config_text(server.port), real_time=real_time) as run:
                await run.until(lambda: run.events(PurchaseRecorded))
                assert [check.reachable for check in run.events(ConnectivityChecked)][:2] == [False, True]
                assert run.events(BackoffStarted)[0].seen == 0
                assert server.exchange.ledger.calls["GET /api/v3/time"] <= 4
        with LogReader.open(tmp_path) as reader:
            report = redecide(reader, BOT)
        assert report.divergences == ()

    asyncio.run(scenario())
