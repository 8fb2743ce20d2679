"""A power cut after a restart takes nothing that the restart has built upon, also where a sync had failed before.

Method: the real store on the simulated disk. A first life ends with a failed sync of the WAL and is killed, so that
what it wrote can be read and may yet be gone; a second one opens that log, and the power goes at any of its operations.
Found by seed 7756 of the simulated worlds: a log folded in from pages that the disk had never taken.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.errors import LogDamagedError, StorageError
from engine.core.events import PriceObserved
from engine.store import renewal
from engine.store import sqlite as sqlite_store
from engine.store.medium import Medium
from engine.store.port import Batch, Entry
from engine.store.reader import LogReader
from engine.store.schema import LOG_NAME, WAL_NAME, WITNESS_NAME
from engine.store.sqlite import SqliteLog
from engine.store.verification import verify
from engine.store.witness import read_witness
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.disk import Disk, Fault, Operation, write_image
from engine.testing.simulation.life import Life
from engine.testing.simulation.loop import VirtualLoop
from engine.testing.simulation.medium import DiskMedium

BEFORE = 10
CUTS = 4
"""Each power cut leaves something else; so many are tried at each operation."""


def live(disk: Disk, appends: int) -> int:
    """Open the log, append to it and close it, until the disk fails or the life is over; give what was acknowledged."""
    loop, medium = VirtualLoop(), DiskMedium(disk, asyncio.sleep)
    acknowledged = 0

    async def main() -> None:
        nonlocal acknowledged
        log = await SqliteLog.open(disk.folder, linger=asyncio.sleep, medium=medium)
        acknowledged = log.head("bot-a").sequence
        try:
            for number in range(1, appends + 1):
                entry = Entry(PriceObserved(last=Decimal(number)), 1_000)
                await log.cover(await log.append([Batch("bot-a", acknowledged, (entry,))], urgent=True))
                acknowledged += 1
        finally:
            await log.close()

    try:
        loop.run_until_complete(main())
    except StorageError:
        pass
    finally:
        medium.close()
        loop.close()
        disk.release()
    return acknowledged


def life_that_ends_at(operation: int, kind: str = "") -> Life:
    """Make a second life that ends at its n-th operation of a kind."""
    passed = iter(range(1, 1_000_000))
    return Life(2, lambda point: point.startswith(kind) and next(passed) == operation)


def unsynced(folder: Path, seed: int, kind: str = "wal") -> tuple[Disk, int]:
    """Let the disk be full from a sync of a file on; give the disk, and what was acknowledged by then."""
    syncs = iter(range(1_000))
    is_full = False

    def plan(operation: Operation) -> Fault | None:
        nonlocal is_full
        if operation.kind == kind and operation.act == "sync" and next(syncs) == BEFORE + seed % 7:
            is_full = True
        return "full" if is_full else None

    folder.mkdir(mode=0o700)
    disk = Disk(folder, Chance(seed), Life(1, lambda _point: False), plan=plan)
    acknowledged = live(disk, 2 * BEFORE)
    assert 0 < acknowledged < 2 * BEFORE
    return disk, acknowledged


def damage_by_power_cuts(folder: Path) -> list[str]:
    """Cut the power at every operation of a start that follows a failed sync; say what that cost."""
    found: list[str] = []
    operation, has_ended = 0, False
    while not has_ended:
        operation += 1
        place = folder / str(operation)
        first, acknowledged = unsynced(place, operation)
        image = place / "killed"
        write_image(image, first.survivors("kill", first.chance))
        second = Disk(image, Chance(operation), life_that_ends_at(operation), former=first)
        acknowledged = max(acknowledged, live(second, 1))
        has_ended = not second.life.is_dead
        for cut in range(CUTS):
            left = place / f"cut-{cut}"
            write_image(left, second.survivors("power", Chance(CUTS * operation + cut)))
            with LogReader(left / LOG_NAME) as reader:
                report = verify(reader)
            if not report.is_sound or report.rows < acknowledged:
                found.append(f"{operation}: {report.rows} of {acknowledged}, {report.damages[:1]}")
    assert operation > 10, "a start does more than that"
    return found


def test_power_cut_during_the_start_after_a_failed_sync_damages_nothing(tmp_path: Path) -> None:
    assert damage_by_power_cuts(tmp_path) == []


def test_start_that_builds_upon_the_wal_as_it_was_left_loses_by_power_cuts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> None:
        """Leave the WAL as it is."""

    monkeypatch.setattr(sqlite_store, "renew", nothing)
    assert damage_by_power_cuts(tmp_path)


def test_start_looks_at_the_log_only_once_it_has_written_the_wal_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it looks at before may be pages that the disk has lost when it is done."""
    first, _ = unsynced(tmp_path / "first", 1)
    image = tmp_path / "killed"
    write_image(image, first.survivors("kill", first.chance))
    written: list[bool] = []
    disk = Disk(image, Chance(1), Life(2, lambda _point: False), former=first)
    look = sqlite_store._look_at

    def looked(path: Path) -> sqlite_store._Found:
        written.append(disk.counts["disk/wal/sync"] > 0)
        return look(path)

    monkeypatch.setattr(sqlite_store, "_look_at", looked)
    live(disk, 1)
    assert written == [True]


