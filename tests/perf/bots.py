"""Benchmark: a thousand bots on one symbol, in one process, on one log.

A market between the world and the simulated one marks the time whenever the world asks for the next price; what lies
between two marks is one moment of all bots. A quiet moment is one at which nothing but the price was recorded.
"""

import asyncio
import statistics
import tempfile
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from engine.feeds.market import WaitingMarket
from engine.feeds.simulated import SimulatedMarket
from engine.core.market import Tick
from engine.runtime.clock import SystemTime
from engine.runtime.world import World
from engine.store.reader import LogReader
from engine.store.sqlite import SqliteLog
from tests.perf.engines import HOUR_MS, Crowd, config, run, world_of
from tests.perf.figures import Figure

BOTS: Final = 1000
MEASURED: Final = 200
"""So many of them are built under the eyes of tracemalloc, which is slow."""


class Mark(msgspec.Struct, frozen=True):
    """When the world asked for the price after `after_ms`."""

    after_ms: int
    cpu_s: float
    wall_s: float


class Marked:
    """A market that marks the time at which it is asked for a price, and else is the one it was given."""

    def __init__(self, market: WaitingMarket) -> None:
        """Take the market."""
        self.marks: list[Mark] = []
        self._market = market
