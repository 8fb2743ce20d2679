"""`prove` as a newcomer meets it: what it says, what it refuses, and what it leaves for machines."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from platform import python_version
from sqlite3 import sqlite_version

import click
import pytest

from cli.prove_one import ending_between
from engine.core.errors import UsageError
from tests.cli.terminal import PROGRAM, krypto

USAGE = UsageError.exit_code


def test_prove_runs_worlds_and_schedules_and_says_that_nothing_was_violated(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    result = krypto("prove", "--seeds", 2, "--schedules", 104, "--jobs", 1, "--report", report)
    assert result.code == 0
    assert result.lines[0].startswith("no violation  engine ")
    assert "  104 storage schedules" in result.lines
    written = json.loads(report.read_text())
    assert (written["violations"], written["worlds"]["seeds"], written["schedules"]["schedules"]) == (0, 2, 104)
    assert (written["again"], written["python"], written["sqlite"]) == ([], python_version(), sqlite_version)


def test_prove_goes_on_where_its_record_ends(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    first = krypto("prove", "--seeds", 2, "--jobs", 1, "--record", record, "--json").json
    second = krypto("prove", "--seeds", 3, "--jobs", 1, "--record", record, "--json").json
    assert (first["worlds"]["seeds"], second["worlds"]["seeds"]) == (2, 3)
    assert len(record.read_text().splitlines()) == 2


def test_prove_in_its_own_process_ends_by_ctrl_c_without_a_crash_or_a_verdict(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    command = [PROGRAM, "prove", "--seeds", "400", "--jobs", "1", "--record", str(record)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not (record.exists() and record.stat().st_size):  # its first worlds are done, and others under way
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def test_ctrl_c_while_a_world_runs_here_waits_for_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    with ending_between() as end_if_asked:
        end_if_asked()
        os.kill(os.getpid(), signal.SIGINT)
        assert "ending once what runs is over; Ctrl-C again ends at once" in capfd.readouterr().err
        with pytest.raises(click.Abort):
            end_if_asked()


def test_prove_of_one_seed_tells_what_befell_it_and_plays_its_tape(tmp_path: Path) -> None:
    told = krypto("prove", "--seed", 5)
    assert told.code == 0
    assert "run twice" in told.lines[0]
    tape = tmp_path / "tape.json"
    tape.write_text(krypto("prove", "--seed", 5, "--json").out)
    played = krypto("prove", "--seed", 5, "--tape", tape)
    assert played.lines[0] == told.lines[0]


def test_prove_of_one_schedule_tells_how_it_ended() -> None:
    told = krypto("prove", "--schedule", 98)
    assert (told.code, told.lines[0]) == (0, "no violation  schedule 98, run twice")
    assert "    replaced: whole  1" in told.lines
    written = krypto("prove", "--schedule", 98, "--json").json
    assert (written["first"], written["schedules"], written["violations"]) == (98, 1, [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--seeds", 0), "nothing is to be run"),
        (("--shrink",), "name it with --seed"),
        (
            ("--seed", 5, "--seeds", 3),
            "--seeds cannot go with --seed, which runs one world: leave out one or the other",
        ),
        (("--schedule", 5, "--jobs", 1), "--jobs cannot go with --schedule, which runs one storage schedule: leave"),
        (("--seed", 5, "--schedule", 5), "--schedule cannot go with --seed"),
        (("--schedule", 5, "--shrink"), "name it with --seed"),
        (("--schedule", 1_000_001), "1000001 is not in the range 0<=x<=1000000"),
        (("--seeds", 2, "--report", "/nowhere/report.json"), "cannot be written (No such file or directory): name"),
        (("--seeds", 2, "--report", "/proc/report.json"), "cannot be written ("),
        (("--seeds", 2, "--report", "/proc/both", "--record", "/proc/both"), "give each a file of its own"),
        (("--seed", 5, "--tape", __file__), "holds no choices"),
        (("--seeds", 2, "--record", __file__), "is no block of a campaign"),
    ],
)
def test_prove_asked_for_what_cannot_be_refuses_before_it_runs_anything(
    arguments: tuple[object, ...], says: str
) -> None:
    result = krypto("prove", *arguments)
    assert result.code == USAGE
    assert says in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    "tape", [b'{"tape":' + b"[" * 100_000, b'{"tape":{"\xff":1}}', b'{"tape":{"a":-1}}', b"[]", b""]
)
def test_prove_given_a_tape_that_is_none_says_so_in_one_sentence(tmp_path: Path, tape: bytes) -> None:
    path = tmp_path / "tape.json"
    path.write_bytes(tape)
    result = krypto("prove", "--seed", 5, "--tape", path)
    assert result.code == USAGE
    assert "holds no choices (" in result.err
