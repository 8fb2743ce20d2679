"""What a commit does to the file, and what happens when one fails."""

import asyncio
import gc
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from engine.core.errors import ConflictError, LogReplacedError, StorageError
from engine.store.port import Batch, Checkpoint
from engine.store.reader import LogReader
from engine.store.schema import APPLICATION_ID, LOG_FORMAT, LOG_NAME, SETTINGS, WAL_NAME, WITNESS_NAME
from engine.store.sqlite import SqliteLog
from engine.testing.store_conformance import Pauses
from tests.store.helpers import BOTS, FEED, append, events, fill, fill_log, price, with_log, write_log


def query(directory: Path, statement: str) -> list[tuple[Any, ...]]:
    """Ask as the `sqlite3` shell would."""
    connection = sqlite3.connect(directory / LOG_NAME, isolation_level=None)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_log_view_shows_a_person_what_happened_and_when(tmp_path: Path) -> None:
    write_log(tmp_path, rounds=2)
    assert query(tmp_path, "SELECT * FROM log WHERE row_id IN (1, 6)") == [
        (
            *(1, "feed:x", 1, "1970-01-01T00:00:01.000Z", "price_observed"),
            '{"at":1000,"e":{"type":"price_observed","last":"1","bid":"0"}}',
        ),
        (
            *(6, "bot-b", 2, "1970-01-01T00:00:02.000Z", "order_filled"),
            (
                '{"at":2000,"cause":["feed:x",1],"e":{"type":"order_filled","client_order_id":"order","trade_id":"2",'
                '"price":"0.25","quantity":"1","fee":"0","fee_asset":"USD","fee_quote":"0","liquidity":"maker"}}'
            ),
        ),
    ]
    assert query(tmp_path, "SELECT body ->> '$.e.last' FROM log WHERE tag = 'price_observed'") == [("1",), ("2",)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET body = ''",
        "UPDATE event SET tag = 'x' WHERE row_id = 1",
        "DELETE FROM event",
        "UPDATE stream SET name = 'x' WHERE stream_id = 1",
        "DELETE FROM stream",
    ],
)
def test_log_refuses_to_be_changed(tmp_path: Path, statement: str) -> None:
    written = write_log(tmp_path)
    with pytest.raises(sqlite3.IntegrityError, match="the log is append-only"):
        query(tmp_path, statement)
    assert events(tmp_path) == written


@pytest.mark.parametrize(
    "values",
    [
        "(31, 1, 5, 'x', '{}', zeroblob(16))",
        "(30, 1, 11, 'x', '{}', zeroblob(16))",
        "(31, 1, 11, 'x', '{}', zeroblob(15))",
        "(31, 1, 'eleven', 'x', '{}', zeroblob(16))",
    ],
    ids=["same-sequence", "same-position", "short-checksum", "wrong-type"],
)
def test_log_refuses_rows_that_do_not_fit(tmp_path: Path, values: str) -> None:
    write_log(tmp_path)
    with pytest.raises(sqlite3.IntegrityError):
        query(tmp_path, f"INSERT INTO event VALUES {values}")


def test_log_bears_its_marks_and_settings(tmp_path: Path) -> None:
    async def work(log: SqliteLog) -> None:
        for name, value in SETTINGS.items():
            assert list(await log._connection.execute_fetchall(f"PRAGMA {name}")) == [(value,)]
        assert list(await log._connection.execute_fetchall("PRAGMA application_id")) == [(APPLICATION_ID,)]
        assert list(await log._connection.execute_fetchall("PRAGMA user_version")) == [(LOG_FORMAT,)]

    with_log(tmp_path, work)
    assert SETTINGS["synchronous"] == 2


def test_close_leaves_one_file_that_holds_everything(tmp_path: Path) -> None:
    written = write_log(tmp_path)
    assert len(written) == 30
    for path in tmp_path.iterdir():
        if path.name != LOG_NAME:
            path.unlink()
    assert events(tmp_path) == written


def test_close_folds_the_wal_in_even_while_somebody_has_the_log_open(tmp_path: Path) -> None:
    write_log(tmp_path)
    with LogReader.open(tmp_path) as reader:
        write_log(tmp_path)
        assert (tmp_path / WAL_NAME).stat().st_size == 0
        assert len(list(reader.read())) == 60


def test_reading_while_the_engine_writes_sees_whole_commits(tmp_path: Path) -> None:
    async def work(log: SqliteLog) -> None:
        writing = asyncio.get_running_loop().create_task(fill_log(log, 60))
        seen = set()
        while not writing.done():
            seen.add(len(events(tmp_path)))
            await asyncio.sleep(0.001)
        await writing
        assert all(count % 3 == 0 for count in seen)
        assert len(seen) > 3

    with_log(tmp_path, work)


def test_wal_is_folded_in_while_running(tmp_path: Path) -> None:
    async def work(log: SqliteLog) -> None:
        for _ in range(4):
            await append(log, FEED, *[price(number) for number in range(2_500)])
        assert (tmp_path / WAL_NAME).stat().st_size < 4_000_000

    with_log(tmp_path, work)
    assert len(events(tmp_path)) == 10_000


