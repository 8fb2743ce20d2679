"""Many seeds over several processes, written down block by block, so that a campaign can be broken off and resumed.

Owns the blocks, of worlds and of storage schedules, and the file they are written to. A block counts only for the
engine it was run with: the digest of its source stands beside it.
"""

import fcntl
import os
import shutil
import signal
import tempfile
from bisect import insort
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import TimeoutError as NotYetError
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import BinaryIO, Final, Literal, Self

import msgspec

from engine.core.errors import UsageError
from engine.runtime.clock import SystemTime
from engine.testing.digest import source_digest
from engine.testing.simulation.report import (
    NO_SCHEDULES,
    NO_WORLDS,
    StorageSum,
    Sum,
    added,
    in_order,
    placeless,
    sum_of,
)
from engine.testing.simulation.running import run_world
from engine.testing.simulation.storage import run_schedules

WORLDS_A_BLOCK: Final = 20
SCHEDULES_A_BLOCK: Final = 2_000
SCHEDULE_SEED: Final = 1
_PATIENCE_S: Final = 0.5

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - private folders are made in it; worlds need no real disk


class Work(msgspec.Struct, frozen=True):
    """Some seeds, or some storage schedules, that follow each other."""

    kind: Literal["worlds", "schedules"]
    first: int
    count: int


