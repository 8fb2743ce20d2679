"""What came of simulated worlds: of one, and of many added up.

Owns the numbers and how they are summed. All are JSON-able, so that a campaign can be written down and gone on with.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from engine.testing.simulation.chance import Tape
from engine.testing.simulation.tally import Violation

STATE: Final = "STATE"
"""Stands for the folder of a run in what is told of it: the folder has another name each time."""


class WorldReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one seed.

    `digest` is over the whole trace: run again, a seed gives the same. `lives` are those of the engine, `recoveries`
    the runs of one. One that ended before the verdict is not `is_judged`: only what was watched counts. `visits` counts
    "fault|state of an order".
    `violations` are one line each. `virtual_s` is how much time went by in the world. `tape` is what was chosen.
    """

    seed: int
    digest: str
    lives: int
    recoveries: int
    is_judged: bool
    orders: int
    trades: int
    virtual_s: int
    endings: dict[str, int]
    faults: dict[str, int]
    visits: dict[str, int]
    violations: tuple[str, ...]
    tape: Tape


class Failure(msgspec.Struct, frozen=True):
    """A seed that violated something."""

    seed: int
    violations: tuple[str, ...]


class Sum(msgspec.Struct, kw_only=True):
    """What came of the seeds from `first` on, `seeds` of them.

    `digest` is over their digests in order. `restarts` counts every life after the first of its world, `unjudged` the
    worlds that ended before the verdict, `seconds` how long all took, in one process after the other.
    """

    first: int
    seeds: int
    digest: str
    restarts: int = 0
    recoveries: int = 0
    unjudged: int = 0
    seconds: float = 0.0
    orders: int = 0
    trades: int = 0
    virtual_s: int = 0
    endings: dict[str, int] = {}
    faults: dict[str, int] = {}
    visits: dict[str, int] = {}
    failures: tuple[Failure, ...] = ()

    @property
    def violations(self) -> int:
        """Count the violations."""
        return sum(len(failure.violations) for failure in self.failures)


class StorageSum(msgspec.Struct, kw_only=True):
    """What came of the storage schedules from `first` on: how they ended, what happened in them, what was violated."""

    first: int
    schedules: int
    outcomes: dict[str, int] = {}
    counts: dict[str, int] = {}
    violations: tuple[Violation, ...] = ()


AnySum = TypeVar("AnySum", Sum, StorageSum)
NO_WORLDS: Final = Sum(first=0, seeds=0, digest="")
NO_SCHEDULES: Final = StorageSum(first=0, schedules=0)


def placeless(text: str, folder: Path) -> str:
    """Say a text of a run in a folder so that another run says the same."""
    return text.replace(str(folder), STATE)


def sum_of(reports: Iterable[WorldReport], seconds: float) -> Sum:
    """Add up the worlds of some seeds that follow each other, which took so long."""
    rows = [_sum_of_one(report) for report in reports]
    assert [row.first for row in rows] == list(range(rows[0].first, rows[0].first + len(rows))), (
        "seeds follow each other"
    )
    return replace(in_order(added(rows), rows), seconds=seconds)


def _sum_of_one(report: WorldReport) -> Sum:
    """Give a world as the sum of itself alone; its digest is its own."""
    return Sum(
        first=report.seed,
        seeds=1,
        digest=report.digest,
        restarts=report.lives - 1,
        recoveries=report.recoveries,
        unjudged=int(not report.is_judged),
        orders=report.orders,
        trades=report.trades,
        virtual_s=report.virtual_s,
        endings=report.endings,
        faults=report.faults,
        visits=report.visits,
        failures=(Failure(report.seed, report.violations),) if report.violations else (),
    )


def added(sums: Sequence[AnySum]) -> AnySum:
    """Add up sums, one at least, in any order, so that a sum may grow block by block; `in_order` completes it."""
    return replace(sums[0], **_together(sums, (int, dict)))


def in_order(total: AnySum, rows: Sequence[AnySum]) -> AnySum:
    """Complete what `added` gave for these sums, which are in the order of their `first`."""
    return replace(total, **_together(rows, (float, str, tuple)), first=rows[0].first) if rows else total


def _together(rows: Sequence[Sum] | Sequence[StorageSum], kinds: tuple[type, ...]) -> dict[str, Any]:
    """Put together the fields of these kinds: numbers and counts are summed, digests digested, lists joined."""
    columns = ((name, [getattr(row, name) for row in rows]) for name in rows[0].__struct_fields__)
    return {name: _whole(values) for name, values in columns if isinstance(values[0], kinds)}


def _whole(values: list[Any]) -> Any:
    match values[0]:
        case dict():
            found: Counter[str] = Counter()
            for each in values:
                found.update(each)
            return dict(sorted(found.items()))
        case str():
            return _digest(values)
        case tuple():
            return tuple(chain.from_iterable(values))
        case _:
            return sum(values)


def _digest(digests: Iterable[str]) -> str:
    return sha256("\n".join(digests).encode()).hexdigest()
