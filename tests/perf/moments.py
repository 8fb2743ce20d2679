"""What every moment of a run took: rows, indicator computations, processor and wall time.

The market marks the time whenever the world asks for the next price; what lies between two marks is one moment of all
bots. Owns that market and the run around it; the counts are exact, the times are not.
"""

import asyncio
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec

from engine.core.config import BotConfig
from engine.core.market import Tick
from engine.feeds.simulated import SimulatedMarket, SimulatedSettings
from engine.runtime.clock import SystemTime
from engine.runtime.world import World
from engine.store.codec import tag_of
from engine.store.reader import LogReader
from engine.store.sqlite import SqliteLog
from tests.perf.engines import world_of


class Moment(msgspec.Struct, frozen=True):
    """What happened at one time of the market: rows by tag, indicators computed, and seconds it took."""

    at_ms: int
    rows: Counter[str]
    computed: int
    cpu_s: float
    wall_s: float

    @property
    def is_quiet(self) -> bool:
        """Tell whether a price was recorded and nothing else."""
        return self.rows == {"price_observed": 1}

    def closes(self, timeframe_ms: int) -> bool:
        """Tell whether a candle ended here; prices lie on the market's grid, so it ends at one."""
        return self.at_ms % timeframe_ms == 0


class _Mark(msgspec.Struct, frozen=True):
    at_ms: int
    computed: int
    cpu_s: float
    wall_s: float


class _MarkedMarket(SimulatedMarket):
    """A simulated market without outages that marks when it is asked for a price."""

    def __init__(self) -> None:
        super().__init__("BTC/USD", "BTC", "USD", SimulatedSettings(outages=False))
        self.marks: list[_Mark] = []
        self.world: World | None = None

    def next_tick(self, after_ms: int) -> Tick:
        """Mark the moment that just ended, and give the price."""
        assert self.world is not None
        now_ms, computed = self.world.clock.now_ms, self.world.feed.indicator_calls
        self.marks.append(_Mark(now_ms, computed, time.process_time(), time.perf_counter()))
        return super().next_tick(after_ms)


def moments(directory: Path, configs: list[BotConfig], for_ms: int) -> list[Moment]:
    """Run bots on one symbol for a time and give its moments."""
    market = _MarkedMarket()
    asyncio.run(_trade(market, directory, configs, for_ms))
    rows: dict[int, Counter[str]] = {}
    with LogReader.open(directory) as reader:
        for each in reader.read():
            rows.setdefault(each.at_ms, Counter())[tag_of(each.event)] += 1
    return [
        Moment(
            at_ms=done.at_ms,
            rows=rows.get(done.at_ms, Counter()),
            computed=done.computed - begun.computed,
            cpu_s=done.cpu_s - begun.cpu_s,
            wall_s=done.wall_s - begun.wall_s,
        )
        for begun, done in pairwise(market.marks)
    ]


async def _trade(market: _MarkedMarket, directory: Path, configs: list[BotConfig], for_ms: int) -> None:
    log = await SqliteLog.open(directory, linger=SystemTime().sleep)
    try:
        market.world = await world_of(log, directory, configs, lambda _: market)
        await market.world.run(SystemTime(), None, market.world.clock.now_ms + for_ms)
    finally:
        await log.close()
