"""`pause`, `kill`, `stop` and the other commands to a running engine, over a socket that only its owner can open."""

import json
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import LIVELY, Running, bot_file, krypto

COMMANDS = ("pause", "resume", "reset-trailing", "kill", "flatten", "revive", "stop")


def events(folder: Path, bot: str = "bot") -> list[Any]:
    """Give the events of a bot."""
    return [each["event"] for each in krypto("replay", bot, "--state-dir", folder / "state", "--json").records]


def say(folder: Path, line: bytes) -> Any:
    """Send a line to the socket as any program could; give the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(str(folder / "state" / "control.sock"))
        client.sendall(line)
        answer = client.makefile("rb").readline()
    return json.loads(answer) if answer else None


@pytest.mark.spec("control verbs find out that no engine runs", section="Files and interfaces")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", ["stopped", "empty", "missing", "left socket"])
def test_command_without_an_engine_leaves_with_code_3(copied: Path, command: str, place: str) -> None:
    directory = {"empty": copied / "empty", "missing": copied / "missing"}.get(place, copied / "state")
    if place == "empty":
        directory.mkdir()
    if place == "left socket":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
            dead.bind(str(directory / "control.sock"))
    result = krypto(command, "--state-dir", directory)
    assert result.code == 3
    assert f"no engine answers in {directory}: name its state directory with --state-dir" in result.err
    assert "be the user who runs it, or start one" in result.err
    assert len(result.err.splitlines()) == 1
    assert place != "missing" or not directory.exists()


def test_command_in_the_wrong_folder_names_the_directory_it_looked_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = krypto("pause")
    assert result.code == 3
    assert f"no engine answers in {tmp_path}/data: " in result.err


@pytest.mark.spec("pause, resume and reset-trailing reach one running bot and are recorded", section="issue: CLI")
def test_commands_to_one_of_two_bots_reach_that_bot(tmp_path: Path) -> None:
    paths = [bot_file(tmp_path, name, **LIVELY) for name in ("one", "two")]
    state = ("--state-dir", tmp_path / "state")
    with Running("-c", paths[0], "-c", paths[1], "--speed", "1") as engine:
        engine.wait_for("[Bot-two] Session started")
        assert krypto("pause", "one", *state).out == "paused: one\n"
        assert krypto("resume", "one", *state, "--json").json == {
            "command": "resume",
            "bots": ["one"],
            "already": False,
        }
        assert krypto("reset-trailing", "two", *state).out == "trailing reset: two\n"
        for arguments in (["pause"], ["pause", "three"]):
            result = krypto(*arguments, *state)
            assert result.code == 2
            assert "one, two" in result.err
            assert len(result.err.splitlines()) == 1
        result = krypto("stop", *state, "--json")
        assert sorted(result.json["bots"]) == ["one", "two"]
        assert engine.end().code == 0
    given = {
        bot: [each for each in events(tmp_path, bot) if each["type"] == "command_received"] for bot in ("one", "two")
    }
    assert [each["command"] for each in given["one"]] == ["pause", "resume", "stop"]
    assert [each["command"] for each in given["two"]] == ["reset-trailing", "stop"]
    assert all(each["by"] for each in given["one"])


@pytest.mark.spec("reset-trailing resets every trail that follows prices", section="Trailing State Reset")
def test_reset_trailing_of_a_bot_with_trails_forgets_their_watermarks(copied: Path) -> None:
    before = krypto("inspect-state", "bot", "--state-dir", copied / "state", "--json").json["strategy_state"]
    followed = {each["lot"] for each in before["trailing_states"] if each["status"] in {"waiting", "active"}}
    assert followed
    with Running("-c", copied / "bot.yml", "--speed", "1") as engine:
        engine.wait_for("Session started")
        assert krypto("reset-trailing", "bot", "--state-dir", copied / "state").code == 0
        reset = [each for each in events(copied) if each["type"] == "trailing_reset" and each["reason"] == "manual"]
        assert {each["lot"] for each in reset} == followed
        krypto("stop", "--state-dir", copied / "state")
        engine.end()
    assert krypto("run", "-c", copied / "bot.yml", "--speed", "max", "--for", "10s").code == 0
    after = krypto("inspect-state", "bot", "--state-dir", copied / "state", "--json").json["strategy_state"]
    assert {each["lot"] for each in after["trailing_states"]} == followed


@pytest.mark.spec("a paused bot does not trade, and stays paused over a restart", section="issue: CLI")
def test_pause_holds_over_a_restart_until_resume(copied: Path) -> None:
    path, state = copied / "bot.yml", ("--state-dir", copied / "state")

    def command(verb: str) -> None:
        with Running("-c", path, "--speed", "1") as engine:
            engine.wait_for("Session started")
            assert krypto(verb, "bot", *state).code == 0
            krypto("stop", *state)
            assert engine.end().code == 0

    command("pause")
    before = [each for each in events(copied) if each["type"].startswith(("order_", "trailing_", "purchase", "sale"))]
    ran = krypto("run", "-c", path, "--speed", "max", "--for", "2h")
    assert ran.code == 0
    assert any("Recovered from the log" in line and line.endswith(", paused") for line in ran.lines)
    assert any(line.startswith("  bot (paused)  ") for line in ran.lines)
    found = events(copied)
    assert [each for each in found if each["type"].startswith(("order_", "trailing_", "purchase", "sale"))] == before
    command("resume")
    assert krypto("run", "-c", path, "--speed", "max", "--for", "2h").code == 0
    found = events(copied)
    skipped = [each for each in found if each["type"] == "prices_skipped"]
    assert [each["reason"] for each in skipped] == ["paused"]
    assert skipped[0]["last"] - skipped[0]["first"] > 700
    assert len([each for each in found if each["type"] == "purchase_recorded"]) > len(
        [each for each in before if each["type"] == "purchase_recorded"]
    )
    assert krypto("replay", "bot", *state, "--verify", "--redecide").code == 0


@pytest.mark.spec("a command that changes nothing says so, and is recorded all the same", section="issue: CLI")
def test_command_given_twice_says_that_nothing_changed_and_is_recorded(copied: Path) -> None:
    state = ("--state-dir", copied / "state")
    given = {
        "resume": "not paused anyway",
        "pause": "paused",
        "pause ": "already paused",
        "resume ": "resumed",
        "revive": "kill switch not engaged anyway",
        "kill": "kill switch engaged",
        "kill ": "kill switch already engaged",
        "revive ": "kill switch released",
    }
    before = len(events(copied))
    with Running("-c", copied / "bot.yml", "--speed", "1") as engine:
        engine.wait_for("Session started")
        for verb, answer in given.items():
            assert krypto(verb.strip(), *state).out == f"{answer}: bot\n"
        assert krypto("resume", *state, "--json").json["already"] is True
        krypto("stop", *state)
        assert engine.end().code == 0
    told = [each["command"] for each in events(copied)[before:] if each["type"] == "command_received"]
    assert told == [*(verb.strip() for verb in given), "resume", "stop"]


def test_commands_given_twice_are_harmless(copied: Path) -> None:
    state = ("--state-dir", copied / "state")
    with Running("-c", copied / "bot.yml", "--speed", "1") as engine:
        engine.wait_for("Session started")
        for verb in ("resume", "pause", "pause", "resume", "resume", "reset-trailing", "reset-trailing"):
            assert krypto(verb, *state).code == 0
        assert krypto("stop", *state).code == 0
        assert engine.end().code == 0
    assert krypto("replay", "bot", *state, "--verify", "--redecide").code == 0


@pytest.mark.spec("commands act at once during a backoff", section="decision 4")
def test_pause_during_a_backoff_is_carried_out_at_once(tmp_path: Path) -> None:
    market = {"seed": 12, "outages": False, "scripted_outages": [{"from_s": 0, "length_s": 7200}]}
    path = bot_file(tmp_path, market=market)
    assert krypto("run", "-c", path, "--speed", "max", "--for", "500s").code == 0
    with Running("-c", path, "--speed", "1") as engine:
        engine.wait_for("Session started")
        assert krypto("pause", "--state-dir", tmp_path / "state").code == 0
        assert krypto("stop", "--state-dir", tmp_path / "state").code == 0
        assert engine.end().code == 0
    commands = [each["command"] for each in events(tmp_path) if each["type"] == "command_received"]
    assert commands == ["stop", "pause", "stop"]


@pytest.mark.spec("the control socket is 0600 and outlives odd requests", section="issue: CLI")
def test_socket_of_an_engine_is_private_and_answers_odd_requests(copied: Path) -> None:
    with Running("-c", copied / "bot.yml", "--speed", "1") as engine:
        engine.wait_for("Session started")
        assert stat.S_IMODE((copied / "state" / "control.sock").stat().st_mode) == 0o600
        for line, word in (
            (b"hello\n", "no command"),
            (b'{"command":"sell_everything"}\n', "sell_everything"),
            (b'{"command":"pause","extra":1}\n', "extra"),
            (b'{"command":5}\n', "command"),
            (b'{"command":"stop","bot":"bot"}\n', "whole engine"),
            (b"\xff\xfe\n", "no command"),
        ):
            assert word in say(copied, line)["error"]
        assert say(copied, b"x" * 100_000 + b"\n") is None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
            silent.connect(str(copied / "state" / "control.sock"))
            assert krypto("resume", "--state-dir", copied / "state").code == 0
            assert krypto("stop", "--state-dir", copied / "state").code == 0
            assert engine.end().code == 0
    assert not (copied / "state" / "control.sock").exists()


def test_socket_in_a_deep_directory_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with Running("-c", bot_file(tmp_path, state_dir=str(deep)), "--speed", "1") as engine:
        engine.wait_for("Session started")
        assert krypto("stop", "--state-dir", deep).code == 0
        assert engine.end().code == 0


def test_engine_started_after_a_kill_takes_the_old_socket_over(copied: Path) -> None:
    with Running("-c", copied / "bot.yml", "--speed", "1") as engine:
        engine.wait_for("Session started")
        engine.process.kill()
    assert (copied / "state" / "control.sock").exists()
    assert krypto("stop", "--state-dir", copied / "state").code == 3
    with Running("-c", copied / "bot.yml", "--speed", "1") as engine:
        engine.wait_for("Session started")
        assert krypto("stop", "--state-dir", copied / "state").code == 0
        assert engine.end().code == 0
