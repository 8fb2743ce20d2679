"""`recover` that cannot do what is asked, or not all of it: what it says, and that nothing is lost by it."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from engine.store.rebuild import QUARANTINE_NAME, WORK_NAME
from engine.store.schema import JOURNAL_NAME, LOG_FORMAT, LOG_NAME, WITNESS_NAME
from engine.store.witness import read_witness
from tests.cli.tampering import CUT, alter
from tests.cli.terminal import LIVELY, bot_file, bytes_below, krypto, run_lively
from tests.store.helpers import edit


def files(state: Path) -> dict[str, bytes]:
    """Give every file that holds something, but for the lock and SQLite's shared memory."""
    return {name: held for name, held in bytes_below(state).items() if held and not name.endswith((".lock", "-shm"))}


def joined_by_another(copied: Path) -> Path:
    """Have a second bot begin in a log, back the log up and cut off where only the first was; give the backup."""
    second = bot_file(copied, "second", **LIVELY)
    assert krypto("run", "-q", "-c", second, "--speed", "max", "--for", "10m").code == 0
    made = krypto("backup", "--state-dir", copied / "state", "--json").json
    alter(copied, CUT, "DELETE FROM stream WHERE stream_id NOT IN (SELECT stream FROM event)")
    return Path(made["folder"])


def test_recover_of_a_bot_that_only_a_backup_knows_takes_that(copied: Path) -> None:
    backup = joined_by_another(copied)
    shown = krypto("recover", "second", "--yes", "--state-dir", copied / "state", "--json").json
    assert shown["log"]["source"] == str(backup / LOG_NAME)
    assert [bot["bot_id"] for bot in shown["bots"]] == ["second"]
    assert krypto("recover", "bot", "--yes", "--state-dir", copied / "state").code == 0
    assert run_lively(copied) == 0
    assert krypto("replay", "bot", "--verify", "--redecide", "--state-dir", copied / "state").code == 0


def test_recover_of_a_bot_that_no_copy_knows_changes_nothing(copied: Path) -> None:
    joined_by_another(copied)
    before = files(copied / "state")
    refused = krypto("recover", "third", "--yes", "--state-dir", copied / "state")
    assert refused.code == 2
    assert "there is no bot 'third' in this log: it knows bot" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert files(copied / "state") == before
    assert not (copied / "state" / QUARANTINE_NAME).exists()


def test_recover_of_a_bot_that_an_unreadable_backup_may_know_mends_the_log_and_then_says_that_there_is_none(
    copied: Path,
) -> None:
    backup = joined_by_another(copied)
    (backup / LOG_NAME).write_bytes(b"no log" * 1_000)
    old = (copied / "state" / LOG_NAME).read_bytes()
    refused = krypto("recover", "second", "--yes", "--state-dir", copied / "state")
    assert refused.code == 2
    assert refused.out.startswith("mended")
    assert "there is no bot 'second' in this log: it knows bot" in refused.err
    (kept,) = (copied / "state" / QUARANTINE_NAME).iterdir()
    assert (kept / LOG_NAME).read_bytes() == old
    shown = krypto("recover", "--yes", "--state-dir", copied / "state", "--json").json
    assert [(bot["bot_id"], bot["kept"]) for bot in shown["bots"]] == [("bot", 400)]
    assert run_lively(copied) == 0


def test_recover_of_one_bot_of_a_log_that_nothing_can_read_takes_its_backup(copied: Path) -> None:
    made = krypto("backup", "--state-dir", copied / "state", "--json").json
    (copied / "state" / LOG_NAME).write_bytes(b"no log" * 1_000)
    shown = krypto("recover", "bot", "--yes", "--state-dir", copied / "state", "--json").json
    assert (shown["log"]["kept"], shown["log"]["lost"]) == (made["rows"], 0)
    assert shown["confirmed"] is True
    assert run_lively(copied) == 0


def test_recover_that_cannot_save_the_state_file_says_so_and_the_bot_goes_on(copied: Path) -> None:
    alter(copied, CUT)
    shown = copied / "state" / "bot_state_bot.json"
    shown.unlink()
    shown.mkdir()
    (shown / "mine").write_text("")
    result = krypto("recover", "--yes", "--state-dir", copied / "state")
    assert (result.code, result.err) == (0, ""), result
    assert f"State could not be saved to {shown} (Is a directory); the log holds it" in result.out
    assert [path.name for path in shown.iterdir()] == ["mine"]
    shutil.rmtree(shown)
    assert run_lively(copied) == 0
    assert shown.is_file()
    assert krypto("replay", "--verify", "--redecide", "--state-dir", copied / "state").code == 0


