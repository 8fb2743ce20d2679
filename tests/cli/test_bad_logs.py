"""Logs that are not what was written: each verb says so with exit code 6 and changes nothing."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.tampering import CUT, SPOIL, alter
from tests.cli.terminal import Result, bytes_below, krypto

NEWER_EVENT = """UPDATE event SET tag = 'moon_landed', body = replace(body, tag, 'moon_landed')
    WHERE tag = 'purchase_recorded'"""
VERBS = ("run", "replay", "inspect-state", "verify")


def ask(verb: str, folder: Path) -> Result:
    """Type a verb at the log of a folder."""
    if verb == "run":
        return krypto("run", "-c", folder / "bot.yml", "--speed", "max", "--for", "1m")
    return krypto(verb, "--state-dir", folder / "state")


def settled(folder: Path) -> dict[str, bytes]:
    """Give the files that hold something for good: not the lock, nor what SQLite puts beside a log (it was empty)."""
    found = bytes_below(folder / "state")
    return {name: content for name, content in found.items() if not name.endswith((".lock", "-shm", "-wal"))}


@pytest.mark.spec("a log of a newer version is refused and left as it is", section="issue: Bad input")
@pytest.mark.parametrize("verb", VERBS)
def test_log_of_a_newer_format_is_refused(copied: Path, verb: str) -> None:
    alter(copied, "PRAGMA user_version = 99")
    before = settled(copied)
    result = ask(verb, copied)
    assert result.code == 6
    assert "newer version" in result.err
    assert len(result.err.splitlines()) == 1
    assert settled(copied) == before


@pytest.mark.parametrize("verb", VERBS)
def test_log_with_an_event_of_a_newer_version_is_refused(copied: Path, verb: str) -> None:
    alter(copied, NEWER_EVENT, chained=True)
    result = ask(verb, copied)
    assert result.code == 6
    assert "moon_landed" in result.err + result.out
    assert "newer version" in result.err + result.out


@pytest.mark.spec("a database of another program is refused and left as it is", section="issue: Bad input")
@pytest.mark.parametrize("verb", VERBS)
def test_database_of_another_program_is_refused(copied: Path, verb: str) -> None:
    shutil.rmtree(copied / "state")
    (copied / "state").mkdir()
    with closing(sqlite3.connect(copied / "state" / "events.db")) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    before = settled(copied)
    result = ask(verb, copied)
    assert result.code == 6
    assert "another program" in result.err
    assert len(result.err.splitlines()) == 1
    assert settled(copied) == before


@pytest.mark.parametrize("verb", VERBS)
def test_file_that_is_no_database_is_refused(copied: Path, verb: str) -> None:
    for path in (copied / "state").iterdir():
        path.unlink()
    (copied / "state" / "events.db").write_bytes(b"Dear diary, today I bought some bitcoin. " * 200)
    before = settled(copied)
    result = ask(verb, copied)
    assert result.code == 6
    assert len(result.err.splitlines()) == 1
    assert settled(copied) == before


@pytest.mark.spec("a changed event is found, named, and never traded on", section="decision 12")
@pytest.mark.parametrize("verb", ["run", "verify", "replay --verify"])
def test_log_with_a_changed_event_is_refused_naming_the_event(copied: Path, verb: str) -> None:
    alter(copied, "UPDATE event SET body = replace(body, '\"price\":\"', '\"price\":\"1') WHERE tag = 'order_filled'")
    with closing(sqlite3.connect(copied / "state" / "events.db")) as connection:
        (sequence,) = connection.execute("SELECT min(sequence) FROM event WHERE tag = 'order_filled'").fetchone()
    result = krypto("replay", "--verify", "--state-dir", copied / "state") if " " in verb else ask(verb, copied)
    assert result.code == 6
    if verb == "run":
        assert f"event {sequence} of bot:bot:" in result.err
    else:
        assert f"bot:bot event {sequence}:" in result.out


@pytest.mark.spec(
    "one changed byte of an old event stops a start, although a checkpoint follows it", section="decision 12"
)
def test_run_with_one_byte_changed_before_the_checkpoint_names_the_event_and_changes_nothing(copied: Path) -> None:
    path = copied / "state" / "events.db"
    with closing(sqlite3.connect(path)) as connection:
        sequence, body, saved = connection.execute(
            "SELECT sequence, body, (SELECT max(sequence) FROM checkpoint WHERE stream = event.stream) FROM event "
            "WHERE tag = 'order_filled' ORDER BY row_id LIMIT 1"
        ).fetchone()
    assert sequence < saved
    whole = path.read_bytes()
    at = whole.index(body.encode()) + body.index('"price":"') + len('"price":"')
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    before = settled(copied)
    result = ask("run", copied)
    assert result.code == 6
    assert f"event {sequence} of bot:bot: its checksum is not that of its bytes" in result.err
    assert len(result.err.splitlines()) == 1
    assert settled(copied) == before


@pytest.mark.spec("a log that is gone is told by its witness", section="decision 12")
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("is_left", [False, True], ids=["gone", "empty"])
def test_log_that_is_gone_is_no_new_log_while_its_witness_is_there(copied: Path, verb: str, *, is_left: bool) -> None:
    with closing(sqlite3.connect(copied / "state" / "events.db")) as connection:
        (rows,) = connection.execute("SELECT max(row_id) FROM event").fetchone()
    for path in (copied / "state").glob("events.db*"):
        path.unlink()
    if is_left:
        (copied / "state" / "events.db").touch()
    before = settled(copied)
    result = ask(verb, copied)
    assert result.code == 6
    assert f"rows 1 to {rows} are gone" in result.err
    assert settled(copied) == before


def test_verify_of_a_backup_says_that_no_witness_vouches_for_its_end(copied: Path, tmp_path: Path) -> None:
    assert "witness" not in ask("verify", copied).out
    backup = tmp_path / "backup"
    backup.mkdir()
    with (
        closing(sqlite3.connect(copied / "state" / "events.db")) as log,
        closing(sqlite3.connect(backup / "events.db")) as copy,
    ):
        log.backup(copy)
    result = krypto("verify", "--state-dir", backup)
    assert result.code == 0
    assert "no witness: a lost end would not show" in result.out


@pytest.mark.parametrize("harm", ["none", "no witness", "bad witness", "bad row", "no end"])
def test_replay_verify_tells_of_the_log_in_the_words_of_verify(copied: Path, harm: str) -> None:
    witness = copied / "state" / "events.head"
    if harm == "no witness":
        witness.unlink()
    elif harm == "bad witness":
        witness.write_bytes(b"x" * len(witness.read_bytes()))
    elif harm != "none":
        alter(copied, SPOIL if harm == "bad row" else CUT)
    told = ask("verify", copied)
    again = krypto("replay", "--verify", "--state-dir", copied / "state")
    assert again.code == told.code
    assert again.lines[: len(told.lines)] == told.lines
    is_sound = harm in {"none", "no witness"}
    assert (f"krypto-engine recover --state-dir {copied / 'state'}" in again.lines[-1]) != is_sound
    assert ("no witness" in again.out) == (harm == "no witness")


def test_verify_writes_numbers_as_every_verb_does(copied: Path) -> None:
    with closing(sqlite3.connect(copied / "state" / "events.db")) as connection:
        (events,) = connection.execute("SELECT count(*) FROM event").fetchone()
    assert events > 1_000
    assert ask("verify", copied).lines == [f"sound  {events:,} events in 2 streams"]


def test_verify_with_only_the_witness_damaged_does_not_advise_a_backup(copied: Path) -> None:
    witness = copied / "state" / "events.head"
    witness.write_bytes(b"x" * len(witness.read_bytes()))
    result = ask("verify", copied)
    assert result.code == 6
    assert "krypto-engine recover" in result.out
    assert "restore" not in result.out
    assert "remove" not in result.out


@pytest.mark.spec("a log that lost its tail is found out by the witness", section="decision 12")
@pytest.mark.parametrize("verb", ["run", "verify", "replay --verify"])
def test_log_that_lost_its_tail_is_refused(copied: Path, verb: str) -> None:
    alter(copied, "DELETE FROM event WHERE row_id > (SELECT max(row_id) - 30 FROM event)")
    result = krypto("replay", "--verify", "--state-dir", copied / "state") if " " in verb else ask(verb, copied)
    assert result.code == 6


def test_log_with_a_hole_is_refused_by_whoever_reads_past_it(copied: Path) -> None:
    alter(copied, "DELETE FROM event WHERE row_id = 50")
    assert ask("verify", copied).code == 6
    result = ask("replay", copied)
    assert result.code == 6
    assert "Traceback" not in result.err


@pytest.mark.parametrize("verb", ["replay", "inspect-state", "verify"])
def test_directory_without_a_log_is_a_usage_error(tmp_path: Path, verb: str) -> None:
    result = krypto(verb, "--state-dir", tmp_path)
    assert result.code == 2
    assert "--state-dir" in result.err
    assert list(tmp_path.iterdir()) == []
