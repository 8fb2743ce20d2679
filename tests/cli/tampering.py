"""How a test changes a log behind the engine's back.

Owns the way around the triggers, the checksums of somebody who knows how they are made, and what an engine would have
recorded had something happened.
"""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from engine.core.events import BotEvent
from engine.core.feed_view import FeedView
from engine.runtime.bot import Bot
from engine.runtime.replica import restore_bot
from engine.store.codec import genesis, link
from engine.store.sqlite import SqliteLog

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


def observe(folder: Path, *events: BotEvent) -> None:
    """Have the bot of a folder observe these at its last moment, each with what follows from it."""

    async def record() -> None:
        log = await SqliteLog.open(folder / "state", linger=asyncio.sleep)
        try:
            state, head = restore_bot(log, "bot")
            await log.append([Bot(state, head).observe(events, head.at_ms, FeedView(""))], urgent=True)
        finally:
            await log.close()

    asyncio.run(record())
