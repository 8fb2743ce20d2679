"""`recover` as it is typed: what it says, its exit codes, what it leaves alone; and what it and its like refuse."""

import asyncio
import json
import os
import pty
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from engine.core.errors import StorageError
from engine.runtime.recovery_log import mend
from engine.runtime.recovery_report import Mend
from engine.store.folders import UNFINISHED, folders
from engine.store.rebuild import WORK_NAME
from engine.store.schema import LOG_NAME
from tests.cli.tampering import CUT, SPOIL, alter
from tests.cli.terminal import LIVELY, PROGRAM, Running, bot_file, bytes_below, krypto, run_lively
from tests.store.bad_disk import failing_log, spoil_block
from tests.store.helpers import edit


def first(folder: Path, tag: str) -> int:
    """Give the position of the first event of a tag."""
    with closing(sqlite3.connect(folder / "state" / "events.db")) as connection:
        return int(connection.execute("SELECT min(row_id) FROM event WHERE tag = ?", (tag,)).fetchone()[0])


@pytest.mark.spec("a sound log is left as it is by a recovery", section="Recovery")
def test_recover_of_a_healthy_log_says_so_and_changes_nothing(copied: Path) -> None:
    before = bytes_below(copied / "state")
    result = krypto("recover", "--state-dir", copied / "state")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("healthy")
    after = bytes_below(copied / "state")
    assert {name: after[name] for name in before if name != "engine.lock"} == {
        name: before[name] for name in before if name != "engine.lock"
    }
    assert krypto("recover", "--state-dir", copied / "state", "--json").json["healthy"] is True


@pytest.mark.spec("a recovered bot trades only after an operator's yes", section="Recovery")
@pytest.mark.parametrize("harm", [CUT, SPOIL], ids=["cut", "spoiled"])
def test_recover_of_a_paper_bot_waits_for_a_yes_and_goes_on(copied: Path, harm: str) -> None:
    filled = first(copied, "order_filled")
    alter(copied, harm)
    assert run_lively(copied) == 6
    result = krypto("recover", "--state-dir", copied / "state")
    assert (result.code, result.err) == (7, "")
    kept = 400 if harm == CUT else filled - 1
    assert f"kept       {kept} events" in result.out
    assert "not confirmed" in result.out
    assert all(len(line) <= 80 or "/" in line for line in result.lines)
    refusal = krypto("run", "-c", bot_file(copied, **LIVELY), "--speed", "max", "--for", "1m")
    assert refusal.code == 7
    assert "krypto-engine recover --state-dir" in refusal.err
    assert len(refusal.err.splitlines()) == 1
    assert "not confirmed" in krypto("inspect-state", "--state-dir", copied / "state").out
    assert krypto("recover", "bot", "--state-dir", copied / "state", "--yes").code == 0
    assert run_lively(copied) == 0
    proof = krypto("replay", "--verify", "--redecide", "--state-dir", copied / "state")
    assert proof.code == 0
    assert "identical" in proof.out
    told = krypto("replay", "--state-dir", copied / "state").out
    assert "Recovery started" in told
    assert "Recovery confirmed by" in told


@pytest.mark.spec("what a recovery lost is shown by every later run of it", section="Recovery")
def test_recover_that_was_not_confirmed_tells_again_what_was_lost(copied: Path) -> None:
    alter(copied, CUT)
    first_run = krypto("recover", "--state-dir", copied / "state", "--json").json
    again = krypto("recover", "--state-dir", copied / "state", "--json").json
    assert first_run["log"]["lost"] > 0
    assert again["log"] is None
    kept, lost = first_run["log"]["kept"], first_run["log"]["lost"]
    assert [(bot["kept"], bot["lost"]) for bot in again["bots"]] == [(kept, lost)]
    shown = krypto("recover", "--state-dir", copied / "state")
    assert f"kept         {kept} events of the log, {lost} events lost" in shown.out, shown.out


def test_recover_under_a_configuration_that_the_log_forbids_is_one_sentence(copied: Path) -> None:
    alter(copied, CUT)
    live = {**LIVELY, "paper_trading": False, "live": True, "exchange": "binance_us", "budget": 1000, "market": None}
    path = bot_file(copied, **live)
    refused = krypto("recover", "--yes", "-c", path, "--state-dir", copied / "state")
    assert refused.code == 4, refused
    assert "never continued live" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert refused.out.startswith("mended"), "how the log was made anew is shown although nothing follows"
    assert krypto("recover", "--yes", "--state-dir", copied / "state").code == 0


