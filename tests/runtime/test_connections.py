"""Connections: shared where exchange, server and key are the same, and silence wherever the address is."""

import asyncio

from engine.core.config import BotConfig
from engine.runtime.config_file import parse_config
from engine.runtime.connections import Connections
from tests.live.harness import config_text, wiring


def config_of(**changes: object) -> BotConfig:
    return parse_config(config_text(8600, **changes), "a test").config


def test_connections_share_an_instance_for_one_key_and_silence_for_one_exchange() -> None:
    async def scenario() -> None:
        async with Connections(wiring(), lambda: 1_000) as connections:
            one, same = config_of(bot_id="one"), config_of(bot_id="two", symbol="ETH/USD")
            other, paper = config_of(bot_id="three", account="second"), config_of(bot_id="four", paper_trading=True)
            assert connections.desk(one) is connections.desk(same)
            assert connections.desk(one) is not connections.desk(other)
            assert connections.data([paper, one]) is connections.data([one]), (
                "a key that is used anyway shows prices too"
            )
            assert connections.data([paper]) is not connections.data([one])
            connections.data([other]).blocked_until_ms = 9_000
            assert connections.data([one]).blocked_until_ms == connections.data([paper]).blocked_until_ms == 9_000

    asyncio.run(scenario())
