"""The store keeps its promises through deaths, faults and damage; and stores that break them are caught.

Method: a sample of the storage schedules, which a campaign runs by the hundred thousand, and the same schedules against
stores with a mistake.
"""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

import engine.store.sqlite
from engine.core.errors import LogDamagedError, StorageError
from engine.core.events import PriceObserved
from engine.store.appender import Linger
from engine.store.medium import Medium
from engine.store.port import Batch, Entry
from engine.store.schema import DRAFT_NAME, JOURNAL_NAME, LOG_NAME, WAL_NAME, WITNESS_NAME
from engine.store.sqlite import SqliteLog
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.disk import Disk, write_image
from engine.testing.simulation.life import Life
from engine.testing.simulation.script import FEED, REAL, Ledger, Script, Step, Store, ViolationError, Writer, script_of
from engine.testing.simulation.storage import A_PLACE, KINDS, VARIANTS, run_schedules, schedules
from engine.testing.simulation.tally import Tally

SEED = 1
PLACES = range(0, 220, 22)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Give a folder in memory, where there is one: nothing here needs a real disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def ending_at(operation: int) -> Life:
    passed = iter(range(1, operation))
    return Life(1, lambda _point: next(passed, None) is None)


def sample(scratch: Path, store: Store = REAL, places: Sequence[int] = PLACES) -> Tally:
    tallies = [run_schedules(SEED, place * A_PLACE, A_PLACE, scratch, store) for place in places]
    whole = tallies[0]
    for tally in tallies[1:]:
        whole = whole.joined(tally)
    return whole


@pytest.mark.spec("a log opens with all that was confirmed, or says that it is damaged", section="decision 12")
def test_sampled_schedules_keep_every_promise(scratch: Path) -> None:
    tally = sample(scratch)
    assert tally.violations == ()
    assert tally.schedules == len(PLACES) * A_PLACE == tally.outcomes.total()
    assert {name.split(":")[0] for name in tally.outcomes} == set(KINDS)
    for kind in ("crash", "twice", "full once", "full", "io once", "io"):
        assert tally.outcomes[f"{kind}: whole"] == len(PLACES) * 8
    for kind in ("log lies", "all lie", "flip", "tamper", "replaced"):
        assert tally.outcomes[f"{kind}: refused"] > 0
    assert tally.counts["acknowledged"] > 500


def test_schedule_is_a_function_of_its_number_whatever_ran_before(scratch: Path) -> None:
    first = 37 * A_PLACE + 40
    together = run_schedules(SEED, first, 70, scratch / "a")
    apart = run_schedules(SEED, first, 30, scratch / "b").joined(run_schedules(SEED, first + 30, 40, scratch / "c"))
    assert together.outcomes == apart.outcomes
    assert together.violations == apart.violations == ()


def test_script_that_fails_although_nothing_befalls_it_is_told_with_its_first_schedule(scratch: Path) -> None:
    first_of_next = next(each.number for each in schedules(SEED, 0, 1_000_000, scratch) if each.script == 1)
    folders: set[str] = set()

    async def failing(folder: Path, linger: Linger, medium: Medium) -> SqliteLog:
        folders.add(folder.name)
        if folder.name == "whole" and len(folders) > 1:  # a script is measured after another was run
            raise StorageError("it broke")
        return await REAL.opened(folder, linger, medium)

    (violation,) = run_schedules(SEED, first_of_next - 2, 4, scratch, Store(failing)).violations
    assert (violation.schedule, violation.kind) == (first_of_next, "calm")


def test_same_script_and_crash_twice_leave_the_same_bytes(scratch: Path) -> None:
    images = []
    for run in ("a", "b"):
        folder = scratch / run
        folder.mkdir()
        disk = Disk(folder, Chance(3), ending_at(90))
        Writer(disk, Ledger()).run(script_of(3))
        images.append((disk.survivors("kill", Chance(1)), disk.survivors("power", Chance(1))))
    assert images[0] == images[1]
    assert images[0][0][WAL_NAME]


class HastyLog(SqliteLog):
    """Confirms what it is given before it is durable."""

    def append(self, batches: Sequence[Batch], *, urgent: bool) -> "asyncio.Future[int]":
        super().append(batches, urgent=urgent)
        confirmed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        confirmed.set_result(self._chains.position)
        return confirmed

    async def cover(self, position: int) -> None:
        await self.flush()
        await super().cover(position)


async def hasty(folder: Path, linger: Linger, medium: Medium) -> SqliteLog:
    return await HastyLog.open(folder, linger=linger, medium=medium)


async def unwitnessed(folder: Path, linger: Linger, medium: Medium) -> SqliteLog:
    return await SqliteLog.open(folder, linger=linger, medium=medium, witness=False)


