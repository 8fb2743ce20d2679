"""What can befall the files of a log between two lives: cut, bits flipped, gone, older, or another's.

Owns the damages as functions from files to files. Never judges what a store makes of them.
"""

from collections.abc import Mapping
from typing import Final, Literal

from engine.store.schema import JOURNAL_NAME, LOG_NAME, WAL_NAME, WITNESS_NAME
from engine.store.witness import Mark
from engine.testing.simulation.chance import Chance

Files = Mapping[str, bytes]
Tampering = Literal[
    "wal gone",
    "log gone",
    "log emptied",
    "log and wal older",
    "all older",
    "journal beside",
    "witness gone",
    "witness damaged",
    "witness ahead",
    "witness of another log",
]

TAMPERINGS: Final[tuple[Tampering, ...]] = (
    "wal gone",
    "log gone",
    "log emptied",
    "log and wal older",
    "all older",
    "journal beside",
    "witness gone",
    "witness damaged",
    "witness ahead",
    "witness of another log",
)

_WAL_HEADER_BYTES: Final = 32
_FRAME_BYTES: Final = 4096 + 24
_NEAR_BYTES: Final = 26


def cut(files: Files, chance: Chance) -> dict[str, bytes]:
    """Cut the WAL off at any byte, every other time near the edge of a frame."""
    wal = files.get(WAL_NAME, b"")
    if chance.unit("where") < 0.5:  # noqa: PLR2004 - half
        length = int(chance.unit("byte") * len(wal))
    else:
        frame = int(chance.unit("frame") * (len(wal) // _FRAME_BYTES + 1))
        near = int(chance.unit("near") * 2 * _NEAR_BYTES) - _NEAR_BYTES
        length = max(0, _WAL_HEADER_BYTES + frame * _FRAME_BYTES + near)
    return {**files, WAL_NAME: wal[:length]} if WAL_NAME in files else {**files}


def shortened(files: Files, chance: Chance) -> dict[str, bytes]:
    """Cut the log's own file off at any byte."""
    log = files.get(LOG_NAME, b"")
    return {**files, LOG_NAME: log[: int(chance.unit("byte") * len(log))]} if LOG_NAME in files else {**files}


def flipped(files: Files, chance: Chance) -> dict[str, bytes]:
    """Flip one bit of one of the files."""
    names = [name for name in (LOG_NAME, WAL_NAME, WITNESS_NAME) if files.get(name)]
    if not names:
        return {**files}
    name = names[int(chance.unit("file") * len(names))]
    content = bytearray(files[name])
    content[int(chance.unit("byte") * len(content))] ^= 1 << int(chance.unit("bit") * 8)
    return {**files, name: bytes(content)}


def tampered(files: Files, older: Files, kind: Tampering) -> dict[str, bytes]:
    """Do to the files what an operator, a backup program or a bad disk does; `older` is a backup of them all."""
    after = {**files}
    if kind in {"wal gone", "log gone", "witness gone"}:
        after.pop({"wal gone": WAL_NAME, "log gone": LOG_NAME, "witness gone": WITNESS_NAME}[kind], None)
    elif kind == "log emptied" and LOG_NAME in files:
        after[LOG_NAME] = b""
    elif kind == "journal beside":
        after[JOURNAL_NAME] = bytes.fromhex("d9d505f920a163d7") + b"\xff" * 504
    elif kind == "all older":
        after = {**older}
    elif kind == "log and wal older":
        after = {name: content for name, content in older.items() if name != WITNESS_NAME}
        if WITNESS_NAME in files:
            after[WITNESS_NAME] = files[WITNESS_NAME]
    elif kind.startswith("witness") and WITNESS_NAME in files:
        after[WITNESS_NAME] = _witness(files[WITNESS_NAME], kind)
    return after


def _witness(content: bytes, kind: Tampering) -> bytes:
    if kind == "witness damaged":
        return bytes(byte ^ 0xFF for byte in content)
    position = 1_000_000 if kind == "witness ahead" else 1
    halves = [Mark(generation, position, b"another log's sum"[:16]).packed()[1] for generation in (8, 9)]
    return b"".join(halves)
