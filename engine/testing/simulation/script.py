"""What a writer does to a store in a storage schedule, and what it was promised for it.

Owns the scripted writer and its ledger. A script is a function of a seed: groups of real events, urgent and riding,
checkpoints, pauses, waits for the witness, readers that come and go, and openings anew in between. Never looks into
the files.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, NamedTuple

from engine.core.errors import ConflictError, EngineError, StorageError
from engine.core.events import Cause, OrderFilled, PriceObserved
from engine.store.appender import Linger
from engine.store.medium import Medium
from engine.store.port import Batch, Checkpoint, Entry, Recorded
from engine.store.schema import LOG_NAME
from engine.store.sqlite import SqliteLog
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.disk import Disk
from engine.testing.simulation.loop import VirtualLoop
from engine.testing.simulation.medium import DiskMedium

Act = Literal["urgent", "large", "sure", "left", "riding", "checkpoint", "cover", "wait", "look", "leave", "reopen"]

FEED: Final = "feed:sim"
BOTS: Final = ("bot-a", "bot-b")

_ACTS: Final[tuple[Act, ...]] = (
    "urgent", "urgent", "urgent", "sure", "sure", "sure", "left", "left", "riding", "riding", "riding",
    "checkpoint", "cover", "wait", "look", "leave", "reopen",
)  # fmt: skip
_HELD_BACK: Final[tuple[Act, ...]] = (
    "large", "look", "urgent", "leave", "urgent", "urgent", "reopen", "urgent", "urgent", "urgent",
)  # fmt: skip
"""Half of the scripts tell this too: a fold that a reader holds back, another that can fail, a restart, a new WAL."""

_FOLD_PAGES: Final = (3, 5, 500)
_LONG_BYTES: Final = (10, 400, 3_000, 9_000)
_SHARE: Final = 0.5
_WAIT_S: Final = 1.5
_MOST_STEPS: Final = 14
_FEWEST_STEPS: Final = 6


class Step(NamedTuple):
    """One thing that the writer does; `group` is what it appends, by stream."""

    act: Act
    group: tuple[tuple[str, tuple[Entry, ...]], ...] = ()


class Script(NamedTuple):
    """What a writer does, one step after the other; the WAL is folded into the file whenever it has so many pages."""

    steps: tuple[Step, ...]
    fold_pages: int


class Ledger:
    """What the store was given, in order, and how far it has promised what. `ends` is where groups of events end."""

    def __init__(self) -> None:
        """Begin with an empty log."""
        self.given: Final[list[tuple[str, Entry]]] = []
        self.ends: Final[set[int]] = {0}
        self.acknowledged = 0
        self.covered = 0

    def differs(self, found: list[Recorded]) -> str | None:
        """Say how a log that was found is not an exact beginning of what was given, if it is not."""
        if len(found) > len(self.given):
            return f"it holds {len(found)} events of {len(self.given)} that were given"
        for row, (stream, entry) in zip(found, self.given, strict=False):
            if (row.stream, row.at_ms, row.cause, row.event) != (stream, entry.at_ms, entry.cause, entry.event):
                return f"event {row.position} is not the one that was given"
        if len(found) not in self.ends:
            return f"it ends with event {len(found)}, in the middle of a group"
        return None

    def lacks(self, found: list[Recorded]) -> str | None:
        """Say which acknowledged events a log that was found lacks, if it does."""
        if len(found) < self.acknowledged:
            return f"it holds {len(found)} events, and {self.acknowledged} were acknowledged"
        return None

    def copy(self) -> "Ledger":
        """Give another ledger that says the same."""
        other = Ledger()
        other.given.extend(self.given)
        other.ends.update(self.ends)
        other.acknowledged, other.covered = self.acknowledged, self.covered
        return other

    def resume(self, found: list[Recorded], covered: int) -> None:
        """Go on from the log as it was opened: an engine acts on all of it. Raises ViolationError."""
        wrong = self.differs(found) or self.lacks(found)
        if wrong:
            raise ViolationError(wrong)
        del self.given[len(found) :]
        self.ends.intersection_update(range(len(found) + 1))
        self.acknowledged, self.covered = len(found), covered


class ViolationError(Exception):
    """The store broke a promise."""


class Store(NamedTuple):
    """How a schedule opens a store, and what is set on its connection afterwards: planted mistakes are made here."""

    opened: Callable[[Path, Linger, Medium], Awaitable[SqliteLog]]
    settings: str = ""


async def _opened(folder: Path, linger: Linger, medium: Medium) -> SqliteLog:
    return await SqliteLog.open(folder, linger=linger, medium=medium)


REAL: Final = Store(_opened)


async def pause(seconds: float) -> None:
    """Let virtual time pass."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    timer = loop.call_later(seconds, over.set_result, None)
    try:
        await over
    finally:
        timer.cancel()


