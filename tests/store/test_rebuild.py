"""A log made anew: quarantined, written from sound rows, put in the place of the old one, whatever interrupts that."""

import json
import shutil
from hashlib import blake2b
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.core.errors import ConflictError, LogDamagedError, LogTooNewError, StorageError
from engine.store import rebuild
from engine.store.port import Recorded
from engine.store.rebuild import MANIFEST_NAME, QUARANTINE_NAME, WORK_NAME
from engine.store.salvage import Prefix, remove_scratch, salvage
from engine.store.schema import LOG_FORMAT, LOG_NAME, WAL_NAME, WITNESS_NAME
from tests.store.bad_disk import spoil_block
from tests.store.helpers import contents, edit, events, reopen, write_log

AT_MS = 1_760_000_000_123
KEPT = 20


@pytest.fixture
def damaged(tmp_path: Path) -> tuple[Path, list[Recorded]]:
    """Give a log whose row 21 is not what was written, and what it held."""
    directory = tmp_path / "state"
    written = write_log(directory)
    edit(directory, f"UPDATE event SET body = replace(body, '1', '2') WHERE row_id = {KEPT + 1}")
    return directory, written


def prefix_of(directory: Path) -> Prefix:
    found = salvage(directory, directory / "scratch")
    assert found.position == KEPT
    return found


def made_anew(directory: Path) -> Path:
    """Make the new log of a damaged one, with its witness, in the work folder; give its folder."""
    work = rebuild.work_folder(directory)
    rebuild.note_quarantine(work, rebuild.quarantine(directory, "a test", AT_MS))
    inner = work / WORK_NAME
    inner.mkdir(mode=0o700)
    rebuild.write_log(prefix_of(directory), inner)
    reopen(inner)
    return inner


