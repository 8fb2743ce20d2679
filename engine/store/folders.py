"""Folders beside the log for copies of it: private, named by time, complete or not there.

Owns how a copy reaches the disk: under a name that nobody looks for, made durable, then renamed. Follows no symbolic
link, and never writes over anything.
"""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from engine.core.errors import ConfigError
from engine.core.instants import DAY_MS, iso_utc
from engine.store.faults import is_unreadable, write_fault

CHUNK_BYTES: Final = 1024 * 1024
BLOCK_BYTES: Final = 4096
UNFINISHED: Final = ".unfinished-"
_STAMP: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}\.[0-9]{3}Z(-[1-9][0-9]*)?")
_PRIVATE_DIRECTORY: Final = 0o700
_PRIVATE_FILE: Final = 0o600


def stamp(at_ms: int) -> str:
    """Write a time as a folder's name, which sorts by time: `2025-11-03T10-30-00.000Z`."""
    text = iso_utc(at_ms)
    return (text if "." in text else text.replace("Z", ".000Z")).replace(":", "-")


def private_folder(path: Path, *, is_given: bool = False) -> Path:
    """Make a folder that only we may enter, or close one of ours to others; leave one as it is that somebody gave us.

    Raises ConfigError for a symbolic link or what is not ours, OSError.
    """
    path.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise ConfigError(f"{path} is a symbolic link, which could lead copies of the log elsewhere: name the folder")
    if found.st_uid != os.geteuid():
        raise ConfigError(f"{path} belongs to user {found.st_uid}, not to you (user {os.geteuid()}): choose another")
    if not is_given and stat.S_IMODE(found.st_mode) & ~_PRIVATE_DIRECTORY:
        path.chmod(_PRIVATE_DIRECTORY)
    return path


@contextmanager
def new_folder(parent: Path, at_ms: int, *, is_given: bool = False) -> Iterator[tuple[Path, Path]]:
    """Give a folder to fill and the name that it will have; it gets it, durably, if the block ends without a fault.

    What was left unfinished more than a day before goes.

    Raises ConfigError, StorageError.
    """
    try:
        private_folder(parent, is_given=is_given)
        remove_unfinished(parent, at_ms - DAY_MS)
        name, number = stamp(at_ms), 1
        while (parent / name).exists() or (parent / (UNFINISHED + name)).exists():
            number += 1
            name = f"{stamp(at_ms)}-{number}"
        unfinished, finished = parent / (UNFINISHED + name), parent / name
        unfinished.mkdir(mode=_PRIVATE_DIRECTORY)
        try:
            yield unfinished, finished
            sync_folder(unfinished)
            unfinished.rename(finished)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        sync_folder(parent)
    except OSError as error:
        raise write_fault(error, parent) from error


def folders(parent: Path) -> list[Path]:
    """Give the finished folders, the oldest first: those that bear a time as we write it, and no others."""
    return sorted(_stamped(parent, ""), key=_age)


def remove_unfinished(parent: Path, before_ms: int | None = None) -> None:
    """Remove folders that a process left behind when it was killed: those from before a time, or all.

    A backup is made without the lock, so a young one may still be growing.
    """
    with suppress(OSError):
        for folder in _stamped(parent, UNFINISHED):
            if before_ms is None or folder.name < UNFINISHED + stamp(before_ms):
                shutil.rmtree(folder, ignore_errors=True)


def _stamped(parent: Path, prefix: str) -> list[Path]:
    if parent.is_symlink() or not parent.is_dir():
        return []
    named = (
        each
        for each in parent.iterdir()
        if each.name.startswith(prefix) and _STAMP.fullmatch(each.name.removeprefix(prefix))
    )
    return [each for each in named if each.is_dir() and not each.is_symlink()]


def _age(folder: Path) -> tuple[str, int]:
    time, _, number = folder.name.partition("Z-")
    return time.removesuffix("Z"), int(number) if number.isdigit() else 1


class Copied(NamedTuple):
    """The copy of a file: its size and digest, and where it has zeros for what could not be read (offset and size)."""

    size: int
    digest: str
    holes: tuple[tuple[int, int], ...]


def copy_private(source: Path, target: Path) -> Copied:
    """Copy a regular file to a new one that only we may read, durably, as far as the disk gives it. Raises OSError."""
    digest, size = blake2b(digest_size=32), 0
    holes: list[tuple[int, int]] = []
    with open_private(source, os.O_RDONLY) as old, open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as new:
        for piece, is_read in _pieces(old):
            if not is_read:
                begin = holes.pop()[0] if holes and sum(holes[-1]) == size else size
                holes.append((begin, size + len(piece) - begin))
            digest.update(piece)
            size += len(piece)
            rest = piece
            while rest:
                rest = rest[os.write(new, rest) :]
        os.fsync(new)
    return Copied(size, digest.hexdigest(), tuple(holes))


def _pieces(file: int) -> Iterator[tuple[bytes, bool]]:
    """Give a file piece by piece, with zeros for the blocks that its disk no longer gives."""
    size, offset, most = os.fstat(file).st_size, 0, CHUNK_BYTES
    while offset < size:
        length, is_read = min(most - offset % most, size - offset), True
        try:
            piece = os.pread(file, length, offset)
        except OSError as error:
            if not is_unreadable(error):
                raise
            if most > BLOCK_BYTES:
                most = BLOCK_BYTES  # to find the bad block among the good ones
                continue
            piece, is_read = bytes(length), False
        if not piece:
            return
        yield piece, is_read
        offset += len(piece)
        if offset % CHUNK_BYTES == 0:
            most = CHUNK_BYTES


def write_private(target: Path, content: bytes) -> None:
    """Write a new file that only we may read, durably. Raises OSError."""
    with open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as new:
        while content:
            content = content[os.write(new, content) :]
        os.fsync(new)


@contextmanager
def open_private(path: Path, flags: int) -> Iterator[int]:
    """Open a file itself, never where a link of its name leads. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE_FILE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file durable. Raises OSError."""
    with open_private(path, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