def script_of(seed: int) -> Script:
    """Write the script of a seed."""
    chance = Chance(seed)
    number = 0

    def entry(stream: str, *, is_large: bool = False) -> Entry:
        nonlocal number
        number += 1
        if stream == FEED:
            return Entry(PriceObserved(last=Decimal(number) / 8), 1_000 * number)
        length = _LONG_BYTES[-1 if is_large else int(chance.unit(f"long/{number}") ** 4 * len(_LONG_BYTES))]
        filled = OrderFilled("order", "t" * length, Decimal(number), Decimal(1), Decimal(0), "USD", Decimal(0), "maker")
        return Entry(filled, 1_000 * number, Cause(FEED, 1))

    def step(index: int, act: Act) -> Step:
        if act == "large":
            return Step(act, ((BOTS[0], (entry(BOTS[0], is_large=True),)),))
        if act not in {"urgent", "sure", "left", "riding"}:
            return Step(act)
        streams = [name for name in (FEED, *BOTS) if chance.unit(f"stream/{index}/{name}") < _SHARE] or [FEED]
        counts = [1 + int(chance.unit(f"count/{index}/{name}") ** 2 * 3) for name in streams]
        entries = [tuple(entry(name) for _ in range(n)) for name, n in zip(streams, counts, strict=True)]
        return Step(act, tuple(zip(streams, entries, strict=True)))

    steps = _FEWEST_STEPS + int(chance.unit("steps") * (_MOST_STEPS - _FEWEST_STEPS + 1))
    acts = [_ACTS[int(chance.unit(f"act/{index}") * len(_ACTS))] for index in range(steps)]
    if chance.unit("held back") < _SHARE:
        at = int(chance.unit("held back/at") * (steps + 1))
        acts[at:at] = _HELD_BACK
    pages = _FOLD_PAGES[int(chance.unit("pages") * len(_FOLD_PAGES))]
    return Script(tuple(step(index, act) for index, act in enumerate(acts)), pages)


