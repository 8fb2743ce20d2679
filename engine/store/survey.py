"""What a state directory looks like from outside, as values: for a check that changes nothing.

Owns the looking: owner, modes, links, the file system and its space, and whether an engine holds the lock. Judges
nothing, makes nothing. Whether the lock is held can only be told by asking for it: that is done as a reader, and it is
let go at once.
"""

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Final, Literal

import msgspec

from engine.store.schema import FILE_NAMES, LOCK_NAME

_MOUNTS: Final = Path("/proc/self/mountinfo")
_STATE_FILES: Final = "bot_state_*.json"
_SOCKET: Final = "control.sock"

Kind = Literal["file", "directory", "link", "socket", "other"]


class Entry(msgspec.Struct, frozen=True):
    """One name in the directory, or the directory itself: what it is, whose, and who may do what."""

    name: str
    kind: Kind
    owner: int
    mode: int


class Survey(msgspec.Struct, frozen=True):
    """A state directory as it was found. `directory` is None if there is none; then `place` is what it would lie in.

    `filesystem` is None where the system does not tell. `sync_fault` says why the file system refused to make a folder
    durable. `lock` tells whether an engine holds the directory, and `holder` which process wrote its number there.
    """

    path: Path
    place: Path
    directory: Entry | None
    leads_to: Path | None
    entries: tuple[Entry, ...]
    is_writable: bool
    free_bytes: int
    filesystem: str | None
    sync_fault: str | None
    lock: Literal["held", "left", "none"]
    holder: str


def survey(path: Path) -> Survey:
    """Look at a state directory, or at where it would be made.

    Raises OSError if even that cannot be looked at.
    """
    place = next((each for each in (path, *path.absolute().parents) if each.exists()), Path("/"))
    is_there = place == path
    space = os.statvfs(place)
    names = sorted({*FILE_NAMES, _SOCKET, *(each.name for each in path.glob(_STATE_FILES))}) if path.is_dir() else []
    found = (_entry(path / name, name) for name in names)
    lock, holder = _lock(path / LOCK_NAME) if path.is_dir() else ("none", "")
    return Survey(
        path=path,
        place=place,
        directory=_followed(path) if is_there else None,
        leads_to=path.resolve() if path.is_symlink() else None,
        entries=tuple(each for each in found if each is not None),
        is_writable=os.access(place, os.W_OK | os.X_OK),
        free_bytes=space.f_bavail * space.f_frsize,
        filesystem=_filesystem(place),
        sync_fault=_sync_fault(place),
        lock=lock,
        holder=holder,
    )


def _entry(path: Path, name: str) -> Entry | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return Entry(name, _kind(found.st_mode), found.st_uid, stat.S_IMODE(found.st_mode))


def _followed(path: Path) -> Entry:
    found = path.stat()
    return Entry(str(path), _kind(found.st_mode), found.st_uid, stat.S_IMODE(found.st_mode))


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISLNK(mode):
        return "link"
    return "socket" if stat.S_ISSOCK(mode) else "other"


def _filesystem(place: Path) -> str | None:
    """Give the kind of file system, by the mount that the place lies under."""
    try:
        table = _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return filesystem_in(table, str(place.resolve()))


def filesystem_in(table: str, place: str) -> str | None:
    """Find the kind of file system of a place in a table of mounts as Linux writes it; the last and longest wins."""
    best, kind = -1, None
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:  # noqa: PLR2004 - the mount point is the fifth field
            continue
        point = fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        is_above = point in {"/", place} or place.startswith(f"{point}/")
        if is_above and len(point) >= best:
            best, kind = len(point), after.split(" ")[0]
    return kind


def _sync_fault(place: Path) -> str | None:
    """Ask the file system to make a folder durable, as the engine does after making a file; nothing is written."""
    if not place.is_dir():
        return None
    try:
        folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None  # that it cannot be opened is another finding
    try:
        os.fsync(folder)
    except OSError as error:
        return os.strerror(error.errno or errno.EIO)
    finally:
        os.close(folder)
    return None


def _lock(path: Path) -> tuple[Literal["held", "left", "none"], str]:
    """Tell whether the lock is held, and the number of the process that wrote itself down there."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return "none", ""
    try:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "held", holder
    except OSError:
        return "none", ""
    finally:
        os.close(lock)
    return "left", holder
