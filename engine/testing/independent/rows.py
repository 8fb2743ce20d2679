"""The log as raw rows, read with nothing but `sqlite3` and `json`.

Owns opening the file for reading and the shape of a row. Never changes a file of the directory; never judges.
Source: docs/storage.md, "Format" and "Checking it without the engine".
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

LOG: Final = "events.db"
WITNESS: Final = "events.head"
BOT: Final = "bot:"
LONG: Final = 2_000
CANDLES: Final = b',"candles":['
DECODE: Final = json.JSONDecoder().raw_decode
QUERY: Final = (
    "SELECT row_id, name, sequence, tag, CAST(body AS BLOB), checksum"
    " FROM event LEFT JOIN stream ON stream_id = event.stream ORDER BY row_id"
)


class Row(NamedTuple):
    """One event as it is stored, and what its body says; `says` is empty if the body could not be read."""

    row_id: int
    stream: str
    sequence: int
    tag: str
    body: bytes
    checksum: bytes
    at_ms: int
    cause: tuple[str, int] | None
    says: Mapping[str, Any]


class Unreadable(Exception):  # noqa: N818 - not a fault of the program, but what it finds
    """The log cannot be read at all."""


def read_rows(directory: Path) -> list[Row]:
    """Read the whole log, in the order of its rows; a directory without one has none.

    Raises Unreadable.
    """
    path, ahead = directory / LOG, directory / f"{LOG}-wal"
    if not path.exists():
        return []
    # Without a write-ahead file nobody writes, and SQLite need not leave files of its own in what is only looked at.
    mode = "mode=ro" if ahead.exists() and ahead.stat().st_size else "immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?{mode}", uri=True)) as connection:
            return [_row(*found) for found in connection.execute(QUERY)]
    except (sqlite3.Error, UnicodeDecodeError, TypeError) as fault:
        raise Unreadable(str(fault)) from fault


def by_stream(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Sort rows into their streams."""
    streams: dict[str, list[Row]] = {}
    for row in rows:
        streams.setdefault(row.stream, []).append(row)
    return streams


def number(text: Any) -> Decimal:
    """Read an amount, which is text in events and a number in the state file."""
    return text if isinstance(text, Decimal) else Decimal(str(text))


def _row(row_id: int, name: str | None, sequence: int, tag: str, body: bytes, checksum: bytes) -> Row:
    at_ms, cause, says = _said(body)
    return Row(row_id, name or "?", sequence, tag, body, checksum, at_ms, cause, says)


def _said(body: bytes) -> tuple[int, tuple[str, int] | None, Mapping[str, Any]]:
    """Take a body apart; one of another shape says nothing."""
    try:
        text = (_without_candles(body) if len(body) > LONG else body).decode()
        document, end = DECODE(text)
        if end != len(text):
            return -1, None, {}
        cause = document.get("cause")
        return int(document["at"]), (str(cause[0]), int(cause[1])) if cause else None, dict(document["e"])
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        return -1, None, {}


def _without_candles(body: bytes) -> bytes:
    """Leave out a long list of candles: no rule looks at it, and reading it would cost half of all."""
    start, end = body.find(CANDLES), body.rfind(b"]]")
    return body[:start] + body[end + 2 :] if 0 < start < end else body
