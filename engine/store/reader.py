"""The log read without an event loop: for commands that only look, and for the engine's own reading.

Owns the read-only connection and what a file must show before it is taken for a log. Works while an engine writes the
log and while none does. Never writes, and never opens the log file by itself: closing such a descriptor would drop
SQLite's locks in this process.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from engine.core.errors import LogDamagedError, LogTooNewError, UsageError
from engine.store.codec import genesis, recorded_at
from engine.store.faults import damaged_fault, read_fault
from engine.store.port import Checkpoint, Head, Recorded
from engine.store.recorded import Stored, recorded
from engine.store.schema import APPLICATION_ID, LOG_FORMAT, LOG_NAME, WAL_NAME, WITNESS_NAME

PAGE_ROWS: Final = 512

_COLUMNS: Final = "SELECT row_id, stream, sequence, body, checksum, tag FROM event WHERE"
_ALL: Final = f"{_COLUMNS} row_id > ? AND row_id <= ? ORDER BY row_id LIMIT {PAGE_ROWS}"
_ONE: Final = f"{_COLUMNS} stream = ? AND sequence > ? AND sequence <= ? ORDER BY sequence LIMIT {PAGE_ROWS}"
_HEADS: Final = (
    "SELECT stream_id, name, sequence, checksum, body FROM stream LEFT JOIN event ON stream = stream_id AND sequence = "
    "(SELECT max(sequence) FROM event WHERE stream = stream_id) ORDER BY stream_id"
)
_LAST: Final = (
    "SELECT sequence, checksum, body FROM event WHERE stream = ? AND row_id <= ? ORDER BY sequence DESC LIMIT 1"
)
_CHECKPOINT: Final = (
    "SELECT sequence, digest, checkpoint.body FROM checkpoint JOIN event USING (stream, sequence) "
    "WHERE stream = ? AND schema = ? AND digest = checksum"
)
_SETTINGS: Final = ("query_only = 1", "trusted_schema = 0", "cell_size_check = 1", "mmap_size = 0")
_NO_END: Final = 2**63 - 1


class LogReader:
    """A log open for reading."""

    def __init__(self, path: Path) -> None:
        """Open a log file. Raises LogDamagedError or LogTooNewError if it is not a log that this program can read."""
        self.path = path
        self._connection = connected(path)
        self._names = _Names(self)
        try:
            self.is_new = self._recognise()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open the log of a state directory.

        Raises UsageError if there is none yet, LogTooNewError if a newer program made it, LogDamagedError if it is
        something else, unreadable, or gone although its witness remains; StorageError if it may not be read.
        """
        path = directory / LOG_NAME
        if not path.is_file():
            require_no_trace(path)
            raise UsageError(f"{directory} holds no log: name the state directory of a bot with --state-dir")
        reader = cls(path)
        if reader.is_new:
            reader.close()
            require_no_trace(path)
            raise UsageError(f"{path} holds nothing yet: run a bot first")
        return reader

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Give what a query finds, text as bytes. Raises LogDamagedError, or StorageError if it may not be read."""
        with reading(self.path):
            return self._connection.execute(query, parameters).fetchall()

    def position(self) -> int:
        """Give the position of the last event, 0 if there is none."""
        return int(self.rows("SELECT max(row_id) FROM event")[0][0] or 0)

    def checksum_at(self, position: int) -> bytes | None:
        """Give the checksum of the row at a position, if there is such a row."""
        found = self.rows("SELECT checksum FROM event WHERE row_id = ?", position)
        return found[0][0] if found else None

    def names(self) -> dict[int, str]:
        """Give the name of each stream by its id, in the order they began."""
        with reading(self.path):
            return {number: _text(name) for number, name in self.rows("SELECT * FROM stream ORDER BY stream_id")}

    def streams(self) -> tuple[str, ...]:
        """Name the streams in the order they began."""
        return tuple(self.names().values())

    def heads(self) -> list[tuple[int, str, Head]]:
        """Give the head of every stream with the stream's id and name."""
        with reading(self.path):
            return [(number, _text(name), _head(_text(name), *last)) for number, name, *last in self.rows(_HEADS)]

    def head(self, stream: str) -> Head:
        """Give where a stream ends; a stream that is not there ends at 0 with its genesis checksum."""
        found = self.rows(_LAST, self._id_of(stream), _NO_END)
        return _head(stream, *found[0]) if found else Head(0, genesis(stream), 0)

    def read(
        self, stream: str | None = None, *, after_position: int = 0, after_sequence: int = 0, verified: bool = False
    ) -> Iterator[Recorded]:
        """Give the events that the log holds now, in order of position, of one stream or of all.

        Sequences must be gap-free; `verified` recomputes the checksums too. Raises LogDamagedError or LogTooNewError
        at the first row that is not what was written.
        """
        expected: dict[int, int] = {}
        if stream is not None:
            if after_position and (passed := self.rows(_LAST, self._id_of(stream), after_position)):
                after_sequence = max(after_sequence, passed[0][0])
            expected = {self._id_of(stream): after_sequence + 1}
        elif after_position == 0:
            expected = dict.fromkeys(self.names(), 1)
        pages = self.pages(stream, after_position, after_sequence)
        return recorded(pages, self._names, expected, self._checksum_before if verified else None)

    def pages(
        self, stream: str | None = None, after_position: int = 0, after_sequence: int = 0
    ) -> Iterator[list[Stored]]:
        """Give the stored rows, up to where the log ends now, of all streams or of one.

        Each page is a query of its own, so that a reading left half-way pins nothing in the file.
        """
        if stream is None:
            return self._paged(_ALL, (), after_position, self.position(), key=0)
        return self._paged(_ONE, (self._id_of(stream),), after_sequence, self.head(stream).sequence, key=2)

    def checkpoint(self, stream: str, schema: str) -> Checkpoint | None:
        """Give the stream's checkpoint, if it is of this schema and stands on a row of this log."""
        found = self.rows(_CHECKPOINT, self._id_of(stream), schema)
        if not found:
            return None
        sequence, digest, body = found[0]
        return Checkpoint(stream, sequence, schema, digest, body)

    def _paged(self, query: str, fixed: tuple[int, ...], after: int, last: int, *, key: int) -> Iterator[list[Stored]]:
        while after < last and (page := self.rows(query, *fixed, after, last)):
            yield page
            if page[-1][key] < after + len(page):  # in a damaged file: read on, it might never end
                raise damaged_fault(f"the {len(page)} rows behind number {after} are out of order", self.path)
            after = page[-1][key]

    def _id_of(self, stream: str) -> int:
        found = self.rows("SELECT stream_id FROM stream WHERE name = ?", stream)
        return int(found[0][0]) if found else 0

    def _checksum_before(self, stream_id: int, sequence: int) -> bytes:
        if sequence == 1:
            return genesis(self._names[stream_id])
        found = self.rows("SELECT checksum FROM event WHERE stream = ? AND sequence = ?", stream_id, sequence - 1)
        return found[0][0] if found else b""

    def _recognise(self) -> bool:
        """Tell whether the file is still empty; raise if it is not a log of a known format."""
        application_id, log_format = self.rows("SELECT * FROM pragma_application_id, pragma_user_version")[0]
        if application_id == 0 and not self.rows("SELECT 1 FROM sqlite_schema"):
            return True
        if application_id != APPLICATION_ID:
            raise LogDamagedError(
                f"{self.path} is a database of another program: move it away, or choose another state directory"
            )
        if log_format > LOG_FORMAT:
            raise LogTooNewError(
                f"{self.path} has format {log_format} and this program knows {LOG_FORMAT}: a newer version wrote it; "
                "run that version, or a later one"
            )
        return False


