"""The state directory: made private, and held by one engine process at a time.

Owns the lock file, the permissions of the directory and of the log's files, and whether their names still lead to them.
Never looks into the log.
Source: decisions.md, "Identity" (one state directory belongs to one running engine process).
"""

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Self

from engine.core.errors import ConfigError, DirectoryInUseError, EngineError, LogReplacedError, StorageError
from engine.store.faults import write_fault
from engine.store.schema import FILE_NAMES, LOCK_NAME

_PRIVATE_DIRECTORY = 0o700
_PRIVATE_FILE = 0o600


class StateDirectory:
    """A state directory that this process owns until `release`, or until it dies."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def take(cls, path: Path) -> Self:
        """Make the directory if it is missing, close it to others and lock it.

        Raises DirectoryInUseError naming the process that holds it, ConfigError if it or a file in it is not ours
        alone, StorageError if it cannot be written.
        """
        try:
            path.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            _make_private(path, path.stat(), _PRIVATE_DIRECTORY)
            for name in FILE_NAMES:
                _check_file(path / name)
            return cls(path, _locked(path / LOCK_NAME))
        except OSError as error:
            raise _directory_fault(error, path) from error

    def release(self) -> None:
        """Let another process take the directory."""
        os.close(self._lock)


def create_private(path: Path, sync: Callable[[int], None]) -> None:
    """Create a file that only we may read, and that is not there yet; `sync` makes its name durable. Raises OSError."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE_FILE))
    sync_names(path.parent, sync)


def sync_names(path: Path, sync: Callable[[int], None]) -> None:
    """Make durable which files a folder holds: open it and let `sync` do it. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync(folder)
    finally:
        os.close(folder)


def identity(file: Path | int) -> tuple[int, int] | None:
    """Tell which file a name leads to or a descriptor holds open, by device and inode. Raises OSError."""
    try:
        found = os.stat(file)  # noqa: PTH116 - a path takes no descriptor
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def require_in_place(path: Path, written: tuple[int, int] | None) -> None:
    """Raise LogReplacedError unless a name still leads to the file that is being written; else OSError."""
    if identity(path) != written:
        raise LogReplacedError(
            f"{path} was removed or replaced while the engine was writing it: stop whatever did that, put back the "
            "file and start again, or krypto-engine recover"
        )


def read_regular(path: Path) -> bytes:
    """Give the content of a regular file; a pipe in its place would keep its reader for ever. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return file.read()


def _make_private(path: Path, found: os.stat_result, mode: int) -> None:
    """Take from others what they may do with a file or directory of ours; refuse one that is not ours."""
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} belongs to user {found.st_uid}, not to you (user {os.geteuid()}): choose a state directory of "
            "your own"
        )
    if stat.S_IMODE(found.st_mode) & ~mode:
        path.chmod(stat.S_IMODE(found.st_mode) & mode)


def _check_file(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "not a regular file"
        raise ConfigError(f"{path} is {what}, which could lead the log elsewhere: put the file itself there")
    _make_private(path, found, _PRIVATE_FILE)


def _locked(path: Path) -> int:
    """Open and lock the lock file, again if another file took its name meanwhile: else two could hold the directory."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE_FILE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same_file(lock, path):
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
                return lock
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise DirectoryInUseError(
                f"{path.parent} is in use by process {holder}: stop that engine first, or choose another state "
                "directory"
            ) from None
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _directory_fault(error: OSError, path: Path) -> EngineError:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return ConfigError(f"{path} is not a directory: choose another state directory")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        what = error.filename if os.path.exists(error.filename or "") else path  # noqa: PTH110 - a Path's may raise
        return StorageError(f"{what} cannot be written ({error.strerror}): allow it, or choose another state directory")
    return write_fault(error, path)
