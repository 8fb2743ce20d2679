"""What cannot be had from a sound disk: every fault of the store comes out as its own sentence, and nothing hangs."""

import asyncio
import errno
import fcntl
import os
import sqlite3
from pathlib import Path

import aiosqlite
import pytest

from engine.core.errors import ConflictError, DiskFullError, LogDamagedError, StorageError
from engine.store import sqlite
from engine.store.chains import Chains
from engine.store.codec import genesis, link, recorded_at
from engine.store.commits import Commit, CommitQueue
from engine.store.directory import StateDirectory
from engine.store.faults import write_fault
from engine.store.follower import Follower
from engine.store.medium import SystemMedium
from engine.store.port import Batch
from engine.store.reader import LogReader
from engine.store.schema import LOCK_NAME, LOG_NAME, WITNESS_NAME
from engine.store.verification import verify
from engine.store.witness import Mark, read_witness
from tests.store.helpers import edit, reopen, write_log


class FullDisk(SystemMedium):
    """A disk with space for so many writes of the witness and no more."""

    def __init__(self, writes: int = 0) -> None:
        self._writes = writes

    async def write(self, descriptor: int, content: bytes, offset: int) -> None:
        if self._writes:
            self._writes -= 1
            await super().write(descriptor, content, offset)
            return
        raise OSError(errno.ENOSPC, "No space left on device")


def test_group_without_events_moves_no_head() -> None:
    chains = Chains()
    group = chains.extend([Batch("bot-a", 0, ())])
    assert (group.rows, group.streams, chains.streams(), chains.position) == ([], [], (), 0)
    with pytest.raises(ConflictError):
        chains.extend([Batch("bot-a", 1, ())])


def test_time_of_a_body_that_is_none_is_refused_by_stream_and_sequence() -> None:
    with pytest.raises(LogDamagedError, match="event 3 of bot-a"):
        recorded_at(b'{"e":', "bot-a", 3)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_write_that_finds_no_space_says_so(error: int) -> None:
    fault = write_fault(OSError(error, os.strerror(error)), Path("events.db"))
    assert isinstance(fault, DiskFullError)
    assert "no space is left" in str(fault)


def test_write_to_what_is_no_database_is_told_as_damage(tmp_path: Path) -> None:
    path = tmp_path / LOG_NAME
    path.write_bytes(b"no database at all, and long enough to be looked at" * 100)
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert isinstance(write_fault(caught.value, path), LogDamagedError)


# --- the queue of commits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gives_up", [False, True])
def test_queue_whose_task_is_cancelled_leaves_nobody_waiting(*, gives_up: bool) -> None:
    async def story() -> None:
        never = asyncio.Event()

        async def write(_commit: Commit) -> None:
            await never.wait()

        queue = CommitQueue(write, asyncio.sleep)
        group = Chains().extend([])
        (waiting, other) = (queue.put(group, 0, urgent=False) for _ in range(2))
        if gives_up:
            waiting.cancel()
        await asyncio.sleep(0)
        queue._task.cancel()
        await asyncio.wait([queue._task])
        assert queue._task.cancelled()
        assert queue.is_dead
        with pytest.raises(StorageError, match="stopped unexpectedly"):
            await other
        assert waiting.cancelled() is gives_up
        with pytest.raises(StorageError, match="stopped unexpectedly"):
            queue.check()
        await queue.close()

    asyncio.run(story())


# --- the witness -----------------------------------------------------------------------------------------------------


def test_witness_that_cannot_be_written_keeps_the_log_shut(tmp_path: Path) -> None:
    async def story() -> None:
        with pytest.raises(DiskFullError, match="no space is left"):
            await Follower.open(tmp_path / WITNESS_NAME, 1, b"c" * 16, asyncio.sleep, FullDisk())

    asyncio.run(story())


def test_witness_in_a_folder_that_is_gone_is_a_storage_fault(tmp_path: Path) -> None:
    async def story() -> None:
        with pytest.raises(StorageError, match="could not be written"):
            await Follower.open(tmp_path / "gone" / WITNESS_NAME, 0, b"", asyncio.sleep)

    asyncio.run(story())


def test_witness_that_fails_later_lets_nothing_more_through(tmp_path: Path) -> None:
    async def story() -> None:
        follower = await Follower.open(tmp_path / WITNESS_NAME, 0, b"", asyncio.sleep, FullDisk(1))
        follower.follow(1, b"c" * 16)
        with pytest.raises(DiskFullError, match=f"write .*{WITNESS_NAME}:"):
            await follower.cover(1)
        with pytest.raises(DiskFullError):
            follower.follow(2, b"d" * 16)
        await follower.close()

    asyncio.run(story())


