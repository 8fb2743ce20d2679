"""Backups: whole copies of the log, made while an engine writes it, and checked before they have their name.

Owns their folders. A backup is a log of its own with a witness for exactly what it holds, so that `verify` can tell
whether it still has its end. Never takes the lock, never touches the log that it copies.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from engine.core.errors import ConfigError, LogDamagedError, StorageError
from engine.store.faults import read_fault, write_fault
from engine.store.folders import folders, new_folder, sync_file, write_private
from engine.store.reader import LogReader, connected
from engine.store.schema import LOCK_NAME, LOG_NAME, SHM_NAME, WAL_NAME, WITNESS_NAME
from engine.store.verification import require_sound
from engine.store.witness import Mark, compare, read_witness

BACKUPS_NAME: Final = "backups"
_OURS: Final = (LOG_NAME, WITNESS_NAME, WAL_NAME, SHM_NAME)
_NEVER_OURS: Final = (LOCK_NAME, "control.sock", "manifest.json")
"""Signs of a state directory in which an engine ran, and of a quarantine."""


class Backup(msgspec.Struct, frozen=True):
    """A finished backup: how many rows in how many streams, the checksum of the last, its size; what it displaced."""

    folder: Path
    rows: int
    streams: int
    head: str
    bytes: int
    removed: tuple[Path, ...] = ()


def back_up(directory: Path, destination: Path | None, at_ms: int, *, keep: int | None = None) -> Backup:
    """Copy the log of a state directory into a new folder below `destination`, or else below its own `backups`.

    With `keep`, the oldest backups beyond so many go when the new one is done: those of this log, all of whose events
    are in the new one, too. The permissions of a destination that is there already stay as they are.

    Raises UsageError if there is no log, LogDamagedError if it or its copy is not sound, ConfigError, StorageError.
    """
    parent = destination or directory / BACKUPS_NAME
    with LogReader.open(directory) as reader:
        witness = directory / WITNESS_NAME
        sighting = read_witness(witness)  # before the copy, which then holds at least as much
        with new_folder(parent, at_ms, is_given=destination is not None) as (folder, finished):
            copied = folder / LOG_NAME
            _copy(reader.path, copied)
            with LogReader(copied) as copy:
                require_sound(copy, of=reader.path)
                position, streams = copy.position(), len(copy.streams())
                checksum = copy.checksum_at(position) or b""
                compare(sighting, position, copy.checksum_at, witness)
            if reader.checksum_at(position) != (checksum or None):
                raise LogDamagedError(f"the copy of {reader.path} does not end as the log does: try again")
            write_private(folder / WITNESS_NAME, _witness(position, checksum))
            sync_file(copied)
    removed = () if keep is None else _thinned(finished, keep)
    size = (finished / LOG_NAME).stat().st_size
    return Backup(finished, position, streams, checksum.hex(), size, removed)


def backup_folder(path: Path) -> Path:
    """Give the folder of a backup that was named by its folder or by its file.

    Raises ConfigError if no log is there.
    """
    folder = path.parent if path.name == LOG_NAME else path
    if not (folder / LOG_NAME).is_file() or (folder / LOG_NAME).is_symlink():
        raise ConfigError(f"{path} is no backup: name a folder that holds {LOG_NAME}")
    return folder


def _copy(source: Path, target: Path) -> None:
    """Copy one consistent state of a log that may be written meanwhile, as a single file. Raises OSError."""
    write_private(target, b"")
    try:
        with closing(connected(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", None) or ""
        raise (
            write_fault(error, target) if "FULL" in name or "IOERR" in name else read_fault(error, source)
        ) from error


def _witness(position: int, checksum: bytes) -> bytes:
    offset, half = Mark(1, position, checksum).packed()
    return (b"\0" * offset + half).ljust(2 * len(half), b"\0")


def _thinned(newest: Path, keep: int) -> tuple[Path, ...]:
    """Remove the oldest backups beyond so many: the files that make one, and nothing else; never the newest."""
    parent = newest.parent
    try:
        with LogReader(newest / LOG_NAME) as whole:
            others = [each for each in folders(parent) if each != newest and _is_contained(each, whole)]
        gone = others[: max(len(others) + 1 - keep, 0)]
        for folder in gone:
            for name in _OURS:
                (folder / name).unlink(missing_ok=True)
            if not any(folder.iterdir()):
                folder.rmdir()
    except OSError as error:
        raise write_fault(error, parent) from error
    return tuple(gone)


def _is_contained(folder: Path, whole: LogReader) -> bool:
    """Tell whether a folder is a backup whose last row is in a log, which therefore holds all that it holds.

    Another log's backups in the same place are none of ours, and a lost end is held by nothing else.
    """
    if any(os.path.lexists(folder / name) for name in _NEVER_OURS) or not (folder / LOG_NAME).is_file():
        return False
    try:
        with LogReader(folder / LOG_NAME) as backup:
            last = backup.position()
            return last > 0 and backup.checksum_at(last) == whole.checksum_at(last)
    except (LogDamagedError, StorageError):
        return False
