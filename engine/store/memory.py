"""The log in memory: the twin for tests and simulations, with the same rules and really encoded bytes.

Owns a `MemoryDisk`, which outlives the log that writes to it as a file outlives a crash. Never touches a real one.
"""

from collections.abc import Iterator

from engine.store.appender import Appender, Linger
from engine.store.chains import Chains
from engine.store.codec import genesis, recorded_at
from engine.store.commits import Commit
from engine.store.port import Checkpoint, Head, Recorded
from engine.store.recorded import Stored, recorded


class MemoryDisk:
    """What has become durable. A second log on the same disk sees what a crash of the first one leaves."""

    def __init__(self) -> None:
        """Begin empty."""
        self.names: dict[int, str] = {}
        self.rows: list[Stored] = []
        self.checkpoints: dict[str, Checkpoint] = {}

    def heads(self) -> list[tuple[int, str, Head]]:
        """Give the head of every stream with the stream's id and name."""
        last = {stream_id: (sequence, checksum, body) for _, stream_id, sequence, body, checksum, _ in self.rows}
        heads = []
        for stream_id, name in self.names.items():
            sequence, checksum, body = last[stream_id]
            heads.append((stream_id, name, Head(sequence, checksum, recorded_at(body, name, sequence))))
        return heads

    def checksum_before(self, stream_id: int, sequence: int) -> bytes:
        """Give the checksum that an event follows: that of the event before it, or the genesis checksum."""
        if sequence == 1:
            return genesis(self.names[stream_id])
        return next((row[4] for row in self.rows if row[1:3] == (stream_id, sequence - 1)), b"")


class MemoryLog(Appender):
    """A log on a `MemoryDisk`. It has to be made inside a running event loop."""

    def __init__(self, linger: Linger, disk: MemoryDisk | None = None) -> None:
        """Take up what the disk holds; `linger` waits for seconds."""
        self._disk = disk or MemoryDisk()
        super().__init__(Chains(self._disk.heads(), len(self._disk.rows)), linger)

    def read(
        self, stream: str | None = None, *, after_position: int = 0, after_sequence: int = 0, verified: bool = False
    ) -> Iterator[Recorded]:
        """Give the durable events in order of position, of one stream or of all: see `Store.read`."""
        names = self._disk.names
        chosen = [
            row
            for row in self._disk.rows[after_position:]
            if stream is None or (names[row[1]] == stream and row[2] > after_sequence)
        ]
        return recorded([chosen], names, {}, self._disk.checksum_before if verified else None)

    def checkpoint(self, stream: str, schema: str) -> Checkpoint | None:
        """Give the stream's checkpoint, if it is of this schema and stands on a row of this log."""
        found = self._disk.checkpoints.get(stream)
        if found is None or found.schema != schema:
            return None
        stands_on = self._disk.checksum_before(self._chains.stream_id(stream), found.sequence + 1)
        return found if stands_on == found.checksum else None

    async def cover(self, position: int) -> None:
        """Return at once: memory loses everything or nothing."""

    async def close(self) -> None:
        """Make everything durable and end."""
        await self._queue.close()

    async def _write(self, commit: Commit) -> None:
        for group in commit.groups:
            self._disk.names.update(group.streams)
            self._disk.rows += [
                (position, stream_id, sequence, body.encode(), bytes(checksum), tag.encode())
                for position, stream_id, sequence, tag, body, checksum in group.rows
            ]
        self._disk.checkpoints.update({checkpoint.stream: checkpoint for checkpoint in commit.checkpoints})
