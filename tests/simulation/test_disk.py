"""The simulated disk shows what it claims: what was synced stays, the rest may go, and a seed decides how.

Method: the real store, or a bare SQLite connection with a weaker setting, writes on it; then it dies in many ways.
"""

import asyncio
import errno
import sqlite3
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.errors import DiskFullError, StorageError
from engine.core.events import PriceObserved
from engine.store.port import Batch, Entry
from engine.store.reader import LogReader
from engine.store.schema import DRAFT_NAME, LOG_NAME, WAL_NAME, WITNESS_NAME
from engine.store.sqlite import SqliteLog
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.disk import Disk, Fault, Mode, Operation, Plan
from engine.testing.simulation.life import Life
from engine.testing.simulation.loop import VirtualLoop
from engine.testing.simulation.medium import DiskMedium
from engine.testing.simulation.power import Change, DiskFile, apply

STREAM = "bot-a"


def endless(number: int = 1) -> Life:
    return Life(number, lambda _point: False)


def ending(at: int) -> Life:
    """Make a life that ends at the n-th point."""
    passed = iter(range(1, 1_000_000))
    return Life(1, lambda _point: next(passed) == at)


async def append(log: SqliteLog, number: int) -> int:
    entry = Entry(PriceObserved(last=Decimal(number)), 1_000 * number)
    return await log.append([Batch(STREAM, log.head(STREAM).sequence, (entry,))], urgent=True)


async def write_ten(log: SqliteLog) -> None:
    for number in range(1, 11):
        await append(log, number)


def live(disk: Disk, work: Callable[[SqliteLog], Awaitable[None]] = write_ten) -> list[int]:
    """Open a log on the disk and work on it; whatever becomes of that, give the positions that were acknowledged."""
    acknowledged: list[int] = []
    loop = VirtualLoop()
    medium = DiskMedium(disk, asyncio.sleep)

    async def main() -> None:
        log = await SqliteLog.open(disk.folder, linger=asyncio.sleep, medium=medium)
        try:
            await work(log)
        finally:
            acknowledged.append(log.commits)
            disk.life.end("test/over")
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


def positions(folder: Path) -> int:
    with LogReader(folder / LOG_NAME) as reader:
        return 0 if reader.is_new else len(list(reader.read(verified=True)))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "life"
    folder.mkdir(mode=0o700)
    return folder


def test_commits_synced_survive_every_power_cut(folder: Path, tmp_path: Path) -> None:
    for seed in range(30):
        place = folder / str(seed)
        place.mkdir(mode=0o700)
        disk = Disk(place, Chance(seed), endless())
        live(disk)
        disk.image(tmp_path / f"image-{seed}", "power")
        assert positions(tmp_path / f"image-{seed}") == 10


def unsynced(folder: Path, chance: Chance) -> Disk:
    """Write 20 rows with a SQLite that does not sync, and leave the connection open as a dead process would."""
    disk = Disk(folder, chance, endless())
    connection = sqlite3.connect(folder / LOG_NAME, isolation_level=None)
    try:
        connection.executescript("PRAGMA journal_mode = wal; PRAGMA synchronous = 2; CREATE TABLE t (a);")
        connection.execute("PRAGMA synchronous = 0")
        for number in range(20):
            connection.execute("INSERT INTO t VALUES (?)", (str(number) * 200,))
    finally:
        disk.life.end("test/over")
        connection.close()
        disk.release()
    return disk


def test_writes_not_synced_vanish_in_part_when_power_fails_and_stay_when_killed(folder: Path, tmp_path: Path) -> None:
    found = set()
    for seed in range(40):
        for mode in ("kill", "power"):
            place, image = folder / f"{seed}-{mode}", tmp_path / f"image-{seed}-{mode}"
            place.mkdir()
            unsynced(place, Chance(seed)).image(image, mode)
            (image / f"{LOG_NAME}").exists()
            connection = sqlite3.connect(image / LOG_NAME)
            try:
                rows = connection.execute("SELECT count(*) FROM t").fetchone()[0]
            except sqlite3.OperationalError:  # nothing ever made the name of the file durable
                rows = None
            finally:
                connection.close()
            assert mode == "power" or rows == 20
            found.add(rows)
    assert {0, 20} < found
    assert len(found) > 5


@pytest.mark.parametrize("mode", ["kill", "power"])
def test_same_seed_twice_leaves_the_same_bytes(folder: Path, tmp_path: Path, mode: Mode) -> None:
    images = []
    for run in ("a", "b"):
        (folder / run).mkdir()
        unsynced(folder / run, Chance(5)).image(tmp_path / run, mode)
        images.append(contents(tmp_path / run))
    assert images[0] == images[1]


