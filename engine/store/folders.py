"""Folders beside the log for copies of it: private, named by time, complete or not there.

Owns how a copy reaches the disk: under a name that nobody looks for, made durable, then renamed. Follows no symbolic
link, and never writes over anything.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

from engine.core.errors import ConfigError
from engine.core.instants import iso_utc
from engine.store.faults import write_fault

CHUNK_BYTES: Final = 1024 * 1024
UNFINISHED: Final = ".unfinished-"
_PRIVATE_DIRECTORY: Final = 0o700
_PRIVATE_FILE: Final = 0o600


def stamp(at_ms: int) -> str:
    """Write a time as a folder's name, which sorts by time: `2025-11-03T10-30-00.000Z`."""
    text = iso_utc(at_ms)
    return (text if "." in text else text.replace("Z", ".000Z")).replace(":", "-")


def private_folder(path: Path) -> Path:
    """Make a folder that only we may enter, or close one of ours to others.

    Raises ConfigError for a symbolic link or what is not ours, OSError.
    """
    path.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise ConfigError(f"{path} is a symbolic link, which could lead copies of the log elsewhere: name the folder")
    if found.st_uid != os.geteuid():
        raise ConfigError(f"{path} belongs to user {found.st_uid}, not to you (user {os.geteuid()}): choose another")
    if stat.S_IMODE(found.st_mode) & ~_PRIVATE_DIRECTORY:
        path.chmod(_PRIVATE_DIRECTORY)
    return path


@contextmanager
def new_folder(parent: Path, at_ms: int) -> Iterator[tuple[Path, Path]]:
    """Give a folder to fill and the name that it will have; it gets it, durably, if the block ends without a fault.

    Raises ConfigError, StorageError.
    """
    try:
        private_folder(parent)
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
    """Give the finished folders, the oldest first."""
    if parent.is_symlink() or not parent.is_dir():
        return []
    named = (each for each in parent.iterdir() if not each.name.startswith(".") and each.name[:1].isdigit())
    return sorted((each for each in named if each.is_dir() and not each.is_symlink()), key=_age)


def _age(folder: Path) -> tuple[str, int]:
    time, _, number = folder.name.partition("Z-")
    return time.removesuffix("Z"), int(number) if number.isdigit() else 1


def copy_private(source: Path, target: Path) -> tuple[int, str]:
    """Copy a regular file to a new one that only we may read, durably; give its size and digest. Raises OSError."""
    digest, size = blake2b(digest_size=32), 0
    with open_private(source, os.O_RDONLY) as old, open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as new:
        while chunk := os.read(old, CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            while chunk:
                chunk = chunk[os.write(new, chunk) :]
        os.fsync(new)
    return size, digest.hexdigest()


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
