"""Folders that are named to a verb by mistake: they stay as they are, and the sentence says what was meant."""

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.cli.tampering import SPOIL, alter
from tests.cli.terminal import bot_file, krypto


@pytest.mark.spec("a folder that never was a state directory stays as it is", section="Recovery")
@pytest.mark.parametrize("holds", [(), ("notes.txt",)], ids=["empty", "other files"])
def test_recover_of_a_folder_that_is_no_state_directory_leaves_it_as_it_is(
    tmp_path: Path, holds: tuple[str, ...]
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for name in holds:
        (shared / name).write_text("")
    result = krypto("recover", "--state-dir", shared)
    assert result.code == 2
    assert "shared holds no log: name the state directory of a bot with --state-dir" in result.err
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777
    assert sorted(path.name for path in shared.iterdir()) == list(holds)


@pytest.mark.parametrize("verb", ["restore", "recover"])
def test_backup_brought_into_a_folder_with_other_files_leaves_it_as_it_is(copied: Path, verb: str) -> None:
    made = krypto("backup", "--state-dir", copied / "state", "--json").json["folder"]
    shared = copied / "shared"
    shared.mkdir(mode=0o755)
    (shared / "notes.txt").write_text("")
    named = (made,) if verb == "restore" else ("--backup", made, "--yes")
    result = krypto(verb, *named, "--state-dir", shared)
    assert result.code == 2
    assert "shared holds other files and no log: name an empty folder, or a new one" in result.err
    assert [path.name for path in shared.iterdir()] == ["notes.txt"]
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755


@pytest.mark.parametrize("left", ["lost+found", "bot_state_bot.json"])
def test_backup_begins_a_log_on_a_fresh_disk_or_beside_what_is_left_of_ours(copied: Path, left: str) -> None:
    made = krypto("backup", "--state-dir", copied / "state", "--json").json["folder"]
    disk = copied / "disk"
    disk.mkdir()
    (disk / left).mkdir() if left == "lost+found" else (disk / left).write_text("{}")
    assert krypto("recover", "--backup", made, "--yes", "--state-dir", disk).code == 0
    assert krypto("verify", "--state-dir", disk).code == 0


@pytest.mark.parametrize("verb", ["inspect-state", "verify", "recover", "backup", "stop"])
def test_state_directory_of_an_empty_name_is_refused(verb: str) -> None:
    result = krypto(verb, "--state-dir", "")
    assert result.code == 2
    assert "'--state-dir': it is empty: name a folder" in result.err


def test_state_directory_with_a_blank_is_quoted_in_what_is_to_be_copied(tmp_path: Path) -> None:
    path = bot_file(tmp_path, state_dir=str(tmp_path / "my bots"))
    told = krypto("run", "-c", path, "--speed", "max", "--for", "5m")
    assert f"  krypto-engine verify --state-dir '{tmp_path / 'my bots'}'" in told.lines


def test_backup_of_no_use_is_told_by_recover(copied: Path, standing: Path) -> None:
    state, other = copied / "state", krypto("backup", copied / "b", "--state-dir", standing / "state", "--json").json
    healthy = krypto("recover", "--state-dir", state, "--backup", other["folder"])
    assert (healthy.code, healthy.lines[-1].startswith("healthy")) == (0, True)
    assert "was not used: the log is sound as it stands." in healthy.out.replace("\n  ", " ")
    assert all(len(line) <= 80 or "/" in line for line in healthy.lines)
    alter(copied, SPOIL)
    asked = krypto("recover", "--state-dir", state, "--backup", other["folder"])
    assert "or the backup is damaged or of another log" in asked.out.replace("\n  ", " ")
    told = krypto("recover", "--state-dir", state, "--backup", other["folder"], "--yes", "--json").json
    assert told["backup_used"] is False
    assert krypto("recover", "--state-dir", state, "--backup", copied / "bot.yml").code == 4


def test_backup_of_a_damaged_log_names_the_log_and_what_to_do(copied: Path) -> None:
    alter(copied, SPOIL)
    result = krypto("backup", "--state-dir", copied / "state")
    assert result.code == 6
    assert f"{copied / 'state' / 'events.db'} is damaged (" in result.err
    assert f"krypto-engine recover --state-dir {copied / 'state'}" in result.err
    assert ".unfinished" not in result.err


def test_backup_of_a_log_beside_which_sqlite_can_make_no_file_copies_it_all_the_same(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def refusing(database: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        if str(database).endswith("/state/events.db?mode=ro"):
            raise sqlite3.OperationalError("attempt to write a readonly database")
        made: sqlite3.Connection = connect(database, *arguments, **options)
        return made

    monkeypatch.setattr(sqlite3, "connect", refusing)
    made = krypto("backup", copied / "elsewhere", "--state-dir", copied / "state", "--json").json
    monkeypatch.undo()
    assert krypto("verify", "--state-dir", made["folder"]).code == 0
