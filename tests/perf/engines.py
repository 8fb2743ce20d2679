"""Engines that the benchmarks run: real bots on the simulated market, in this process, as fast as it goes.

Owns how they are put together. Never measures; what wants to be measured is passed in.
"""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from engine.core.config import BotConfig
from engine.feeds.market import WaitingMarket
from engine.runtime.bootstrap import Surroundings, check_configs, open_worlds
from engine.runtime.clock import EngineClock, SystemTime
from engine.runtime.connections import Connections
from engine.runtime.supervisor import Outcome, RunPlan, run_engine
from engine.runtime.world import World
from engine.store.port import Store

HOUR_MS: Final = 3_600_000
LOG_ID: Final = "0123456789"


def config(bot_id: str = "bench", **changes: Any) -> BotConfig:
    """Give the configuration of a bot that trails in and out of its lots."""
    usual: dict[str, Any] = {
        "exchange": "simulated",
        "symbol": "BTC/USD",
        "budget": Decimal(2000),
        "profit_target": Decimal("0.6"),
        "buy_order_type": "trailing_market",
        "sell_order_type": "trailing_market",
        "trailing_buy_percent": Decimal("0.15"),
        "strategy_params": {"amount_usd": 200},
    }
    return BotConfig(bot_id=bot_id, **(usual | changes))


def surroundings(directory: Path) -> Surroundings:
    """Give what a world needs besides its log: nobody listens."""
    return Surroundings(directory, (), lambda *_: None, lambda: LOG_ID)


def run(directory: Path, configs: Sequence[BotConfig], for_ms: int | None) -> Outcome:
    """Run bots with their log in `directory` until they stop in order."""
    return asyncio.run(
        run_engine(
            directory,
            configs,
            RunPlan(None, for_ms),
            real_time=SystemTime(),
            surroundings=lambda _: surroundings(directory),
            listeners=(),
            announce=lambda _: None,
        )
    )


@cache
def day_log(directory: Path) -> Path:
    """Give the state directory of a bot that traded for a day and stopped in order: more than 10,000 events."""
    place = directory / "day"
    run(place, [config()], 24 * HOUR_MS)
    return place


async def world_of(
    store: Store, directory: Path, configs: Sequence[BotConfig], wrap: Callable[[WaitingMarket], WaitingMarket]
) -> World:
    """Seat bots of one market in a world on an open log; `wrap` may put something between the world and its market."""
    markets = {name: wrap(market) for name, market in check_configs(configs).items()}
    around, clock = surroundings(directory), EngineClock(SystemTime())
    (world,) = await open_worlds(store, configs, markets, around, Connections(around.wiring, lambda: 0), clock)
    return world


def crowd(size: int) -> list[BotConfig]:
    """Give many bots on one symbol that differ in what they pay and want."""
    return [
        config(
            f"bot-{number:04d}",
            profit_target=Decimal("0.5") + Decimal(number % 50) / 100,
            trailing_buy_percent=Decimal("0.10") + Decimal(number % 7) / 100,
            strategy_params={"amount_usd": 50 + number % 100},
            auto_save=False,
        )
        for number in range(size)
    ]
