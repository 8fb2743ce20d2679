"""The head witness: a small file beside the log that says how far the log had come.

Neither the chain nor SQLite can see that the end of a log is gone: what is left is a sound log of an earlier time. The
witness can, being another file. Owns that file and the comparison; never mends either.
Source: design, "Storage" (`events.head`).
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from engine.core.errors import EngineError, LogDamagedError, StorageError
from engine.store.directory import create_private
from engine.store.faults import write_fault

LAG_S: Final = 1.0
"""Unless somebody asks for more, the witness is written at most once in this time."""

_SLOT: Final = Struct("<8sQQ16s16s8x")  # magic, generation, position, checksum of that row, digest of what precedes
_MAGIC: Final = b"krlg-hd1"
_SIGNED_BYTES: Final = 40

_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Mark(NamedTuple):
    """How far the log had come: the position of a committed row, and its checksum."""

    generation: int
    position: int
    checksum: bytes


class Sighting(NamedTuple):
    """What a witness file says: the newest sound mark, if any, and how many of its two halves are unsound."""

    mark: Mark | None
    unsound: int


def read_witness(path: Path) -> Sighting:
    """Read a witness file; one that is missing or was never written says nothing."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Sighting(None, 0)
    except OSError as error:
        raise StorageError(f"{path} could not be read ({error.strerror}): see to its permissions") from error
    halves = [half for half in (content[: _SLOT.size], content[_SLOT.size :]) if half.strip(b"\0")]
    marks = [mark for half in halves if (mark := _mark_of(half)) is not None]
    return Sighting(max(marks, default=None), len(halves) - len(marks))


def compare(sighting: Sighting, last_position: int, checksum_at: Callable[[int], bytes | None], path: Path) -> None:
    """Raise LogDamagedError if the log, which ends at `last_position`, is not the one that the witness saw."""
    mark = sighting.mark
    if mark is None:
        if sighting.unsound:
            raise LogDamagedError(
                f"{path} is damaged, so nothing shows whether the log has its end: compare the log with its newest "
                f"backup; to trust it as it is, remove {path.name}"
            )
        return
    if mark.position > last_position:
        raise LogDamagedError(
            f"the log beside {path} lost its end: it had {mark.position} rows and has {last_position}, so rows "
            f"{last_position + 1} to {mark.position} are gone; restore the newest backup that holds them (nothing was "
            "changed)"
        )
    if checksum_at(mark.position) != mark.checksum:
        raise LogDamagedError(
            f"row {mark.position} of the log beside {path} is not the row that was written: the log is damaged or is "
            "another one; restore its newest backup (nothing was changed)"
        )


class Witness:
    """Follows the log in the background: at most one write at a time, always of the newest committed row."""

    def __init__(self, path: Path, position: int, checksum: bytes, linger: Callable[[float], Awaitable[None]]) -> None:
        """Take up the file and write down where the log stands. Raises StorageError."""
        self._path = path
        self._linger = linger
        self._generation, self.covered = 0, position
        self._newest = (position, checksum)
        self._fault: EngineError | None = None
        self._following: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        mark = read_witness(path).mark
        if mark is not None:
            self._generation = mark.generation
        try:
            create_private(path)
            self._file = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            if position:
                self._write(position, checksum)
        except OSError as error:
            raise write_fault(error, path) from error

    def follow(self, position: int, checksum: bytes) -> None:
        """Take notice of a committed row. Raises the fault of an earlier write."""
        self._check()
        self._newest = (position, checksum)
        if self._following is None or self._following.done():
            # No task of a group: it follows the log for as long as that is open, which is longer than any group.
            self._following = asyncio.get_running_loop().create_task(self._follow())

    async def cover(self, position: int) -> None:
        """Return once the file covers `position`, which must be committed. Raises StorageError."""
        assert position <= self._newest[0], f"{position} is not committed"
        while self.covered < position:
            self._check()
            await self._written()

    async def close(self) -> None:
        """Cover all and let go of the file. Raises StorageError if that fails, not one known before."""
        try:
            if self._fault is None:
                await self.cover(self._newest[0])
        finally:
            if self._following is not None:
                self._following.cancel()
            os.close(self._file)

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    async def _follow(self) -> None:
        while self.covered < self._newest[0] and self._fault is None:
            await self._written()
            await self._linger(LAG_S)

    def _written(self) -> Awaitable[None]:
        """Give the write under way, or begin one; whoever waits for it may be cancelled, it may not."""
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_newest())
        return asyncio.shield(self._writing)

    async def _write_newest(self) -> None:
        position, checksum = self._newest
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._write, position, checksum)
            self.covered = position
        except OSError as error:
            self._fault = write_fault(error, self._path)

    def _write(self, position: int, checksum: bytes) -> None:
        self._generation += 1
        signed = _SLOT.pack(_MAGIC, self._generation, position, checksum, b"")[:_SIGNED_BYTES]
        slot = _SLOT.pack(_MAGIC, self._generation, position, checksum, _digest(signed))
        os.pwrite(self._file, slot, self._generation % 2 * _SLOT.size)
        _sync(self._file)


def _mark_of(half: bytes) -> Mark | None:
    if len(half) != _SLOT.size:
        return None
    magic, generation, position, checksum, digest = _SLOT.unpack(half)
    is_sound = magic == _MAGIC and digest == _digest(half[:_SIGNED_BYTES])
    return Mark(generation, position, checksum) if is_sound else None


def _digest(signed: bytes) -> bytes:
    return blake2b(signed, digest_size=16).digest()
