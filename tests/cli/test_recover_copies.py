"""`recover` where there are copies of the log, or none: which of them it takes."""

from pathlib import Path

import pytest

from engine.store.schema import LOG_NAME
from tests.cli.tampering import CUT, SPOIL, alter
from tests.cli.terminal import bytes_below, krypto, run_lively


@pytest.mark.spec("a backup that goes on where the sound part of a log ends is taken", section="Recovery")
@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["beside", "named"])
def test_recover_takes_what_the_newest_backup_has_more(copied: Path, tmp_path: Path, *, is_elsewhere: bool) -> None:
    place = [tmp_path / "elsewhere"] if is_elsewhere else []
    assert krypto("backup", *place, "--state-dir", copied / "state").code == 0
    assert run_lively(copied) == 0
    newest = krypto("backup", *place, "--state-dir", copied / "state", "--json").json
    assert run_lively(copied) == 0
    alter(copied, SPOIL)
    named = ["--backup", newest["folder"]] if is_elsewhere else []
    shown = krypto("recover", *named, "--state-dir", copied / "state", "--json").json
    assert shown["log"]["kept"] == newest["rows"]
    assert shown["log"]["source"] == f"{newest['folder']}/events.db"
    assert shown["log"]["lost"] > 0


def test_recover_of_a_deleted_log_takes_its_newest_backup(copied: Path) -> None:
    made = krypto("backup", "--state-dir", copied / "state", "--json").json
    assert run_lively(copied) == 0
    (copied / "state" / "events.db").unlink()
    shown = krypto("recover", "--yes", "--state-dir", copied / "state", "--json").json
    assert shown["log"]["kept"] == made["rows"]
    assert shown["confirmed"] is True
    assert run_lively(copied) == 0


@pytest.mark.spec("with nothing left and no backup a recovery makes nothing up", section="Recovery")
def test_recover_with_nothing_left_refuses_and_leaves_what_is_there(copied: Path) -> None:
    (copied / "state" / "events.db").unlink()
    before = {name: held for name, held in bytes_below(copied / "state").items() if name != "engine.lock"}
    result = krypto("recover", "--yes", "--state-dir", copied / "state")
    assert result.code == 7
    assert "nothing of the log" in result.err
    assert len(result.err.splitlines()) == 1
    assert {name: held for name, held in bytes_below(copied / "state").items() if name != "engine.lock"} == before


@pytest.mark.spec("with nothing left of the log its longest copy is taken", section="Recovery")
@pytest.mark.parametrize("witness", ["known", "beyond", "gone"])
def test_recover_with_nothing_left_takes_the_longest_copy(copied: Path, standing: Path, witness: str) -> None:
    state = copied / "state"
    short = Path(krypto("backup", "--state-dir", state, "--json").json["folder"])
    assert run_lively(copied) == 0
    long = krypto("backup", "--state-dir", state, "--json").json
    short.rename(short.with_name("2099-01-01T00-00-00.000Z"))
    if witness == "known":  # then it tells another log's copy from this one's
        other = Path(krypto("backup", "--state-dir", standing / "state", "--json").json["folder"])
        other.rename(short.with_name("2099-02-02T00-00-00.000Z"))
    elif witness == "beyond":
        assert run_lively(copied) == 0
    else:
        (state / "events.head").unlink()
    (state / LOG_NAME).write_bytes(b"no log" * 1_000)
    shown = krypto("recover", "--yes", "--state-dir", state, "--json").json
    assert shown["log"]["kept"] == long["rows"]


def test_recover_passes_over_a_copy_that_may_not_be_read_unless_it_was_named(copied: Path) -> None:
    made = Path(krypto("backup", "--state-dir", copied / "state", "--json").json["folder"])
    (made / "elsewhere").write_bytes(b"x")
    (made / "events.db-wal").symlink_to(made / "elsewhere")
    alter(copied, CUT)
    refusal = krypto("recover", "--backup", made, "--yes", "--state-dir", copied / "state")
    assert refusal.code == 1
    assert "could not be read" in refusal.err
    shown = krypto("recover", "--yes", "--state-dir", copied / "state", "--json").json
    assert shown["log"]["kept"] == 400
