"""The store's medium on a simulated disk: a real connection without a thread, and writes that can be slow.

Owns when the loop's other tasks have their turn while the disk works: before and after each statement that writes, as a
thread would let them. Everything happens on the loop's own thread, so that a run can be repeated.
"""

import os
import sqlite3
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiosqlite

from engine.store.append_only import only_appending
from engine.store.directory import identity
from engine.testing.simulation.disk import Disk

_CHUNK_ROWS: Final = 64
_WRITES: Final = ("BEGIN", "INSERT", "COMMIT", "PRAGMA wal_checkpoint(PASSIVE)")


class InlineMedium:
    """Opens connections that work on the loop's own thread. `has_failed` tells whether a commit ever failed."""

    def __init__(self) -> None:
        """Begin without one."""
        self.has_failed = False
        self._connections: Final[list[sqlite3.Connection]] = []
        self._written: Final[dict[int, tuple[int, int] | None]] = {}

    async def connect(self, path: Path) -> aiosqlite.Connection:
        """Open a database that does its work on the loop's thread."""
        connection = sqlite3.connect(path, isolation_level=None)
        self._connections.append(connection)
        return _Inline(connection, self)

    def close(self) -> None:
        """Close the connections and the witness that a dead engine left open."""
        for connection in self._connections:
            connection.close()
        for descriptor, file in self._written.items():
            with suppress(OSError):  # an engine that ended in order has closed it
                if identity(descriptor) == file:
                    os.close(descriptor)

    def note(self, descriptor: int) -> None:
        """Take note of a file that is written, and that a dead engine will not close."""
        self._written[descriptor] = identity(descriptor)

    async def pause(self, *, is_commit: bool) -> None:
        """Let the others go on while the disk works."""
        del is_commit
        await _Turn()


class DiskMedium(InlineMedium):
    """What a store writes on that runs in a simulated world."""

    def __init__(
        self,
        disk: Disk,
        linger: Callable[[float], Awaitable[None]],
        delay_s: Callable[[], float] | None = None,
    ) -> None:
        """Take the disk. `delay_s` tells for how many virtual seconds the next sync holds its commit up."""
        super().__init__()
        self._disk: Final = disk
        self._linger: Final = linger
        self._delay_s: Final = delay_s

    async def write(self, descriptor: int, content: bytes, offset: int) -> None:
        """Write the witness and sync it."""
        self.note(descriptor)
        await self.pause(is_commit=True)
        self._disk.write_through(descriptor, content, offset)
        await _Turn()

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name."""
        self._disk.rename(source.name, target.name)

    def sync(self, descriptor: int) -> None:
        """Make the names in the folder durable."""
        self._disk.sync_folder(descriptor)

    def execute(self, statements: str) -> None:
        """Let the newest connection do something behind the store's back: set a limit lower, or plant a mistake."""
        newest = self._connections[-1]
        newest.set_authorizer(None)
        newest.executescript(statements)
        newest.set_authorizer(only_appending)

    async def pause(self, *, is_commit: bool) -> None:
        """Let the others go on while the disk works, which takes a while if it is slow."""
        if is_commit and self._delay_s is not None and (seconds := self._delay_s()):
            await self._linger(seconds)
        else:
            await super().pause(is_commit=is_commit)


class _Inline(aiosqlite.Connection):
    """A connection of aiosqlite, with its methods, that is open from the start and has no thread."""

    def __init__(self, connection: sqlite3.Connection, medium: InlineMedium) -> None:
        super().__init__(lambda: connection, _CHUNK_ROWS)
        self._connection = connection
        self._medium = medium

    def __del__(self) -> None:
        """Leave it to `InlineMedium.close`: a dead engine closes nothing."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._connection is None:
            raise ValueError("the connection is closed")
        statement = args[0] if args and isinstance(args[0], str) else ""
        if not statement.startswith(_WRITES):
            return fn(*args, **kwargs)
        is_commit = statement == "COMMIT" or not (self._connection.in_transaction or statement == "BEGIN IMMEDIATE")
        await self._medium.pause(is_commit=is_commit)
        try:
            result = fn(*args, **kwargs)
        except sqlite3.Error:
            self._medium.has_failed = True
            raise
        await _Turn()
        return result

    async def close(self) -> None:
        if self._connection is not None:
            try:
                await self._execute(self._connection.close)
            finally:
                self._connection = None


class _Turn:
    """Gives all other tasks their turn when awaited."""

    def __await__(self) -> Generator[None, None, None]:
        yield