def test_recover_of_a_bot_that_is_nowhere_changes_nothing(copied: Path) -> None:
    alter(copied, CUT)
    before = bytes_below(copied / "state")["events.db"]
    refused = krypto("recover", "nobody", "--yes", "--state-dir", copied / "state")
    assert refused.code == 2
    assert "nobody" in refused.err
    assert bytes_below(copied / "state")["events.db"] == before
    assert not (copied / "state" / "quarantine").exists()


@pytest.mark.parametrize("position", [3, 5, 40, 120, 333, 777])
def test_log_cut_anywhere_decides_the_same_again_after_its_recovery(copied: Path, position: int) -> None:
    alter(
        copied,
        f"DELETE FROM event WHERE row_id > {position}",
        "DELETE FROM stream WHERE stream_id NOT IN (SELECT stream FROM event)",
    )
    assert krypto("recover", "--yes", "--state-dir", copied / "state").code == 0
    assert run_lively(copied) == 0
    assert krypto("replay", "--verify", "--redecide", "--state-dir", copied / "state").code == 0


@pytest.mark.spec("old files are copied to a quarantine before anything is replaced", section="Recovery")
def test_recover_keeps_the_old_files_with_their_digests(copied: Path) -> None:
    from hashlib import blake2b

    alter(copied, SPOIL)
    before = bytes_below(copied / "state")
    shown = krypto("recover", "--state-dir", copied / "state", "--json").json
    folder = Path(shown["log"]["quarantine"])
    manifest = __import__("json").loads((folder / "manifest.json").read_text())
    kept = {each["name"]: each["blake2b"] for each in manifest["files"]}
    assert kept == {name: blake2b((folder / name).read_bytes(), digest_size=32).hexdigest() for name in kept}
    assert {"events.db", "events.head", "bot_state_bot.json"} <= kept.keys()
    assert all((folder / name).read_bytes() == before[name] for name in ("events.db", "events.head"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder, folder / "events.db")] == [
        0o700,
        0o700,
        0o600,
    ]


def test_recover_with_a_damaged_witness_keeps_every_event(copied: Path) -> None:
    witness = copied / "state" / "events.head"
    witness.write_bytes(b"x" * len(witness.read_bytes()))
    rows = first(copied, "session_stopped")
    shown = krypto("recover", "--yes", "--state-dir", copied / "state", "--json").json
    assert shown["log"]["kept"] >= rows
    assert shown["log"]["lost"] is None
    assert run_lively(copied) == 0


@pytest.mark.spec("a damaged backup begins a log where there is none", section="Recovery")
@pytest.mark.parametrize("place", ["absent", "empty"])
def test_lost_disk_and_a_damaged_backup_leave_what_is_sound_of_the_backup(
    copied: Path, tmp_path: Path, place: str
) -> None:
    made = krypto("backup", tmp_path / "safe", "--state-dir", copied / "state", "--json").json
    edit(Path(made["folder"]), "UPDATE event SET checksum = zeroblob(16) WHERE row_id = 777")
    new = tmp_path / "new" / "state"
    refused = krypto("restore", made["folder"], "--state-dir", new)
    assert refused.code == 6
    assert f"krypto-engine recover --state-dir {new} --backup {made['folder']}" in refused.err
    if place == "absent":
        shutil.rmtree(new)
    shown = krypto("recover", "--backup", made["folder"], "--state-dir", new)
    assert (shown.code, shown.err) == (7, ""), shown
    assert "kept  776 events, out of" in " ".join(shown.out.split("\n")).replace("       ", "  ")
    assert "there is no log" in shown.out
    path = bot_file(copied, **LIVELY, state_dir=str(new))
    again = krypto("run", "-q", "-c", path, "--speed", "max", "--for", "10m")
    assert again.code == 7
    assert krypto("recover", "--yes", "--state-dir", new).code == 0
    assert krypto("run", "-q", "-c", path, "--speed", "max", "--for", "10m").code == 0
    assert krypto("replay", "--verify", "--redecide", "--state-dir", new).code == 0


def test_recover_from_a_backup_that_is_none_makes_no_directory(tmp_path: Path) -> None:
    refused = krypto("recover", "--backup", tmp_path / "nowhere", "--state-dir", tmp_path / "new")
    assert refused.code == 4
    assert "is no backup" in refused.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["recover", "restore"])
