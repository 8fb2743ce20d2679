"""The writing half of a log, the same for every medium: heads and chains in front, a commit queue behind.

Owns the order of the two: nothing is queued that does not fit its stream, and nothing fits once the queue is dead.
Never knows the medium.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence

from engine.store.chains import Chains
from engine.store.commits import Commit, CommitQueue
from engine.store.port import Batch, Checkpoint, Head

Linger = Callable[[float], Awaitable[None]]
"""Waits for seconds of real time."""


class Appender(ABC):
    """What `Store` promises about appending. A subclass says how a commit is made durable. Needs a running loop."""

    def __init__(self, chains: Chains, linger: Linger) -> None:
        """Take up the heads of a log as it stands."""
        self._chains = chains
        self._queue = CommitQueue(self._write, linger)

    @property
    def pending_rows(self) -> int:
        """Count the rows appended but not yet durable."""
        return self._queue.pending_rows

    @property
    def commits(self) -> int:
        """Count the commits made since opening."""
        return self._queue.commits

    def head(self, stream: str) -> Head:
        """Give where a stream ends, counting what is appended but not yet durable."""
        return self._chains.head(stream)

    def streams(self) -> tuple[str, ...]:
        """Name the streams in the order they began, counting what is not yet durable."""
        return self._chains.streams()

    def append(self, batches: Sequence[Batch], *, urgent: bool) -> "asyncio.Future[int]":
        """Queue all batches as one group that becomes durable whole or not at all: see `Store.append`."""
        self._queue.check()
        group = self._chains.extend(batches)
        return self._queue.put(group, self._chains.position, urgent=urgent)

    async def flush(self) -> None:
        """Return once everything appended so far is durable."""
        await self._queue.flush()

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Queue a checkpoint for the next commit, in place of the stream's former one."""
        self._queue.check()
        assert checkpoint.sequence <= self.head(checkpoint.stream).sequence, checkpoint
        self._queue.put_checkpoint(checkpoint)

    @abstractmethod
    async def _write(self, commit: Commit) -> None:
        """Make a commit durable, or raise StorageError."""
