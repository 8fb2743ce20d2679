"""A disk that can lose power: what was synced stays, of the rest any part may be gone, out of order or torn.

Owns one state directory of real files. Every change that the store makes to them is an operation here: it is counted,
may fail by plan, and has no effect once the engine's life is over. Then an image of what survived is written into
another folder, for the next life. Source: docs/evidence.md.
"""

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from stat import S_ISDIR
from typing import Final, Literal, NamedTuple, Self

from engine.store.schema import (
    DRAFT_NAME,
    JOURNAL_NAME,
    LOCK_NAME,
    LOG_NAME,
    SHM_NAME,
    WAL_NAME,
    WITNESS_DRAFT_NAME,
    WITNESS_NAME,
)
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.life import Life
from engine.testing.simulation.power import Change, DiskFile
from engine.testing.simulation.vfs import (
    FULL,
    IOERR,
    IOERR_DELETE,
    IOERR_FSYNC,
    IOERR_READ,
    IOERR_TRUNCATE,
    IOERR_WRITE,
    layer,
)

Act = Literal["write", "truncate", "sync", "rename", "delete", "read"]
Fault = Literal["full", "io", "lie"]
Mode = Literal["kill", "power"]

KINDS: Final = {
    LOG_NAME: "log",
    WAL_NAME: "wal",
    WITNESS_NAME: "head",
    DRAFT_NAME: "new-log",
    WITNESS_DRAFT_NAME: "new-head",
    JOURNAL_NAME: "journal",
}
_FOLDER: Final = "folder"
_SYNC_THEIR_FOLDER: Final = (WAL_NAME, JOURNAL_NAME)
_NOT_KEPT: Final = (SHM_NAME, LOCK_NAME)
_PRIVATE_FILE: Final = 0o600
_FAILURES: Final[dict[str, int]] = {
    "write": IOERR_WRITE,
    "truncate": IOERR_TRUNCATE,
    "sync": IOERR_FSYNC,
    "rename": IOERR,
    "delete": IOERR_DELETE,
    "read": IOERR_READ,
}


class Operation(NamedTuple):
    """Something the store does to a file. `number` counts from 1 those that change something; a read has the last."""

    number: int
    kind: str
    act: Act


Plan = Callable[[Operation], Fault | None]
"""Says what goes wrong with an operation: no space is left, it fails, or (a sync) it says it is done and is not."""


