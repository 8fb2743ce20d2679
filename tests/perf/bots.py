"""Benchmark: a thousand bots on one symbol, in one process, on one log.

The market marks the time whenever the world asks for the next price; what lies between two marks is one moment of all
bots. A quiet moment is one at which nothing but the price was recorded; at the others the bots check their connection,
begin a cycle, or trade.
"""

import asyncio
import gc
import statistics
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from engine.core.config import BotConfig
from engine.core.market import Tick
from engine.feeds.market import WaitingMarket
from engine.feeds.simulated import SimulatedMarket, SimulatedSettings
from engine.runtime.clock import MarketClock, SystemTime
from engine.store.reader import LogReader
from engine.store.sqlite import SqliteLog
from tests.perf.engines import HOUR_MS, Crowd, world_of
from tests.perf.figures import Figure

BOTS: Final = 1000
WEIGHED: Final = 200
"""So many are built under the eyes of tracemalloc, which is slow."""


class Moment(msgspec.Struct, frozen=True):
    """What happened at one time of the market: rows written, and what it took in seconds."""

    at_ms: int
    rows: int
    cpu_s: float
    wall_s: float


class MarkedMarket(SimulatedMarket):
    """A simulated market without outages that marks when it is asked for a price."""

    def __init__(self) -> None:
        super().__init__("BTC/USD", "BTC", "USD", SimulatedSettings(outages=False))
        self.clock = MarketClock(0)
        self.marks: list[tuple[int, float, float]] = []

    def next_tick(self, after_ms: int) -> Tick:
        """Mark the time, and give the price."""
        self.marks.append((self.clock.now_ms, time.process_time(), time.perf_counter()))
        return super().next_tick(after_ms)

    def moments(self, rows: Counter[int]) -> list[Moment]:
        """Give what lay between the marks; `rows` counts the events recorded at each time."""
        return [
            Moment(done[0], rows[done[0]], done[1] - begun[1], done[2] - begun[2])
            for begun, done in zip(self.marks, self.marks[1:], strict=False)
        ]


def moments(directory: Path, configs: list[BotConfig], for_ms: int) -> list[Moment]:
    """Run bots on one symbol for a time and give what every moment of it took."""
    market = MarkedMarket()

    async def trade() -> None:
        log = await SqliteLog.open(directory, linger=SystemTime().sleep)
        try:
            world = await world_of(log, directory, configs, lambda _: market)
            market.clock = world.clock
            await world.run(SystemTime(), None, world.clock.now_ms + for_ms)
        finally:
            await log.close()

    asyncio.run(trade())
    with LogReader.open(directory) as reader:
        return market.moments(Counter(each.at_ms for each in reader.read()))


def bench(directory: Path, scale: int) -> list[Figure]:
    """Measure ticks of a thousand bots, and the memory of one."""
    with tempfile.TemporaryDirectory(dir=directory) as place:
        found = moments(Path(place), Crowd(BOTS).configs(), HOUR_MS // 2 * scale)
    quiet = [each for each in found if each.rows == 1]
    cycle_ms = Crowd(1).configs()[0].check_interval * 1000
    between = [each for each in quiet if each.at_ms % cycle_ms]
    beginning = [each for each in quiet if not each.at_ms % cycle_ms]

    def per_tick(some: list[Moment], what: Callable[[Moment], float]) -> float:
        return statistics.median(map(what, some)) * 1000

    return [
        Figure(name=f"rows of a quiet tick of {BOTS} bots", measured=min(each.rows for each in found), unit="rows", at_most=1, exact=True),
        Figure(name="CPU of a quiet tick", measured=per_tick(between, lambda each: each.cpu_s), unit="ms", note=f"{len(between)} ticks"),
        Figure(name="wall time of a quiet tick", measured=per_tick(between, lambda each: each.wall_s), unit="ms"),
        Figure(name="CPU of a tick that begins a cycle", measured=per_tick(beginning, lambda each: each.cpu_s), unit="ms", note="every bot considers an entry"),
        Figure(name="CPU of all ticks on average", measured=statistics.fmean(each.cpu_s for each in found) * 1000, unit="ms", note=f"{sum(each.rows for each in found) / len(found):.0f} rows on average: checks, trades"),
        Figure(name="wall time of all ticks on average", measured=statistics.fmean(each.wall_s for each in found) * 1000, unit="ms"),
        Figure(name="memory of a bot", measured=_memory_of_a_bot(directory), unit="KiB", note="freshly seated"),
    ]


def _memory_of_a_bot(directory: Path) -> float:
    """Give what one more bot in a world takes, in KiB."""

    async def build(place: Path) -> int:
        log = await SqliteLog.open(place, linger=SystemTime().sleep)
        try:
            configs = Crowd(WEIGHED).configs()
            gc.collect()
            tracemalloc.start()
            world = await world_of(log, place, configs, lambda market: market)
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert len(world.bots) == WEIGHED
            return held
        finally:
            await log.close()

    with tempfile.TemporaryDirectory(dir=directory) as place:
        return asyncio.run(build(Path(place))) / WEIGHED / 1024
