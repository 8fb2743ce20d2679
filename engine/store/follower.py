"""The head witness, kept up while the log grows: written in the background, and on demand.

Owns the open witness file. Never holds a commit up, and never lets one through once a write of its own has failed or
has gone to a file that lost its name.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Self

from engine.core.errors import EngineError, StorageError
from engine.store.directory import create_private, identity, require_in_place, sync_names
from engine.store.faults import write_fault
from engine.store.medium import SYSTEM, Medium
from engine.store.schema import WITNESS_DRAFT_NAME
from engine.store.witness import Mark, read_witness

LAG_S: Final = 1.0
"""Unless somebody asks for more, the witness is written at most once in this time."""

_FLAGS: Final = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class Follower:
    """Follows the log in the background: at most one write at a time, always of the newest committed row."""

    def __init__(
        self,
        path: Path,
        newest: tuple[int, bytes],
        linger: Callable[[float], Awaitable[None]],
        medium: Medium,
    ) -> None:
        """Take up the file; `open` writes down where the log stands."""
        self._path = path
        self._linger = linger
        self._medium = medium
        self._newest = newest
        self.covered = 0
        self._fault: EngineError | None = None
        self._following: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._generation = 0
        self._file = -1

    @classmethod
    async def open(
        cls,
        path: Path,
        position: int,
        checksum: bytes,
        linger: Callable[[float], Awaitable[None]],
        medium: Medium = SYSTEM,
    ) -> Self:
        """Take up the file, or make one, and write down where the log stands. Raises StorageError."""
        follower = cls(path, (position, checksum), linger, medium)
        try:
            try:
                await follower._take_up()
            except OSError as error:
                raise write_fault(error, path) from error
            await follower.cover(position)
        except BaseException:
            await follower.close()
            raise
        return follower

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
            if self._writing is not None:
                await asyncio.wait((self._writing,))  # on its thread it still uses the file
            if self._file >= 0:
                os.close(self._file)

    async def _take_up(self) -> None:
        """Open the file; one that says nothing is made under another name, so that it says something from its birth.

        Else a power cut in its very first write would look like damage.
        """
        mark = read_witness(self._path).mark
        if mark is not None:
            self._generation = mark.generation
            self._file = os.open(self._path, _FLAGS)
            offset, half = mark.packed()
            await self._medium.write(self._file, half, offset)  # the next one spares it: it must be on the disk
            return
        draft = self._path.with_name(WITNESS_DRAFT_NAME)
        draft.unlink(missing_ok=True)
        create_private(draft, self._medium.sync)
        self._file = os.open(draft, _FLAGS)
        await self._write_newest(draft)
        self._check()
        self._medium.rename(draft, self._path)
        sync_names(self._path.parent, self._medium.sync)

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
            self._writing = asyncio.get_running_loop().create_task(self._write_newest(self._path))
        return asyncio.shield(self._writing)

    async def _write_newest(self, path: Path) -> None:
        """Write the newest mark to the open file, which covers nothing unless `path` still leads to it."""
        position, checksum = self._newest
        self._generation += 1
        offset, half = Mark(self._generation, position, checksum).packed()
        try:
            await self._medium.write(self._file, half, offset)
            require_in_place(path, identity(self._file))
            self.covered = position
        except StorageError as error:
            self._fault = error
        except OSError as error:
            self._fault = write_fault(error, self._path)
