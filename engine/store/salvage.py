"""The longest sound beginning of a log, read out of a file that may be damaged anywhere.

Owns how far a file can be believed: rows in order of position, each with its place, its chain, its tag and a body that
can be read, up to the first that is not so. Never changes the file that it reads, and never skips a row.
Source: decision 12; docs/adr/0019-recovery.md.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from engine.core.errors import DiskFullError, LogDamagedError, LogTooNewError, StorageError
from engine.store.codec import genesis
from engine.store.faults import is_unreadable, write_fault
from engine.store.folders import copy_private
from engine.store.headers import make_readable
from engine.store.recorded import Stored
from engine.store.schema import APPLICATION_ID, LOG_FORMAT, LOG_NAME, WAL_NAME
from engine.store.verification import fault_of

_ROWS: Final = "SELECT row_id, stream, sequence, body, checksum, tag FROM event ORDER BY row_id"
_STREAMS: Final = "SELECT stream_id, name FROM stream ORDER BY stream_id"
_REFUSED: Final = "it cannot be read"
_UNREADABLE: Final = (sqlite3.Error, ValueError, TypeError, AttributeError, OverflowError, MemoryError)


class Prefix(msgspec.Struct, frozen=True):
    """Rows 1 to `position` of a file, all of them sound; `fault` says what is wrong with the next, if there is one.

    `streams` are those that begin in these rows, `checksum` is that of the last. `source` is the log they are from;
    `file`, in which they are read, may be a copy that is made for that.
    """

    file: Path
    streams: dict[int, str] = {}
    position: int = 0
    checksum: bytes = b""
    fault: str = ""
    source: Path = Path()

    def rows(self) -> Iterator[Stored]:
        """Give the rows exactly as they are stored."""
        if self.position:
            with _reading(self.file) as connection:
                yield from islice(connection.execute(_ROWS), self.position)

    def checksum_at(self, position: int) -> bytes | None:
        """Give the checksum of one of the rows, None for a position that is none of theirs."""
        if not 0 < position <= self.position:
            return None
        with _reading(self.file) as connection:
            found = connection.execute("SELECT checksum FROM event WHERE row_id = ?", (position,)).fetchone()
        return bytes(found[0]) if found else None

    def extends(self, other: "Prefix") -> bool:
        """Tell whether these rows are those of the other, and more."""
        return self.position > other.position and (
            not other.position or self.checksum_at(other.position) == other.checksum
        )


def salvage(folder: Path, scratch: Path) -> Prefix:
    """Read a folder's log as far as it is sound; one with a WAL is read in a copy, made in `scratch`.

    Where the disk does not give what stands there, as with a bad sector, the log ends.

    Raises LogTooNewError if a newer program wrote it, LogDamagedError if it is another program's, StorageError if it
    may not be read, DiskFullError if it cannot be copied for want of space.
    """
    try:
        return replace(_salvaged(folder, scratch), source=folder / LOG_NAME)
    except OSError as error:
        fault = write_fault(error, scratch)
        if isinstance(fault, DiskFullError):
            raise fault from error
        raise StorageError(
            f"{error.filename or folder} could not be read ({error.strerror}): see to its permissions and to the disk, "
            "and try again; a file that nothing can read must be moved away first"
        ) from error


def _salvaged(folder: Path, scratch: Path) -> Prefix:
    file, wal = folder / LOG_NAME, folder / WAL_NAME
    if not file.is_file():
        return Prefix(file, fault="there is no log")
    if wal.is_file() and wal.stat().st_size:
        file = _copied(folder, scratch)
    found = _believed(file)
    if not found.fault.startswith(_REFUSED):
        return found
    try:
        opened = _copied(folder, scratch.with_name(f"{scratch.name}-opened"))
        make_readable(opened)
    except OSError as error:
        if not is_unreadable(error):
            raise
        return found
    more = _believed(opened)
    return more if more.position > found.position else found


def _copied(folder: Path, scratch: Path) -> Path:
    """Copy a log and its WAL to where SQLite may do as it likes with them."""
    scratch.mkdir(mode=0o700)
    if (folder / WAL_NAME).is_file():
        copy_private(folder / WAL_NAME, scratch / WAL_NAME)
    copy_private(folder / LOG_NAME, scratch / LOG_NAME)
    return scratch / LOG_NAME


def _believed(file: Path) -> Prefix:
    streams: dict[int, str] = {}
    ends: dict[int, tuple[int, bytes]] = {}
    position, checksum = 0, b""
    try:
        with _reading(file) as connection:
            _recognise(connection, file)
            names = {number: name.decode() for number, name in connection.execute(_STREAMS)}
            for row in connection.execute(_ROWS):
                fault = _fault(row, position, names, streams, ends)
                if fault is not None:
                    return Prefix(file, streams, position, checksum, fault)
                position, stream_id, sequence, _body, checksum, _tag = row
                streams[stream_id] = names[stream_id]
                ends[stream_id] = (sequence, checksum)
    except _UNREADABLE as error:
        return Prefix(file, streams, position, checksum, f"{_REFUSED} ({error})")
    return Prefix(file, streams, position, checksum)


def _fault(
    row: Stored, position: int, names: dict[int, str], begun: dict[int, str], ends: dict[int, tuple[int, bytes]]
) -> str | None:
    """Say why the row behind a position is not the one that was written there, or nothing."""
    if row[0] != position + 1:
        return "it is missing"
    stream = names.get(row[1])
    if stream is None or (row[1] not in begun and row[1] != len(begun) + 1):
        return "it belongs to no known stream"
    sequence, checksum = ends.get(row[1]) or (0, genesis(stream))
    fault = fault_of(row, stream, sequence + 1, checksum)
    return None if fault is None else f"event {row[2]} of {stream}: {fault.partition(';')[0]}"


def _recognise(connection: sqlite3.Connection, file: Path) -> None:
    """Refuse what is no damaged log, but a sound one of a newer program or another program's file."""
    ((application_id, log_format),) = connection.execute("SELECT * FROM pragma_application_id, pragma_user_version")
    tables = {bytes(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if application_id == APPLICATION_ID and log_format > LOG_FORMAT:
        raise LogTooNewError(
            f"{file} has format {log_format} and this program knows {LOG_FORMAT}: a newer version wrote it; run that "
            "version, or a later one"
        )
    if tables and not {b"stream", b"event"} <= tables:
        raise LogDamagedError(
            f"{file} is a database of another program: move it away, or choose another state directory"
        )


@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a file that nobody else has open; without a WAL it is read as one that cannot change."""
    wal = file.with_name(WAL_NAME)
    mode = "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1"
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?{mode}", uri=True, isolation_level=None)) as connection:
        connection.text_factory = bytes
        for setting in ("query_only = 1", "trusted_schema = 0", "cell_size_check = 1", "mmap_size = 0"):
            connection.execute(f"PRAGMA {setting}")
        yield connection


def remove_scratch(scratch: Path) -> None:
    """Remove copies that were made to be read."""
    shutil.rmtree(scratch, ignore_errors=True)


def put_rows(connection: sqlite3.Connection, prefix: Prefix) -> None:
    """Put the streams and rows of a prefix into the empty tables of a new log, byte for byte."""

    def stored() -> Iterator[tuple[Any, ...]]:
        for position, stream_id, sequence, body, checksum, tag in prefix.rows():
            yield position, stream_id, sequence, tag.decode(), body.decode(), checksum

    try:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO stream VALUES (?, ?)", sorted(prefix.streams.items()))
        connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", stored())
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise write_fault(error, prefix.file) from error
