"""Benchmark: what it costs to make events durable.

What waits for the disk is compared with the simplest durable log there is, on the same file system: 4 KiB appended to a
file, then fdatasync. Overwriting one page in place is quicker, which no log can do; that ratio is stated beside it. The
bookkeeping of large batches is compared by CPU time with an executemany of rows that are ready.
"""

import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import cycle, islice
from operator import truediv
from pathlib import Path
from typing import Final, Self

from engine.runtime.clock import SystemTime
from engine.store.chains import Chains
from engine.store.port import Batch, Entry
from engine.store.reader import LogReader
from engine.store.schema import CREATE, SETTINGS
from engine.store.sqlite import SqliteLog
from tests.perf.engines import day_log
from tests.perf.figures import Figure
from tests.perf.pairing import FLOOR, LEAST_PAIRS, in_pairs_async

PRODUCERS: Final = 100
EVENTS_EACH: Final = 10
SYNCS: Final = 30
BATCH: Final = 100
BATCHES: Final = 20
PAGE: Final = bytes(4096)
MEMORY_DISK: Final = Path("/dev/shm")

_sync = getattr(os, "fdatasync", os.fsync)


def bench(directory: Path, scale: int) -> list[Figure]:
    """Measure durable appends, many producers, and large batches."""
    entries = entries_of(day_log(directory))
    urgent = [entry for entry in entries if entry.event.urgent]  # what an order, a trail or a fill waits for
    return [
        *asyncio.run(_single(directory, urgent, LEAST_PAIRS * 20 * scale)),
        asyncio.run(_producers(directory, urgent, LEAST_PAIRS * 2 * scale)),
        asyncio.run(_batches(directory, entries, LEAST_PAIRS * scale)),
    ]


def entries_of(directory: Path) -> list[Entry]:
    """Give what a log holds, ready to be appended to another one."""
    with LogReader.open(directory) as reader:
        return [Entry(each.event, each.at_ms, each.cause) for each in reader.read()]


class _Writer:
    """Appends events of a real run, over and over, to streams of a log."""

    def __init__(self, log: SqliteLog, entries: list[Entry]) -> None:
        """Take a log and the events."""
        self.log = log
        self._turns = cycle(entries)

    async def append(self, stream: str, size: int) -> int:
        """Append so many events to a stream; give their position once they are durable."""
        batch = Batch(stream, self.log.head(stream).sequence, tuple(islice(self._turns, size)))
        return await self.log.append([batch], urgent=True)


async def _single(directory: Path, entries: list[Entry], rounds: int) -> list[Figure]:
    """Append one event at a time."""
    with _RawFile(directory) as raw, _RawFile(directory) as page:
        async with _writer(directory, entries, witness=False) as plain, _writer(directory, entries) as witnessed:

            async def cover() -> None:
                await witnessed.log.cover(await witnessed.append("bot:covered", 1))

            pairs = await in_pairs_async(
                {
                    FLOOR: raw.append,
                    "in place": page.overwrite,
                    "plain": lambda: plain.append("bot:plain", 1),
                    "witnessed": lambda: witnessed.append("bot:witnessed", 1),
                    "covered": cover,
                },
                rounds,
                time.perf_counter,
            )
    plain_pairs, with_witness = pairs["plain"], pairs["witnessed"]
    of_page = statistics.median(map(truediv, plain_pairs.samples, pairs["in place"].samples))
    floor = f"of 4 KiB appended and synced ({statistics.median(plain_pairs.floor) * 1e6:.0f} µs)"
    return [
        Figure(name="one event, without witness", measured=plain_pairs.ratio, at_most=2.5, note=floor),
        Figure(name="one event, with witness", measured=with_witness.ratio, at_most=2.5, note=with_witness.span),
        Figure(name="one event, without witness, strict", measured=of_page, note="of one page overwritten and synced"),
        Figure(
            name="one event, covered by the witness", measured=pairs["covered"].ratio, note="two syncs, as live orders"
        ),
    ]


