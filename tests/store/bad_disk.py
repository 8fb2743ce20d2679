"""A disk with bad blocks, for the tests of copies and recoveries: what reads them gets an input/output error.

Owns how reads fail, of this process and of its SQLite. Writes nothing.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.testing.simulation.chance import Chance
from engine.testing.simulation.disk import Disk, Fault, Operation
from engine.testing.simulation.life import Life


def spoil_block(patch: pytest.MonkeyPatch, file: Path, begin: int, end: int | None = None) -> None:
    """Let every read of a file that touches these bytes fail, as a bad sector does."""
    spoiled, read = file.stat(), os.pread
    end = spoiled.st_size if end is None else end

    def reading(descriptor: int, length: int, offset: int) -> bytes:
        if os.path.samestat(os.fstat(descriptor), spoiled) and offset < end and offset + length > begin:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(descriptor, length, offset)

    patch.setattr(os, "pread", reading)


@contextmanager
def failing_log(directory: Path, reads: int) -> Iterator[Disk]:
    """Let SQLite read so many pages of a directory's log, and no more."""
    left = iter(range(reads))

    def plan(operation: Operation) -> Fault | None:
        is_meant = (operation.kind, operation.act) == ("log", "read")
        return "io" if is_meant and next(left, None) is None else None

    disk = Disk(directory, Chance(1), Life(1, lambda _point: False), plan=plan, watches_reads=True)
    try:
        yield disk
    finally:
        disk.release()
