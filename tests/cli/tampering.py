"""How a test changes a log behind the engine's back.

Owns the way around the triggers, and the checksums of somebody who knows how they are made.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from engine.store.codec import genesis, link

CUT: Final = "DELETE FROM event WHERE row_id > 400"
"""Takes the end of the log that `copied` gives."""

SPOIL: Final = "UPDATE event SET body = replace(body, '\"price\"', '\"prize\"') WHERE tag = 'order_filled'"
"""Changes the content of rows in its midst."""


def alter(folder: Path, *statements: str, chained: bool = False) -> None:
    """Change the log as somebody with sqlite3 could, the triggers taken out of the way.

    Checkpoints go too, as after a kill, so that the next start folds all there is; `chained` makes every checksum
    right again and takes the witness away, so that nothing but the content betrays the change.
    """
    with closing(sqlite3.connect(folder / "state" / "events.db", isolation_level=None)) as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("DELETE FROM checkpoint")
        for statement in statements:
            connection.execute(statement)
        if chained:
            _chain(connection)
            (folder / "state" / "events.head").unlink(missing_ok=True)


def _chain(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")
    for stream, name in connection.execute("SELECT stream_id, name FROM stream").fetchall():
        checksum = genesis(name)
        rows = connection.execute("SELECT row_id, body FROM event WHERE stream = ? ORDER BY sequence", (stream,))
        for row_id, body in rows.fetchall():
            checksum = link(checksum, body.encode())
            connection.execute("UPDATE event SET checksum = ? WHERE row_id = ?", (checksum, row_id))
    connection.execute("COMMIT")