async def _producers(directory: Path, entries: list[Entry], rounds: int) -> Figure:
    """Let many tasks append at once, each waiting for its own event."""
    with _RawFile(directory) as raw:
        async with _writer(directory, entries) as writer:

            async def floor() -> None:
                for _ in range(SYNCS):
                    await raw.append()

            async def produce(number: int) -> None:
                for _ in range(EVENTS_EACH):
                    await writer.append(f"bot:producer-{number}", 1)

            async def produce_all() -> None:
                async with asyncio.TaskGroup() as group:
                    for number in range(PRODUCERS):
                        group.create_task(produce(number))

            pairs = await in_pairs_async({FLOOR: floor, "all": produce_all}, rounds, time.perf_counter)
    times = PRODUCERS * EVENTS_EACH / SYNCS / pairs["all"].ratio
    rate = PRODUCERS * EVENTS_EACH / statistics.median(pairs["all"].samples)
    note = f"of the rate of single syncs; {rate:,.0f} events a second, {rounds} pairs"
    return Figure(name=f"{PRODUCERS} producers", measured=times, at_least=10, note=note)


async def _batches(directory: Path, entries: list[Entry], rounds: int) -> Figure:
    """Append batches, by CPU time, where the disk is memory if there is such a place."""
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK if MEMORY_DISK.is_dir() else directory) as name:
        place = Path(name)
        with closing(_bare_database(place / "bare.db")) as bare:
            chains, same = Chains(), cycle(entries)
            batches = iter(
                [
                    chains.extend([Batch("bot:bare", number * BATCH, tuple(islice(same, BATCH)))]).rows
                    for number in range(BATCHES * (rounds + 1))
                ]
            )

            async def floor() -> None:
                for _ in range(BATCHES):
                    bare.execute("BEGIN IMMEDIATE")
                    bare.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", next(batches))
                    bare.execute("COMMIT")

            async with _writer(place, entries) as writer:

                async def append() -> None:
                    for _ in range(BATCHES):
                        await writer.append("bot:batches", BATCH)

                pairs = await in_pairs_async({FLOOR: floor, "batches": append}, rounds, time.process_time)
    each = min(pairs["batches"].samples) / BATCHES / BATCH
    note = f"the CPU of a bare executemany; {each * 1e6:.1f} µs an event; {pairs['batches'].span}"
    return Figure(name=f"batches of {BATCH} events", measured=pairs["batches"].ratio, at_most=3.0, note=note)


@asynccontextmanager
async def _writer(directory: Path, entries: list[Entry], *, witness: bool = True) -> AsyncIterator[_Writer]:
    with tempfile.TemporaryDirectory(dir=directory) as name:
        log = await SqliteLog.open(Path(name), linger=SystemTime().sleep, witness=witness)
        try:
            yield _Writer(log, entries)
        finally:
            await log.close()


class _RawFile:
    """A file written in the barest way, one synced page at a time."""

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.NamedTemporaryFile(dir=directory, buffering=0)  # noqa: SIM115 - closed on exit

    def __enter__(self) -> Self:
        os.pwrite(self._file.fileno(), PAGE, 0)
        os.fsync(self._file.fileno())
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    async def append(self) -> None:
        """Add a page at the end."""
        os.lseek(self._file.fileno(), 0, os.SEEK_END)
        os.write(self._file.fileno(), PAGE)
        _sync(self._file.fileno())

    async def overwrite(self) -> None:
        """Write the first page again."""
        os.pwrite(self._file.fileno(), PAGE, 0)
        _sync(self._file.fileno())


def _bare_database(path: Path) -> sqlite3.Connection:
    """Make a database with the tables and settings of a log and one stream."""
    connection = sqlite3.connect(path, isolation_level=None)
    for name, value in SETTINGS.items():
        connection.execute(f"PRAGMA {name} = {value}")
    connection.executescript(CREATE)
    connection.execute("INSERT INTO stream VALUES (1, 'bot:bare')")
    return connection
