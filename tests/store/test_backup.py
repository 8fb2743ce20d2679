"""Backups: whole while an engine writes, complete or not there, private, and never a way out of their folder."""

import asyncio
import os
import resource
import shutil
import stat
from pathlib import Path

import pytest

from engine.core.errors import ConfigError, LogDamagedError, StorageError, UsageError
from engine.core.instants import DAY_MS
from engine.store import backup as backing_up
from engine.store.backup import Backup, back_up, backup_folder
from engine.store.folders import UNFINISHED, folders, remove_unfinished, stamp
from engine.store.reader import LogReader
from engine.store.schema import LOCK_NAME, LOG_NAME, WITNESS_NAME
from engine.store.sqlite import SqliteLog
from engine.store.verification import verify
from engine.store.witness import Sighting, read_witness
from tests.store.conftest import NOBODY
from tests.store.helpers import FEED, append, edit, events, fill_log, price, with_log, write_log

AT_MS = 1_760_000_000_123
NAME = "2025-10-09T08-53-20.123Z"


def is_sound(folder: Path) -> bool:
    """Tell whether a backup is sound, and vouched for to its end."""
    with LogReader.open(folder) as reader:
        report = verify(reader)
    return report.is_sound and report.has_witness


async def other_rows(log: SqliteLog) -> None:
    await append(log, FEED, price(77), price(78))


@pytest.mark.spec("a backup is whole though an engine writes meanwhile", section="Backups")
def test_backup_under_a_writing_engine_is_a_sound_beginning_each_time(tmp_path: Path) -> None:
    made: list[Backup] = []

    async def scenario() -> None:
        log = await SqliteLog.open(tmp_path / "log", linger=asyncio.sleep)
        await fill_log(log, 1)

        wrote = asyncio.Event()

        async def write() -> None:
            while True:
                await fill_log(log, 2)
                wrote.set()

        writing = asyncio.create_task(write())
        for number in range(12):
            made.append(await asyncio.to_thread(back_up, tmp_path / "log", None, AT_MS + number))
            wrote.clear()
            written = asyncio.create_task(wrote.wait())
            await asyncio.wait([written, writing], return_when=asyncio.FIRST_COMPLETED)
            assert not writing.done(), writing
        writing.cancel()
        await asyncio.wait([writing])
        await log.close()

    asyncio.run(scenario())
    written = events(tmp_path / "log")
    assert len({backup.rows for backup in made}) == len(made), "the engine wrote meanwhile"
    for backup in made:
        assert is_sound(backup.folder)
        assert events(backup.folder) == written[: backup.rows]
        assert backup.head == written[backup.rows - 1].checksum.hex()


def test_backup_is_private_and_named_by_its_time(tmp_path: Path) -> None:
    write_log(tmp_path)
    backup = back_up(tmp_path, None, AT_MS)
    assert backup.folder == tmp_path / "backups" / NAME
    assert (backup.rows, backup.streams, backup.bytes) == (30, 3, (backup.folder / LOG_NAME).stat().st_size)
    assert sorted(path.name for path in backup.folder.iterdir()) == [LOG_NAME, WITNESS_NAME]
    paths = (tmp_path / "backups", backup.folder, *backup.folder.iterdir())
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o700, 0o700, 0o600, 0o600]
    assert is_sound(backup.folder)


def test_backup_that_lost_its_end_is_found_out_by_its_own_witness(tmp_path: Path) -> None:
    write_log(tmp_path)
    backup = back_up(tmp_path, None, AT_MS)
    edit(backup.folder, "DELETE FROM event WHERE row_id = 30")
    assert not is_sound(backup.folder)


def test_two_backups_of_one_moment_have_two_names(tmp_path: Path) -> None:
    write_log(tmp_path)
    names = [back_up(tmp_path, tmp_path / "elsewhere", AT_MS).folder.name for _ in range(11)]
    assert names == [NAME, *(f"{NAME}-{number}" for number in range(2, 12))]
    assert [folder.name for folder in folders(tmp_path / "elsewhere")] == names


