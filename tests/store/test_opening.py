"""Taking a state directory: who may, what is made private, and what is refused with which sentence."""

import asyncio
import os
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.errors import (
    ConfigError,
    DirectoryInUseError,
    EngineError,
    LogDamagedError,
    LogTooNewError,
    StorageError,
    UsageError,
)
from engine.core.events import PriceObserved
from engine.store.directory import StateDirectory, _same_file, create_private, read_regular
from engine.store.medium import SystemMedium
from engine.store.port import Batch, Entry
from engine.store.reader import LogReader
from engine.store.renewal import _count_as_not_folded
from engine.store.schema import APPLICATION_ID, FILE_NAMES, LOCK_NAME, LOG_FORMAT, LOG_NAME, WAL_NAME, WITNESS_NAME
from engine.store.sqlite import SqliteLog
from tests.store.conftest import NOBODY
from tests.store.helpers import contents, events, reopen, with_log, write_log


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.spec("the state directory is made 0700, its files 0600", section="Identity")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
def test_open_new_directory_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    directory = tmp_path / "deep" / "data"
    modes: dict[str, int] = {}

    async def work(_log: SqliteLog) -> None:
        modes.update({path.name: mode(path) for path in directory.iterdir()})

    before = os.umask(umask)
    try:
        with_log(directory, work)
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(FILE_NAMES, 0o600)
    assert mode(directory) == 0o700


def test_open_looser_directory_and_files_of_ours_are_tightened(tmp_path: Path) -> None:
    write_log(tmp_path)
    tmp_path.chmod(0o755)
    for name in (LOG_NAME, WITNESS_NAME, LOCK_NAME):
        (tmp_path / name).chmod(0o644)
    reopen(tmp_path)
    assert {mode(tmp_path / name) for name in (LOG_NAME, WITNESS_NAME, LOCK_NAME)} == {0o600}
    assert mode(tmp_path) == 0o700


def test_open_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    foreign = Path("/usr")
    if os.geteuid() == 0:
        foreign = tmp_path
        os.chown(tmp_path, NOBODY, NOBODY)
    before = mode(foreign)
    with pytest.raises(ConfigError, match=rf"{foreign} belongs to user \d+, not to you .user \d+.: choose"):
        reopen(foreign)
    assert mode(foreign) == before


@pytest.mark.parametrize("name", FILE_NAMES)
def test_open_symbolic_link_in_place_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / name).symlink_to(target)
    with pytest.raises(ConfigError, match=f"{name} is a symbolic link"):
        reopen(directory)
    assert target.read_text() == "precious"


def test_open_socket_in_place_of_the_log_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as somebody:
        somebody.bind(str(tmp_path / LOG_NAME))
        with pytest.raises(ConfigError, match=r"events\.db is not a regular file"):
            reopen(tmp_path)


def test_open_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError, match="data is not a directory: choose another state directory"):
        reopen(tmp_path / "data")


def test_open_read_only_directory_says_so(as_nobody: Path) -> None:
    as_nobody.chmod(0o500)
    with pytest.raises(StorageError, match=f"{as_nobody} cannot be written .Permission denied.: allow it, or choose"):
        reopen(as_nobody)


def test_open_unwritable_log_says_so(as_nobody: Path) -> None:
    write_log(as_nobody)
    (as_nobody / LOG_NAME).chmod(0o400)
    with pytest.raises(StorageError, match=r"events\.db-wal could not be written .*Permission denied"):
        reopen(as_nobody)


def test_reader_works_in_a_read_only_directory(as_nobody: Path) -> None:
    written = write_log(as_nobody)
    for leftover in as_nobody.glob("*-*"):
        leftover.unlink()
    as_nobody.chmod(0o500)
    assert events(as_nobody) == written


def test_reader_without_permission_does_not_pass_over_what_stands_in_the_wal_alone(as_nobody: Path) -> None:
    write_log(as_nobody)
    (as_nobody / LOG_NAME).chmod(0o000)
    (as_nobody / WAL_NAME).write_bytes(b"something")
    with pytest.raises(StorageError, match="could not be read"):
        LogReader.open(as_nobody)


def test_reader_without_permission_says_so(as_nobody: Path) -> None:
    write_log(as_nobody)
    (as_nobody / LOG_NAME).chmod(0o000)
    with pytest.raises(StorageError, match=r"events\.db could not be read .*see to the permissions"):
        events(as_nobody)


def not_a_database(path: Path) -> None:
    path.write_text("Dear diary, today I bought the top again. " * 40)


def half_a_page(path: Path) -> None:
    write_log(path.parent)
    path.write_bytes(path.read_bytes()[:300])


