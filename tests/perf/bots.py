"""Benchmark: a thousand bots on one symbol, in one process, on one log.

At a quiet tick nothing but the price is recorded; at the others the bots check their connection, begin a cycle, or
trade. Rows and indicator computations are exact counts, the times are stated.
"""

import asyncio
import gc
import statistics
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.core.market import TIMEFRAMES_MS
from engine.runtime.clock import SystemTime
from engine.store.sqlite import SqliteLog
from tests.perf.engines import HOUR_MS, config, crowd, world_of
from tests.perf.figures import Figure
from tests.perf.moments import Moment, moments

BOTS: Final = 1000
WEIGHED: Final = 200
"""So many are built under the eyes of tracemalloc, which is slow."""


def bench(directory: Path, scale: int) -> list[Figure]:
    """Measure ticks of a thousand bots, and the memory of one."""
    with tempfile.TemporaryDirectory(dir=directory) as place:
        found = moments(Path(place), crowd(BOTS), HOUR_MS // 2 * scale)
    quiet = [each for each in found if each.is_quiet]
    cycle_ms = config().check_interval * 1000
    between = [each for each in quiet if each.at_ms % cycle_ms]
    beginning = [each for each in quiet if not each.at_ms % cycle_ms]
    return [
        *_counts(found),
        Figure(name="CPU of a quiet tick", measured=_median(between, _cpu_ms), unit="ms", note=f"{len(between)} ticks"),
        Figure(name="wall time of a quiet tick", measured=_median(between, _wall_ms), unit="ms"),
        Figure(
            name="CPU of a tick that begins a cycle",
            measured=_median(beginning, _cpu_ms),
            unit="ms",
            note="every bot considers an entry",
        ),
        Figure(
            name="CPU of any tick, on average",
            measured=statistics.fmean(map(_cpu_ms, found)),
            unit="ms",
            note=f"with {statistics.fmean(each.rows.total() for each in found):.0f} rows: checks, trades",
        ),
        Figure(name="wall time of any tick, on average", measured=statistics.fmean(map(_wall_ms, found)), unit="ms"),
        Figure(name="memory of a bot", measured=_memory_of_a_bot(directory), unit="KiB", note="with its config"),
    ]


def _counts(found: list[Moment]) -> list[Figure]:
    """Count rows of quiet ticks, and computations at ticks that close a candle and at those that do not."""
    timeframe_ms = TIMEFRAMES_MS[config().timeframe]
    closing = [each.computed for each in found[1:] if each.closes(timeframe_ms)]  # the first tick is the first look
    others = [each.computed for each in found[1:] if not each.closes(timeframe_ms)]
    rows = min(each.rows.total() for each in found if each.rows["price_observed"])
    return [
        Figure(name=f"rows of a quiet tick of {BOTS} bots", measured=rows, unit="rows", at_most=1, exact=True),
        Figure(
            name="indicator calls where no candle closes",
            measured=sum(others),
            unit="calls",
            at_most=0,
            exact=True,
            note=f"{len(others)} ticks",
        ),
        Figure(
            name="indicator calls where one closes, at most",
            measured=max(closing),
            unit="calls",
            exact=True,
            note=f"shared by {BOTS} bots",
        ),
    ]


def _cpu_ms(moment: Moment) -> float:
    return moment.cpu_s * 1000


def _wall_ms(moment: Moment) -> float:
    return moment.wall_s * 1000


def _median(found: list[Moment], what: Callable[[Moment], float]) -> float:
    return statistics.median(map(what, found))


def _memory_of_a_bot(directory: Path) -> float:
    """Give what one more bot in a world takes, in KiB."""

    async def build(place: Path) -> int:
        log = await SqliteLog.open(place, linger=SystemTime().sleep)
        try:
            gc.collect()
            tracemalloc.start()
            world = await world_of(log, place, crowd(WEIGHED), lambda market: market)
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert len(world.bots) == WEIGHED
        finally:
            await log.close()
        return held

    with tempfile.TemporaryDirectory(dir=directory) as place:
        return asyncio.run(build(Path(place))) / WEIGHED / 1024