def test_witness_that_covers_all_is_written_no_more(tmp_path: Path) -> None:
    async def story() -> None:
        follower = await Follower.open(tmp_path / WITNESS_NAME, 0, b"", lambda _: asyncio.sleep(0))
        follower.follow(1, b"c" * 16)
        async with asyncio.timeout(5):
            await asyncio.wait([task for task in (follower._following,) if task is not None])
        assert (follower.covered, read_witness(tmp_path / WITNESS_NAME).mark) == (1, Mark(2, 1, b"c" * 16))
        await follower.close()

    asyncio.run(story())


def test_witness_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / WITNESS_NAME).mkdir()
    with pytest.raises(StorageError, match="could not be read"):
        read_witness(tmp_path / WITNESS_NAME)


def test_witness_cut_off_in_its_second_half_counts_that_as_unsound(tmp_path: Path) -> None:
    write_log(tmp_path)
    reopen(tmp_path)
    path = tmp_path / WITNESS_NAME
    path.write_bytes(path.read_bytes()[:-8])
    assert read_witness(path).unsound == 1


# --- the directory ---------------------------------------------------------------------------------------------------


def test_lock_whose_file_is_replaced_while_it_is_taken_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = fcntl.flock, []

    def replaced_meanwhile(descriptor: int, operation: int) -> None:
        real(descriptor, operation)
        calls.append(descriptor)
        if len(calls) == 1:
            (tmp_path / LOCK_NAME).unlink()

    monkeypatch.setattr(fcntl, "flock", replaced_meanwhile)
    held = StateDirectory.take(tmp_path)
    assert len(calls) == 2
    assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"
    held.release()


def test_lock_that_the_file_system_does_not_know_is_a_storage_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with pytest.raises(StorageError, match="No locks available"):
        StateDirectory.take(tmp_path)


# --- the database ----------------------------------------------------------------------------------------------------


def test_sqlite_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_OLDEST_SQLITE", (99, 0))
    with pytest.raises(StorageError, match="is too old"):
        reopen(tmp_path)
    monkeypatch.setattr(sqlite, "_OLDEST_SQLITE", sqlite3.sqlite_version_info)
    reopen(tmp_path)


def test_setting_that_sqlite_does_not_take_is_refused() -> None:
    async def story() -> None:
        async with aiosqlite.connect(":memory:") as connection:
            with pytest.raises(StorageError, match=r"keeps journal_mode = \['memory'\]"):
                await sqlite._set(connection, "journal_mode", "wal", Path("events.db"))

    asyncio.run(story())


def test_reader_of_a_row_without_a_stream_stops_there(tmp_path: Path) -> None:
    write_log(tmp_path)
    edit(tmp_path, "PRAGMA foreign_keys = OFF", "UPDATE event SET stream = 7 WHERE row_id = 28")
    with LogReader.open(tmp_path) as reader, pytest.raises(LogDamagedError, match="unknown stream 7"):
        list(reader.read())


def test_reader_of_a_stream_whose_name_is_no_text_tells_damage(tmp_path: Path) -> None:
    write_log(tmp_path)
    edit(tmp_path, "UPDATE stream SET name = CAST(x'ff' AS TEXT) WHERE name = 'bot-b'")
    with pytest.raises(LogDamagedError, match="is damaged"), LogReader.open(tmp_path) as reader:
        list(reader.read())


def test_verify_body_that_says_nothing_under_a_sound_checksum_is_found(tmp_path: Path) -> None:
    write_log(tmp_path, 1)
    checksum = link(genesis("bot-b"), b"{}").hex()
    edit(tmp_path, f"UPDATE event SET body = '{{}}', checksum = x'{checksum}' WHERE row_id = 3")
    with LogReader.open(tmp_path) as reader:
        (damage,) = (damage for damage in verify(reader).damages if damage.stream == "bot-b")
    assert damage.sequence == 1
    assert "cannot be read" in damage.what


def test_verify_body_that_is_no_text_is_found(tmp_path: Path) -> None:
    write_log(tmp_path, 1)
    looser = "replace(replace(sql, 'STRICT', ''), 'body TEXT', 'body')"
    loosened = f"UPDATE sqlite_schema SET sql = {looser} WHERE name = 'event'"
    edit(tmp_path, "PRAGMA writable_schema = ON", loosened)
    edit(tmp_path, "UPDATE event SET body = 5 WHERE row_id = 3")
    with LogReader.open(tmp_path) as reader:
        told = [damage.what for damage in verify(reader).damages if damage.stream == "bot-b"]
    assert told == ["its body is no text"]


def test_stream_that_has_begun_without_an_event_ends_at_none(tmp_path: Path) -> None:
    write_log(tmp_path, 1)
    edit(tmp_path, "INSERT INTO stream VALUES (9, 'bot-z')")
    with LogReader.open(tmp_path) as reader:
        (head,) = (head for _, name, head in reader.heads() if name == "bot-z")
    assert (head.sequence, head.checksum) == (0, genesis("bot-z"))
