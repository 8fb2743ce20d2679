"""Small logs for the tests of the store, and ways to spoil them behind the program's back.

Owns how a test writes, copies and edits a log. Never checks anything.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

from engine.core.events import Cause, OrderFilled, PriceObserved
from engine.store.port import Batch, Entry, Recorded
from engine.store.reader import LogReader
from engine.store.schema import LOG_NAME
from engine.store.sqlite import SqliteLog

FEED = "feed:x"
BOTS = ("bot-a", "bot-b")


def price(number: int) -> Entry:
    return Entry(PriceObserved(last=Decimal(number), bid=Decimal(number) - 1), 1_000 * number)


def fill(number: int) -> Entry:
    zero = Decimal(0)
    filled = OrderFilled("order", str(number), Decimal(number) / 8, Decimal(1), zero, "USD", zero, "maker")
    return Entry(filled, 1_000 * number, Cause(FEED, 1))


async def append(log: SqliteLog, stream: str, *entries: Entry, urgent: bool = True) -> int:
    return await log.append([Batch(stream, log.head(stream).sequence, entries)], urgent=urgent)


async def fill_log(log: SqliteLog, rounds: int) -> None:
    """Append 3 rows in each round, in one commit each: a price, and a fill of each bot."""
    for number in range(1, rounds + 1):
        batches = [Batch(FEED, log.head(FEED).sequence, (price(number),))]
        batches += [Batch(bot, log.head(bot).sequence, (fill(number),)) for bot in BOTS]
        await log.append(batches, urgent=True)


def with_log(
    directory: Path,
    work: Callable[[SqliteLog], Awaitable[None]],
    *,
    linger: Callable[[float], Awaitable[None]] = asyncio.sleep,
    witness: bool = True,
) -> tuple[str, ...]:
    """Open a log, work on it, close it; give what it noted."""

    async def main() -> tuple[str, ...]:
        log = await SqliteLog.open(directory, linger=linger, witness=witness)
        try:
            await work(log)
        finally:
            await log.close()
        return log.notes

    return asyncio.run(main())


def write_log(directory: Path, rounds: int = 10) -> list[Recorded]:
    """Write a log of 3 streams and close it; give what it holds."""
    with_log(directory, lambda log: fill_log(log, rounds))
    return events(directory)


def reopen(directory: Path) -> tuple[str, ...]:
    """Open a log and close it; give what it noted."""

    async def nothing(_log: SqliteLog) -> None:
        return

    return with_log(directory, nothing)


def crash_image(directory: Path, image: Path, rounds: int = 10) -> list[Recorded]:
    """Write a log and copy its files while it is open, as a crash would leave them; give what they hold."""

    async def work(log: SqliteLog) -> None:
        await fill_log(log, rounds)
        await log.cover(3 * rounds)
        shutil.copytree(directory, image)

    with_log(directory, work)
    return events(directory)


def events(directory: Path) -> list[Recorded]:
    with LogReader.open(directory) as reader:
        return list(reader.read(verified=True))


def edit(directory: Path, *statements: str) -> None:
    """Change a closed log as no program of ours would."""
    connection = sqlite3.connect(directory / LOG_NAME, isolation_level=None)
    try:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)
    finally:
        connection.close()


def contents(directory: Path) -> dict[str, bytes]:
    """Give every file that holds something, but for the lock and SQLite's shared memory."""
    files = {path.name: path.read_bytes() for path in directory.iterdir()}
    return {name: held for name, held in files.items() if held and not name.endswith((".lock", "-shm"))}
