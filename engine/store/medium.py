"""The medium under the log: how its database is opened, and how its witness and its names become durable.

Owns the one place where the store meets the disk for writing, so that a simulated disk can stand there instead.
Never decides when anything is written.
"""

import asyncio
import os
from pathlib import Path
from typing import Final, Protocol

import aiosqlite

_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Medium(Protocol):
    """What the store writes on. Faults are those of the operating system and of SQLite, as they come."""

    async def connect(self, path: Path) -> aiosqlite.Connection:
        """Open the database at a path for a writer that begins and ends its own transactions."""

    async def write(self, descriptor: int, content: bytes, offset: int) -> None:
        """Write to an open file and return once that is durable; others have their turn meanwhile."""

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name in its folder, in place of any file that has it."""

    def sync(self, descriptor: int) -> None:
        """Make the names in an open folder durable."""


class SystemMedium:
    """The file system of this machine; writing is done on threads."""

    async def connect(self, path: Path) -> aiosqlite.Connection:
        """Open a database on a thread of its own."""
        return await aiosqlite.connect(path, isolation_level=None)

    async def write(self, descriptor: int, content: bytes, offset: int) -> None:
        """Write and sync on a thread of the loop's executor."""
        await asyncio.get_running_loop().run_in_executor(None, _write, descriptor, content, offset)

    def rename(self, source: Path, target: Path) -> None:
        """Rename, here and now."""
        source.replace(target)

    def sync(self, descriptor: int) -> None:
        """Sync a folder, here and now."""
        os.fsync(descriptor)


def _write(descriptor: int, content: bytes, offset: int) -> None:
    while content:  # a disk that is nearly full takes a part, and says what is wrong when the rest comes
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written
    _sync(descriptor)


SYSTEM: Final = SystemMedium()