@pytest.mark.parametrize(
    ("store", "kinds"),
    [
        (Store(REAL.opened, "PRAGMA synchronous = 1"), {"crash", "full", "io"}),
        (Store(REAL.opened, "PRAGMA synchronous = 0"), {"crash", "full", "io"}),
        (Store(hasty), {"crash", "full", "io"}),
        (Store(unwitnessed), {"log lies", "cut", "flip", "tamper"}),
    ],
    ids=["synchronous normal", "synchronous off", "confirmed before durable", "no witness"],
)
def test_store_with_a_mistake_is_caught(scratch: Path, store: Store, kinds: set[str]) -> None:
    caught: set[str] = set()
    for place in range(60, 600, 40):
        caught |= {violation.kind for violation in sample(scratch, store, [place]).violations}
        if kinds <= caught:
            return
    pytest.fail(f"only {caught} showed the mistake")


@pytest.mark.parametrize("mode", ["kill", "power"])
def test_death_at_any_operation_of_making_a_log_leaves_one_that_opens(scratch: Path, mode: str) -> None:
    seen = set()
    for operation in range(1, 40):
        for seed in range(3):
            folder, image = scratch / "life", scratch / f"image-{operation}-{seed}"
            write_image(folder, {})
            disk = Disk(folder, Chance(seed), ending_at(operation))
            ledger = Ledger()
            Writer(disk, ledger).run(script_of(seed))
            write_image(image, disk.survivors("kill" if mode == "kill" else "power", Chance(seed)))
            seen.add(tuple(sorted(path.name for path in image.iterdir())))
            healthy = Disk(image, Chance(seed), Life(2, lambda _point: False))
            assert len(Writer(healthy, ledger).opened()) >= ledger.acknowledged
            for path in folder.iterdir():
                path.unlink()
    assert (DRAFT_NAME,) in seen
    assert (LOG_NAME, WAL_NAME, WITNESS_NAME) in seen


TAKEN = KINDS.index("replaced") * VARIANTS + 2
"""The variant that takes the witness away; three further, a copy is put in its place."""


class BlankLog(SqliteLog):
    """Says that its witness covers what is committed, and never writes there; it notices that the file is gone."""

    async def cover(self, position: int) -> None:
        await self.flush()
        await super().cover(position)
        if not self._path.with_name(WITNESS_NAME).exists():
            raise StorageError("the witness is gone")


async def blank(folder: Path, linger: Linger, medium: Medium) -> SqliteLog:
    log = await BlankLog.open(folder, linger=linger, medium=medium, witness=False)
    folder.joinpath(WITNESS_NAME).touch()
    return log


def test_cover_of_a_witness_that_was_never_written_is_a_violation_once_it_is_taken_away(scratch: Path) -> None:
    for place in range(0, 900, 300):
        for violation in run_schedules(SEED, place * A_PLACE + TAKEN, 1, scratch, Store(blank)).violations:
            assert violation.what == f"an event was promised after {WITNESS_NAME} had been replaced"
            return
    pytest.fail("nothing showed the mistake")


@pytest.mark.parametrize("variant", [TAKEN, TAKEN + 3], ids=["taken away", "copied"])
def test_schedule_that_finds_no_file_to_replace_is_counted_apart(scratch: Path, variant: int) -> None:
    assert run_schedules(SEED, variant, 1, scratch, Store(unwitnessed)).outcomes == {"replaced: untouched": 1}
    assert run_schedules(SEED, variant, 1, scratch).outcomes == {"replaced: whole": 1}


def written(folder: Path) -> dict[str, bytes]:
    """Give the files of a log whose writer was killed."""
    folder.mkdir()
    disk = Disk(folder, Chance(3), ending_at(100))
    Writer(disk, Ledger()).run(script_of(3))
    return disk.survivors("kill", Chance(0))


@pytest.mark.parametrize("has_log", [True, False])
def test_journal_beside_the_log_is_refused_and_undoes_nothing(scratch: Path, has_log: bool) -> None:
    """A disk that lied had brought back a journal from the making of the log: opening then emptied a sound log."""
    files = written(scratch / "life") if has_log else {}
    files[JOURNAL_NAME] = bytes.fromhex("d9d505f920a163d7") + bytes(504)
    write_image(scratch / "image", files)
    disk = Disk(scratch / "image", Chance(0), Life(2, lambda _point: False))
    with pytest.raises(LogDamagedError, match="never has such a file"):
        Writer(disk, Ledger()).opened()
    assert disk.standing() == files


def test_log_emptied_beside_its_wal_is_refused_and_the_wal_stays(scratch: Path) -> None:
    """SQLite removes a WAL beside an empty file when it only looks at it, and the newest events with it."""
    files = {**written(scratch / "life"), LOG_NAME: b""}
    write_image(scratch / "image", files)
    disk = Disk(scratch / "image", Chance(0), Life(2, lambda _point: False))
    with pytest.raises(LogDamagedError, match="is empty, but"):
        Writer(disk, Ledger()).opened()
    assert disk.standing() == files


