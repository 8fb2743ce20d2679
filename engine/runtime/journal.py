"""How facts reach the log and, once durable, everybody who listens.

Owns the order: append, durable, then published. Listeners never see what a crash could take back.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from engine.core.events import Event
from engine.store.port import Batch, Head, Store

MOST_PENDING_ROWS: Final = 4_000


class Published(msgspec.Struct, frozen=True, gc=False):
    """A durable event, as listeners get it."""

    stream: str
    sequence: int
    at_ms: int
    event: Event


Listener = Callable[[Published], None]


class Owner(Protocol):
    """Whoever a batch belongs to: a bot or a feed."""

    def snapshot(self, head: Head) -> Callable[[], None]:
        """Take a picture of the candidate now; the returned call makes it the published one."""
        ...


class Journal:
    """Appends groups to the store and tells owners and listeners, in order, what has become durable."""

    def __init__(self, store: Store, listeners: Sequence[Listener]) -> None:
        """Take the store and those who want to know."""
        self.store: Final = store
        self.listeners: Final = list(listeners)
        self._last: asyncio.Future[int] | None = None

    async def commit(self, group: Sequence[tuple[Owner, Batch]]) -> int | None:
        """Append a group; wait until it is durable if anything in it is urgent, else let it ride.

        Gives the position that it reached, if it is durable.

        Raises:
            StorageError: the log could not be written; nothing may be done any more.
        """
        batches = [batch for _, batch in group]
        urgent = any(entry.event.urgent for batch in batches for entry in batch.entries)
        future = self.store.append(batches, urgent=urgent)
        publishers = [owner.snapshot(self.store.head(batch.stream)) for owner, batch in group]
        future.add_done_callback(lambda done: self._publish(done, publishers, batches))
        self._last = future
        if urgent:  # whoever waits may be cancelled; the fact becomes durable all the same, and is published
            return await asyncio.shield(future)
        if self.store.pending_rows > MOST_PENDING_ROWS:
            await self.store.flush()
        return None

    def afterwards(self, tell: Callable[[], None]) -> None:
        """Tell something once everything appended so far has been published."""
        if self._last is None:
            tell()
        else:
            self._last.add_done_callback(lambda _: tell())

    def _publish(
        self, done: "asyncio.Future[int]", publishers: Sequence[Callable[[], None]], batches: Sequence[Batch]
    ) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        for publish in publishers:
            publish()
        facts = [
            Published(batch.stream, batch.expected_sequence + offset, entry.at_ms, entry.event)
            for batch in batches
            for offset, entry in enumerate(batch.entries, start=1)
        ]
        for listener in self.listeners:  # one after the other, so that none can keep another from a fact
            for fact in facts:
                listener(fact)
