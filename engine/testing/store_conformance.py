"""What every store has to pass: the promises of `engine.store.port.Store`, as tests.

Subclass `StoreConformance` in a test module and give it a fixture `make_store`: a function that takes `linger` and
opens the store, each time on the same medium, so that a store that was closed can be opened again.
"""
# ruff: noqa: PLR2004 - an expected number is the point of a test

import asyncio
from collections.abc import Awaitable, Callable, Generator
from decimal import Decimal

import pytest

from engine.core.errors import ConflictError
from engine.core.events import Cause, CommandReceived, PriceObserved
from engine.store.codec import encode, genesis, link
from engine.store.port import Batch, Checkpoint, Entry, Head, Recorded, Store

Linger = Callable[[float], Awaitable[None]]
MakeStore = Callable[[Linger], Awaitable[Store]]


class Turn:
    """Gives all other tasks their turn when awaited."""

    def __await__(self) -> Generator[None, None, None]:
        """Yield once."""
        yield


class Pauses:
    """Waits that end when the test says so; a wait of no time is a turn for the other tasks."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self.asked: list[float] = []
        self.over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        """Wait."""
        if seconds:
            self.asked.append(seconds)
            await self.over.wait()
        else:
            await Turn()


def price(number: int, at_ms: int = 1_000) -> Entry:
    """Make an entry that shows its number."""
    return Entry(PriceObserved(last=Decimal(number)), at_ms)


def batch(store: Store, stream: str, *entries: Entry) -> Batch:
    """Make a batch that fits where the stream ends now."""
    return Batch(stream, store.head(stream).sequence, entries)


def shown(store: Store, stream: str | None = None, after_position: int = 0, after_sequence: int = 0) -> list[str]:
    """Give what a store reads, as position, stream, sequence and number."""
    rows = store.read(stream, after_position=after_position, after_sequence=after_sequence, verified=True)
    return [f"{row.position} {row.stream}:{row.sequence} {row.event.last}" for row in rows]  # type: ignore[attr-defined]


class StoreConformance:
    """The promises. Each test has a medium of its own, and closes at its end whatever it opened."""

    def test_new_stream_begins_at_its_genesis(self, make_store: MakeStore) -> None:
        """Show that a stream nobody wrote to ends at 0, with a checksum made from its name."""
        self._run(make_store, _new_stream)

    def test_append_gives_back_what_was_put_in(self, make_store: MakeStore) -> None:
        """Show events, times, causes, sequences, positions and checksums of two streams."""
        self._run(make_store, _round_trip)

    def test_append_where_the_stream_does_not_end_changes_nothing(self, make_store: MakeStore) -> None:
        """Show that one batch that does not fit keeps its whole group out."""
        self._run(make_store, _conflict)

    def test_append_keeps_the_order_of_a_group(self, make_store: MakeStore) -> None:
        """Show that rows of several batches, two of them of one stream, stand as they were given."""
        self._run(make_store, _order)

    def test_append_without_hurry_rides_with_the_next_commit(self, make_store: MakeStore) -> None:
        """Show that it waits, is not read before it is durable, and then shares a commit."""
        self._run(make_store, _riding)

    def test_append_without_hurry_waits_a_second_at_most(self, make_store: MakeStore) -> None:
        """Show that the wait passed in decides when it is written."""
        self._run(make_store, _lingering)

    def test_append_of_a_thousand_rows_does_not_wait(self, make_store: MakeStore) -> None:
        """Show that rows without hurry are written when there are many."""
        self._run(make_store, _crowd)

    def test_append_of_a_huge_group_is_one_commit(self, make_store: MakeStore) -> None:
        """Show that a group is not split, whatever its size."""
        self._run(make_store, _huge_group)

    def test_append_by_many_tasks_shares_commits(self, make_store: MakeStore) -> None:
        """Show that there are far fewer commits than appends, and that each waiter learns its own position."""
        self._run(make_store, _sharing)

    def test_waiter_that_is_cancelled_disturbs_nobody(self, make_store: MakeStore) -> None:
        """Show that the event stays and that others go on."""
        self._run(make_store, _cancelled)

    def test_flush_makes_everything_durable(self, make_store: MakeStore) -> None:
        """Show that nothing is pending afterwards."""
        self._run(make_store, _flushing)

    def test_read_starts_where_it_is_told(self, make_store: MakeStore) -> None:
        """Show reading by stream, after a position and after a sequence."""
        self._run(make_store, _reading)

    def test_checkpoint_is_given_back_only_where_it_stands(self, make_store: MakeStore) -> None:
        """Show that it is replaced by a later one, and ignored if its schema or its row is another."""
        self._run(make_store, _checkpoints)

    def test_close_writes_and_open_goes_on(self, make_store: MakeStore) -> None:
        """Show that a store opened again continues streams, positions and chains."""
        self._run(make_store, _reopening)

    def test_append_after_close_is_a_programming_error(self, make_store: MakeStore) -> None:
        """Show that a closed store takes nothing."""
        self._run(make_store, _closed)

    @staticmethod
    def _run(make_store: MakeStore, scenario: Callable[[MakeStore], Awaitable[None]]) -> None:
        opened: list[Store] = []

        async def make(linger: Linger) -> Store:
            opened.append(await make_store(linger))
            return opened[-1]

        async def main() -> None:
            try:
                await scenario(make)
            finally:
                for store in opened:
                    await store.close()

        asyncio.run(main())


async def _new_stream(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    assert store.head("a") == Head(0, genesis("a"), 0)
    assert (store.streams(), store.pending_rows, store.commits) == ((), 0, 0)
    assert shown(store) == []


async def _round_trip(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    seen, told = price(7, 1_500), Entry(CommandReceived(command="pause", by="me"), 1_600, Cause("feed", 1))
    assert await store.append([batch(store, "feed", seen), batch(store, "bot", told)], urgent=True) == 2
    first = link(genesis("feed"), encode(seen))
    second = link(genesis("bot"), encode(told))
    assert list(store.read()) == [
        Recorded(1, "feed", 1, 1_500, None, seen.event, first),
        Recorded(2, "bot", 1, 1_600, Cause("feed", 1), told.event, second),
    ]
    assert (store.head("feed"), store.head("bot")) == (Head(1, first, 1_500), Head(1, second, 1_600))
    again = price(8, 1_700)
    assert await store.append([batch(store, "feed", again)], urgent=True) == 3
    assert store.head("feed") == Head(2, link(first, encode(again)), 1_700)
    assert (store.streams(), store.pending_rows, store.commits) == (("feed", "bot"), 0, 2)


async def _conflict(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    await store.append([batch(store, "a", price(1))], urgent=True)
    before = store.head("a")
    for expected in (0, 2):
        with pytest.raises(ConflictError, match=f"a ends at 1, not at {expected}"):
            store.append([batch(store, "b", price(2)), Batch("a", expected, (price(3),))], urgent=True)
    assert (store.head("a"), store.head("b").sequence, store.streams(), store.pending_rows) == (before, 0, ("a",), 0)
    assert await store.append([batch(store, "a", price(4))], urgent=True) == 2
    assert shown(store) == ["1 a:1 1", "2 a:2 4"]


async def _order(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    group = [Batch("b", 0, (price(1), price(2))), Batch("a", 0, (price(3),)), Batch("b", 2, (price(4),))]
    assert await store.append(group, urgent=True) == 4
    assert shown(store) == ["1 b:1 1", "2 b:2 2", "3 a:1 3", "4 b:3 4"]
    assert store.commits == 1


async def _riding(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    rider = store.append([batch(store, "a", price(1))], urgent=False)
    for _ in range(20):
        await Turn()
    assert (rider.done(), store.pending_rows, store.commits, shown(store)) == (False, 1, 0, [])
    assert store.head("a").sequence == 1
    assert await store.append([batch(store, "b", price(2))], urgent=True) == 2
    assert (rider.result(), store.pending_rows, store.commits) == (1, 0, 1)
    assert shown(store) == ["1 a:1 1", "2 b:1 2"]


async def _lingering(make_store: MakeStore) -> None:
    pauses = Pauses()
    store = await make_store(pauses)
    rider = store.append([batch(store, "a", price(1))], urgent=False)
    await Turn()
    assert pauses.asked == [1.0]
    assert not rider.done()
    pauses.over.set()
    assert await rider == 1


async def _crowd(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    riders = [store.append([batch(store, "a", price(number))], urgent=False) for number in range(1_000)]
    assert await riders[-1] == 1_000
    assert (store.commits, store.pending_rows) == (1, 0)


async def _huge_group(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    await store.append([batch(store, "a", *map(price, range(2_500)))], urgent=True)
    assert store.commits == 1
    futures = [store.append([batch(store, "b", *map(price, range(400)))], urgent=True) for _ in range(3)]
    assert [await future for future in futures] == [2_900, 3_300, 3_700]
    assert store.commits == 3
    assert len(shown(store)) == 3_700


async def _sharing(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    tasks, rounds = 50, 10

    async def producer(stream: str) -> None:
        for number in range(rounds):
            position = await store.append([batch(store, stream, price(number))], urgent=True)
            assert shown(store, stream)[-1] == f"{position} {stream}:{number + 1} {number}"

    async with asyncio.TaskGroup() as group:
        for number in range(tasks):
            group.create_task(producer(f"bot-{number}"))
            if number == tasks // 2:  # the others come while the first commit is under way, and must not stay apart
                await Turn()
                await Turn()
    assert store.commits <= rounds + 3
    assert len(shown(store)) == tasks * rounds


async def _cancelled(make_store: MakeStore) -> None:
    store = await make_store(Pauses())

    async def impatient() -> None:
        await store.append([batch(store, "a", price(1))], urgent=True)

    waiting = asyncio.get_running_loop().create_task(impatient())
    await Turn()
    waiting.cancel()
    assert await store.append([batch(store, "a", price(2))], urgent=True) == 2
    assert waiting.cancelled()
    assert shown(store) == ["1 a:1 1", "2 a:2 2"]


async def _flushing(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    await store.flush()
    assert store.commits == 0
    riders = [store.append([batch(store, "a", price(number))], urgent=False) for number in range(3)]
    await store.flush()
    assert ([rider.result() for rider in riders], store.pending_rows, store.commits) == ([1, 2, 3], 0, 1)


async def _reading(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    for number in range(4):
        await store.append([batch(store, "a", price(number)), batch(store, "b", price(number + 10))], urgent=True)
    assert shown(store, "b") == ["2 b:1 10", "4 b:2 11", "6 b:3 12", "8 b:4 13"]
    assert shown(store, "b", after_sequence=2) == ["6 b:3 12", "8 b:4 13"]
    assert shown(store, "b", after_position=5) == ["6 b:3 12", "8 b:4 13"]
    assert shown(store, "b", after_position=3, after_sequence=3) == ["8 b:4 13"]
    assert shown(store, after_position=5) == ["6 b:3 12", "7 a:4 3", "8 b:4 13"]
    assert shown(store, "nobody") == []
    assert shown(store, after_position=8) == []


async def _checkpoints(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    assert store.checkpoint("a", "s1") is None
    await store.append([batch(store, "a", price(1))], urgent=True)
    old = Checkpoint("a", 1, "s1", store.head("a").checksum, b"old")
    store.save_checkpoint(old)
    await store.flush()
    assert store.checkpoint("a", "s1") == old
    store.append([batch(store, "a", price(2))], urgent=False)
    new = Checkpoint("a", 2, "s2", store.head("a").checksum, b"new \0 state")
    store.save_checkpoint(new)
    await store.flush()
    assert (store.checkpoint("a", "s1"), store.checkpoint("a", "s2")) == (None, new)
    store.save_checkpoint(Checkpoint("a", 2, "s2", b"of another log..", b"strange"))
    await store.flush()
    assert store.checkpoint("a", "s2") is None
    assert len(shown(store)) == 2


async def _reopening(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    await store.append([batch(store, "a", price(1)), batch(store, "b", price(2))], urgent=True)
    rider = store.append([batch(store, "a", price(3))], urgent=False)
    heads = [store.head(stream) for stream in ("a", "b")]
    await store.close()
    assert rider.result() == 3
    store = await make_store(Pauses())
    assert [store.head(stream) for stream in ("a", "b")] == heads
    assert (store.streams(), store.commits) == (("a", "b"), 0)
    assert await store.append([batch(store, "c", price(4)), batch(store, "a", price(5))], urgent=True) == 5
    assert shown(store) == ["1 a:1 1", "2 b:1 2", "3 a:2 3", "4 c:1 4", "5 a:3 5"]


async def _closed(make_store: MakeStore) -> None:
    store = await make_store(Pauses())
    await store.close()
    await store.close()
    with pytest.raises(AssertionError):
        store.append([batch(store, "a", price(1))], urgent=True)
