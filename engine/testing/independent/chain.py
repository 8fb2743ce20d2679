"""Rules about the log as such: chain, positions, witness, and times that never go back.

Owns the recomputation of every checksum from the stored bytes. Never looks at what an event means.
Source: docs/storage.md, "The chain and the witness" and "Checking it without the engine".
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from engine.testing.independent.rows import WITNESS, Row

PERSON: Final = b"krypto-log"
MAGIC: Final = b"krlg-hd1"
SLOT: Final = struct.Struct("<8sQQ16s16s8x")
SUMMED: Final = 40
"""So many bytes of a slot its own checksum covers."""


def chain_violations(rows: Sequence[Row]) -> Iterator[str]:
    """Say where positions, sequences, checksums, tags or bodies are not what they must be."""
    heads: dict[str, tuple[int, bytes]] = {}
    broken: set[str] = set()
    for position, row in enumerate(rows, 1):
        if row.row_id != position and "" not in broken:
            broken.add("")
            yield f"chain: position {position} is missing, the next is {row.row_id}"
        sequence, before = heads.get(row.stream) or (0, genesis(row.stream))
        is_sound = row.sequence == sequence + 1 and row.says.get("type") == row.tag
        if not (is_sound and link(before, row.body) == row.checksum) and row.stream not in broken:
            for text in _link_violations(row, sequence + 1, before):
                broken.add(row.stream)
                yield f"chain: {row.stream} {row.sequence}: {text}"
        heads[row.stream] = (row.sequence, row.checksum)


def genesis(stream: str) -> bytes:
    """Give the checksum that the first event of a stream is chained to."""
    return hashlib.blake2b(stream.encode(), digest_size=16, person=PERSON).digest()


def link(before: bytes, body: bytes) -> bytes:
    """Give the checksum of a body that follows a checksum."""
    return hashlib.blake2b(before + body, digest_size=16).digest()


def _link_violations(row: Row, sequence: int, before: bytes) -> Iterator[str]:
    if row.sequence != sequence:
        yield f"sequence {sequence} was expected"
    elif link(before, row.body) != row.checksum:
        yield "the checksum does not fit the stored bytes"
    if not row.says:
        yield "the body cannot be read"
    elif row.says.get("type") != row.tag:
        yield f"the tag is {row.tag}, the body is of {row.says.get('type')}"


def time_violations(streams: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Say where a recorded time goes back within a stream."""
    for name, rows in streams.items():
        last_ms = 0
        for row in rows:
            if not row.says:
                continue
            if row.at_ms < last_ms:
                yield f"time: {name} {row.sequence}: {row.tag} is of {row.at_ms}, the event before of {last_ms}"
                break
            last_ms = row.at_ms


def witness_violations(directory: Path, rows: Sequence[Row], *, is_stopped: bool) -> Iterator[str]:
    """Say whether the witness saw another log than this one, or more of it.

    A log without a witness, such as a backup, is none. After an orderly end it must be there and have seen everything.
    """
    path = directory / WITNESS
    if not path.exists():
        if is_stopped:
            yield "witness: the log was closed in order and has none"
        return
    slots = _slots(path.read_bytes())
    if not slots:
        yield "witness: neither half of events.head is whole"
        return
    _, position, checksum = max(slots)
    end = rows[-1].row_id if rows else 0
    if position > end:
        yield f"witness: it saw row {position}, the log ends at {end}"
    elif any(row.row_id == position and row.checksum != checksum for row in reversed(rows)):
        yield f"witness: row {position} is not the row that it saw"
    elif is_stopped and position < end:
        yield f"witness: it saw row {position} only, and the log was closed in order at {end}"


def _slots(content: bytes) -> list[tuple[int, int, bytes]]:
    """Read the halves that are whole: generation, position and checksum."""
    found = []
    for start in range(0, len(content) - SLOT.size + 1, SLOT.size):
        half = content[start : start + SLOT.size]
        magic, generation, position, checksum, own = SLOT.unpack(half)
        if magic == MAGIC and hashlib.blake2b(half[:SUMMED], digest_size=16).digest() == own:
            found.append((generation, position, checksum))
    return found
