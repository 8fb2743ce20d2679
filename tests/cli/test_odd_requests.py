"""Requests that nearly make sense: what is wrong with them is said, and nothing else is shown in its place."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cli import main as command_line
from engine.runtime import control
from tests.cli.terminal import PROGRAM, bot_file, krypto


@pytest.mark.parametrize("verb", ["inspect-state", "replay"])
@pytest.mark.parametrize("at", ["1735691820000", "1735702990", "100000"])
def test_time_given_as_a_number_is_no_event_of_the_bot(lived: Path, verb: str, at: str) -> None:
    result = krypto(verb, "bot", "--at", at, "--state-dir", lived / "state")
    assert (result.code, result.out) == (2, "")
    assert f"--at is {at}, and bot has " in result.err
    assert "give a UTC time such as 2025-11-03T10:30:00Z" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect-state", "--at", "9" * 5_000),
        ("replay", "--at", "9" * 5_000),
        ("inspect-state", "--why", "strategy_state.purchases." + "9" * 5_000),
        ("run", "-c", "none.yml", "--for", "9" * 5_000 + "h"),
    ],
    ids=["at", "replay at", "why", "for"],
)
def test_number_without_end_is_refused_as_a_usage_error(lived: Path, arguments: tuple[str, ...]) -> None:
    place = () if arguments[0] == "run" else ("--state-dir", lived / "state")
    result = krypto(*arguments, *place)
    assert result.code == 2
    assert "unexpected" not in result.err
    assert len(result.err) < 300


def test_time_span_of_too_many_digits_is_told_to_take_a_larger_unit() -> None:
    result = krypto("run", "-c", "none.yml", "--for", "172800s")
    assert result.code == 2
    assert "'172800s' has more than 5 digits: take a larger unit of s, m, h and d" in result.err


def test_inspect_state_at_a_time_leaves_out_a_bot_that_did_not_exist_yet(tmp_path: Path) -> None:
    old, young = bot_file(tmp_path, "old"), bot_file(tmp_path, "young")
    assert krypto("run", "-c", old, "--speed", "max", "--for", "30m").code == 0
    assert krypto("run", "-c", old, "-c", young, "--speed", "max", "--for", "5m").code == 0
    asked = ("inspect-state", "--at", "2025-01-01T00:10:00Z", "--state-dir", tmp_path / "state")
    result = krypto(*asked)
    assert result.code == 0
    assert result.lines[-1] == "young did not exist yet at that moment"
    assert len(krypto(*asked, "--json").json) == 1
    assert krypto("inspect-state", "young", *asked[1:]).code == 2


def test_replay_of_events_shows_every_event_whole(lived: Path) -> None:
    shown = krypto("replay", "bot", "--events", "--state-dir", lived / "state").lines
    records = krypto("replay", "bot", "--events", "--json", "--state-dir", lived / "state").records
    assert len(shown) == len(records)
    for line, record in zip(shown, records, strict=True):
        fields = [key for key in record["event"] if key != "type"]
        assert [key for key in fields if f" {key}=" not in line] == []
    assert max(map(len, shown)) > 400


def test_list_asked_why_is_shown_line_by_line(lived: Path) -> None:
    result = krypto("inspect-state", "bot", "--why", "strategy_state.purchases", "--state-dir", lived / "state")
    assert max(map(len, result.lines)) <= 80


def test_market_that_cannot_be_is_told_with_the_file_that_asks_for_it(tmp_path: Path) -> None:
    good, bad = bot_file(tmp_path, "good"), bot_file(tmp_path, "bad", market={"price": 0})
    for verb in ("validate-config", "run"):
        result = krypto(verb, "-c", good, "-c", bad)
        assert result.code == 4
        assert result.err.startswith(f"Error: {bad}: market.price is 0")


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[socket.socket]:
    """Have a socket where an engine's would be, at which somebody may answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / control.SOCKET_NAME))
        server.listen()
        yield server


@pytest.mark.usefixtures("silent")
def test_command_that_is_not_answered_in_time_may_be_obeyed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "REPLY_TIMEOUT_S", 0.05)
    result = krypto("flatten", "bot", "--state-dir", tmp_path)
    assert result.code == 1
    assert "did not answer within 0.05 s, and may obey later: see krypto-engine inspect-state" in result.err


def test_command_whose_answer_breaks_off_was_given_to_an_engine_that_ended(
    silent: socket.socket, tmp_path: Path
) -> None:
    def answer() -> None:
        connection, _ = silent.accept()
        with connection:
            connection.recv(4_096)
            connection.sendall(b'{"bots":["bo')

    with ThreadPoolExecutor(1) as pool:
        pool.submit(answer)
        result = krypto("kill", "bot", "--state-dir", tmp_path)
    assert result.code == 3
    assert "ended before it answered" in result.err


@pytest.mark.parametrize("asked", ["--version", "--help", "prove --help"])
def test_help_that_nobody_reads_ends_quietly(asked: str) -> None:
    command = f"set -o pipefail; {PROGRAM} {asked} | true"
    for _ in range(3):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode in {0, 141}
        assert done.stderr == ""


def test_verb_on_a_full_output_says_that_its_deed_may_be_done(copied: Path) -> None:
    command = f"{PROGRAM} backup --state-dir {copied / 'state'} >/dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    words = (
        "standard output could not be written (No space left on device); what was asked for may be done all the same"
    )
    assert done.stderr == f"Error: {words}\n"
    assert len(list((copied / "state" / "backups").iterdir())) == 1


@pytest.mark.parametrize(
    ("error", "is_told"), [(RuntimeError("Event loop is closed"), False), (RuntimeError("it broke"), True)]
)
def test_thread_that_reports_to_a_loop_which_is_gone_is_not_told_of(
    capsys: pytest.CaptureFixture[str], error: RuntimeError, *, is_told: bool
) -> None:
    command_line._show_fault_of_thread(threading.ExceptHookArgs((RuntimeError, error, None, None)))
    assert ("RuntimeError: it broke" in capsys.readouterr().err) == is_told


def test_amounts_of_a_strategy_are_the_same_in_every_json(lived: Path) -> None:
    (checked,) = krypto("validate-config", "-c", lived / "bot.yml", "--json").json
    created = krypto("replay", "bot", "--json", "--state-dir", lived / "state").records[0]["event"]["config"]
    assert json.dumps(checked["config"], sort_keys=True) == json.dumps(created, sort_keys=True)