class Block(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a campaign's file: what came of some work, and with which engine."""

    engine: str
    worlds: Sum | None = None
    schedules: StorageSum | None = None


class Campaign:
    """What was done so far, in this run and, where there is a file, in earlier ones with the same engine.

    Use it as a context: the file is its own until then. The totals grow with each block, so that none is added twice.
    """

    def __init__(self, engine: Path, path: Path | None = None) -> None:
        """Take the folder of the engine's source, and the file to go on in, which belongs to this campaign from now on.

        Raises:
            UsageError: the file is not one of a campaign, or another campaign writes to it.
        """
        self.worlds: Final[list[Sum]] = []
        self.schedules: Final[list[StorageSum]] = []
        self._worlds = NO_WORLDS
        self._schedules = NO_SCHEDULES
        self.engine: Final = source_digest(engine)
        self._source: Final = engine
        self._file: Final = None if path is None else _taken(path)
        if path is not None:
            try:
                self._read(path)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another campaign have the file."""
        if self._file is not None:
            self._file.close()

    def _read(self, path: Path) -> None:
        """Take in the blocks of a file; what a campaign was writing when it was killed is cut off."""
        assert self._file is not None
        lines = path.read_bytes().splitlines(keepends=True)
        whole = lines[:-1] if lines and not lines[-1].endswith(b"\n") else lines
        for number, line in enumerate(whole, start=1):
            try:
                block = msgspec.json.decode(line, type=Block)
            except msgspec.MsgspecError as error:
                raise UsageError(f"{path} line {number} is no block of a campaign: name another file") from error
            if block.engine == self.engine:
                self._take(block)
        self._file.truncate(sum(map(len, whole)))

    def take(self, came: Sum | StorageSum) -> None:
        """Take in what came of some work, and write it down.

        Raises:
            UsageError: the source of the engine has changed since the campaign began.
        """
        if source_digest(self._source) != self.engine:
            raise UsageError(f"{self._source} changed while the campaign ran: start it again, it begins anew")
        is_worlds = isinstance(came, Sum)
        block = Block(self.engine, worlds=came) if is_worlds else Block(self.engine, schedules=came)  # type: ignore[arg-type]
        self._take(block)
        if self._file is not None:
            self._file.write(msgspec.json.encode(block) + b"\n")
            self._file.flush()

    @property
    def totals(self) -> tuple[Sum, StorageSum]:
        """Give the sums over all worlds and over all schedules."""
        return in_order(self._worlds, self.worlds), in_order(self._schedules, self.schedules)

    @property
    def violations(self) -> int:
        """Count the violations."""
        return sum(each.violations for each in self.worlds) + sum(len(each.violations) for each in self.schedules)

    def left(self, wanted: Work) -> list[Work]:
        """Cut what is wanted and not done yet into blocks."""
        size = WORLDS_A_BLOCK if wanted.kind == "worlds" else SCHEDULES_A_BLOCK
        end, at, found = wanted.first + wanted.count, wanted.first, list[Work]()
        done = sorted((first, count) for first, count in self._done(wanted.kind) if first + count > at)
        for first, count in [*done, (end, 0)]:
            while at < min(first, end):
                found.append(Work(wanted.kind, at, min(size, first - at, end - at)))
                at += found[-1].count
            at = max(at, first + count)
        return found

    def _done(self, kind: str) -> list[tuple[int, int]]:
        if kind == "worlds":
            return [(each.first, each.seeds) for each in self.worlds]
        return [(each.first, each.schedules) for each in self.schedules]

    def _take(self, block: Block) -> None:
        """Take in a block, unless some of it is there already."""
        for kind, came in (("worlds", block.worlds), ("schedules", block.schedules)):
            if came is None:
                continue
            count = came.seeds if isinstance(came, Sum) else came.schedules
            if any(first < came.first + count and came.first < first + each for first, each in self._done(kind)):
                continue
            if isinstance(came, Sum):
                insort(self.worlds, came, key=lambda each: each.first)
                self._worlds = added((self._worlds, came))
            else:
                insort(self.schedules, came, key=lambda each: each.first)
                self._schedules = added((self._schedules, came))


def _taken(path: Path) -> BinaryIO:
    """Open a campaign's file for writing at its end, and keep others from it."""
    try:
        file = path.open("ab")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another file") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise UsageError(f"another campaign writes to {path}: wait for its end, or name another file") from error
    return file


def run(
    campaign: Campaign, wanted: list[Work], jobs: int, tell: Callable[[Campaign], None], *, until_failure: bool = False
) -> None:
    """Do what is wanted and not done yet; `tell` is told after each block.

    With `until_failure` it ends after the first block that shows a violation.
    """
    todo = [block for each in wanted for block in campaign.left(each)]
    for came in _done(todo, jobs):
        campaign.take(came)
        tell(campaign)
        if until_failure and campaign.violations:
            break


def run_block(work: Work, within: str | None = None) -> Sum | StorageSum:
    """Do some work in this process, in folders made `within` another."""
    if work.kind == "schedules":
        with scratch(within) as folder:
            tally = run_schedules(SCHEDULE_SEED, work.first, work.count, Path(folder))
        return StorageSum(
            first=work.first,
            schedules=work.count,
            outcomes=dict(tally.outcomes),
            counts=dict(tally.counts),
            violations=tuple(
                msgspec.structs.replace(each, what=placeless(each.what, Path(folder))) for each in tally.violations
            ),
        )
    reports, clock = [], SystemTime()
    begun_s = clock.monotonic_s()
    for seed in range(work.first, work.first + work.count):
        with scratch(within) as folder:
            reports.append(run_world(seed, Path(folder)))
    return sum_of(reports, clock.monotonic_s() - begun_s)


def scratch(within: str | None = None) -> "tempfile.TemporaryDirectory[str]":
    """Make a folder for one world, in memory where there is such a place."""
    return tempfile.TemporaryDirectory(prefix="krypto-prove-", dir=within or (_MEMORY if _MEMORY.is_dir() else None))


def _done(todo: list[Work], jobs: int) -> Iterator[Sum | StorageSum]:
    """Do blocks, here or in so many processes, and give each as it is done."""
    if jobs == 1:
        yield from map(run_block, todo)
        return
    with scratch() as folder, get_context("spawn").Pool(jobs, _begin_worker, (folder,)) as pool:
        results = pool.imap_unordered(partial(run_block, within=folder), todo)
        for _ in todo:
            came = None
            while came is None:
                with suppress(NotYetError):  # a wait without an end is deaf to Ctrl-C, by a handler of polars
                    came = results.next(_PATIENCE_S)
            yield came


def _begin_worker(folder: str) -> None:
    """Leave Ctrl-C to the process that was asked to end, which ends its workers; if it is killed, they end at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_campaign, args=(folder,), daemon=True).start()


def _end_with_campaign(folder: str) -> None:
    """Wait until the process of the campaign is no more, however it ended, and end this one in the midst of a world."""
    campaign = parent_process()
    assert campaign is not None
    campaign.join()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
