"""What a start does to the files of a log before it reads there anything to build upon.

Owns the rule that nothing is built upon what the disk may not have: what was written before a failed sync can be read
until the power goes, even after a later sync, for a system counts pages as clean once it has reported that they could
not be written. Changes no row of the log; of the WAL index it takes back one count.
Source: docs/storage.md, "What a crash can and cannot do".
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from engine.store.faults import write_fault
from engine.store.medium import Medium
from engine.store.reader import LogReader
from engine.store.schema import SHM_NAME, WAL_NAME

_PART_BYTES: Final = 1 << 20
_FOLDED_AT: Final = 96  # nBackfill, the first field of WalCkptInfo: https://www.sqlite.org/walformat.html, section 2.1
_FOLDED_BYTES: Final = 4
_FLAGS: Final = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


async def renew(path: Path, medium: Medium) -> None:
    """Write a log's WAL over itself and sync it, and have all of it folded in once more.

    Only for the one engine that has taken the directory, and while it has no connection open: closing a descriptor of
    the WAL index would drop the locks of one. What is no log of ours is left alone. Raises as opening a reader does,
    and StorageError.
    """
    if not _is_begun(path):
        return
    for name, work in ((WAL_NAME, _rewrite), (SHM_NAME, _count_as_not_folded)):
        try:
            descriptor = os.open(path.with_name(name), _FLAGS)
            try:
                await work(descriptor, medium)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise write_fault(error, path.with_name(name)) from error


def _is_begun(path: Path) -> bool:
    """Tell whether there is a log of ours with something in it."""
    if not path.exists():
        return False
    with LogReader(path) as reader:
        return not reader.is_new


async def _rewrite(wal: int, medium: Medium) -> None:
    """Write a file's bytes over themselves and sync them; it keeps the time at which it last changed."""
    times, offset = os.fstat(wal), 0
    while part := os.pread(wal, _PART_BYTES, offset):
        writing = asyncio.ensure_future(medium.write(wal, part, offset))
        try:
            await asyncio.shield(writing)
        finally:
            await asyncio.wait((writing,))  # on its thread it still uses the file
        offset += len(part)
    os.utime(wal, ns=(times.st_atime_ns, times.st_mtime_ns))


async def _count_as_not_folded(shm: int, _medium: Medium) -> None:
    """Have SQLite's WAL index say that nothing was folded into the log yet.

    The index outlives an engine if somebody reads meanwhile. A fold that a reader holds back counts what it has written
    as folded before that is synced; after a sync that failed, those pages would never be written again.
    """
    if os.fstat(shm).st_size >= _FOLDED_AT + _FOLDED_BYTES:
        os.pwrite(shm, bytes(_FOLDED_BYTES), _FOLDED_AT)