def test_recover_and_restore_refuse_a_directory_that_an_engine_holds(tmp_path: Path, verb: str) -> None:
    with Running("-c", bot_file(tmp_path, **LIVELY), "--speed", "10") as running:
        running.wait_for("Session started")
        made = krypto("backup", "--state-dir", tmp_path / "state", "--json").json
        backup = [made["folder"]] if verb == "restore" else []
        result = krypto(verb, *backup, "--state-dir", tmp_path / "state")
    assert result.code == 3
    assert "is in use by process" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("recover", "--state-dir", "nowhere"), 2, "holds no log"),
        (("recover", "nobody", "--state-dir", "{}"), 2, "nobody"),
        (("recover", "--backup", "nowhere", "--state-dir", "{}"), 4, "is no backup"),
        (("backup", "--state-dir", "nowhere"), 2, "holds no log"),
        (("backup", "--keep", "0", "--state-dir", "{}"), 2, "--keep"),
        (("restore", "nowhere", "--state-dir", "{}"), 4, "is no backup"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    copied: Path, arguments: tuple[str, ...], code: int, word: str
) -> None:
    result = krypto(*(each.replace("{}", str(copied / "state")) for each in arguments))
    assert result.code == code, result
    assert word in result.err
    assert len(result.err.splitlines()) == 1


NOW_MS = 2_000_000_000_000


def mended(state: Path) -> Mend | None:
    return asyncio.run(mend(state, None, NOW_MS, asyncio.sleep))


def test_recover_of_a_log_on_a_bad_disk_keeps_what_can_be_read(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = copied / "state"
    size = (state / LOG_NAME).stat().st_size
    begin = size // 2 // 4_096 * 4_096
    with failing_log(state, 2), monkeypatch.context() as patch:
        spoil_block(patch, state / LOG_NAME, begin, begin + 4_096)
        found = mended(state)
    assert found is not None
    assert found.quarantine is not None
    assert found.kept > 100
    (kept,) = [
        each
        for each in json.loads((found.quarantine / "manifest.json").read_text())["files"]
        if each["name"] == LOG_NAME
    ]
    assert (kept["bytes"], kept["unread"]) == (size, [[begin, 4_096]])
    assert run_lively(copied) == 7
    assert krypto("recover", "--yes", "--state-dir", state).code == 0
    assert run_lively(copied) == 0


def test_recover_whose_installation_failed_is_finished_by_the_next(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, replace = copied / "state", os.replace
    alter(copied, CUT)

    def failing(old: Path, new: Path) -> None:
        if new == state / LOG_NAME:
            raise PermissionError(1, "not now")
        replace(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        with pytest.raises(StorageError, match="not now"):
            mended(state)
    assert run_lively(copied) == 6
    assert mended(state) is None, "the new log has its place, and is sound"
    assert not (state / WORK_NAME).exists()
    assert run_lively(copied) == 7


def test_recover_removes_quarantines_that_were_cut_short(copied: Path) -> None:
    cut_short = copied / "state" / "quarantine" / f"{UNFINISHED}2025-10-09T08-53-20.123Z"
    cut_short.mkdir(parents=True)
    (cut_short / LOG_NAME).write_bytes(b"half")
    alter(copied, CUT)
    assert krypto("recover", "--yes", "--state-dir", copied / "state").code == 0
    assert [path.name for path in cut_short.parent.iterdir()] == [each.name for each in folders(cut_short.parent)]


@contextmanager
def asked(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Have a recovery that waits for its answer on a terminal, which is given with it."""
    alter(folder, CUT)
    mine, theirs = pty.openpty()
    command = [PROGRAM, "recover", "--state-dir", str(folder / "state")]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(mine, 4096)
        assert b"May they trade again from here?" in shown
        yield process, mine
    os.close(mine)


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 7), ("\n", 7)])
def test_recover_on_a_terminal_asks(copied: Path, answer: str, code: int) -> None:
    with asked(copied) as (process, terminal):
        os.write(terminal, answer.encode())
        assert process.wait(20) == code
        time.sleep(0.05)
        assert (b"not confirmed" in os.read(terminal, 65_536)) == (code == 7)


def test_recover_interrupted_at_its_question_ends_at_once_and_confirms_nothing(copied: Path) -> None:
    with asked(copied) as (process, terminal):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        with suppress(OSError):  # it may have ended
            os.write(terminal, b"y\n")
        assert process.wait(20) == 130
    assert krypto("recover", "--state-dir", copied / "state").code == 7
