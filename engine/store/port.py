"""The port of the log: what a store offers, and the values that go in and come out.

Owns the shapes. Never encodes, reads or writes; loads no event loop, so that read-only commands stay quick.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from engine.core.events import Cause, Event

if TYPE_CHECKING:
    import asyncio


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One event to be appended, with the time it was recorded at and the event it follows from."""

    event: Event
    at_ms: int
    cause: Cause | None = None


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Events for one stream. `expected_sequence` is where the writer believes the stream ends."""

    stream: str
    expected_sequence: int
    entries: tuple[Entry, ...]


class Head(msgspec.Struct, frozen=True, gc=False):
    """Where a stream ends: its last sequence (0 if it is new), the checksum there and the time recorded there."""

    sequence: int
    checksum: bytes
    at_ms: int


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """One event as the log holds it. `position` orders the whole log, `sequence` the stream; both from 1, gap-free."""

    position: int
    stream: str
    sequence: int
    at_ms: int
    cause: Cause | None
    event: Event
    checksum: bytes


class Checkpoint(msgspec.Struct, frozen=True, gc=False):
    """An encoded state of a stream at a sequence; disposable. `checksum` is that of the row it stands at.

    `schema` names the shape of the state: a checkpoint of another shape is as good as none.
    """

    stream: str
    sequence: int
    schema: str
    checksum: bytes
    body: bytes


class Store(Protocol):
    """An append-only log of streams. One writer; everything it returns is durable unless said otherwise.

    After any storage fault the store is dead: every pending future and every later call that writes raises the same
    `StorageError`. The outcome of what was pending is unknown; reopen and fold again.
    Source: design, "A tick, stop by stop" 3 and 6.
    """

    @property
    def pending_rows(self) -> int:
        """Count the rows appended but not yet durable."""

    @property
    def commits(self) -> int:
        """Count the commits made since opening."""

    def head(self, stream: str) -> Head:
        """Give where a stream ends, counting what is appended but not yet durable."""

    def streams(self) -> tuple[str, ...]:
        """Name the streams in the order they began."""

    def append(self, batches: Sequence[Batch], *, urgent: bool) -> "asyncio.Future[int]":
        """Queue all batches as one group that becomes durable whole or not at all.

        Returns a future of the group's last position, resolved once it is durable. An urgent group is committed at
        once; any other rides with the next commit, at the latest after one second or a thousand rows. Rows keep the
        given order. Raises ConflictError, changing nothing, if a stream does not end where a batch expects, and
        StorageError if the store failed earlier.
        """

    async def flush(self) -> None:
        """Return once everything appended so far is durable."""

    async def cover(self, position: int) -> None:
        """Return once a lost end of the log up to this durable position would be noticed (the witness covers it)."""

    def read(
        self, stream: str | None = None, *, after_position: int = 0, after_sequence: int = 0, verified: bool = False
    ) -> Iterator[Recorded]:
        """Give the durable events in order of position, of one stream or of all.

        Sequences must be gap-free; `verified` recomputes the checksums too. Raises LogDamagedError or LogTooNewError
        at the first row that is not what was written.
        """

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Queue a checkpoint for the next commit, in place of the stream's former one."""

    def checkpoint(self, stream: str, schema: str) -> Checkpoint | None:
        """Give the stream's checkpoint, if it is of this schema and stands on a row of this log."""

    async def close(self) -> None:
        """Make everything durable and let go of the log."""