def test_witness_covers_on_demand_and_by_itself_within_a_second(tmp_path: Path) -> None:
    pauses = Pauses()

    async def work(log: SqliteLog) -> None:
        await append(log, FEED, price(1))
        await log.cover(1)
        assert log.covered == 1
        await append(log, FEED, price(2))
        await append(log, FEED, price(3))
        assert (log.covered, pauses.asked) == (1, [1.0])
        await asyncio.gather(log.cover(2), log.cover(3), log.cover(1))
        assert log.covered == 3
        await append(log, FEED, price(4))
        pauses.over.set()
        async with asyncio.timeout(5):
            while log.covered < 4:  # noqa: ASYNC110 - nothing tells, which is the point
                await asyncio.sleep(0.001)

    with_log(tmp_path, work, linger=pauses)


def test_log_without_witness_covers_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    async def work(log: SqliteLog) -> None:
        await append(log, FEED, price(1))
        await log.cover(1)
        assert log.covered == 0

    with_log(tmp_path, work, witness=False)
    assert not (tmp_path / WITNESS_NAME).exists()
    assert len(events(tmp_path)) == 1


def test_checkpoint_outlives_the_process_and_may_be_lost(tmp_path: Path) -> None:
    async def save(log: SqliteLog) -> None:
        await fill_log(log, 3)
        head = log.head("bot-a")
        log.save_checkpoint(Checkpoint("bot-a", head.sequence, "s1", head.checksum, b"state"))

    async def look(log: SqliteLog) -> None:
        found = log.checkpoint("bot-a", "s1")
        assert found is not None
        assert (found.sequence, found.body) == (3, b"state")
        query(tmp_path, "DELETE FROM checkpoint")
        assert log.checkpoint("bot-a", "s1") is None

    with_log(tmp_path, save)
    with_log(tmp_path, look)


async def replace_log(directory: Path) -> None:
    (directory / LOG_NAME).rename(directory / "elsewhere")
    (directory / LOG_NAME).write_bytes((directory / "elsewhere").read_bytes())


async def remove_wal(directory: Path) -> None:
    (directory / WAL_NAME).unlink()


async def remove_witness(directory: Path) -> None:
    (directory / WITNESS_NAME).unlink()


async def replace_witness(directory: Path) -> None:
    shutil.copyfile(directory / WITNESS_NAME, directory / "copy")
    (directory / "copy").replace(directory / WITNESS_NAME)


async def add_row(directory: Path) -> None:
    query(directory, "INSERT INTO event VALUES (7, 1, 3, 'x', '{}', zeroblob(16))")


async def take_write_lock(directory: Path) -> None:
    connection = sqlite3.connect(directory / LOG_NAME, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    asyncio.get_running_loop().call_later(0.5, connection.close)


@pytest.mark.parametrize(
    ("spoil", "fault", "sentence"),
    [
        (
            replace_log,
            LogReplacedError,
            r"events\.db was removed or replaced while the engine was writing it: stop whatever .* recover$",
        ),
        (remove_wal, LogReplacedError, r"events\.db-wal was removed or replaced"),
        (add_row, ConflictError, r"events\.db refused a row .*: something else has written to it"),
        (take_write_lock, StorageError, r"events\.db could not be written .database is locked."),
    ],
)
def test_storage_fault_stops_the_log_for_good(
    tmp_path: Path, spoil: Callable[[Path], Awaitable[None]], fault: type[StorageError], sentence: str
) -> None:
    noise: list[dict[str, Any]] = []

    async def work(log: SqliteLog) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: noise.append(context))
        await fill_log(log, 2)
        await spoil(tmp_path)
        for bot in BOTS:
            log.append([Batch(bot, 2, (fill(3),))], urgent=True)  # whose futures nobody keeps
        with pytest.raises(fault, match=sentence) as first:
            await append(log, FEED, price(4))
        gc.collect()
        with pytest.raises(StorageError) as later:
            log.append([], urgent=True)
        assert later.value is first.value
        with pytest.raises(StorageError):
            await log.flush()
        with pytest.raises(StorageError):
            log.save_checkpoint(Checkpoint(FEED, 1, "s", b"", b""))
        assert len(list(islice(log.read(), 6))) == 6

    with_log(tmp_path, work)
    assert noise == []


@pytest.mark.parametrize("spoil", [remove_witness, replace_witness])
def test_witness_removed_or_replaced_vouches_for_nothing_more_and_stops_the_log(
    tmp_path: Path, spoil: Callable[[Path], Awaitable[None]]
) -> None:
    async def work(log: SqliteLog) -> None:
        await fill_log(log, 2)
        await log.cover(6)
        await spoil(tmp_path)
        position = await append(log, FEED, price(3))
        sentence = r"events\.head was removed or replaced while the engine was writing it: stop whatever .* recover$"
        with pytest.raises(StorageError, match=sentence) as first:
            await log.cover(position)
        assert log.covered == 6
        with pytest.raises(StorageError) as later:
            await append(log, FEED, price(4))
        assert later.value is first.value
        with pytest.raises(StorageError):
            await log.cover(position)

    with_log(tmp_path, work)