class _Names(dict[int, str]):
    """Stream names by id, looked up again when an engine has begun a new stream meanwhile."""

    def __init__(self, reader: LogReader) -> None:
        super().__init__()
        self._reader = reader

    def __missing__(self, stream_id: int) -> str:
        self.update(self._reader.names())
        if stream_id not in self:
            raise damaged_fault(f"a row of an unknown stream {stream_id}", self._reader.path)
        return self[stream_id]


def require_no_trace(path: Path) -> None:
    """Raise LogDamagedError if the files beside a log that is gone or empty show that it held something."""
    from engine.store.witness import compare, read_witness  # brings OpenSSL, which a look at a log does without

    wal, witness = path.with_name(WAL_NAME), path.with_name(WITNESS_NAME)
    _require_untouched(path, wal)
    if not path.exists() and wal.exists() and wal.stat().st_size:
        raise LogDamagedError(
            f"{path} is gone, but {wal.name} is there: put back the file, or "
            f"krypto-engine recover --state-dir {path.parent}"
        )
    compare(read_witness(witness), 0, lambda _position: None, witness)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what SQLite says while `path` is read into a fault of ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise read_fault(error, path) from error
    except (UnicodeDecodeError, TypeError) as error:
        raise damaged_fault(error, path) from error


def _text(stored: object) -> str:
    """Give a stored text; TypeError says that what is stored there is none."""
    if not isinstance(stored, bytes):
        raise TypeError(f"{stored!r} stands where a name should")
    return stored.decode()


def _head(stream: str, sequence: int | None, checksum: bytes, body: bytes) -> Head:
    if sequence is None:
        return Head(0, genesis(stream), 0)
    return Head(sequence, checksum, recorded_at(body, stream, sequence))


def connected(path: Path) -> sqlite3.Connection:
    """Open the file read-only; where even SQLite's own files cannot be made, read it as one that nobody changes."""
    wal = path.with_name(f"{path.name}-wal")
    _require_untouched(path, wal)
    with reading(path):
        try:
            return _connection(path, "mode=ro")
        except sqlite3.OperationalError:
            if wal.exists() and wal.stat().st_size:  # the newest events stand only there
                raise
        return _connection(path, "mode=ro&immutable=1")


def _require_untouched(path: Path, wal: Path) -> None:
    """Raise LogDamagedError for files that SQLite would "mend" when it opens them, at the price of events."""
    journal = path.with_name(f"{path.name}-journal")
    if _size(journal):
        raise LogDamagedError(
            f"{journal} lies beside the log, which never has such a file, and would undo part of it: move it away, "
            f"and if the log is not whole then, krypto-engine recover --state-dir {path.parent} (nothing was changed)"
        )
    if path.exists() and not _size(path) and _size(wal):
        raise LogDamagedError(
            f"{path} is empty, but {wal.name} is not: put back the file, or krypto-engine recover --state-dir "
            f"{path.parent} (nothing was changed)"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise read_fault(error, path) from error


def _connection(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, isolation_level=None)
    connection.text_factory = bytes
    try:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
