"""The reader for commands that only look: light to load, and the same view as the engine's."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.store.codec import genesis
from engine.store.port import Head
from engine.store.reader import PAGE_ROWS, LogReader
from engine.store.sqlite import SqliteLog
from tests.store.helpers import BOTS, FEED, append, crash_image, price, with_log, write_log

ROOT = Path(__file__).parents[2]
HEAVY = ("asyncio", "aiosqlite", "ccxt", "polars", "numpy", "talib", "aiohttp", "logging", "threading", "ssl")


def test_reader_and_verification_load_nothing_heavy() -> None:
    script = f"import engine.store.verification, sys; print([name for name in {HEAVY} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told == "[]\n"


def test_reader_sees_what_the_engine_sees(tmp_path: Path) -> None:
    write_log(tmp_path)

    async def work(log: SqliteLog) -> None:
        with LogReader.open(tmp_path) as reader:
            assert reader.streams() == log.streams() == (FEED, *BOTS)
            for stream in (FEED, *BOTS, "nobody"):
                assert reader.head(stream) == log.head(stream)
                assert list(reader.read(stream)) == list(log.read(stream))
            assert list(reader.read()) == list(log.read())
            assert reader.head("nobody") == Head(0, genesis("nobody"), 0)
            assert reader.checkpoint("nobody", "s") is None

    with_log(tmp_path, work)


def test_reader_after_a_crash_sees_the_wal_and_changes_nothing(tmp_path: Path) -> None:
    written = crash_image(tmp_path / "log", tmp_path / "image")
    wal = (tmp_path / "image" / "events.db-wal").read_bytes()
    with LogReader.open(tmp_path / "image") as reader:
        assert list(reader.read(verified=True)) == written
    assert (tmp_path / "image" / "events.db-wal").read_bytes() == wal


def test_reader_learns_of_streams_that_began_after_it_was_opened(tmp_path: Path) -> None:
    write_log(tmp_path, rounds=1)

    async def work(log: SqliteLog) -> None:
        with LogReader.open(tmp_path) as reader:
            rows = reader.read(after_position=2)
            assert next(rows).stream == "bot-b"
            await append(log, "bot-late", price(1))
            assert list(rows) == []
            assert [row.stream for row in reader.read(after_position=3, verified=True)] == ["bot-late"]

    with_log(tmp_path, work)


@pytest.mark.parametrize("count", [PAGE_ROWS - 1, PAGE_ROWS, PAGE_ROWS + 1, 2 * PAGE_ROWS])
def test_reader_turns_pages_without_losing_a_row(tmp_path: Path, count: int) -> None:
    async def work(log: SqliteLog) -> None:
        await append(log, FEED, *[price(number) for number in range(count)])
        assert [row.sequence for row in log.read(FEED, verified=True)] == list(range(1, count + 1))
        assert [row.position for row in log.read()] == list(range(1, count + 1))

    with_log(tmp_path, work)


def test_reading_left_halfway_does_not_hold_the_wal(tmp_path: Path) -> None:
    async def work(log: SqliteLog) -> None:
        await append(log, FEED, *[price(number) for number in range(2_000)])
        with LogReader.open(tmp_path) as reader:
            rows = reader.read()
            next(rows)
            folding = await log._connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            assert list(folding) == [(0, 0, 0)]
            assert len(list(rows)) == 1_999

    with_log(tmp_path, work)