def test_keep_removes_the_oldest_backups_and_nothing_else(tmp_path: Path) -> None:
    write_log(tmp_path)
    parent = tmp_path / "backups"
    first = back_up(tmp_path, None, AT_MS)
    (first.folder / "note.txt").write_text("mine")
    (parent / "2001-diary").mkdir()
    second = back_up(tmp_path, None, AT_MS + 1)
    last = back_up(tmp_path, None, AT_MS + 2, keep=1)
    assert last.removed == (first.folder, second.folder)
    assert sorted(path.name for path in parent.iterdir()) == sorted([NAME, "2001-diary", last.folder.name])
    assert [path.name for path in first.folder.iterdir()] == ["note.txt"]
    assert is_sound(last.folder)


@pytest.mark.spec("keep removes backups of the same log alone", section="Backups")
def test_keep_never_removes_what_is_no_backup_of_this_log(tmp_path: Path) -> None:
    place = tmp_path / "bots"
    write_log(tmp_path / "log")
    write_log(place / "1-btc")  # a state directory whose name begins with a digit
    write_log(place / "2024-01-01T00-00-00.000Z")  # and one that bears a time
    write_log(tmp_path / "other", 11)
    edit(tmp_path / "other", "UPDATE event SET checksum = zeroblob(16) WHERE row_id = 33")
    other = shutil.copytree(tmp_path / "other", place / "2024-01-02T00-00-00.000Z")
    (other / LOCK_NAME).unlink()
    unreadable = place / "2024-01-03T00-00-00.000Z"
    unreadable.mkdir()
    (unreadable / LOG_NAME).write_bytes(b"no log" * 1_000)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    first = back_up(tmp_path / "log", place, AT_MS)
    last = back_up(tmp_path / "log", place, AT_MS + 1, keep=1)
    assert last.removed == (first.folder,)
    assert {path: path.read_bytes() for path in before} == before


def test_two_logs_with_one_place_for_backups_keep_each_their_own(tmp_path: Path) -> None:
    place, names = tmp_path / "place", ("one", "other")
    write_log(tmp_path / "one", 11)
    with_log(tmp_path / "other", other_rows)
    old = {name: back_up(tmp_path / name, place, AT_MS).folder for name in names}
    new = {name: back_up(tmp_path / name, place, AT_MS + 1, keep=1) for name in names}
    assert {name: made.removed for name, made in new.items()} == {name: (old[name],) for name in names}
    assert len(folders(place)) == 2
    assert all(is_sound(folder) for folder in folders(place))


def test_keep_never_removes_the_newest_where_the_clock_went_back(tmp_path: Path) -> None:
    write_log(tmp_path)
    later = back_up(tmp_path, None, AT_MS)
    made = back_up(tmp_path, None, AT_MS - 1, keep=1)
    assert made.removed == (later.folder,)
    assert is_sound(made.folder)


def test_backup_that_was_cut_short_long_ago_is_removed_and_a_young_one_is_not(tmp_path: Path) -> None:
    write_log(tmp_path)
    place = tmp_path / "backups"
    old, young, mine = (place / f"{UNFINISHED}{name}" for name in (stamp(AT_MS - DAY_MS - 1), stamp(AT_MS - 1), "mine"))
    for folder in (old, young, mine):
        folder.mkdir(parents=True)
        (folder / LOG_NAME).write_bytes(b"half")
    back_up(tmp_path, None, AT_MS)
    assert [old.exists(), young.exists(), mine.exists()] == [False, True, True]
    remove_unfinished(place)
    assert [young.exists(), mine.exists()] == [False, True]


def test_backup_into_a_folder_that_is_there_leaves_its_permissions_alone(tmp_path: Path) -> None:
    write_log(tmp_path / "log")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    made = back_up(tmp_path / "log", tmp_path / "shared", AT_MS)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "shared", made.folder)]
    assert modes == [0o755, 0o700]


def test_backup_of_a_damaged_log_leaves_nothing_behind(tmp_path: Path) -> None:
    write_log(tmp_path)
    edit(tmp_path, "UPDATE event SET body = replace(body, '1000', '1001') WHERE row_id = 1")
    with pytest.raises(LogDamagedError, match="krypto-engine recover"):
        back_up(tmp_path, None, AT_MS)
    assert list((tmp_path / "backups").iterdir()) == []


