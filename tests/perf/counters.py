"""Exact counts behind the speeds: modules loaded, rows and commits, indicator computations. They never vary.

Shared by the benchmarks, which state them, and by the tests, which hold them. Never measures time.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from engine.core.config import BotConfig
from engine.core.events import CandlesClosed, TimerFired
from engine.runtime.clock import SystemTime
from engine.store.port import Batch, Entry
from engine.store.reader import LogReader
from engine.store.sqlite import SqliteLog
from tests.perf.engines import world_of

HEAVY: Final = frozenset(
    ["aiosqlite", "asyncio", "ccxt", "hashlib", "heapq", "multiprocessing", "numpy", "polars", "ssl", "talib", "yaml"]
)
"""Modules that a look has no use for; each takes longer to load than the look takes."""

_LIST_MODULES: Final = """
import sys
sys.argv = ["krypto-engine", *sys.argv[1:]]
from cli.main import main
try:
    main()
finally:
    import json
    print(json.dumps(list(sys.modules)), file=sys.stderr)
"""


class Loaded(msgspec.Struct, frozen=True):
    """The modules a process had loaded at its end."""

    all: frozenset[str]

    @property
    def own(self) -> frozenset[str]:
        """Give those of this project."""
        return frozenset(name for name in self.all if name.partition(".")[0] in {"engine", "cli"})

    @property
    def heavy(self) -> frozenset[str]:
        """Give those that should not be there."""
        return self.all & HEAVY

    @property
    def note(self) -> str:
        """Say it in a line."""
        return f"{len(self.own)} of them ours; " + (", ".join(sorted(self.heavy)) or "none heavy")


def modules_of(*arguments: str) -> Loaded:
    """Run a verb in a process of its own and give the modules it loaded."""
    command = [sys.executable, "-c", _LIST_MODULES, *arguments]
    found = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, text=True)
    return Loaded(frozenset(json.loads(found.stderr.splitlines()[-1])) - {"json", "json.decoder", "json.scanner", "json.encoder"})


def modules_of_a_look(directory: Path) -> Loaded:
    """Give the modules that `inspect-state` loads."""
    return modules_of("inspect-state", "--state-dir", str(directory))


class Traded(msgspec.Struct, frozen=True):
    """What a run recorded, time by time: rows by tag, and computations of indicators so far."""

    prices: int
    rows_at: dict[int, Counter[str]]
    computed_at: dict[int, int]
    candles_at: dict[int, int]
    commits: int

    @property
    def quiet(self) -> list[int]:
        """Give the times at which nothing happened but a price."""
        return [at_ms for at_ms, rows in self.rows_at.items() if set(rows) == {"price_observed"}]