class Writer:
    """A writer at work on a disk, from opening to the end of its script or of its life.

    `fault` is the first that it met.
    """

    def __init__(self, disk: Disk, ledger: Ledger, store: Store = REAL) -> None:
        """Take the disk to write on and the ledger to keep."""
        self.fault: EngineError | None = None
        self._disk: Final = disk
        self._ledger: Final = ledger
        self._store: Final = store
        self._loop: Final = VirtualLoop()
        self._medium: Final = DiskMedium(disk, pause)
        self._log: SqliteLog | None = None
        self._looking: sqlite3.Connection | None = None
        self._went_on = False
        self._is_down = False
        self._is_stubborn: Final = disk.chance.unit("stubborn") < _SHARE
        self._before_step: Callable[[int], None] = lambda _index: None

    def run(self, script: Script, before_step: Callable[[int], None] | None = None) -> None:
        """Do what the script says; a fault of the store ends it, mostly, and is kept. Then the life is over."""
        if before_step is not None:
            self._before_step = before_step
        try:
            self._loop.run_until_complete(self._lived(script))
        finally:
            self._close()
        if self._went_on:
            raise ViolationError("an event was acknowledged after a commit had failed")

    def opened(self) -> list[Recorded]:
        """Open the store, read it whole and close it. Raises what opening raises."""
        try:
            return self._loop.run_until_complete(self._read())
        finally:
            self._close()

    def _close(self) -> None:
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True)) if left else None
        self._medium.close()
        if self._looking is not None:
            self._looking.close()
        self._loop.close()
        self._disk.release()

    async def _read(self) -> list[Recorded]:
        log = await self._store.opened(self._disk.folder, pause, self._medium)
        try:
            return list(log.read(verified=True))
        finally:
            await log.close()

    async def _lived(self, script: Script) -> None:
        try:
            await self._begin(script)
            for index, step in enumerate(script.steps):
                if self._is_down and not self._is_stubborn and step.act != "reopen":
                    continue
                self._before_step(index)
                await self._attempt(step, script)
            if not self._is_down:
                await self._end()
        except EngineError as error:
            self.fault = self.fault or error
        finally:
            self._disk.life.end("script/over")
            with suppress(StorageError):
                await self._end()

    async def _begin(self, script: Script) -> None:
        self._log = log = await self._store.opened(self._disk.folder, pause, self._medium)
        log.fold_pages = script.fold_pages
        self._medium.execute(self._store.settings)
        self._ledger.resume(list(log.read(verified=True)), log.covered)
        self._intrude(log)

    def _intrude(self, log: SqliteLog) -> None:
        """Append as somebody would who believes that a stream has got further: it must be refused."""
        late = Batch(FEED, log.head(FEED).sequence + 1, (Entry(PriceObserved(last=Decimal(1)), 1_000),))
        with suppress(ConflictError):
            log.append([late], urgent=True)
            raise ViolationError("events were appended where their stream does not end")

    async def _end(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            await log.close()
            self._ledger.covered = max(self._ledger.covered, log.covered)

    async def _attempt(self, step: Step, script: Script) -> None:
        """Take a step; a fault lasts until the log is opened anew, as by the next process.

        A stubborn writer passes over it, as tasks do that await nothing.
        """
        try:
            await self._take(step, script)
        except EngineError as error:
            self.fault = self.fault or error
            self._is_down = True
            if self._log is None or self._disk.life.is_dead:
                raise

    async def _take(self, step: Step, script: Script) -> None:
        log, ledger = self._log, self._ledger
        assert log is not None
        if step.group:
            await self._append(log, step)
        elif step.act == "checkpoint":
            stream = log.streams()[-1] if log.streams() else None
            if stream is not None:
                head = log.head(stream)
                log.save_checkpoint(Checkpoint(stream, head.sequence, "schema", head.checksum, b"state" * 100))
        elif step.act == "cover":
            await log.flush()
            await self._cover(log, ledger.acknowledged)
        elif step.act == "wait":
            await pause(_WAIT_S)
        elif step.act in {"look", "leave"}:
            self._look(reads=step.act == "look")
        else:
            with suppress(StorageError) if self._is_down else nullcontext():
                await self._end()
            self._is_down = self._medium.has_failed = False
            await self._begin(script)

    def _look(self, *, reads: bool) -> None:
        """Have another program begin to read the log, or end that: while it reads, the WAL is folded in but in part.

        It stays connected, as one that looks now and then; so SQLite's index of the WAL outlives the engine.
        """
        with suppress(sqlite3.Error):  # the file may be gone, or another
            if self._looking is None:
                source = f"{(self._disk.folder / LOG_NAME).as_uri()}?mode=ro"
                self._looking = sqlite3.connect(source, uri=True, isolation_level=None)
            if self._looking.in_transaction:
                self._looking.execute("COMMIT")
            if reads:
                self._looking.execute("BEGIN")
                self._looking.execute("SELECT count(*) FROM event").fetchall()

    async def _append(self, log: SqliteLog, step: Step) -> None:
        batches = [Batch(stream, log.head(stream).sequence, entries) for stream, entries in step.group]
        pending = log.append(batches, urgent=step.act != "riding")
        self._ledger.given.extend((stream, entry) for stream, entries in step.group for entry in entries)
        self._ledger.ends.add(len(self._ledger.given))
        pending.add_done_callback(self._acknowledge)
        if step.act in {"urgent", "large", "sure"}:
            position = await pending
            if step.act == "sure":  # as an order that is only sent once its intent is vouched for
                await self._cover(log, position)

    async def _cover(self, log: SqliteLog, position: int) -> None:
        await log.cover(position)
        self._ledger.covered = max(self._ledger.covered, position)

    def _acknowledge(self, pending: "asyncio.Future[int]") -> None:
        if not pending.cancelled() and pending.exception() is None:
            self._went_on = self._went_on or self._medium.has_failed
            self._ledger.acknowledged = max(self._ledger.acknowledged, pending.result())
