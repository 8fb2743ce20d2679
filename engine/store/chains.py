"""The heads of all streams, and how batches of events become rows behind them.

Owns sequences, positions and checksums of what is appended, and the check of the expected sequence. Never writes.
"""

from collections.abc import Iterable, Sequence

import msgspec

from engine.core.errors import ConflictError
from engine.store.codec import encode, genesis, link, tag_of
from engine.store.port import Batch, Head

Row = tuple[int, int, int, str, str, bytearray]
"""Position, stream id, sequence, tag, body, checksum: a row of the event table, in the types SQLite takes fastest."""


class Group(msgspec.Struct, frozen=True):
    """What one append turns into: rows that become durable together, and the streams (id, name) that they begin."""

    streams: list[tuple[int, str]]
    rows: list[Row]


class Chains:
    """Knows where every stream ends, and extends it."""

    def __init__(self, heads: Iterable[tuple[int, str, Head]] = (), position: int = 0) -> None:
        """Take up a log that ends at `position`, with the head of each stream under its id and name."""
        self._heads: dict[str, Head] = {}
        self._ids: dict[str, int] = {}
        self.position = position
        for stream_id, name, head in heads:
            self._ids[name] = stream_id
            self._heads[name] = head

    def head(self, stream: str) -> Head:
        """Give where a stream ends; a stream that is new ends at 0 with its genesis checksum."""
        return self._heads.get(stream) or Head(0, genesis(stream), 0)

    def stream_id(self, stream: str) -> int:
        """Give the number of a stream that has begun."""
        return self._ids[stream]

    def streams(self) -> tuple[str, ...]:
        """Name the streams in the order they began."""
        return tuple(self._ids)

    def extend(self, batches: Sequence[Batch]) -> Group:
        """Turn batches into rows and move the heads; raise ConflictError and change nothing if one does not fit."""
        heads: dict[str, Head] = {}
        begun: dict[str, int] = {}
        rows: list[Row] = []
        for batch in batches:
            stream = batch.stream
            head = heads.get(stream) or self.head(stream)
            if head.sequence != batch.expected_sequence:
                raise ConflictError(
                    f"{stream} ends at {head.sequence}, not at {batch.expected_sequence} as its writer believes: "
                    "something else writes to it; stop, and start again from the log"
                )
            if batch.entries:
                stream_id = self._ids.get(stream) or begun.setdefault(stream, len(self._ids) + len(begun) + 1)
                heads[stream] = _add_rows(batch, head, stream_id, self.position, rows)
        self._heads.update(heads)
        self._ids.update(begun)
        self.position += len(rows)
        return Group([(stream_id, stream) for stream, stream_id in begun.items()], rows)


def _add_rows(batch: Batch, head: Head, stream_id: int, position: int, rows: list[Row]) -> Head:
    """Add the rows of one batch behind `position` and the rows there are; give the new head."""
    sequence, checksum = head.sequence, head.checksum
    position += len(rows)
    for entry in batch.entries:
        body = encode(entry)
        checksum = link(checksum, body)
        position += 1
        sequence += 1
        rows.append((position, stream_id, sequence, tag_of(entry.event), body.decode(), bytearray(checksum)))
    return Head(sequence, checksum, batch.entries[-1].at_ms)