def of_another_program(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE bookmarks (url TEXT); PRAGMA application_id = 7")
    connection.close()


def without_application_id(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()


def of_a_newer_format(path: Path) -> None:
    write_log(path.parent)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {LOG_FORMAT + 1}")
    connection.close()


@pytest.mark.spec(
    "a log from a newer version, or a file that is no log, is refused unchanged", section="issue: Bad input"
)
@pytest.mark.parametrize(
    ("make", "fault", "sentence"),
    [
        (not_a_database, LogDamagedError, "is damaged .file is not a database.: stop the engine, keep the files"),
        (half_a_page, LogDamagedError, "is damaged"),
        (of_another_program, LogDamagedError, "is a database of another program: move it away, or choose another"),
        (without_application_id, LogDamagedError, "is a database of another program"),
        (of_a_newer_format, LogTooNewError, "has format 2 and this program knows 1: a newer version wrote it"),
    ],
)
def test_open_file_that_is_no_log_of_ours_is_refused_unchanged(
    tmp_path: Path, make: Callable[[Path], None], fault: type[EngineError], sentence: str
) -> None:
    make(tmp_path / LOG_NAME)
    before = contents(tmp_path)
    with pytest.raises(fault, match=sentence) as caught:
        reopen(tmp_path)
    assert caught.value.exit_code == 6
    with pytest.raises(fault, match=sentence):
        LogReader.open(tmp_path)
    assert contents(tmp_path) == before


def test_open_empty_file_becomes_a_log(tmp_path: Path) -> None:
    (tmp_path / LOG_NAME).touch()
    with pytest.raises(UsageError, match="holds nothing yet: run a bot first"):
        LogReader.open(tmp_path)
    assert len(write_log(tmp_path)) == 30


def test_reader_without_a_log_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{tmp_path}/nowhere holds no log: .*--state-dir"):
        LogReader.open(tmp_path / "nowhere")


def stderr_of(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False).stderr


@pytest.mark.spec("a second process on a state directory exits at once, naming the first", section="Identity")
def test_open_by_a_second_process_names_the_first(tmp_path: Path) -> None:
    async def second(_log: SqliteLog) -> None:
        told = stderr_of(f"from tests.store.helpers import *; reopen(Path({str(tmp_path)!r}))")
        assert f"DirectoryInUseError: {tmp_path} is in use by process {os.getpid()}: stop that engine first" in told
        assert len(events(tmp_path)) == 0

    with_log(tmp_path, second)
    reopen(tmp_path)


def test_lock_dies_with_its_holder(tmp_path: Path) -> None:
    script = f"from tests.store.test_opening import *; hold(Path({str(tmp_path)!r}))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DirectoryInUseError, match=f"process {holder.pid}"):
            StateDirectory.take(tmp_path)
        holder.kill()
    StateDirectory.take(tmp_path).release()


def hold(directory: Path) -> None:
    StateDirectory.take(directory)
    print("held", flush=True)
    sys.stdin.read()


def test_lock_file_that_was_removed_does_not_let_two_in(tmp_path: Path) -> None:
    first = StateDirectory.take(tmp_path)
    assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"
    (tmp_path / LOCK_NAME).rename(tmp_path / "moved.lock")
    second = StateDirectory.take(tmp_path)
    with pytest.raises(DirectoryInUseError):
        StateDirectory.take(tmp_path)
    first.release()
    second.release()


def test_lock_on_a_file_that_lost_its_name_is_known(tmp_path: Path) -> None:
    with (tmp_path / LOCK_NAME).open("w") as held:
        assert _same_file(held.fileno(), tmp_path / LOCK_NAME)
        (tmp_path / LOCK_NAME).unlink()
        assert not _same_file(held.fileno(), tmp_path / LOCK_NAME)
        (tmp_path / LOCK_NAME).touch()
        assert not _same_file(held.fileno(), tmp_path / LOCK_NAME)


def test_application_id_is_ours_for_ever() -> None:
    assert APPLICATION_ID.to_bytes(4) == b"krlg"


def test_reader_where_it_may_not_look_says_so(as_nobody: Path) -> None:
    write_log(as_nobody / "closed")
    (as_nobody / "closed").chmod(0)
    try:
        with pytest.raises(StorageError, match="Permission denied"):
            LogReader(as_nobody / "closed" / LOG_NAME)
    finally:
        (as_nobody / "closed").chmod(0o700)


def test_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(tmp_path / "pipe")


def test_file_that_is_made_is_made_over_nothing(tmp_path: Path) -> None:
    (tmp_path / "draft").write_text("somebody else's")
    with pytest.raises(FileExistsError):
        create_private(tmp_path / "draft", os.fsync)
    assert (tmp_path / "draft").read_text() == "somebody else's"


@pytest.mark.parametrize(
    ("name", "says"),
    [(f"{LOG_NAME}-journal", "lies beside the log, which never has such a file"), (WAL_NAME, "is empty, but")],
)
def test_file_beside_the_log_with_which_sqlite_would_mend_it_is_refused_unchanged(
    tmp_path: Path, name: str, says: str
) -> None:
    write_log(tmp_path)
    if name == WAL_NAME:
        (tmp_path / LOG_NAME).write_bytes(b"")
    (tmp_path / name).write_bytes(b"something")
    before = contents(tmp_path)
    for look in (reopen, events):
        with pytest.raises(LogDamagedError, match=says):
            look(tmp_path)
    assert contents(tmp_path) == before


def test_log_that_another_program_goes_on_reading_is_opened_for_writing(tmp_path: Path) -> None:
    """A reader keeps the WAL from being folded in; nothing waits for that."""

    async def scenario() -> None:
        log = await SqliteLog.open(tmp_path, linger=asyncio.sleep)
        await log.append([Batch("bot-a", 0, (Entry(PriceObserved(last=Decimal(1)), 1),))], urgent=True)
        reader = sqlite3.connect(tmp_path / LOG_NAME, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM event").fetchall()
        await log.append([Batch("bot-a", 1, (Entry(PriceObserved(last=Decimal(2)), 2),))], urgent=True)
        await log.close()
        assert (tmp_path / WAL_NAME).stat().st_size
        log = await SqliteLog.open(tmp_path, linger=asyncio.sleep)
        assert log.head("bot-a").sequence == 2
        await log.close()
        reader.close()

    asyncio.run(scenario())


def test_log_put_back_from_a_backup_has_no_wal_to_write_anew(tmp_path: Path) -> None:
    written = write_log(tmp_path)
    connection = sqlite3.connect(tmp_path / LOG_NAME)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    reopen(tmp_path)
    assert events(tmp_path) == written


def test_index_of_a_wal_that_says_nothing_yet_is_left_alone(tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"x" * 10)
    with short.open("r+b") as file:
        asyncio.run(_count_as_not_folded(file.fileno(), SystemMedium()))
    assert short.read_bytes() == b"x" * 10
