"""The log in SQLite: one file, one connection, one task that commits.

Owns opening, writing and closing the log of a running engine. Never goes on after a fault, and never repairs.
Source: design, "Storage".
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple, Self

import aiosqlite

from engine.core.errors import StorageError
from engine.store.append_only import only_appending
from engine.store.appender import Appender, Linger
from engine.store.chains import Chains
from engine.store.commits import Commit
from engine.store.directory import StateDirectory, create_private, identity, require_in_place, sync_names
from engine.store.faults import write_fault
from engine.store.follower import Follower
from engine.store.medium import SYSTEM, Medium
from engine.store.port import Checkpoint, Recorded
from engine.store.reader import LogReader, require_no_trace
from engine.store.renewal import renew
from engine.store.schema import CREATE, DRAFT_NAME, LOG_NAME, MARK, SETTINGS, WAL_NAME, WITNESS_NAME
from engine.store.verification import require_sound
from engine.store.witness import compare, read_witness

MAX_ROWS_A_STATEMENT: Final = 100
"""Up to so many rows go in one statement, which is a transaction by itself: one step on the thread, not three."""

FOLD_PAGES: Final = 500
"""The WAL is folded in after about so many pages: one that is soon written over again halves the price of a commit."""

_PAGES_A_COMMIT: Final = 3
_ROWS_A_PAGE: Final = 16

_OLDEST_SQLITE: Final = (3, 37)  # strict tables
_ADD_EVENT: Final = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)"
_AND_EVENT: Final = ", (?, ?, ?, ?, ?, ?)"
_ADD_STREAM: Final = "INSERT INTO stream VALUES (?, ?)"
_ADD_CHECKPOINT: Final = "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?, ?)"


class SqliteLog(Appender):
    """The log of a running engine, which owns the state directory until `close`."""

    def __init__(
        self,
        reader: LogReader,
        connection: aiosqlite.Connection,
        witness: Follower | None,
        chains: Chains,
        linger: Linger,
        *,
        notes: tuple[str, ...],
    ) -> None:
        """Take over what `open` has prepared; `notes` says what was odd about it."""
        super().__init__(chains, linger)
        self.notes = notes
        self.fold_pages = FOLD_PAGES
        self._unfolded_pages = 0
        self._reader = reader
        self._connection = connection
        self._witness = witness
        self._resources = AsyncExitStack()
        self._is_closed = False
        self._path = reader.path
        self._files = {path: identity(path) for path in (reader.path, reader.path.with_name(WAL_NAME))}

    @classmethod
    async def open(cls, directory: Path, *, linger: Linger, witness: bool = True, medium: Medium = SYSTEM) -> Self:
        """Take the state directory, check its whole log, make one if there is none, and get ready to write.

        `linger` waits for seconds of real time; `medium` is what it writes on. Raises DirectoryInUseError; ConfigError
        for a directory or files that are not ours alone; LogDamagedError or LogTooNewError for a log that must not be
        continued, which is left as it was; StorageError.
        """
        path = directory / LOG_NAME
        async with AsyncExitStack() as stack:
            stack.callback(StateDirectory.take(directory).release)
            await renew(path, medium)
            found = _look_at(path)
            readers = stack.enter_context(ExitStack())  # closed after the connection: see `close`
            connection = await _connected(path, medium, is_new=found.is_new)
            stack.push_async_callback(connection.close)
            reader = readers.enter_context(LogReader(path))
            follower = None
            if witness:  # it vouches for what was found only now that all of it is durable
                position, checksum = found.chains.position, found.checksum
                follower = await Follower.open(directory / WITNESS_NAME, position, checksum, linger, medium)
                stack.push_async_callback(follower.close)
            log = cls(reader, connection, follower, found.chains, linger, notes=found.notes)
            log._resources = stack.pop_all()
        return log

    @property
    def covered(self) -> int:
        """Give the position up to which the head witness vouches for the log, 0 where there is none."""
        return self._witness.covered if self._witness else 0

    async def cover(self, position: int) -> None:
        """Return once the head witness covers a committed position; at once where there is no witness."""
        if self._witness is not None:
            await self._witness.cover(position)

    def read(
        self, stream: str | None = None, *, after_position: int = 0, after_sequence: int = 0, verified: bool = False
    ) -> Iterator[Recorded]:
        """Give the durable events in order of position, of one stream or of all: see `Store.read`."""
        return self._reader.read(
            stream, after_position=after_position, after_sequence=after_sequence, verified=verified
        )

    def checkpoint(self, stream: str, schema: str) -> Checkpoint | None:
        """Give the stream's checkpoint, if it is of this schema and stands on a row of this log."""
        return self._reader.checkpoint(stream, schema)

    async def close(self) -> None:
        """Make everything durable, fold the WAL into the file, and let go of the state directory.

        Without a fault the connection goes last, and SQLite removes the WAL. Else the reader does: the last connection
        would fold the WAL in by itself, as nobody may after a fault.
        """
        if self._is_closed:
            return
        self._is_closed = True
        async with self._resources:
            await self._queue.close()
            if not self._queue.is_dead:
                with suppress(sqlite3.Error):  # everything is durable in the WAL too; folding it in is tidiness
                    await self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    self._reader.close()

    async def _write(self, commit: Commit) -> None:
        """Make one commit: in one statement if it holds few events and nothing else, or else in a transaction."""
        events = [row for group in commit.groups for row in group.rows]
        streams = [stream for group in commit.groups for stream in group.streams]
        try:
            self._check_files()
            if len(events) <= MAX_ROWS_A_STATEMENT and not streams and not commit.checkpoints:
                await self._connection.execute(_ADD_EVENT + _AND_EVENT * (len(events) - 1), list(chain(*events)))
            else:
                await self._connection.execute("BEGIN IMMEDIATE")
                await self._add_all(_ADD_STREAM, streams)
                await self._add_all(_ADD_EVENT, events)
                await self._add_all(_ADD_CHECKPOINT, [self._stored(checkpoint) for checkpoint in commit.checkpoints])
                await self._connection.execute("COMMIT")
            await self._fold_in(_PAGES_A_COMMIT + len(events) // _ROWS_A_PAGE)
        except (sqlite3.Error, OSError) as error:
            raise write_fault(error, self._path) from error
        if self._witness is not None and events:
            self._witness.follow(events[-1][0], bytes(events[-1][5]))

    async def _fold_in(self, written_pages: int) -> None:
        """Fold the WAL into the file once it has grown by enough; a disk that does not take that ends the writing.

        To try again would not do: the pages of a failed sync count as clean, and the WAL would be given up without
        them. Therefore SQLite does not do this by itself, as it would pass over the fault.
        """
        self._unfolded_pages += written_pages
        if self._unfolded_pages >= self.fold_pages:
            self._unfolded_pages = 0
            await self._connection.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")

    async def _add_all(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            await self._connection.executemany(statement, rows)

    def _stored(self, checkpoint: Checkpoint) -> tuple[object, ...]:
        stream_id = self._chains.stream_id(checkpoint.stream)
        return stream_id, checkpoint.sequence, checkpoint.schema, checkpoint.checksum, checkpoint.body

    def _check_files(self) -> None:
        for path, written in self._files.items():
            require_in_place(path, written)


class _Found(NamedTuple):
    """What a state directory held when it was opened."""

    chains: Chains
    checksum: bytes = b""
    is_new: bool = False
    notes: tuple[str, ...] = ()


def _look_at(path: Path) -> _Found:
    """Check the whole log and its witness without changing either; raise if the log must not be continued."""
    if not path.exists():
        require_no_trace(path)
        return _Found(Chains(), is_new=True)
    with LogReader(path) as reader:
        if reader.is_new:
            require_no_trace(path)
            return _Found(Chains(), is_new=True)
        require_sound(reader)
        witness, position = path.with_name(WITNESS_NAME), reader.position()
        sighting = read_witness(witness)
        compare(sighting, position, reader.checksum_at, witness)
        notes = []
        if sighting.unsound:
            notes.append(f"{witness} had one damaged half; the other half vouches for the log")
        if position and sighting.mark is None:
            notes.append(f"{witness} was missing and is made anew: nothing shows whether the log had lost its end")
        return _Found(Chains(reader.heads(), position), reader.checksum_at(position) or b"", notes=tuple(notes))


async def _connected(path: Path, medium: Medium, *, is_new: bool) -> aiosqlite.Connection:
    """Open the writing connection with its settings, on a new log or an old one, and write its marks again.

    The marks are the first commit: it shows that the disk takes one, and makes the WAL's name durable.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StorageError(
            f"SQLite {sqlite3.sqlite_version} is too old for {path}: a Python with 3.37 or newer is needed"
        )
    try:
        if is_new:
            await _make(path, medium)
        connection = await medium.connect(path)
        try:
            for name, value in SETTINGS.items():
                await _set(connection, name, value, path)
            await connection.executescript(MARK)
            await connection.set_authorizer(only_appending)
        except BaseException:
            await connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise write_fault(error, path) from error
    return connection


async def _make(path: Path, medium: Medium) -> None:
    """Make a new log under another name, and give it its own once it is whole: a crash leaves no half of one."""
    draft = path.with_name(DRAFT_NAME)
    draft.unlink(missing_ok=True)
    create_private(draft, medium.sync)
    connection = await medium.connect(draft)
    try:
        await connection.executescript(CREATE)
    finally:
        await connection.close()
    medium.rename(draft, path)
    sync_names(path.parent, medium.sync)


async def _set(connection: aiosqlite.Connection, name: str, value: str | int, path: Path) -> None:
    """Make a setting and read it back: one that SQLite does not take is a fault.

    The statement is run to its end, for only there does SQLite tell that the disk did not take it.
    """
    await connection.execute_fetchall(f"PRAGMA {name} = {value}")
    found = [row[0] for row in await connection.execute_fetchall(f"PRAGMA {name}")]
    if found != [value]:
        raise StorageError(f"SQLite keeps {name} = {found} for {path}, where {value} is needed: use a local disk")
