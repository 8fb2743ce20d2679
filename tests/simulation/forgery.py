"""Forged state directories: what a log says is changed, and everything that would give the change away is mended.

Owns the mending of chain, witness and state file, so that only the rule in question can notice. Uses nothing of the
engine, and of the checker only the two formulas of the chain.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from engine.testing.independent.chain import MAGIC, SLOT, SUMMED, genesis, link

Says = dict[str, Any]
TRIGGERS: Final = ("event_stays", "event_remains", "stream_stays", "stream_remains")
HARMLESS: Final[Says] = {"type": "rate_limited", "until_ms": 1}
"""An event that no rule looks at."""


def events_of(directory: Path) -> list[tuple[int, str, Says]]:
    """Read the events: position, tag and what each says."""
    with closing(sqlite3.connect(directory / "events.db")) as connection:
        found = connection.execute("SELECT row_id, tag, body FROM event ORDER BY row_id").fetchall()
    return [(row_id, tag, json.loads(body)["e"]) for row_id, tag, body in found]


def row_of(directory: Path, position: int) -> tuple[Says, bytes]:
    """Read the whole body of an event, and its checksum."""
    with closing(sqlite3.connect(directory / "events.db")) as connection:
        query = "SELECT body, checksum FROM event WHERE row_id = ?"
        body, checksum = connection.execute(query, (position,)).fetchone()
    return json.loads(body), checksum


def place_of(directory: Path, tag: str, nth: int = 0, **says: object) -> int:
    """Find the position of an event by its tag, and by what it says."""
    places = [
        row_id
        for row_id, found, body in events_of(directory)
        if found == tag and all(body.get(key) == value for key, value in says.items())
    ]
    return places[nth]


def execute(directory: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    """Change the log's file past its triggers, and mend nothing."""
    with closing(sqlite3.connect(directory / "events.db")) as connection, connection:
        for trigger in TRIGGERS:
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement, values in statements:
            connection.execute(statement, values)


def alter(directory: Path, position: int, change: Mapping[str, object] | Callable[[Says], Says]) -> None:
    """Have an event say something else, in full or by some keys, and mend everything."""
    body, _ = row_of(directory, position)
    body["e"] = change(body["e"]) if callable(change) else {**body["e"], **change}
    rewrite(directory, position, body)


def rewrite(directory: Path, position: int, body: Says) -> None:
    """Put another body in the place of an event, and mend everything."""
    text = json.dumps(body, separators=(",", ":"))
    values = (body["e"]["type"], text, position)
    execute(directory, ("UPDATE event SET tag = ?, body = ? WHERE row_id = ?", values))
    mend(directory)


def mend(directory: Path) -> None:
    """Make chain, witness and state file fit the rows as they are."""
    heads: dict[str, tuple[int, bytes]] = {}
    position, checksum = 0, b""
    with closing(sqlite3.connect(directory / "events.db")) as connection, connection:
        query = "SELECT row_id, name, body FROM event JOIN stream ON stream_id = event.stream ORDER BY row_id"
        for position, (row_id, name, body) in enumerate(connection.execute(query).fetchall(), 1):
            sequence, before = heads.get(name, (0, genesis(name)))
            checksum = link(before, body.encode())
            heads[name] = (sequence + 1, checksum)
            values = (position, sequence + 1, checksum, row_id)
            connection.execute("UPDATE event SET row_id = ?, sequence = ?, checksum = ? WHERE row_id = ?", values)
    write_witness(directory, position, checksum)
    for path in directory.glob("bot_state_*.json"):
        change_state(path, lambda says: says["log"].update(checksum=_checksum_at(directory, says)))


def write_witness(directory: Path, position: int, checksum: bytes) -> None:
    """Write both halves of the witness."""
    halves = b""
    for generation in (2, 3):
        head = SLOT.pack(MAGIC, generation, position, checksum, bytes(16))[:SUMMED]
        halves += head + hashlib.blake2b(head, digest_size=16).digest() + bytes(8)
    (directory / "events.head").write_bytes(halves)


def change_state(path: Path, change: Callable[[Says], object]) -> None:
    """Change the state file; what its numbers lose by that is less than a rounding."""
    says = json.loads(path.read_text("utf-8"))
    change(says)
    path.write_text(json.dumps(says), "utf-8")


def _checksum_at(directory: Path, says: Says) -> str:
    query = "SELECT checksum FROM event JOIN stream ON stream_id = event.stream WHERE name = ? AND sequence = ?"
    values = (f"bot:{says['bot_id']}", says["log"]["sequence"])
    with closing(sqlite3.connect(directory / "events.db")) as connection:
        found = connection.execute(query, values).fetchone()
    return str(found[0].hex() if found else says["log"]["checksum"])