def test_tape_of_a_power_cut_played_again_leaves_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    images = []
    chance = Chance(7)
    for run in ("a", "b"):
        (folder / run).mkdir()
        unsynced(folder / run, chance).image(tmp_path / run, "power")
        chance = Chance(7, dict(chance.tape))
        images.append(contents(tmp_path / run))
    assert images[0] == images[1]


def test_life_that_ends_at_an_operation_leaves_exactly_what_was_done_before_it(folder: Path, tmp_path: Path) -> None:
    whole = Disk(folder, Chance(1), endless())
    live(whole)
    assert whole.number > 60
    last = 0
    for at in range(1, whole.number, 3):
        place, image = tmp_path / str(at), tmp_path / f"image-{at}"
        place.mkdir()
        disk = Disk(place, Chance(1), ending(at))
        acknowledged = live(disk)
        assert disk.number == at - 1
        before = contents(place)
        disk.image(image, "kill")
        assert {name: content for name, content in before.items() if name in contents(image)} == contents(image)
        held = positions(image) if (image / LOG_NAME).exists() else 0
        assert held >= max([last, *acknowledged])
        last = held


def test_operations_are_counted_by_file_and_act(folder: Path) -> None:
    disk = Disk(folder, Chance(1), endless())
    live(disk)
    assert disk.counts["disk/folder/sync"] == 4
    assert disk.counts["disk/wal/sync"] >= 10
    assert disk.counts["disk/head/write"] == disk.counts["disk/head/sync"] > 0
    assert sum(disk.counts.values()) == disk.number


def failing(kind: str, act: str, fault: Fault, *, after: int = 0) -> Plan:
    def plan(operation: Operation) -> Fault | None:
        is_meant = operation.kind == kind and operation.act == act and operation.number > after
        return fault if is_meant else None

    return plan


@pytest.mark.parametrize(
    ("kind", "act", "fault", "expected"),
    [
        ("wal", "write", "full", DiskFullError),
        ("wal", "write", "io", StorageError),
        ("wal", "sync", "io", StorageError),
        ("head", "write", "full", DiskFullError),
        ("head", "sync", "io", StorageError),
    ],
)
def test_fault_by_plan_reaches_the_engine_as_its_own_fault(
    folder: Path, kind: str, act: str, fault: Fault, expected: type[StorageError]
) -> None:
    disk = Disk(folder, Chance(1), endless())
    raised = []

    async def work(log: SqliteLog) -> None:
        disk.plan = failing(kind, act, fault)
        try:
            for number in range(1, 4):
                await log.cover(await append(log, number))
        except StorageError as error:
            raised.append(type(error))

    live(disk, work)
    assert raised == [expected]
    assert disk.faults == {f"{fault} disk/{kind}/{act}": 1}


def test_read_that_fails_by_plan_is_a_storage_fault(folder: Path, tmp_path: Path) -> None:
    live(Disk(folder, Chance(1), endless()))
    disk = Disk(folder, Chance(1), endless(), plan=failing("log", "read", "io", after=-1), watches_reads=True)
    with pytest.raises(Exception, match="disk I/O error"):
        positions(folder)
    disk.release()
    assert disk.faults == {"io disk/log/read": disk.faults.total()}


def test_sync_that_lies_makes_nothing_durable(folder: Path, tmp_path: Path) -> None:
    lost = 0
    for seed in range(20):
        place, image = folder / str(seed), tmp_path / f"image-{seed}"
        place.mkdir()
        disk = Disk(place, Chance(seed), endless(), plan=failing("wal", "sync", "lie", after=30))
        live(disk)
        disk.image(image, "power")
        lost += positions(image) < 10
    assert lost > 10


def test_what_a_killed_life_had_not_synced_can_still_be_lost_in_the_next(folder: Path, tmp_path: Path) -> None:
    sizes = set()
    for seed in range(20):
        place, first, second = folder / str(seed), tmp_path / f"{seed}-1", tmp_path / f"{seed}-2"
        place.mkdir()
        killed = unsynced(place, Chance(seed))
        killed.image(first, "kill")
        heir = Disk(first, Chance(seed), endless(2), former=killed)
        heir.release()
        heir.image(second, "power")
        sizes.add(len(contents(second).get(WAL_NAME, b"")))
    assert len(sizes) > 3


def test_failed_sync_lets_slip_what_waited_for_it_although_the_next_succeeds() -> None:
    file = DiskFile("log")
    file.changes.append(Change(0, b"old"))
    file.slip()
    file.changes.append(Change(3, b"new"))
    file.settle()
    left = {file.survived(Chance(seed)) for seed in range(200)}
    assert {b"oldnew", b"\0\0\0new"} <= left
    assert all(content.endswith(b"new") for content in left)


