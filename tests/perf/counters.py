"""Exact counts behind the speeds: modules that a look loads, commits that producers share. They never vary.

Shared by the benchmarks, which state them, and by the tests, which hold them. Never measures time.
"""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from engine.core.events import CommandReceived
from engine.runtime.clock import SystemTime
from engine.store.port import Batch, Entry
from engine.store.sqlite import SqliteLog

HEAVY: Final = frozenset(
    ["aiosqlite", "asyncio", "ccxt", "hashlib", "heapq", "multiprocessing", "numpy", "polars", "ssl", "talib", "yaml"]
)
"""Modules that a look has no use for; most take longer to load than the look takes."""

_LIST_MODULES: Final = """
import sys
from cli.main import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
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
        return f"{len(self.own)} of them ours; heavy ones: {', '.join(sorted(self.heavy)) or 'none'}"


def modules_of(*arguments: str) -> Loaded:
    """Run a verb in a process of its own and give the modules it loaded."""
    command = [sys.executable, "-c", _LIST_MODULES, *arguments]
    found = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, text=True)
    return Loaded(frozenset(found.stderr.splitlines()[-1].split()))


def modules_of_a_look(directory: Path) -> Loaded:
    """Give the modules that `inspect-state` loads."""
    return modules_of("inspect-state", "--state-dir", str(directory))


def commits_of_producers(directory: Path, producers: int, events_each: int) -> int:
    """Let tasks append events, each waiting for its own before the next; give the commits it took."""

    async def count() -> int:
        log = await SqliteLog.open(directory, linger=SystemTime().sleep)

        async def produce(stream: str) -> None:
            for number in range(events_each):
                event = CommandReceived("pause", "test")
                await log.append([Batch(stream, number, (Entry(event, number),))], urgent=True)

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(producers):
                    group.create_task(produce(f"bot:{number}"))
            return log.commits
        finally:
            await log.close()

    return asyncio.run(count())
