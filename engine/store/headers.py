"""The first hundred bytes of a log file, in which one wrong bit makes SQLite refuse all the rest.

Owns what stands there in every log of ours, and the length that the file must have. Works on copies only: with these
bytes as they must be, SQLite reads on to where the damage is. What it reads is believed by its checksums alone.
"""

import os
from pathlib import Path
from typing import Final

from engine.store.folders import open_private
from engine.store.schema import APPLICATION_ID, LOG_FORMAT

PAGE_BYTES: Final = 4096
MOST_PAGES: Final = 1 << 24
"""A page count beyond this is damage: a log of 64 GB is none of ours."""

_FIXED: Final[dict[int, bytes]] = {
    0: b"SQLite format 3\0",
    16: PAGE_BYTES.to_bytes(2, "big"),
    18: bytes((2, 2, 0, 64, 32, 32)),  # WAL for writing and reading, nothing reserved, payload fractions
    32: bytes(8),  # no free pages
    44: (4).to_bytes(4, "big"),  # schema format
    52: bytes(4),  # no vacuuming
    56: (1).to_bytes(4, "big"),  # UTF-8
    60: LOG_FORMAT.to_bytes(4, "big"),
    64: bytes(4),
    68: APPLICATION_ID.to_bytes(4, "big"),
    72: bytes(20),
}
_CHANGES: Final = slice(24, 28)
_PAGES: Final = slice(28, 32)
_VALID_FOR: Final = slice(92, 96)
_HEADER_BYTES: Final = 100


def make_readable(copy: Path) -> None:
    """Give a copy of a log file the header that it must have, and zeros for the pages that it lost. Raises OSError."""
    with open_private(copy, os.O_RDWR) as file:
        size = os.fstat(file).st_size
        header = bytearray(os.pread(file, _HEADER_BYTES, 0).ljust(_HEADER_BYTES, b"\0"))
        told = int.from_bytes(header[_PAGES], "big")
        there = -(-size // PAGE_BYTES)
        pages = max(told if told <= MOST_PAGES else 0, there, 1)
        for offset, content in _FIXED.items():
            header[offset : offset + len(content)] = content
        header[_PAGES] = pages.to_bytes(4, "big")
        header[_VALID_FOR] = header[_CHANGES]  # or else SQLite would not believe the number of pages
        os.pwrite(file, header, 0)
        os.ftruncate(file, pages * PAGE_BYTES)