def files(directory: Path) -> dict[str, bytes]:
    """Give every file of a directory itself."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_new_log_takes_the_place_of_a_damaged_one_and_holds_its_sound_beginning(
    damaged: tuple[Path, list[Recorded]],
) -> None:
    directory, written = damaged
    with pytest.raises(LogDamagedError):
        reopen(directory)
    rebuild.install(made_anew(directory), directory)
    assert reopen(directory) == ()
    assert events(directory) == written[:KEPT]


def test_quarantine_holds_every_file_as_it_was_with_its_digest(damaged: tuple[Path, list[Recorded]]) -> None:
    directory = damaged[0]
    (directory / "bot_state_a.json").write_text("{}")
    before = contents(directory)
    folder = rebuild.quarantine(directory, "a test", AT_MS)
    assert folder is not None
    assert folder.parent == directory / QUARANTINE_NAME
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    assert manifest["reason"] == "a test"
    assert {each["name"] for each in manifest["files"]} == {LOG_NAME, WITNESS_NAME, "bot_state_a.json"}
    for each in manifest["files"]:
        held = (folder / each["name"]).read_bytes()
        assert held == before[each["name"]]
        assert each["blake2b"] == blake2b(held, digest_size=32).hexdigest()


def test_quarantine_of_a_file_with_a_bad_block_holds_the_rest_and_says_what_is_missing(
    damaged: tuple[Path, list[Recorded]], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = damaged[0]
    whole = (directory / LOG_NAME).read_bytes()
    spoil_block(monkeypatch, directory / LOG_NAME, 8_192, 8_193)
    folder = rebuild.quarantine(directory, "a test", AT_MS)
    assert folder is not None
    assert (folder / LOG_NAME).read_bytes() == whole[:8_192] + bytes(4_096) + whole[12_288:]
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    unread = {each["name"]: each.get("unread") for each in manifest["files"]}
    assert unread == {LOG_NAME: [[8_192, 4_096]], WITNESS_NAME: None}


def test_quarantine_of_an_empty_directory_is_none(tmp_path: Path) -> None:
    assert rebuild.quarantine(tmp_path, "a test", AT_MS) is None
    assert list(tmp_path.iterdir()) == []


def test_installation_cut_short_behind_the_witness_starts_no_engine_and_is_finished_later(
    damaged: tuple[Path, list[Recorded]],
) -> None:
    directory, written = damaged
    inner = made_anew(directory)
    shutil.copy(inner / WITNESS_NAME, directory / WITNESS_NAME)
    with pytest.raises(LogDamagedError):
        reopen(directory)
    rebuild.resume(directory)
    assert events(directory) == written[:KEPT]
    reopen(directory)


def test_installation_that_fails_keeps_what_finishes_it(damaged: tuple[Path, list[Recorded]]) -> None:
    directory, written = damaged
    (directory / WAL_NAME).unlink(missing_ok=True)
    (directory / WAL_NAME).mkdir()

    def recover() -> None:
        with rebuild.working(directory) as work:
            rebuild.note_quarantine(work, None)
            inner = work / WORK_NAME
            inner.mkdir(mode=0o700)
            rebuild.write_log(prefix, inner)
            reopen(inner)
            rebuild.install(inner, directory)

    prefix = prefix_of(directory)
    with pytest.raises(StorageError):
        recover()
    (directory / WAL_NAME).rmdir()
    rebuild.resume(directory)
    assert events(directory) == written[:KEPT]


def test_work_folder_of_a_recovery_that_replaced_nothing_is_removed(damaged: tuple[Path, list[Recorded]]) -> None:
    directory = damaged[0]

    def fail() -> None:
        with rebuild.working(directory) as work:
            (work / "copy").write_bytes(b"half")
            raise StorageError

    with pytest.raises(StorageError):
        fail()
    assert not (directory / WORK_NAME).exists()


def test_work_folder_of_a_recovery_that_is_done_is_removed(damaged: tuple[Path, list[Recorded]]) -> None:
    directory = damaged[0]
    with rebuild.working(directory) as work:
        rebuild.note_quarantine(work, None)
    assert not (directory / WORK_NAME).exists()


def test_new_log_that_a_newer_program_made_is_left_to_that(damaged: tuple[Path, list[Recorded]]) -> None:
    directory = damaged[0]
    inner = made_anew(directory)
    shutil.copy(inner / WITNESS_NAME, directory / WITNESS_NAME)
    edit(inner, f"PRAGMA user_version = {LOG_FORMAT + 1}")
    with pytest.raises(LogTooNewError):
        rebuild.resume(directory)
    assert (inner / LOG_NAME).is_file()


def test_new_log_that_was_damaged_before_it_was_in_place_is_made_anew(damaged: tuple[Path, list[Recorded]]) -> None:
    directory = damaged[0]
    inner = made_anew(directory)
    shutil.copy(inner / WITNESS_NAME, directory / WITNESS_NAME)
    (inner / LOG_NAME).write_bytes(b"no log" * 1_000)
    before = files(directory)
    rebuild.resume(directory)
    assert files(directory) == before
    assert rebuild.noted_quarantine(directory) is not None


def test_recovery_cut_short_before_the_witness_is_not_finished_by_itself(
    damaged: tuple[Path, list[Recorded]],
) -> None:
    directory = damaged[0]
    rebuild.resume(directory)
    inner = made_anew(directory)
    before = files(directory)
    rebuild.resume(directory)
    assert files(directory) == before
    assert (inner / LOG_NAME).is_file()


def test_note_of_the_quarantine_is_found_again(damaged: tuple[Path, list[Recorded]]) -> None:
    directory = damaged[0]
    assert rebuild.noted_quarantine(directory) is None
    folder = rebuild.quarantine(directory, "a test", AT_MS)
    work = rebuild.work_folder(directory)
    rebuild.note_quarantine(work, folder)
    assert rebuild.noted_quarantine(directory) == folder
    with pytest.raises(StorageError):
        rebuild.note_quarantine(work, folder)  # once alone
    rebuild.note_quarantine(rebuild.work_folder(directory), None)
    assert rebuild.noted_quarantine(directory) is None


def test_work_folder_is_empty_whatever_stood_there(tmp_path: Path) -> None:
    elsewhere, work = tmp_path / "elsewhere", tmp_path / WORK_NAME
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("")
    work.symlink_to(elsewhere)
    assert list(rebuild.work_folder(tmp_path).iterdir()) == []
    assert not work.is_symlink()
    assert [path.name for path in elsewhere.iterdir()] == ["mine"]
    (work / "left").write_text("")
    assert list(rebuild.work_folder(tmp_path).iterdir()) == []


def test_work_folder_that_cannot_be_made_is_a_storage_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        rebuild.work_folder(tmp_path / "file")


def test_new_log_is_written_over_nothing(damaged: tuple[Path, list[Recorded]], tmp_path: Path) -> None:
    (tmp_path / LOG_NAME).write_bytes(b"mine")
    with pytest.raises(StorageError):
        rebuild.write_log(prefix_of(damaged[0]), tmp_path)
    assert (tmp_path / LOG_NAME).read_bytes() == b"mine"


def test_new_log_that_does_not_hold_what_it_should_is_refused(
    damaged: tuple[Path, list[Recorded]], tmp_path: Path
) -> None:
    prefix = replace(prefix_of(damaged[0]), checksum=b"another row's")
    with pytest.raises(LogDamagedError, match="does not hold what was written to it"):
        rebuild.write_log(prefix, tmp_path)


def test_streams_of_one_name_make_no_log(damaged: tuple[Path, list[Recorded]], tmp_path: Path) -> None:
    prefix = prefix_of(damaged[0])
    with pytest.raises(ConflictError):
        rebuild.write_log(replace(prefix, streams=dict.fromkeys(prefix.streams, "one name")), tmp_path)


def test_installation_without_a_witness_changes_nothing(damaged: tuple[Path, list[Recorded]]) -> None:
    directory = damaged[0]
    inner = made_anew(directory)
    (inner / WITNESS_NAME).unlink()
    before = files(directory)
    with pytest.raises(StorageError):
        rebuild.install(inner, directory)
    assert files(directory) == before


def test_installation_of_a_log_whose_wal_could_not_be_folded_in_changes_nothing(
    damaged: tuple[Path, list[Recorded]],
) -> None:
    directory = damaged[0]
    inner = made_anew(directory)
    (inner / WAL_NAME).write_bytes(b"events that stand only here")
    before = files(directory)
    with pytest.raises(StorageError, match="could not be folded into the new log: see to the disk, and try again"):
        rebuild.install(inner, directory)
    assert files(directory) == before


def test_installation_that_cannot_be_finished_says_so_and_is_finished_once_it_can(
    damaged: tuple[Path, list[Recorded]],
) -> None:
    directory, written = damaged
    inner = made_anew(directory)
    shutil.copy(inner / WITNESS_NAME, directory / WITNESS_NAME)
    (directory / WAL_NAME).unlink(missing_ok=True)
    (directory / WAL_NAME).mkdir()
    with pytest.raises(StorageError):
        rebuild.resume(directory)
    (directory / WAL_NAME).rmdir()
    rebuild.resume(directory)
    assert events(directory) == written[:KEPT]


def test_prefix_knows_the_rows_that_it_has_and_no_others(damaged: tuple[Path, list[Recorded]], tmp_path: Path) -> None:
    directory, written = damaged
    prefix = prefix_of(directory)
    assert prefix.checksum_at(KEPT) == prefix.checksum == written[KEPT - 1].checksum
    assert prefix.checksum_at(0) is None
    assert prefix.checksum_at(KEPT + 1) is None
    assert salvage(tmp_path / "nowhere", tmp_path / "scratch").fault == "there is no log"


def test_copies_that_were_made_to_be_read_are_removed(damaged: tuple[Path, list[Recorded]]) -> None:
    directory = damaged[0]
    whole = (directory / LOG_NAME).read_bytes()
    (directory / LOG_NAME).write_bytes(whole[:4_000])
    salvage(directory, directory / "scratch")
    made = directory / "scratch-opened"
    assert made.is_dir()
    remove_scratch(made)
    assert not made.exists()


def test_log_that_may_not_be_read_is_a_storage_fault_and_no_empty_one(as_nobody: Path) -> None:
    write_log(as_nobody)
    (as_nobody / LOG_NAME).chmod(0)
    with pytest.raises(StorageError, match=r"could not be read .Permission denied."):
        salvage(as_nobody, as_nobody / "scratch")
