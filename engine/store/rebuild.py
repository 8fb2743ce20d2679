"""A log made anew from sound rows, and put in the place of a damaged one.

Owns the quarantine, the new file and the order in which files take each other's place. Nothing is deleted that was not
copied to the quarantine before, and at every moment in between the witness refuses what stands there, so that no engine
starts on half a recovery. Never decides which rows are kept.
Source: docs/adr/0019-recovery.md.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from engine.core.errors import LogDamagedError, LogTooNewError, StorageError
from engine.store.faults import write_fault
from engine.store.folders import (
    copy_private,
    folders,
    new_folder,
    private_folder,
    sync_file,
    sync_folder,
    write_private,
)
from engine.store.reader import LogReader
from engine.store.salvage import Prefix, put_rows, remove_scratch
from engine.store.schema import CREATE, JOURNAL_NAME, LOG_NAME, SHM_NAME, WAL_NAME, WITNESS_NAME
from engine.store.verification import require_sound
from engine.store.witness import read_witness

QUARANTINE_NAME: Final = "quarantine"
WORK_NAME: Final = ".recovering"
MANIFEST_NAME: Final = "manifest.json"
_NOTE_NAME: Final = "quarantined"
_EVIDENCE: Final = (LOG_NAME, WAL_NAME, SHM_NAME, JOURNAL_NAME, WITNESS_NAME)
_STATE_FILES: Final = "bot_state_*.json"


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file in a quarantine: its size and its BLAKE2b digest, by which anyone can tell that it is unchanged.

    Where the disk did not give what stood there the copy has zeros: `unread` lists those places, as offset and size.
    """

    name: str
    bytes: int
    blake2b: str
    unread: tuple[tuple[int, int], ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """What a quarantine holds and why it was made; the time is that of its folder's name."""

    reason: str
    files: tuple[Kept, ...]


def quarantine(directory: Path, reason: str, at_ms: int) -> Path | None:
    """Copy a state directory's log, witness and state files, durably; give the copy's folder, None if nothing is there.

    Bad sectors are left out, and noted in the manifest.

    Raises ConfigError, StorageError.
    """
    found = [directory / name for name in _EVIDENCE] + sorted(directory.glob(_STATE_FILES))
    present = [path for path in found if path.is_file() and not path.is_symlink()]
    if not present:
        return None
    with new_folder(directory / QUARANTINE_NAME, at_ms) as (folder, finished):
        kept = tuple(Kept(path.name, *copy_private(path, folder / path.name)) for path in present)
        content = msgspec.json.format(msgspec.json.encode(Manifest(reason, kept)), indent=2)
        write_private(folder / MANIFEST_NAME, content + b"\n")
    return finished


def work_folder(directory: Path) -> Path:
    """Give an empty folder to make the new log in, without what an interrupted recovery left. Raises StorageError."""
    work = directory / WORK_NAME
    try:
        if work.is_symlink():
            work.unlink()
        shutil.rmtree(work, ignore_errors=True)
        return private_folder(work)
    except OSError as error:
        raise write_fault(error, work) from error


@contextmanager
def working(directory: Path) -> Iterator[Path]:
    """Give an empty work folder, which is gone behind the block.

    It stays if a fault came while files took each other's place: what is needed to finish that is in there. Raises
    StorageError.
    """
    work = work_folder(directory)
    try:
        yield work
    except BaseException:
        if not (work / _NOTE_NAME).exists():
            remove_scratch(work)
        raise
    remove_scratch(work)


def note_quarantine(work: Path, folder: Path | None) -> None:
    """Note in the work folder where the old files are, before the first of them is replaced. Raises StorageError."""
    try:
        write_private(work / _NOTE_NAME, b"" if folder is None else folder.name.encode())
        sync_folder(work)
    except OSError as error:
        raise write_fault(error, work) from error


def noted_quarantine(directory: Path) -> Path | None:
    """Give the quarantine of a recovery that was interrupted while it replaced files, if there was one."""
    try:
        name = (directory / WORK_NAME / _NOTE_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return next((each for each in folders(directory / QUARANTINE_NAME) if each.name == name), None)


def write_log(prefix: Prefix, folder: Path) -> None:
    """Make a new log of exactly these rows, and check it. Raises StorageError."""
    path = folder / LOG_NAME
    try:
        write_private(path, b"")
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(CREATE)
            put_rows(connection, prefix)
    except (OSError, sqlite3.Error) as error:
        raise write_fault(error, path) from error
    with LogReader(path) as reader:
        require_sound(reader)
        if (reader.position(), reader.checksum_at(prefix.position) or b"") != (prefix.position, prefix.checksum):
            raise LogDamagedError(f"{path} does not hold what was written to it: see to the disk, and try again")


def install(work: Path, directory: Path) -> None:
    """Put the log of a work folder in the place of the directory's. Raises StorageError.

    The witness goes first: it vouches for the new log alone. An old WAL must be gone before the new file has its name,
    for SQLite would mix them.
    """
    wal = work / WAL_NAME
    if wal.exists() and wal.stat().st_size:
        raise StorageError(f"{wal} could not be folded into the new log: see to the disk, and try again")
    try:
        for name in (LOG_NAME, WITNESS_NAME):
            sync_file(work / name)
        os.replace(work / WITNESS_NAME, directory / WITNESS_NAME)  # noqa: PTH105 - one name for what tests interrupt
        sync_folder(directory)
        _install_log(work, directory)
    except OSError as error:
        raise write_fault(error, directory) from error


def resume(directory: Path) -> None:
    """Finish an installation that was interrupted when the witness already vouched for the new log.

    If that was damaged meanwhile, it stays where it is, for the log to be made anew.

    Raises StorageError, LogTooNewError.
    """
    work = directory / WORK_NAME / WORK_NAME
    if not (directory / WORK_NAME / _NOTE_NAME).is_file() or not (work / LOG_NAME).is_file():
        return
    if _is_vouched_for(work / LOG_NAME, directory / WITNESS_NAME):
        try:
            _install_log(work, directory)
        except OSError as error:
            raise write_fault(error, directory) from error


def _is_vouched_for(log: Path, witness: Path) -> bool:
    """Tell whether a witness saw just what a log holds."""
    mark = read_witness(witness).mark
    try:
        with LogReader(log) as reader:
            position = reader.position()
            return mark is not None and (mark.position, mark.checksum) == (position, reader.checksum_at(position))
    except LogTooNewError:
        raise
    except LogDamagedError:
        return False


def _install_log(work: Path, directory: Path) -> None:
    for name in (WAL_NAME, SHM_NAME, JOURNAL_NAME):
        (directory / name).unlink(missing_ok=True)
    sync_folder(directory)
    os.replace(work / LOG_NAME, directory / LOG_NAME)  # noqa: PTH105
    sync_folder(directory)
