"""What can befall the files of a log between two lives: cut, bits flipped, gone, older, or another's.

Owns the damages as functions from files to files. Never judges what a store makes of them.
"""

import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
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
_ROWS: Final = "SELECT stream, tag, body FROM event ORDER BY row_id"
_Row = tuple[int, str, str]


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


def scarred(files: Files, chance: Chance, *, fired: bool = False) -> dict[str, bytes]:
    """Flip one bit of one row: half the time, or if `fired`, of an order that a trail has fired.

    So the trail stays without it. Of these, one that came to nothing is chosen where there is one, and the last.
    The WAL is folded in before, as at the orderly end of an engine: a scar in it would cut whole commits off.
    """
    try:
        log, rows = _folded(files)
    except sqlite3.Error:  # an earlier damage: there are no rows to be found
        return {**files}
    places = _fired(rows) if fired or chance.unit("fired") < 0.5 else []  # noqa: PLR2004 - half
    at = places[-1] if places else int(chance.unit("row") * len(rows))
    body = rows[at][2].encode() if rows else b""
    place = log.find(body)
    if not body or place < 0:  # it is spread over several pages
        return {**files}
    content = bytearray(log)
    content[place + int(chance.unit("byte") * len(body))] ^= 1 << int(chance.unit("bit") * 7)
    return {**{name: each for name, each in files.items() if name != WAL_NAME}, LOG_NAME: bytes(content)}


def fires_last(files: Files) -> bool:
    """Tell whether the last order to sell is one that a trail has fired, and nothing of it was traded."""
    try:
        _, rows = _folded(files)
    except sqlite3.Error:
        return False
    sells = [at for at, (_, tag, body) in enumerate(rows) if tag == "order_requested" and '"side":"sell"' in body]
    if not sells or sells[-1] not in _fired(rows):
        return False
    name = _name_of(rows[sells[-1]][2])
    return not any(tag == "order_filled" and name in body for _, tag, body in rows[sells[-1] :])


def _folded(files: Files) -> tuple[bytes, Sequence[_Row]]:
    """Give the log's own file with its WAL folded in, and the rows in it."""
    with tempfile.TemporaryDirectory(prefix="krypto-damage-") as name:
        folder = Path(name)
        for each, content in files.items():
            (folder / each).write_bytes(content)
        with closing(sqlite3.connect(folder / LOG_NAME)) as connection:
            rows = connection.execute(_ROWS).fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return (folder / LOG_NAME).read_bytes(), rows


def _fired(rows: Sequence[_Row]) -> list[int]:
    """Give the places of the orders that a trail has fired, those that came to nothing last."""
    found: list[int] = []
    fired: set[int] = set()
    names: dict[int, str] = {}
    for at, (stream, tag, body) in enumerate(rows):
        if tag == "order_requested" and stream in fired:
            names[at] = _name_of(body)
            found.append(at)
        fired = {*fired, stream} if tag == "trailing_triggered" else fired - {stream}
    filled = " ".join(body for _, tag, body in rows if tag == "order_filled")
    return sorted(found, key=lambda at: names[at] not in filled)


def _name_of(body: str) -> str:
    return body.partition('"client_order_id":"')[2].partition('"')[0]


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
