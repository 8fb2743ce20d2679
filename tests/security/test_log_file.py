"""The log as a file: private, append-only by two locks, and asked only in statements that nobody can add to."""

import ast
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.store.append_only import only_appending
from engine.store.reader import LogReader
from engine.store.schema import LOG_NAME, SETTINGS
from engine.store.sqlite import SqliteLog
from tests.cli.terminal import LIVELY, bot_file, krypto, umask
from tests.store.helpers import events, with_log, write_log
from tests.tidy import rules

SPEC = pytest.mark.spec
CODE = [path for path in rules.python_files("engine", "cli") if not path.startswith("engine/testing/")]
REFUSED = "not authorized|authorization denied|prohibited|may not be modified|append-only|no such function"
EXECUTORS = frozenset({"execute", "executemany", "executescript", "execute_fetchall", "execute_insert"})


# --- permissions


@SPEC("everything a run leaves is 0600 in a directory of 0700, whatever the umask", section="The log file")
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077], ids=oct)
def test_files_of_a_run_are_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    path = bot_file(tmp_path, **LIVELY)
    with umask(mask):
        assert krypto("run", "-c", path, "--speed", "max", "--for", "1h").code == 0
    modes = {each.name: stat.S_IMODE(each.lstat().st_mode) for each in (tmp_path / "state").iterdir()}
    assert modes.keys() >= {LOG_NAME, "events.head", "engine.lock", "bot_state_bot.json"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


@SPEC("a directory of somebody else is refused, one of ours that others may write is closed", section="The log file")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("foreign", ["the directory", "a file in it"])
def test_run_among_files_of_somebody_else_is_refused(tmp_path: Path, foreign: str) -> None:
    path, state = bot_file(tmp_path), tmp_path / "state"
    state.mkdir()
    state.chmod(0o777)
    (state / LOG_NAME).touch()
    os.chown(state if foreign == "the directory" else state / LOG_NAME, 65_534, 65_534)
    result = krypto("run", "-c", path, "--speed", "max", "--for", "1m")
    assert result.code == 4
    assert "belongs to user 65534" in result.err


# --- append-only


CHANGES = [
    "UPDATE event SET body = '{}' WHERE row_id = 1",
    "DELETE FROM event WHERE row_id = 30",
    "UPDATE stream SET name = 'x'",
    "DELETE FROM stream",
    "INSERT OR REPLACE INTO event SELECT 1, stream, sequence, tag, '{}', checksum FROM event WHERE row_id = 1",
    "REPLACE INTO stream VALUES (1, 'x')",
]
BEYOND = [
    "DELETE FROM checkpoint",
    "UPDATE checkpoint SET body = x''",
    "DROP TRIGGER event_stays",
    "DROP TABLE event",
    "DROP VIEW log",
    "ALTER TABLE event ADD COLUMN x",
    "CREATE TABLE x (y)",
    "CREATE TEMP TABLE x (y)",
    "CREATE TEMP TRIGGER x AFTER INSERT ON main.event BEGIN SELECT 1; END",
    "CREATE INDEX x ON event (tag)",
    "ATTACH ':memory:' AS other",
    "PRAGMA writable_schema = 1",
    "PRAGMA journal_mode = off",
    "PRAGMA synchronous = 0",
    "PRAGMA trusted_schema = 1",
    "PRAGMA recursive_triggers = 0",
    "PRAGMA user_version = 9",
    "PRAGMA foreign_keys = 0",
    "UPDATE sqlite_schema SET sql = ''",
    "SELECT load_extension('/tmp/x.so')",
    "SELECT writefile('/tmp/x', 'y')",
    "VACUUM",
    "VACUUM INTO '/tmp/x'",
    "REINDEX",
    "ANALYZE",
]


@SPEC("the connection that writes the log can add rows and nothing else", section="The log file")
@pytest.mark.parametrize("statement", CHANGES + BEYOND)
def test_writer_asked_to_do_anything_but_append_is_refused(tmp_path: Path, statement: str) -> None:
    written = write_log(tmp_path)

    async def work(log: SqliteLog) -> None:
        with pytest.raises(sqlite3.DatabaseError, match=REFUSED):
            await log._connection.execute(statement)

    with_log(tmp_path, work)
    assert events(tmp_path) == written


@SPEC("triggers in the file refuse other programs to change or delete a row", section="The log file")
@pytest.mark.parametrize("statement", CHANGES)
def test_other_program_that_changes_a_row_is_stopped_by_a_trigger(tmp_path: Path, statement: str) -> None:
    written = write_log(tmp_path)
    with closing(sqlite3.connect(tmp_path / LOG_NAME, isolation_level=None)) as connection:
        connection.execute("PRAGMA recursive_triggers = 1")  # without it SQLite asks no trigger about OR REPLACE
        with pytest.raises(sqlite3.IntegrityError, match="the log is append-only"):
            connection.execute(statement)
    assert events(tmp_path) == written


def test_writer_replacing_a_row_is_stopped_by_the_trigger_although_it_may_insert(tmp_path: Path) -> None:
    written = write_log(tmp_path)

    async def work(log: SqliteLog) -> None:
        with pytest.raises(sqlite3.IntegrityError, match="the log is append-only"):
            await log._connection.execute(CHANGES[4])

    with_log(tmp_path, work)
    assert events(tmp_path) == written


def test_list_of_what_the_writer_may_do_is_closed() -> None:
    actions = {value for name, value in vars(sqlite3).items() if name.startswith("SQLITE_") and isinstance(value, int)}
    allowed = {action for action in actions if only_appending(action, "event", "length", "main", None) == 0}
    assert allowed == {
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_FUNCTION,
    }


# --- hostile schemas and statements


@SPEC("a planted trigger or view calls nothing, and no extension is loaded", section="The log file")
def test_reader_of_a_log_with_a_hostile_schema_runs_none_of_it(tmp_path: Path) -> None:
    written = write_log(tmp_path)
    with closing(sqlite3.connect(tmp_path / LOG_NAME, isolation_level=None)) as connection:
        connection.execute("CREATE VIEW trap AS SELECT load_extension('x'), row_id FROM event")
    with LogReader.open(tmp_path) as reader:
        assert [row for page in reader.pages() for row in page]
        with pytest.raises(sqlite3.OperationalError, match=r"unsafe use|no such function|not authorized"):
            reader._connection.execute("SELECT * FROM trap").fetchall()
        with pytest.raises(sqlite3.OperationalError):
            reader._connection.execute("INSERT INTO stream VALUES (99, 'x')")
        assert reader._connection.execute("PRAGMA trusted_schema").fetchone() == (0,)
    assert SETTINGS["trusted_schema"] == 0
    assert events(tmp_path) == written


def test_writer_of_a_log_with_a_planted_trigger_refuses_to_run_it(tmp_path: Path) -> None:
    write_log(tmp_path)
    with closing(sqlite3.connect(tmp_path / LOG_NAME, isolation_level=None)) as connection:
        connection.execute("CREATE TRIGGER trap AFTER INSERT ON event BEGIN DELETE FROM checkpoint; END")

    async def work(log: SqliteLog) -> None:
        with pytest.raises(sqlite3.DatabaseError, match=REFUSED):
            await log._connection.execute("INSERT INTO event VALUES (99, 1, 99, 'x', '{}', zeroblob(16))")

    with_log(tmp_path, work)


def _statements(path: str) -> Iterator[tuple[int, ast.expr]]:
    for node in ast.walk(ast.parse(rules.source(path))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in EXECUTORS:
            yield node.lineno, node.args[0]


def _is_fixed(statement: ast.expr) -> bool:
    """Tell whether a statement is a text in the code, a constant, a parameter handed on, or made of constants."""
    match statement:
        case ast.Constant(value=str()) | ast.Name():
            return True
        case ast.IfExp(body=body, orelse=orelse):
            return _is_fixed(body) and _is_fixed(orelse)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _is_fixed(left) and _is_fixed(right)
        case ast.BinOp(left=left, op=ast.Mult()):
            return isinstance(left, ast.Name) and left.id.isupper()
        case _:
            return False


PRAGMAS = {
    ("engine/store/sqlite.py", "_set"),
    ("engine/store/reader.py", "_connection"),
    ("engine/store/salvage.py", "_reading"),
}
"""Where a setting is made: pragmas take no parameters; names and values come from the tables of constants."""


@SPEC("values reach SQLite as parameters alone", section="The log file")
def test_statements_in_the_code_are_fixed_texts() -> None:
    seen, made = 0, []
    for path in CODE:
        tree = ast.parse(rules.source(path))
        excused = [
            range(node.lineno, (node.end_lineno or node.lineno) + 1)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (path, node.name) in PRAGMAS
        ]
        for line, statement in _statements(path):
            seen += 1
            if not _is_fixed(statement) and not any(line in lines for lines in excused):
                made.append(f"{path}:{line}")
    assert seen > 10
    assert made == []


@pytest.mark.parametrize("text", ["f'SELECT {x}'", "'SELECT %s' % x", "'SELECT {}'.format(x)", "x.y", "'a' + f'{x}'"])
def test_check_of_statements_finds_one_that_is_put_together(text: str) -> None:
    assert not _is_fixed(ast.parse(text, mode="eval").body)
