"""Many seeds over several processes, written down block by block, so that a campaign can be broken off and resumed.

Owns the blocks and the file they are written to. A block counts only for the engine it was run with: the digest of the
source stands beside it.
"""

import signal
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import msgspec

from engine.core.errors import UsageError
from engine.testing.simulation.report import Sum, sum_of, total
from engine.testing.simulation.world import run_world

BLOCK: Final = 20
"""So many seeds are run and written down together."""

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - private folders are made in it; worlds need no real disk


class Block(msgspec.Struct, frozen=True):
    """One line of a campaign's file: what came of some seeds, and with which engine."""

    engine: str
    sum: Sum


class CampaignFile:
    """Where the blocks of a campaign are written down, one JSON line each."""

    def __init__(self, path: Path | None, engine: str) -> None:
        """Take up a file, or none; `engine` is the digest of the source that runs now."""
        self._path: Final = path
        self._engine: Final = engine
        self.sums: Final[list[Sum]] = []
        if path is not None and path.exists():
            for number, line in enumerate(path.read_bytes().splitlines(), start=1):
                try:
                    block = msgspec.json.decode(line, type=Block)
                except msgspec.MsgspecError as error:
                    raise UsageError(
                        f"{path} line {number} is no block of a campaign ({error}): name another file"
                    ) from error
                if block.engine == engine:
                    self.sums.append(block.sum)

    def covers(self, seed: int) -> bool:
        """Tell whether a seed was run already."""
        return any(each.first <= seed < each.first + each.seeds for each in self.sums)

    def add(self, block: Sum) -> None:
        """Write a block down."""
        self.sums.append(block)
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(Block(self._engine, block)) + b"\n")


def run_block(first: int, count: int) -> Sum:
    """Run some seeds that follow each other, in this process."""
    reports = []
    for seed in range(first, first + count):
        with tempfile.TemporaryDirectory(prefix="krypto-prove-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
            reports.append(run_world(seed, Path(folder)))
    return sum_of(reports)


def run_campaign(
    first: int,
    seeds: int,
    jobs: int,
    written: CampaignFile,
    tell: Callable[[Sum], None],
    *,
    until_failure: bool = False,
) -> Sum:
    """Run the seeds that are not written down yet; `tell` gets the total after each block.

    With `until_failure` it ends after the first block with a violation.
    """
    todo = [
        (start, min(BLOCK, first + seeds - start))
        for start in range(first, first + seeds, BLOCK)
        if not written.covers(start)
    ]
    for block in _blocks(todo, jobs):
        written.add(block)
        tell(total(written.sums))
        if until_failure and block.failures:
            break
    return total(written.sums)


def _blocks(todo: list[tuple[int, int]], jobs: int) -> Iterator[Sum]:
    """Run blocks, here or in so many processes, and give each as it is done."""
    if jobs == 1:
        yield from (run_block(*each) for each in todo)
        return
    with get_context("spawn").Pool(jobs, _leave_signals_alone) as pool:
        yield from pool.imap_unordered(_run_block, todo)


def _run_block(block: tuple[int, int]) -> Sum:
    return run_block(*block)


def _leave_signals_alone() -> None:
    """Let the process that was asked to end do so; it ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
