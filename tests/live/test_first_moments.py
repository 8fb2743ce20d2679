"""What happens before the market has told anything at all is decided, and decided again, like everything else."""

import asyncio
from pathlib import Path

import pytest

from engine.core.events import BackoffStarted
from engine.runtime.redecide import redecide
from engine.store.reader import LogReader
from tests.exchange_server.faults import Fault
from tests.live.harness import BOT, config_text, exchange, trading


@pytest.mark.spec(
    "What a bot decides before its feed has said a word is decided again, too", section="What was seen is logged too"
)
def test_outage_before_the_first_word_of_the_market_is_decided_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange() as server:
            server.exchange.faults.add(Fault("status", on="GET /api/v3/*", times=None))
            async with trading(tmp_path, config_text(server.port), crash=True) as run:
                await run.until(lambda: run.events(BackoffStarted))
        with LogReader.open(tmp_path) as reader:
            assert not any(name.startswith("feed:") and any(reader.read(name)) for name in reader.streams())
            report = redecide(reader, BOT)
        assert not report.divergences
        assert report.decisions

    asyncio.run(scenario())
