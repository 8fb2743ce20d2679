"""The installed program as a real process: every verb, every exit code, help that teaches, and what it loads."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import VERBS
from tests.cli.terminal import LIVELY, PROGRAM, Running, bot_file, krypto, krypto_process
from tests.docs.command_line import commands

HEAVY = {"asyncio", "aiosqlite", "ccxt", "polars", "talib", "numpy", "aiohttp", "yaml", "ssl", "socket", "hypothesis"}
SPAN = ("--speed", "max", "--for", "2h")

LOADED = """
import sys
sys.argv = {argv!r}
from cli.main import main
try:
    main()
finally:
    names = sorted(sys.modules)
    print("LOADED", *names, file=sys.stderr)
"""


def loaded_by(*arguments: object) -> set[str]:
    """Give the modules that a verb has loaded at its end."""
    code = LOADED.format(argv=["krypto-engine", *map(str, arguments)])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()[1:])


@pytest.mark.spec(
    "the looking verbs load no event loop, exchange library or data frame", section="design: Dependency rule"
)
@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect-state",),
        ("inspect-state", "bot", "--json"),
        ("inspect-state", "bot", "--why", "stats.total_profit"),
        ("inspect-state", "bot", "--why-no-trade"),
        ("inspect-state", "bot", "--at", "40"),
        ("replay", "bot"),
        ("replay", "bot", "--redecide"),
        ("replay", "bot", "--verify"),
        ("verify",),
    ],
    ids=" ".join,
)
def test_looking_verb_as_a_process_loads_nothing_heavy(lived: Path, arguments: tuple[str, ...]) -> None:
    assert loaded_by(*arguments, "--state-dir", lived / "state") & HEAVY == set()


def test_help_as_a_process_loads_nothing_heavy() -> None:
    for arguments in (["--help"], ["run", "--help"], ["validate-config", "--help"]):
        assert loaded_by(*arguments) & {"ccxt", "polars", "talib", "numpy", "aiosqlite", "aiohttp"} == set()


@pytest.mark.spec("help texts teach by example", section="issue: CLI")
@pytest.mark.parametrize("verb", commands())
def test_help_of_a_verb_shows_an_example_that_parses(verb: str) -> None:
    result = krypto(*verb.split(), "--help")
    assert result.code == 0
    examples = re.findall(r"krypto-engine ([^\n]+)", result.out.partition("Example")[2])
    assert examples
    assert all(f"{example} ".startswith(f"{verb} ") for example in examples)
    for flag in set(re.findall(r" (--[a-z-]+)", " ".join(examples))):
        assert flag in result.out.partition("Example")[0], flag


@pytest.mark.parametrize("verb", commands())
def test_help_says_of_shared_options_the_same_everywhere(verb: str) -> None:
    text = " ".join(krypto(*verb.split(), "--help").out.split())
    assert ("--config PATH" in text) == ("may be repeated" in text)
    assert ("--state-dir" in text) == ("--state-dir DIRECTORY The folder with the log" in text)


@pytest.mark.spec("every verb that prints a result takes --json", section="Files and interfaces")
@pytest.mark.parametrize("verb", commands())
def test_help_of_a_verb_offers_json(verb: str) -> None:
    assert "--json" in krypto(*verb.split(), "--help").out


def test_help_of_the_program_lists_every_verb() -> None:
    result = krypto_process("--help")
    assert result.code == 0
    for verb in VERBS:
        assert f"  {verb} " in result.out


def test_program_without_a_verb_prints_the_help() -> None:
    result = krypto()
    assert (result.code, result.err) == (0, "")
    assert result.out == krypto("--help").out


def test_version_is_printed() -> None:
    assert re.fullmatch(r"krypto-engine \d+\.\d+\.\d+\S*\n", krypto_process("--version").out)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["reply"], "replay"),
        (["inspect"], "inspect-state"),
        (["run"], "--config"),
        (["run", "-c", "x.yml", "--speed", "fast"], "fast"),
        (["run", "-c", "x.yml", "--speed", "0"], "'0'"),
        (["run", "-c", "x.yml", "--speed", "nan"], "nan"),
        (["run", "-c", "x.yml", "--speed", "-1"], "-1"),
        (["run", "-c", "x.yml", "--for", "soon"], "soon"),
        (["run", "-c", "x.yml", "--for", "0h"], "0h"),
        (["run", "-c", "x.yml", "--for", "12"], "12"),
        (["run", "-c", "x.yml", "--bogus"], "--bogus"),
        (["validate-config"], "--config"),
        (["stop", "bot"], "bot"),
    ],
)
def test_usage_error_names_what_is_wrong(arguments: list[str], word: str) -> None:
    result = krypto(*arguments)
    assert result.code == 2
    assert word in result.err
    assert "Traceback" not in result.err


@pytest.mark.spec("the main job runs as the installed program, and the looking verbs after it", section="issue: CLI")
def test_program_from_run_to_verify_ends_well_with_every_verb(tmp_path: Path) -> None:
    path = bot_file(tmp_path, **LIVELY)
    state = ("--state-dir", tmp_path / "state")
    assert krypto_process("validate-config", "-c", path).code == 0
    ran = krypto_process("run", "-c", path, *SPAN)
    assert ran.code == 0
    assert ran.err == ""
    for arguments in (["inspect-state"], ["replay", "bot", "--verify", "--redecide"], ["verify"]):
        result = krypto_process(*arguments, *state)
        assert (result.code, result.err) == (0, "")
        assert result.out
    for verb in ("pause", "resume", "reset-trailing", "stop"):
        result = krypto_process(verb, *state)
        assert result.code == 3
        assert "no engine answers" in result.err


@pytest.mark.spec("each kind of fault has its exit code", section="Files and interfaces")
def test_program_with_a_fault_of_each_kind_leaves_with_its_code(lived: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.yml").write_text("")
    (tmp_path / "file").write_text("")
    odd = bot_file(tmp_path, state_dir=str(tmp_path / "file"))
    faults = {
        2: ["inspect-state", "nobody", "--state-dir", lived / "state"],
        3: ["stop", "--state-dir", tmp_path],
        4: ["run", "-c", tmp_path / "empty.yml"],
    }
    for code, arguments in faults.items():
        result = krypto_process(*arguments)
        assert result.code == code
        assert len(result.err.splitlines()) == 1
        assert result.out == ""
    result = krypto_process("run", "-c", odd)
    assert result.code == 4
    assert "not a directory" in result.err


@pytest.mark.spec("a traceback is shown only with -v", section="Files and interfaces")
def test_program_with_a_fault_shows_a_traceback_only_when_verbose(tmp_path: Path) -> None:
    quiet, verbose = (krypto_process(*flag, "stop", "--state-dir", tmp_path) for flag in ([], ["-v"]))
    assert "Traceback" not in quiet.err
    assert "Traceback" in verbose.err
    assert quiet.code == verbose.code == 3  # whoever starts it again decides by this code


def test_program_whose_reader_goes_away_ends_quietly(lived: Path) -> None:
    command = f"set -o pipefail; {PROGRAM} replay bot --events --state-dir {lived / 'state'} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 141
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_run_whose_reader_goes_away_ends_and_leaves_a_sound_log(tmp_path: Path) -> None:
    path = bot_file(tmp_path, **LIVELY)
    command = f"set -o pipefail; {PROGRAM} run -c {path} --speed max --for 12h | head -n 3"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 141
    assert done.stderr == ""
    assert krypto("verify", "--state-dir", tmp_path / "state").code == 0
    assert krypto("replay", "bot", "--redecide", "--state-dir", tmp_path / "state").code == 0


def test_run_in_json_prints_events_and_a_summary_and_nothing_else(tmp_path: Path) -> None:
    path = bot_file(tmp_path, **LIVELY)
    result = krypto_process("run", "-c", path, *SPAN, "--json")
    *events, last = result.records
    assert [each["sequence"] for each in events] == list(range(1, len(events) + 1))
    assert {each["bot"] for each in events} == {"bot"}
    (summary,) = last["summary"]
    assert summary["reason"] == "time is up"
    assert summary["calls"]["create_order"] == sum(each["event"]["type"] == "order_sent" for each in events)
    assert krypto("run", "-c", path, "--speed", "max", "--for", "1m", "--json", "--quiet").json["summary"]


@pytest.mark.spec("--json prints valid JSON and nothing else", section="Files and interfaces")
@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect-state",),
        ("inspect-state", "bot", "--at", "50"),
        ("inspect-state", "bot", "--why", "stats"),
        ("inspect-state", "bot", "--why-no-trade"),
        ("replay", "bot", "--events"),
        ("replay", "bot", "--verify"),
        ("replay", "bot", "--redecide"),
        ("replay", "bot", "--verify", "--redecide"),
        ("verify",),
    ],
    ids=" ".join,
)
def test_verb_in_json_prints_only_json(lived: Path, arguments: tuple[str, ...]) -> None:
    result = krypto(*arguments, "--json", "--state-dir", lived / "state")
    assert (result.code, result.err) == (0, "")
    assert result.lines
    for line in result.lines:
        json.loads(line)


def test_validate_config_in_json_gives_the_whole_configuration(tmp_path: Path) -> None:
    paths = [bot_file(tmp_path, name, name=f"Bot {name}") for name in ("one", "two")]
    found = krypto("validate-config", "-c", paths[0], "-c", paths[1], "--json").json
    assert [each["config"]["bot_id"] for each in found] == ["one", "two"]
    assert [each["source"] for each in found] == [str(path) for path in paths]
    assert found[0]["config"]["trailing_max_gap"] == 300
    assert type(found[0]["config"]["profit_target"]) is float  # amounts are numbers wherever JSON shows them
    assert not (tmp_path / "state").exists()


def test_validate_config_of_the_example_says_ok() -> None:
    result = krypto("validate-config", "-c", "docs/examples/first-bot.yml")
    assert result.code == 0
    assert result.out.startswith("ok  ")
    assert "paper" in result.out


def test_output_without_a_terminal_has_no_colours(lived: Path) -> None:
    assert "\x1b" not in krypto_process("inspect-state", "--state-dir", lived / "state").out


def test_run_in_an_unwritable_place_says_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        path = bot_file(tmp_path, state_dir="/proc/krypto")
    else:
        tmp_path.chmod(0o500)
        path = bot_file(tmp_path)
    result = krypto("run", "-c", path)
    assert result.code in {1, 4}
    assert len(result.err.splitlines()) == 1
    assert "Traceback" not in result.err


def test_program_stopped_by_a_signal_leaves_with_its_number(tmp_path: Path) -> None:
    with Running("-c", bot_file(tmp_path)) as engine:
        engine.wait_for("Session started")
        assert engine.stop_with(signal.SIGTERM)[0] == 143