@pytest.mark.parametrize("renews", [True, False])
def test_power_cut_while_a_killed_engine_starts_again_is_no_damage(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, *, renews: bool
) -> None:
    """What a killed writer had not synced is read at the next start: the witness may not vouch for it before it is.

    Two things see to that: a start writes the WAL anew first, and the witness comes last.
    """

    async def nothing(*_: object) -> None:
        """Leave the WAL as it is."""

    if not renews:
        monkeypatch.setattr("engine.store.sqlite.renew", nothing)
    lost = 0
    for nth in range(4, 9):
        folder = scratch / f"life-{nth}"
        folder.mkdir()
        syncs = iter(range(1, nth))
        life = Life(1, lambda point, syncs=syncs: point == "disk/wal/sync" and next(syncs, None) is None)  # type: ignore[misc]
        first, ledger = Disk(folder, Chance(nth), life), Ledger()
        Writer(first, ledger).run(script_of(3))
        for operation in range(1, 9):
            second, third = scratch / f"second-{nth}-{operation}", scratch / f"third-{nth}-{operation}"
            write_image(second, first.survivors("kill", Chance(0)))
            disk, later = Disk(second, Chance(operation), ending_at(operation), former=first), ledger.copy()
            Writer(disk, later).run(script_of(4))
            write_image(third, disk.survivors("power", Chance(operation)))
            found = Writer(Disk(third, Chance(0), Life(3, lambda _point: False)), later).opened()
            assert len(found) >= later.acknowledged
            lost += len(found) < len(ledger.given)
    assert lost


class UnmovedLog(SqliteLog):
    """Goes on confirming after a fault."""

    def append(self, batches: Sequence[Batch], *, urgent: bool) -> "asyncio.Future[int]":
        if not self._queue.is_dead:
            return super().append(batches, urgent=urgent)
        confirmed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        confirmed.set_result(self._chains.position)
        return confirmed


async def unmoved(folder: Path, linger: Linger, medium: Medium) -> SqliteLog:
    return await UnmovedLog.open(folder, linger=linger, medium=medium)


def lives_on(scratch: Path, store: Store, *, is_stubborn: bool) -> Writer:
    """Have a writer append again and again, the second time in vain; give it in the end."""
    chance = next(chance for chance in map(Chance, range(99)) if (chance.unit("stubborn") < 0.5) is is_stubborn)
    scratch.joinpath("life").mkdir()
    disk = Disk(scratch / "life", chance, Life(1, lambda _point: False))

    def before_step(index: int) -> None:
        disk.plan = (lambda operation: "io" if operation.kind == "wal" else None) if index == 1 else None

    step = Step("urgent", ((FEED, (Entry(PriceObserved(last=Decimal(1)), 1_000),)),))
    writer = Writer(disk, Ledger(), store)
    writer.run(Script((step,) * 4, 500), before_step)
    return writer


def test_stubborn_writer_sees_a_store_that_confirms_after_a_fault(scratch: Path) -> None:
    with pytest.raises(ViolationError, match="acknowledged after a commit had failed"):
        lives_on(scratch, Store(unmoved), is_stubborn=True)


def test_writer_that_ends_with_its_fault_does_not_see_that(scratch: Path) -> None:
    assert isinstance(lives_on(scratch, Store(unmoved), is_stubborn=False).fault, StorageError)


def test_stubborn_writer_finds_nothing_amiss_with_the_store(scratch: Path) -> None:
    assert isinstance(lives_on(scratch, REAL, is_stubborn=True).fault, StorageError)


def test_writer_goes_on_after_a_fault_once_the_log_is_opened_anew(scratch: Path) -> None:
    scratch.joinpath("life").mkdir()
    disk = Disk(scratch / "life", Chance(1), Life(1, lambda _point: False))

    def before_step(index: int) -> None:
        disk.plan = (lambda operation: "io" if operation.kind == "wal" else None) if index == 1 else None

    step = Step("urgent", ((FEED, (Entry(PriceObserved(last=Decimal(1)), 1_000),)),))
    ledger = Ledger()
    writer = Writer(disk, ledger)
    writer.run(Script((step, step, Step("reopen"), step), 500), before_step)
    assert isinstance(writer.fault, StorageError)
    assert ledger.acknowledged == len(ledger.given) >= 2


def test_store_that_builds_on_what_a_failed_sync_let_slip_is_caught(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> None:
        """Leave the end of the log where it was found, unsynced."""

    monkeypatch.setattr(engine.store.sqlite, "renew", nothing)
    slip = KINDS.index("slip") * VARIANTS
    for place in range(0, 200, 4):
        tally = run_schedules(SEED, place * A_PLACE + slip, VARIANTS, scratch)
        assert {each.kind for each in tally.violations} <= {"slip"}
        if tally.violations:
            return
    pytest.fail("nothing showed the mistake")
