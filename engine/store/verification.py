"""The check of a whole log, or of one stream: all that can be told without deciding again.

Owns what is checked and how damage is named. Never stops at the first damage, each stream is checked up to its own;
but where rows do not follow each other any more, all ends.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.core.errors import LogDamagedError, LogTooNewError
from engine.store.codec import decode, genesis, link, tag_of
from engine.store.faults import damaged_fault
from engine.store.reader import LogReader
from engine.store.recorded import Stored
from engine.store.schema import WITNESS_NAME
from engine.store.witness import compare, read_witness


class Damage(msgspec.Struct, frozen=True):
    """The first row of a stream that is not what was written, and how one can tell.

    `stream` is empty and `sequence` 0 where the damage belongs to the file as a whole.
    """

    stream: str
    sequence: int
    position: int
    what: str


class VerifyReport(msgspec.Struct, frozen=True):
    """How much was checked, and the first damage of each stream.

    Without a witness nothing shows whether the log has its end.
    """

    rows: int
    streams: int
    damages: tuple[Damage, ...]
    has_witness: bool

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.damages


def verify(reader: LogReader, stream: str | None = None) -> VerifyReport:
    """Check sequences, checksums, tags and readability of one stream or of all, and the head witness.

    A check of all streams also finds missing positions, and what SQLite itself can tell.
    """
    witness = reader.path.with_name(WITNESS_NAME)
    sighting = read_witness(witness)  # before the log, which may grow meanwhile
    check = _Check(reader)
    check.all_of(stream)
    check.attempt(lambda: compare(sighting, reader.position(), reader.checksum_at, witness))
    has_witness = sighting.mark is not None or sighting.unsound > 0
    return VerifyReport(check.rows, len(check.checksums), tuple(check.damages), has_witness)


def require_sound(reader: LogReader, *, of: Path | None = None) -> None:
    """Check all that `verify` checks but the witness, in one pass over the rows.

    Raises LogDamagedError naming the first damaged event and how many damages there are besides, and the file, or that
    `of` which it is a copy.
    Source: decision 12 (a damaged log stops everything).
    """
    check = _Check(reader)
    check.all_of(None)
    if not check.damages:
        return
    first = next((damage for damage in check.damages if damage.stream), check.damages[0])
    what = f"event {first.sequence} of {first.stream}: {first.what}" if first.stream else first.what
    others = len(check.damages) - 1
    more = f"; and {others} more, which krypto-engine verify lists" if others else ""
    raise LogDamagedError(f"{damaged_fault(what + more, of or reader.path)}; nothing was changed")


class _Check:
    """A verification under way."""

    def __init__(self, reader: LogReader) -> None:
        self.rows = 0
        self.position = 0
        self.checksums: dict[int, bytes] = {}
        self.damages: list[Damage] = []
        self._reader = reader
        self._sequences: dict[int, int] = {}
        self._damaged: set[int] = set()

    def all_of(self, stream: str | None) -> None:
        """Check one stream, or the file and all streams."""
        if stream is None:
            self.attempt(self._file)
        self.attempt(lambda: self._rows_of(stream))

    def attempt(self, step: Callable[[], None]) -> None:
        """Take a step; note what stops it as a damage of the file."""
        try:
            step()
        except LogDamagedError as error:
            self.damages.append(Damage("", 0, self.position, str(error.__cause__ or error)))

    def _file(self) -> None:
        """Let SQLite look at its own structures."""
        ((said,),) = self._reader.rows("PRAGMA integrity_check(1)")
        if said != b"ok":
            words = " ".join(said.decode(errors="replace").split())
            raise LogDamagedError(f"SQLite says of {self._reader.path}: {words}")

    def _rows_of(self, stream: str | None) -> None:
        """Check each row."""
        names = self._reader.names()
        for page in self._reader.pages(stream):
            for row in page:
                if stream is None and row[0] <= self.position:
                    raise LogDamagedError(f"row {row[0]} stands behind row {self.position}; the rest was not read")
                self.rows += 1
                if stream is None and row[0] != self.position + 1:
                    what = f"rows {self.position + 1} to {row[0] - 1} are missing"
                    self.damages.append(Damage("", 0, row[0], what))
                self.position = row[0]
                if row[1] not in self._damaged:
                    self._row(row, names.get(row[1]))

    def _row(self, row: Stored, stream: str | None) -> None:
        position, stream_id, sequence, _body, checksum, _tag = row
        what = f"it belongs to no known stream ({stream_id})" if stream is None else self._fault_of(row, stream)
        if what is not None:
            self._damaged.add(stream_id)
            self.damages.append(Damage(stream or "", sequence, position, what))
        self._sequences[stream_id] = sequence
        self.checksums[stream_id] = checksum

    def _fault_of(self, row: Stored, stream: str) -> str | None:
        """Say what is wrong with a row, or nothing."""
        due = self._sequences.get(row[1], 0) + 1
        try:
            return fault_of(row, stream, due, self.checksums.get(row[1]) or genesis(stream))
        except LogTooNewError as error:
            return str(error)


def fault_of(row: Stored, stream: str, due: int, before: bytes) -> str | None:
    """Say what is wrong with the row that should be event `due` of its stream, behind checksum `before`; or nothing.

    Raises LogTooNewError if it is what was written, by a newer program.
    """
    _position, _stream_id, sequence, body, checksum, tag = row
    if sequence != due:
        return f"event {due} is missing"
    try:
        if link(before, body) != checksum:
            return "its checksum is not that of its bytes"
        stored = tag_of(decode(body, stream, sequence).e)
    except TypeError:
        return "its body is no text"
    except LogTooNewError:
        raise
    except LogDamagedError as error:
        return str(error)
    return None if tag == stored.encode() else f"its tag column says {tag!r}, its body {stored!r}"