@pytest.mark.parametrize("names", [[], ["bot"]], ids=["all", "one"])
def test_recover_of_a_log_that_a_newer_program_wrote_changes_nothing(copied: Path, names: list[str]) -> None:
    krypto("backup", "--state-dir", copied / "state")
    alter(copied, CUT, f"PRAGMA user_version = {LOG_FORMAT + 1}")
    before = files(copied / "state")
    refused = krypto("recover", *names, "--yes", "--state-dir", copied / "state")
    assert refused.code not in {0, 7}, refused
    assert f"has format {LOG_FORMAT + 1} and this program knows {LOG_FORMAT}" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert refused.out == ""
    assert files(copied / "state") == before
    edit(copied / "state", f"PRAGMA user_version = {LOG_FORMAT}")
    assert krypto("recover", "--yes", "--state-dir", copied / "state").code == 0


def test_recover_of_a_directory_without_a_log_or_a_backup_makes_none(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    refused = krypto("recover", "--yes", "--state-dir", state)
    assert refused.code == 2
    assert f"{state} holds no log" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert files(state) == {}


def test_recover_without_space_to_read_a_backup_does_not_settle_for_less(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, write = copied / "state", os.write
    made = Path(krypto("backup", "--state-dir", state, "--json").json["folder"])
    whole = (made / LOG_NAME).read_bytes()
    (made / LOG_NAME).write_bytes(whole[: len(whole) * 3 // 4])
    alter(copied, CUT)
    before = files(state)

    def full(descriptor: int, content: bytes) -> int:
        if WORK_NAME in Path(f"/proc/self/fd/{descriptor}").readlink().parts:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        refused = krypto("recover", "--yes", "--state-dir", state)
    assert refused.code == 1, refused
    assert "no space is left" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert files(state) == before
    assert not (state / WORK_NAME).exists()
    shown = krypto("recover", "--yes", "--state-dir", state, "--json").json
    assert shown["log"]["kept"] > 400, "the backup had more"
    assert shown["confirmed"] is True
    assert run_lively(copied) == 0


def test_recover_of_a_log_that_is_not_the_one_its_witness_saw_says_which_row(copied: Path) -> None:
    state = copied / "state"
    witness, mark = (state / WITNESS_NAME).read_bytes(), read_witness(state / WITNESS_NAME).mark
    assert mark is not None
    alter(copied, f"UPDATE event SET body = replace(body, ':', ' :') WHERE row_id = {mark.position}", chained=True)
    (state / WITNESS_NAME).write_bytes(witness)
    shown = krypto("recover", "--state-dir", state, "--json").json
    assert shown["log"]["reason"] == f"row {mark.position} of the log is not the one that its witness saw"
    assert (shown["log"]["kept"], shown["log"]["lost"]) == (mark.position, 0)


def test_recover_of_a_log_beside_which_a_journal_lies_keeps_every_event(copied: Path) -> None:
    state, mark = copied / "state", read_witness(copied / "state" / WITNESS_NAME).mark
    assert mark is not None
    journal = state / JOURNAL_NAME
    journal.write_bytes(b"not ours")
    assert run_lively(copied) == 6
    shown = krypto("recover", "--yes", "--state-dir", state, "--json").json["log"]
    assert shown["reason"] == "the file was damaged beside its rows"
    assert (shown["kept"], shown["lost"]) == (mark.position, 0)
    assert (Path(shown["quarantine"]) / JOURNAL_NAME).read_bytes() == b"not ours"
    assert not journal.exists()
    assert run_lively(copied) == 0
    assert krypto("replay", "--verify", "--redecide", "--state-dir", state).code == 0


def test_recover_of_a_state_directory_in_which_no_log_was_ever_made_says_so(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "engine.lock").touch(mode=0o600)
    refused = krypto("recover", "--state-dir", state)
    assert refused.code == 2
    assert f"{state} holds no log" in refused.err
