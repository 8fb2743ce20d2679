"""What rounds of a campaign leave behind: one line of JSON each, appended as soon as the round has ended.

Owns the file and the sums over it. Rounds of another engine are never summed up with those of this one: the digest of
`engine/` tells them apart. A line that was cut short by an interruption counts as not written.
"""

import os
import platform
import sqlite3
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from engine.testing.digest import source_digest

ROOT: Final = Path(__file__).resolve().parents[2]

Kind = Literal["paper", "ccxt"]
"""Paper bots on a recorded market, or live bots through ccxt on the local exchange."""


class RoundResult(msgspec.Struct, frozen=True):
    """One finished round.

    `under_way` are the kills of sessions that had already written something of their own, `in_flight` those of them
    with an order open or under way. `kinds` are the kills by where they struck, `engine` is the digest of `engine/`.
    """

    kind: Kind
    seed: int
    kills: int
    under_way: int
    in_flight: int
    orders: int
    trades: int
    faults: int
    stalls: int
    violations: list[str]
    kinds: dict[str, int]
    seconds: float
    engine: str
    versions: dict[str, str]


class Summary(msgspec.Struct, frozen=True):
    """The rounds of one kind and one engine, summed up; `seeds` are ranges such as 1000-1019."""

    kind: Kind
    engine: str
    rounds: int
    seeds: str
    kills: int
    under_way: int
    in_flight: int
    orders: int
    trades: int
    faults: int
    stalls: int
    violations: list[str]
    kinds: dict[str, int]
    hours: float
    versions: list[dict[str, str]]


class Results:
    """The results file of a campaign, and this engine's part of it."""

    def __init__(self, path: Path, engine: str) -> None:
        """Read what is there; `engine` is the digest of the engine that runs now."""
        self._path: Final = path
        self._engine: Final = engine
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith(b"\n") and line.strip()]
        self.all: Final = [msgspec.json.decode(line, type=RoundResult) for line in whole]
        if lines and not lines[-1].endswith(b"\n"):
            os.truncate(path, sum(map(len, lines[:-1])))

    def of(self, kind: Kind) -> list[RoundResult]:
        """Give the rounds of one kind that this very engine ran."""
        return [each for each in self.all if each.kind == kind and each.engine == self._engine]

    def add(self, result: RoundResult) -> None:
        """Append a round; it is on the disk when this returns."""
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.all.append(result)

    def summary(self, kind: Kind) -> Summary:
        """Sum up the rounds of one kind that this very engine ran."""
        rounds = self.of(kind)
        kinds: Counter[str] = Counter()
        for each in rounds:
            kinds.update(each.kinds)
        versions: list[dict[str, str]] = []
        for each in rounds:
            if each.versions not in versions:
                versions.append(each.versions)
        numbers = ("kills", "under_way", "in_flight", "orders", "trades", "faults", "stalls")
        return Summary(
            kind=kind,
            engine=self._engine,
            rounds=len(rounds),
            seeds=ranges(each.seed for each in rounds),
            violations=[f"seed {each.seed}: {violation}" for each in rounds for violation in each.violations],
            kinds=dict(sorted(kinds.items())),
            hours=round(sum(each.seconds for each in rounds) / 3600, 3),
            versions=versions,
            **{name: sum(getattr(each, name) for each in rounds) for name in numbers},
        )


def engine_digest() -> str:
    """Give the digest of the engine of this tree, without `engine/testing`, which no program but `prove` imports."""
    return source_digest(ROOT / "engine", without="testing")


def versions_here() -> dict[str, str]:
    """Name the versions that a result may depend on."""
    names = ("ccxt", "aiohttp", "aiosqlite", "msgspec")
    system: dict[str, Any] = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    return {**system, "system": f"{platform.system()} {platform.machine()}", **{name: version(name) for name in names}}


def ranges(numbers: Iterable[int]) -> str:
    """Write numbers as ranges: 1-3, 7."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)