class Disk:
    """The disk under one state directory during one life."""

    def __init__(
        self,
        folder: Path,
        chance: Chance,
        life: Life,
        *,
        plan: Plan | None = None,
        former: Self | None = None,
        watches_reads: bool = False,
    ) -> None:
        """Watch a folder from now on, and begin SQLite's own chance anew.

        `former` is the disk whose image the folder is: what that life had not synced when it was killed is not synced
        now either. `watches_reads` asks the plan about reads too.
        """
        self.folder: Final = Path(os.path.realpath(folder))
        self.chance: Final = chance
        self.life: Final = life
        self.plan: Plan | None = plan
        self.watches_reads: Final = watches_reads
        self.number = 0
        self.counts: Final[Counter[str]] = Counter()
        self.faults: Final[Counter[str]] = Counter()
        self.files: Final[dict[str, DiskFile]] = former.left if former is not None else _found(self.folder)
        self.left: dict[str, DiskFile] = {}
        self.left_removed: dict[str, DiskFile] = {}
        self._removed: Final[dict[str, DiskFile]] = former.left_removed if former is not None else {}
        self._others: Final = {path.name: path.read_bytes() for path in _other_files(self.folder)}
        layer().watch(self.folder, self)
        layer().reseed(b"%d/%d" % (chance.seed, life.number))

    def release(self) -> None:
        """Watch no longer; files that are still open go on asking."""
        layer().unwatch(self.folder)

    def opened(self, name: str, *, may_create: bool) -> DiskFile:
        """Give the file of a name, a new one if there is none.

        SQLite syncs the folder too when it first syncs a WAL or a journal that it may have created.
        """
        file = self._file(name)
        file.syncs_folder |= may_create and name in _SYNC_THEIR_FOLDER
        return file

    def wrote(self, file: DiskFile, content: bytes, offset: int) -> tuple[int, int]:
        """Take a write: give how many bytes of it take effect, and its code."""
        code = self._done(file, "write")
        if not code:
            file.changes.append(Change(offset, content))
            return len(content), 0
        part = 0 if self.life.is_dead else self.chance.between("disk/part", 0, len(content))
        if part:
            file.changes.append(Change(offset, content[:part]))
        return part, code

    def truncated(self, file: DiskFile, size: int) -> int:
        """Take a truncation."""
        code = self._done(file, "truncate")
        if not code:
            file.changes.append(Change(size, None))
        return code

    def synced(self, file: DiskFile) -> int:
        """Take a sync."""
        code = self._done(file, "sync")
        if code > 0:
            if not self.life.is_dead:
                file.slip()
        elif not code:
            file.settle()
            if file.syncs_folder:
                file.syncs_folder = False
                self._settle_names()
        return max(code, 0)

    def deleted(self, name: str) -> int:
        """Take a removal, which a power cut may undo."""
        file = self._file(name)
        code = self._done(file, "delete")
        if not code:
            del self.files[name]
            if file.is_named:
                self._removed[name] = file
        return code

    def read(self, file: DiskFile) -> int:
        """Take a read, which is no operation but can fail."""
        if self.plan is None or self.life.is_dead:
            return 0
        fault = self.plan(Operation(self.number, file.kind, "read"))
        if fault is None:
            return 0
        self.faults[f"{fault} disk/{file.kind}/read"] += 1
        return IOERR_READ

    def write_through(self, descriptor: int, content: bytes, offset: int) -> None:
        """Write to a file past SQLite, and sync it. Raises OSError."""
        file = self._file(self._name_of(descriptor))
        part, code = self.wrote(file, content, offset)
        if part:
            os.pwrite(descriptor, content[:part], offset)
        code = code or self.synced(file)
        if code:
            raise _os_error(code)

    def rename(self, source: str, target: str) -> None:
        """Give a file another name; a power cut may undo that until the folder is synced. Raises OSError."""
        file = self._file(source)
        code = self._done(file, "rename")
        if code:
            raise _os_error(code)
        (self.folder / source).replace(self.folder / target)
        former = self.files.pop(target, None)
        if former is not None and former.is_named:
            self._removed[target] = former
        if file.is_named:
            self._removed[source] = file
        del self.files[source]
        self.files[target] = file.renamed(KINDS.get(target, target), source)

    def sync_folder(self, descriptor: int) -> None:
        """Make the names of all files durable. Raises OSError."""
        assert S_ISDIR(os.fstat(descriptor).st_mode), "only names of files are made durable this way"
        code = self._done(DiskFile(_FOLDER), "sync")
        if code > 0:
            raise _os_error(code)
        if not code:
            self._settle_names()

    def image(self, into: Path, mode: Mode) -> None:
        """End the life if it has not ended, and write what is left of the files into another folder."""
        write_image(into, self.survivors(mode, self.chance))

    def survivors(self, mode: Mode, chance: Chance) -> dict[str, bytes]:
        """End the life if it has not ended, and give what is left of the files: each power cut leaves something else.

        The disk of the next life, if it is told of this one as its former, is that of the image given last.
        """
        self.life.end("disk/image")
        layer().confess()
        self.left, self.left_removed = {}, {}
        if mode == "power":
            return dict(self._surviving(chance))
        self.left = {name: file.copy() for name, file in self.files.items()}
        self.left_removed = dict(self._removed)
        return self.standing()

    def standing(self) -> dict[str, bytes]:
        """Give every file as it stands now, synced or not."""
        paths = sorted(path for path in self.folder.iterdir() if path.name not in _NOT_KEPT and path.is_file())
        return {path.name: path.read_bytes() for path in paths}

    def _done(self, file: DiskFile, act: Act) -> int:
        """Pass an operation: 0 if it takes effect, -1 if it only says so, else the code that it fails with."""
        point = f"disk/{file.kind}/{act}"
        if not self.life.passes(point):
            return _FAILURES[act]
        self.number += 1
        self.counts[point] += 1
        fault = self.plan(Operation(self.number, file.kind, act)) if self.plan is not None else None
        if fault is None or (fault == "lie" and act != "sync"):
            return 0
        self.faults[f"{fault} {point}"] += 1
        if fault == "lie":
            return -1
        return FULL if fault == "full" and act == "write" else _FAILURES[act]

    def _name_of(self, descriptor: int) -> str:
        opened = os.fstat(descriptor)
        for name in (WITNESS_NAME, WITNESS_DRAFT_NAME, WAL_NAME):
            path = self.folder / name
            if path.exists() and os.path.samestat(path.stat(), opened):
                return name
        return "nameless"

    def _file(self, name: str) -> DiskFile:
        file = self.files.get(name)
        if file is None:
            file = self.files[name] = DiskFile(KINDS.get(name, name))
        return file

    def _settle_names(self) -> None:
        """Make durable which names there are in the folder."""
        self._removed.clear()
        for name in KINDS:
            if (self.folder / name).exists():
                file = self._file(name)
                file.is_named, file.former = True, ""

    def _surviving(self, chance: Chance) -> Iterator[tuple[str, bytes]]:
        """Give the files that a power cut leaves, each with a content it may leave."""
        still_there: set[str] = set()
        for name in sorted({*self.files, *self._removed}):
            file = self.files.get(name)
            if file is not None and not file.is_named and chance.choose("disk/power/name", ("kept", "lost")) == "lost":
                still_there.add(file.former)
                file = None
            if file is None:
                file = self._removed.get(name)
                is_undone = chance.choose("disk/power/removal", ("done", "undone")) == "undone" if file else False
                file = file if is_undone or name in still_there else None
            if file is not None:
                content = file.survived(chance)
                self.left[name] = DiskFile(file.kind, content, is_named=True)
                yield name, content
        for path in _other_files(self.folder):
            fate = chance.choose("disk/power/other", ("kept", "old", "torn", "missing"))
            content = self._others.get(path.name, b"") if fate == "old" else path.read_bytes()
            if fate == "torn":
                content = content[: chance.between("disk/power/other-part", 0, len(content))]
            if fate != "missing":
                yield path.name, content


def write_image(into: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder, private as the engine wants them."""
    into.mkdir(mode=0o700, exist_ok=True)
    for name, content in contents.items():
        descriptor = os.open(into / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE_FILE)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)


def _found(folder: Path) -> dict[str, DiskFile]:
    return {
        name: DiskFile(kind, (folder / name).read_bytes(), is_named=True)
        for name, kind in KINDS.items()
        if (folder / name).exists()
    }


def _other_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name not in {*KINDS, *_NOT_KEPT} and path.is_file())


def _os_error(code: int) -> OSError:
    number = errno.ENOSPC if code == FULL else errno.EIO
    return OSError(number, os.strerror(number))
