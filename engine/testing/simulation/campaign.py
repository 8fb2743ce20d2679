"""Many seeds over several processes, written down block by block, so that a campaign can be broken off and resumed.

Owns the blocks, of worlds and of storage schedules, and the file they are written to. A block counts only for the
engine it was run with: the digest of its source stands beside it.
"""

import signal
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Final, Literal

import msgspec

from engine.core.errors import UsageError
from engine.testing.simulation.report import StorageSum, Sum, sum_of, total, total_storage
from engine.testing.simulation.storage import run_schedules
from engine.testing.simulation.world import run_world

WORLDS_A_BLOCK: Final = 20
SCHEDULES_A_BLOCK: Final = 2_000
SCHEDULE_SEED: Final = 1

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
    """What was done so far, in this run and, where there is a file, in earlier ones with the same engine."""

    def __init__(self, engine: str, path: Path | None = None) -> None:
        """Take the digest of the engine that runs now, and the file to go on in.

        Raises:
            UsageError: the file is not one of a campaign.
        """
        self.worlds: Final[list[Sum]] = []
        self.schedules: Final[list[StorageSum]] = []
        self._engine: Final = engine
        self._path: Final = path
        lines = path.read_bytes().splitlines() if path is not None and path.exists() else []
        for number, line in enumerate(lines, start=1):
            try:
                block = msgspec.json.decode(line, type=Block)
            except msgspec.MsgspecError as error:
                if number == len(lines):
                    continue  # the last line of a campaign that was killed
                raise UsageError(f"{path} line {number} is no block of a campaign: name another file") from error
            if block.engine == engine:
                self._take(block)

    def take(self, came: Sum | StorageSum) -> None:
        """Take in what came of some work, and write it down."""
        block = Block(self._engine, worlds=came) if isinstance(came, Sum) else Block(self._engine, schedules=came)
        self._take(block)
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(block) + b"\n")

    @property
    def totals(self) -> tuple[Sum, StorageSum]:
        """Give the sums over all worlds and over all schedules."""
        return total(self.worlds), total_storage(self.schedules)

    @property
    def violations(self) -> int:
        """Count the violations."""
        worlds, schedules = self.totals
        return worlds.violations + len(schedules.violations)

    def left(self, wanted: Work) -> list[Work]:
        """Cut work into blocks, and give those that are not done yet."""
        done = self.worlds if wanted.kind == "worlds" else self.schedules
        taken = {each.first for each in done}
        size = WORLDS_A_BLOCK if wanted.kind == "worlds" else SCHEDULES_A_BLOCK
        end = wanted.first + wanted.count
        starts = (start for start in range(wanted.first, end, size) if start not in taken)
        return [Work(wanted.kind, start, min(size, end - start)) for start in starts]

    def _take(self, block: Block) -> None:
        if block.worlds is not None:
            self.worlds.append(block.worlds)
        if block.schedules is not None:
            self.schedules.append(block.schedules)


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


def run_block(work: Work) -> Sum | StorageSum:
    """Do some work in this process."""
    if work.kind == "schedules":
        with scratch() as folder:
            tally = run_schedules(SCHEDULE_SEED, work.first, work.count, Path(folder))
        return StorageSum(
            first=work.first,
            schedules=work.count,
            outcomes=dict(tally.outcomes),
            counts=dict(tally.counts),
            violations=tuple(f"schedule {each.schedule}, {each.kind}: {each.what}" for each in tally.violations),
        )
    reports = []
    for seed in range(work.first, work.first + work.count):
        with scratch() as folder:
            reports.append(run_world(seed, Path(folder)))
    return sum_of(reports)


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """Make a folder for one world, in memory where there is such a place."""
    return tempfile.TemporaryDirectory(prefix="krypto-prove-", dir=_MEMORY if _MEMORY.is_dir() else None)


def _done(todo: list[Work], jobs: int) -> Iterator[Sum | StorageSum]:
    """Do blocks, here or in so many processes, and give each as it is done."""
    if jobs == 1:
        yield from map(run_block, todo)
        return
    with get_context("spawn").Pool(jobs, _leave_signals_alone) as pool:
        yield from pool.imap_unordered(run_block, todo)


def _leave_signals_alone() -> None:
    """Let the process that was asked to end do so; it ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