def test_backup_of_a_log_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    write_log(tmp_path)
    edit(tmp_path, "DELETE FROM event WHERE row_id > 20")
    with pytest.raises(LogDamagedError, match="rows 21 to 30 are gone"):
        back_up(tmp_path, None, AT_MS)


def test_backup_of_nothing_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no log"):
        back_up(tmp_path, None, AT_MS)


@pytest.mark.spec("copies of the log follow no symbolic link", section="Identity")
def test_backup_through_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    write_log(tmp_path / "log")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "log" / "backups").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="symbolic link"):
        back_up(tmp_path / "log", None, AT_MS)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_unfinished_backup_is_no_backup(tmp_path: Path) -> None:
    write_log(tmp_path)
    made = back_up(tmp_path, None, AT_MS)
    shutil.copytree(made.folder, made.folder.with_name(f"{UNFINISHED}{NAME}"))
    assert folders(tmp_path / "backups") == [made.folder]


def test_backup_is_named_by_its_folder_or_its_file(tmp_path: Path) -> None:
    write_log(tmp_path)
    made = back_up(tmp_path, None, AT_MS)
    assert backup_folder(made.folder) == backup_folder(made.folder / LOG_NAME) == made.folder
    with pytest.raises(ConfigError, match="is no backup"):
        backup_folder(tmp_path / "backups")


def test_backup_into_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    foreign = Path("/usr")
    if os.geteuid() == 0:
        foreign = tmp_path / "theirs"
        foreign.mkdir()
        os.chown(foreign, NOBODY, NOBODY)
    write_log(tmp_path / "log")
    with pytest.raises(ConfigError, match=r"belongs to user \d+, not to you"):
        back_up(tmp_path / "log", foreign, AT_MS)


def test_folder_of_ours_for_backups_is_closed_to_others(tmp_path: Path) -> None:
    write_log(tmp_path)
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups").chmod(0o755)
    back_up(tmp_path, None, AT_MS)
    assert stat.S_IMODE((tmp_path / "backups").stat().st_mode) == 0o700
    assert folders(tmp_path / "nowhere") == []


def test_backup_to_where_no_folder_can_be_is_a_storage_fault(tmp_path: Path) -> None:
    write_log(tmp_path)
    (tmp_path / "backups").write_text("")
    with pytest.raises(StorageError):
        back_up(tmp_path, None, AT_MS)


def test_backup_on_a_disk_that_is_too_small_leaves_nothing_behind(tmp_path: Path) -> None:
    write_log(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, limits[1]))
    try:
        with pytest.raises(StorageError, match=f"{LOG_NAME} could not be written"):
            back_up(tmp_path, None, AT_MS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "backups").iterdir()) == []


def test_backup_of_a_log_that_is_replaced_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_log(tmp_path / "log")
    write_log(tmp_path / "other", 11)
    (tmp_path / "log" / WITNESS_NAME).unlink()

    def replacing(path: Path) -> Sighting:
        (tmp_path / "other" / LOG_NAME).replace(tmp_path / "log" / LOG_NAME)
        return read_witness(path)

    monkeypatch.setattr(backing_up, "read_witness", replacing)  # the moment between opening and copying
    with pytest.raises(LogDamagedError, match="does not end as the log does"):
        back_up(tmp_path / "log", None, AT_MS)
    assert list((tmp_path / "log" / "backups").iterdir()) == []


def test_old_backup_that_cannot_be_removed_is_told_and_the_new_one_is_there(tmp_path: Path) -> None:
    write_log(tmp_path)
    old = back_up(tmp_path, None, AT_MS)
    (old.folder / WITNESS_NAME).unlink()
    (old.folder / WITNESS_NAME).mkdir()
    with pytest.raises(StorageError):
        back_up(tmp_path, None, AT_MS + 1, keep=1)
    assert is_sound(folders(tmp_path / "backups")[-1])