def test_change_beyond_the_end_and_truncation_do_what_they_do_to_a_file() -> None:
    content = bytearray(b"abc")
    for change in (Change(5, b"x"), Change(2, None), Change(4, None), Change(1, b"yz")):
        apply(content, change)
    assert content == b"ayz\0"


def test_file_whose_name_was_never_synced_may_be_missing_and_removal_may_be_undone(
    folder: Path, tmp_path: Path
) -> None:
    names = set()
    for seed in range(120):
        place, image = folder / str(seed), tmp_path / f"image-{seed}"
        place.mkdir()
        disk = Disk(place, Chance(seed), ending(1 + seed % 40))
        live(disk)
        disk.image(image, "power")
        names.add(tuple(contents(image)))
    assert () in names
    assert (LOG_NAME,) in names
    assert (LOG_NAME, WAL_NAME, WITNESS_NAME) in names
    assert (DRAFT_NAME,) in names


def test_state_file_may_be_kept_old_torn_or_missing_after_a_power_cut(folder: Path, tmp_path: Path) -> None:
    found = set()
    for seed in range(40):
        place, image = folder / str(seed), tmp_path / f"image-{seed}"
        place.mkdir()
        state = place / "bot_state_x.json"
        state.write_bytes(b"old content")
        disk = Disk(place, Chance(seed), endless())
        state.write_bytes(b"new content")
        disk.release()
        disk.image(image, "power")
        found.add(contents(image).get(state.name))
    assert {b"old content", b"new content", None} < found
    assert len(found) > 6


def test_mistake_in_a_plan_is_not_taken_for_success(folder: Path, tmp_path: Path) -> None:
    def broken(_operation: Operation) -> Fault | None:
        raise LookupError("a mistake")

    disk = Disk(folder, Chance(1), endless())

    async def work(log: SqliteLog) -> None:
        disk.plan = broken
        with pytest.raises(StorageError):
            await append(log, 1)

    live(disk, work)
    with pytest.raises(LookupError, match="a mistake"):
        disk.image(tmp_path / "image", "kill")


def test_database_in_another_folder_is_left_alone(folder: Path, tmp_path: Path) -> None:
    disk = Disk(folder, Chance(1), ending(1), plan=failing("log", "write", "full", after=-1))
    connection = sqlite3.connect(tmp_path / LOG_NAME)
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    disk.release()
    assert disk.number == 0
    assert not disk.life.is_dead


def test_disk_that_is_full_says_so_as_an_operating_system_does(folder: Path) -> None:
    disk = Disk(folder, Chance(1), endless(), plan=failing("head", "write", "full", after=-1))
    with (folder / WITNESS_NAME).open("wb") as file, pytest.raises(OSError, match="No space left") as raised:
        disk.write_through(file.fileno(), b"x" * 64, 0)
    disk.release()
    assert raised.value.errno == errno.ENOSPC


def test_commit_on_a_slow_disk_takes_virtual_time_and_lets_others_go_on(folder: Path) -> None:
    disk = Disk(folder, Chance(1), endless())
    loop = VirtualLoop()
    delays = iter([0.0, 0.0, 0.0, 3.0])

    async def main() -> tuple[float, float]:
        medium = DiskMedium(disk, asyncio.sleep, lambda: next(delays, 0.0))
        log = await SqliteLog.open(folder, linger=asyncio.sleep, medium=medium)
        await append(log, 1)
        before = loop.time()
        pending = asyncio.ensure_future(append(log, 2))
        await asyncio.sleep(1)
        is_early = pending.done()
        await pending
        took = loop.time() - before
        await log.close()
        return took, float(is_early)

    took, is_early = loop.run_until_complete(main())
    loop.close()
    disk.release()
    assert took == pytest.approx(3.0)
    assert not is_early


def test_setting_that_did_not_reach_the_disk_is_a_fault_and_never_another_kind_of_log(folder: Path) -> None:
    """Hold what seed 3 of the simulated worlds showed: SQLite tells of a failed sync only at a statement's end."""
    faults = 0
    for at in range(1, 40):
        place = folder / str(at)
        place.mkdir(mode=0o700)
        disk = Disk(place, Chance(1), endless(), plan=lambda each, at=at: "io" if each.number == at else None)  # type: ignore[misc]
        live(disk)
        faults += sum(disk.faults.values())
        log = place / LOG_NAME
        if log.exists() and log.stat().st_size:
            assert log.read_bytes()[18:20] == b"\2\2", f"the log is not in WAL mode after a fault at operation {at}"
    assert faults > 30
