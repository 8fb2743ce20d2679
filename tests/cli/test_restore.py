"""`restore` as it is typed: a copy goes only where it takes the place of nothing longer."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.tampering import alter
from tests.cli.terminal import krypto, run_lively
from tests.store.helpers import edit


@pytest.mark.spec("a restored bot trades only after a recovery", section="Backups")
def test_restore_into_an_empty_directory_waits_for_recover(copied: Path, tmp_path: Path) -> None:
    made = krypto("backup", tmp_path / "safe", "--state-dir", copied / "state", "--json").json
    shutil.rmtree(copied / "state")
    result = krypto("restore", made["folder"], "--state-dir", copied / "state")
    assert (result.code, result.err) == (0, "")
    assert "krypto-engine recover" in result.out
    assert "lost" not in result.out, "nothing is: what holds less than the log is refused"
    assert run_lively(copied) == 7
    assert krypto("recover", "--yes", "--state-dir", copied / "state").code == 0
    assert run_lively(copied) == 0
    assert krypto("replay", "--verify", "--redecide", "--state-dir", copied / "state").code == 0


def test_restore_of_what_is_there_already_has_nothing_to_do(copied: Path) -> None:
    made = krypto("backup", "--state-dir", copied / "state", "--json").json
    result = krypto("restore", made["folder"], "--state-dir", copied / "state")
    assert result.code == 2
    assert "nothing to restore" in result.err


@pytest.mark.spec("a backup never takes the place of a log that had come further", section="Backups")
def test_restore_over_a_longer_log_is_refused_and_recover_keeps_the_longer(copied: Path) -> None:
    made = krypto("backup", "--state-dir", copied / "state", "--json").json
    assert run_lively(copied) == 0
    with closing(sqlite3.connect(copied / "state" / "events.db")) as connection:
        (rows,) = connection.execute("SELECT max(row_id) FROM event").fetchone()
    refusal = krypto("restore", made["folder"], "--state-dir", copied / "state")
    assert refusal.code == 7
    assert f"ends at row {made['rows']}, and the log came to row {rows}" in refusal.err
    alter(copied, f"DELETE FROM event WHERE row_id > {rows - 5}")
    assert krypto("restore", made["folder"], "--state-dir", copied / "state").code == 7
    shown = krypto("recover", "--backup", made["folder"], "--state-dir", copied / "state", "--json").json
    assert shown["log"]["kept"] == rows - 5


def test_restore_of_a_damaged_backup_is_refused(copied: Path) -> None:
    made = krypto("backup", "--state-dir", copied / "state", "--json").json
    edit(Path(made["folder"]), "UPDATE event SET checksum = zeroblob(16) WHERE row_id = 77")
    shutil.move(made["folder"], copied / "backup")
    shutil.rmtree(copied / "state")
    result = krypto("restore", copied / "backup", "--state-dir", copied / "state")
    assert result.code == 6
    assert "row 77" in result.err


def test_restore_of_another_log_is_refused(copied: Path, standing: Path) -> None:
    made = krypto("backup", copied / "other", "--state-dir", standing / "state", "--json").json
    alter(copied, "DELETE FROM event WHERE row_id > 20")
    (copied / "state" / "events.head").unlink()
    result = krypto("restore", made["folder"], "--state-dir", copied / "state")
    assert result.code == 7
    assert "is of another log" in result.err
