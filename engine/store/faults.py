"""What an error of the file system or of SQLite means to an operator.

Owns the translation into the project's faults. Never handles them.
"""

import errno
import sqlite3
from pathlib import Path

from engine.core.errors import ConflictError, DiskFullError, LogDamagedError, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNREADABLE = (errno.EIO, errno.EBADMSG, errno.ENODATA)
_NOT_A_LOG = ("SQLITE_NOTADB", "SQLITE_CORRUPT")


def is_unreadable(error: OSError) -> bool:
    """Tell whether a disk does not give what stands there, as with a bad sector."""
    return error.errno in _UNREADABLE


def write_fault(error: OSError | sqlite3.Error, path: Path) -> StorageError | LogDamagedError:
    """Give the fault for an error met while writing `path` or making it durable."""
    name = getattr(error, "sqlite_errorname", None) or ""
    if name == "SQLITE_FULL" or getattr(error, "errno", None) in _FULL:
        return DiskFullError(
            f"no space is left to write {path}: what was confirmed is safe, the rest is unknown; free some space and "
            "start again"
        )
    if name.startswith("SQLITE_CONSTRAINT"):
        return ConflictError(
            f"{path} refused a row ({error}): something else has written to it; stop that, and start again from the log"
        )
    if name.startswith(_NOT_A_LOG):
        return damaged_fault(error, path)
    return StorageError(
        f"{path} could not be written ({error}): what was confirmed is safe, the rest is unknown; see to the disk and "
        "the permissions, and start again"
    )


def read_fault(error: OSError | sqlite3.Error, path: Path) -> StorageError | LogDamagedError:
    """Give the fault for an error met while reading `path`."""
    name = getattr(error, "sqlite_errorname", None) or ""
    if isinstance(error, OSError) or name.startswith(
        ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_LOCKED")
    ):
        return StorageError(f"{path} could not be read ({error}): see to the permissions, and try again")
    return damaged_fault(error, path)


def damaged_fault(error: object, path: Path) -> LogDamagedError:
    """Give the fault for a log whose content makes no sense."""
    return LogDamagedError(
        f"{path} is damaged ({error}): stop the engine, keep the files, then krypto-engine recover --state-dir "
        f"{path.parent}"
    )