def test_power_cut_while_a_start_writes_a_witness_whose_sync_had_failed_leaves_half_of_it_sound(tmp_path: Path) -> None:
    for seed in range(30):
        place = tmp_path / str(seed)
        first, _ = unsynced(place, seed, "head")
        image = place / "killed"
        write_image(image, first.survivors("kill", first.chance))
        life = life_that_ends_at(1 + seed % 2, "disk/head/sync")
        second = Disk(image, Chance(seed), life, former=first)
        live(second, 1)
        assert life.is_dead
        for cut in range(20):
            left = place / f"cut-{cut}"
            write_image(left, second.survivors("power", Chance(20 * seed + cut)))
            assert read_witness(left / WITNESS_NAME).unsound < 2, (seed, cut)


@dataclass
class Held:
    """A log whose fold a reader has held back, and whose next fold fails at the sync; what came of it then."""

    disk: Disk
    loop: VirtualLoop
    medium: DiskMedium
    reader: sqlite3.Connection | None = None
    acknowledged: int = 0
    is_armed: bool = False

    async def append(self, log: SqliteLog, times: int) -> None:
        for _ in range(times):
            entry = Entry(PriceObserved(last=Decimal(self.acknowledged)), 1_000)
            await log.append([Batch("bot-a", log.head("bot-a").sequence, (entry,))], urgent=True)
            self.acknowledged += 1

    async def opened(self) -> SqliteLog:
        log = await SqliteLog.open(self.disk.folder, linger=asyncio.sleep, medium=self.medium)
        log.fold_pages = 60
        return log

    async def until_the_fold_fails(self) -> None:
        log = await self.opened()
        log.fold_pages = 1_000_000
        await self.append(log, 100)
        log.fold_pages = 60
        self.reader = sqlite3.connect(self.disk.folder / LOG_NAME, isolation_level=None)
        self.reader.execute("BEGIN")
        self.reader.execute("SELECT * FROM event").fetchall()
        await self.append(log, 25)
        self.reader.execute("COMMIT")
        self.is_armed = True
        with pytest.raises(StorageError, match="could not be written"):
            await self.append(log, 100)
        await log.close()
        assert not self.is_armed
        assert self.acknowledged > 125

    def lost_by_power_cuts(self, folder: Path) -> list[str]:
        found = []
        for cut in range(20):
            left = folder / f"cut-{cut}"
            write_image(left, self.disk.survivors("power", Chance(cut)))
            try:
                with LogReader(left / LOG_NAME) as reader:
                    report = verify(reader)
            except LogDamagedError as error:
                found.append(str(error))
            else:
                found += [f"{report}"] if not report.is_sound or report.rows < self.acknowledged else []
        return found


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    folder = tmp_path / "life"
    folder.mkdir(mode=0o700)

    def plan(operation: Operation) -> Fault | None:
        if told.is_armed and (operation.kind, operation.act) == ("log", "sync"):
            told.is_armed = False
            return "io"
        return None

    disk = Disk(folder, Chance(1), Life(1, lambda _point: False), plan=plan)
    told = Held(disk, VirtualLoop(), DiskMedium(disk, asyncio.sleep))
    yield told
    if told.reader is not None:
        told.reader.close()
    told.medium.close()
    told.loop.close()
    disk.release()


def test_log_whose_fold_fails_after_a_reader_held_it_back_is_written_no_more_and_loses_nothing(
    held: Held, tmp_path: Path
) -> None:
    """SQLite folds in part while somebody reads, without a sync; what fails later must not be tried again by halves."""
    held.loop.run_until_complete(held.until_the_fold_fails())
    assert held.lost_by_power_cuts(tmp_path) == []


async def starts_anew(held: Held) -> None:
    await held.until_the_fold_fails()
    log = await held.opened()
    held.acknowledged = log.head("bot-a").sequence
    await held.append(log, 100)
    await log.cover(held.acknowledged)
    await log.close()


def test_start_folds_in_once_more_what_was_folded_in_before_while_a_reader_stays(held: Held, tmp_path: Path) -> None:
    """The reader keeps the index of the WAL, which says what is folded in; the disk may not have all of that."""
    held.loop.run_until_complete(starts_anew(held))
    assert held.lost_by_power_cuts(tmp_path) == []


def test_start_that_trusts_the_index_of_the_wal_loses_by_power_cuts(
    held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def trust(_shm: int, _medium: Medium) -> None:
        """Leave the index as it is."""

    monkeypatch.setattr(renewal, "_count_as_not_folded", trust)
    held.loop.run_until_complete(starts_anew(held))
    assert held.lost_by_power_cuts(tmp_path)


def test_start_writes_every_part_of_a_long_wal_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "_PART_BYTES", 1_000)
    first, _ = unsynced(tmp_path / "life", 1)
    image = tmp_path / "killed"
    write_image(image, first.survivors("kill", first.chance))
    wal = (image / WAL_NAME).read_bytes()
    writes: list[tuple[int, bytes]] = []

    class Watched(DiskMedium):
        async def write(self, descriptor: int, content: bytes, offset: int) -> None:
            writes.append((offset, content))
            await super().write(descriptor, content, offset)

    disk = Disk(image, Chance(1), Life(2, lambda _point: False), former=first)
    medium, loop = Watched(disk, asyncio.sleep), VirtualLoop()
    log = loop.run_until_complete(SqliteLog.open(image, linger=asyncio.sleep, medium=medium, witness=False))
    assert [offset for offset, _ in writes] == list(range(0, len(wal), 1_000))
    assert b"".join(content for _, content in writes) == wal
    loop.run_until_complete(log.close())
    loop.close()
    disk.release()
