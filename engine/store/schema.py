"""The shape of the log file: its names, tables, triggers and settings.

Owns the format number. Never opens a file. Rows may be added and nothing else: triggers refuse changes to what was
written, and the checksums show those that went around the triggers.
"""

from typing import Final

LOG_FORMAT: Final = 1
APPLICATION_ID: Final = 0x6B72_6C67  # "krlg"

LOG_NAME: Final = "events.db"
WAL_NAME: Final = f"{LOG_NAME}-wal"
SHM_NAME: Final = f"{LOG_NAME}-shm"
JOURNAL_NAME: Final = f"{LOG_NAME}-journal"  # no log of ours ever has one
WITNESS_NAME: Final = "events.head"
DRAFT_NAME: Final = f"{LOG_NAME}.new"
WITNESS_DRAFT_NAME: Final = f"{WITNESS_NAME}.new"
LOCK_NAME: Final = "engine.lock"
FILE_NAMES: Final = (LOG_NAME, WAL_NAME, SHM_NAME, WITNESS_NAME, LOCK_NAME)

MARK: Final = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LOG_FORMAT};"

CREATE: Final = f"""  -- the tables of a new log, all or none; it is a draft, which needs no journal beside it
PRAGMA journal_mode = memory;
PRAGMA synchronous = 2;
PRAGMA fullfsync = 1;
BEGIN IMMEDIATE;

CREATE TABLE stream (
    stream_id INTEGER PRIMARY KEY,
    name TEXT UNIQUE NOT NULL
) STRICT;

CREATE TABLE event (
    row_id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES stream,
    sequence INTEGER NOT NULL,
    tag TEXT NOT NULL,
    body TEXT NOT NULL,
    checksum BLOB NOT NULL CHECK (length(checksum) = 16),
    UNIQUE (stream, sequence)
) STRICT;

CREATE TABLE checkpoint (
    stream INTEGER PRIMARY KEY REFERENCES stream,
    sequence INTEGER NOT NULL,
    schema TEXT NOT NULL,
    digest BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE VIEW log AS
SELECT row_id, name AS stream, sequence,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(body, '$.at') / 1000.0, 'unixepoch') AS time, tag, body
FROM event JOIN stream ON stream_id = event.stream
ORDER BY row_id;

CREATE TRIGGER event_stays BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER event_remains BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER stream_stays BEFORE UPDATE ON stream BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER stream_remains BEFORE DELETE ON stream BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

{MARK}

COMMIT;
PRAGMA journal_mode = wal;
"""  # noqa: S608 - nothing but constants of this module

SETTINGS: Final[dict[str, str | int]] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit that returned survives a power cut
    "fullfsync": 1,
    "checkpoint_fullfsync": 1,
    "wal_autocheckpoint": 0,  # never: it would pass over a fault; the store folds the WAL in
    "busy_timeout": 0,
    "foreign_keys": 1,
    "recursive_triggers": 1,  # or INSERT OR REPLACE would delete a row without asking its trigger
    "trusted_schema": 0,
    "cell_size_check": 1,
    "mmap_size": 0,
}
"""What the writer sets and reads back: a setting that did not take is a fault."""
