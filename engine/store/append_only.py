"""What the connection that writes the log may do: read, add rows, and fold the WAL in. SQLite asks here beforehand.

Owns that list, which is closed: whatever is not on it is refused before it runs, whoever asked for it. Triggers say the
same in the file, for other programs. Rows can be added, so a row put in place of another is for the triggers to refuse.
Never opens anything.
"""

import sqlite3
from typing import Final

from engine.store.schema import SETTINGS

_HARMLESS: Final = frozenset({sqlite3.SQLITE_READ, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_TRANSACTION})
_GROWING: Final = frozenset({"stream", "event", "checkpoint"})
_TOLD: Final = frozenset({*SETTINGS, "application_id", "user_version"})
"""Settings that may be asked for, not changed."""

_FOLDING: Final = "wal_checkpoint"
_FUNCTIONS: Final = frozenset({"length"})
"""Those that the tables check their rows with."""


def only_appending(action: int, first: str | None, second: str | None, _database: str | None, _by: str | None) -> int:
    """Answer SQLite whether a statement may do something.

    `first` names the table or the pragma, `second` the function or what a pragma is set to.
    A checkpoint takes the place of the one before it by INSERT OR REPLACE, which is no DELETE to SQLite. In the other
    tables the triggers refuse that, because the connection has `recursive_triggers` on.
    """
    if action in _HARMLESS:
        return sqlite3.SQLITE_OK
    allowed = {
        sqlite3.SQLITE_INSERT: first in _GROWING,
        sqlite3.SQLITE_PRAGMA: first == _FOLDING or (first in _TOLD and second is None),
        sqlite3.SQLITE_FUNCTION: second in _FUNCTIONS,
    }
    return sqlite3.SQLITE_OK if allowed.get(action, False) else sqlite3.SQLITE_DENY
