"""What is printed: within 80 columns, calm about one and many, and what happens when it cannot be printed at all."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest

from cli.main import main
from cli.render import table, wrapped
from engine.core.narration import counted
from tests.cli.terminal import LIVELY, bot_file, krypto

ROOT = Path(__file__).parents[2]
HOUR = ("--speed", "max", "--for", "1h")


def to_a_file(path: str, *arguments: object) -> int | str | None:
    """Run a verb in this process with a file as standard output; give the exit code."""
    patched = pytest.MonkeyPatch.context()
    with contextlib.suppress(OSError), Path(path).open("w", encoding="utf-8") as out, patched as patch:
        patch.setattr(sys, "argv", ["krypto-engine", *map(str, arguments)])
        with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as leaving:
            main()
    return leaving.value.code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.spec("a run whose output cannot be written ends in order", section="issue: Stopping")
@pytest.mark.parametrize("flags", [(), ("--json",), ("--quiet",)], ids=" ".join)
def test_run_on_a_full_output_ends_in_order_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    code = to_a_file("/dev/full", "run", "-c", bot_file(tmp_path, **LIVELY), *HOUR, *flags)
    told = capsys.readouterr().err
    assert code == 1
    assert told.startswith("Error: standard output could not be written (No space left on device)")
    assert len(told.splitlines()) == 1
    events = krypto("replay", "--json", "--state-dir", tmp_path / "state").records
    assert events[-1]["event"]["type"] == "session_stopped"
    assert events[-1]["event"]["reason"] == ("time is up" if flags == ("--quiet",) else "output closed")
    assert krypto("replay", "--verify", "--redecide", "--state-dir", tmp_path / "state").code == 0


@pytest.mark.parametrize("flag", ["--quiet", "--json"])
def test_run_that_prints_no_story_tells_notes_about_the_log_on_stderr(copied: Path, flag: str) -> None:
    (copied / "state" / "events.head").unlink()
    loud = krypto("run", "-c", copied / "bot.yml", "--speed", "max", "--for", "1s")
    assert "was missing" in loud.out
    (copied / "state" / "events.head").unlink()
    result = krypto("run", "-c", copied / "bot.yml", "--speed", "max", "--for", "1s", flag)
    assert result.code == 0
    assert "was missing" in result.err
    assert "was missing" not in result.out


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_output_on_a_terminal_has_colours_unless_no_color_is_set(
    lived: Path, monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    ours, theirs = os.openpty()
    shown = b""

    def read() -> None:
        nonlocal shown
        with contextlib.suppress(OSError):
            while chunk := os.read(ours, 65_536):
                shown += chunk

    reader = threading.Thread(target=read)
    reader.start()
    assert to_a_file(os.ttyname(theirs), "inspect-state", "--state-dir", lived / "state") == 0
    os.close(theirs)
    reader.join(5)
    os.close(ours)
    assert b"open lots" in shown
    assert (b"\x1b[" in shown) == coloured


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect-state",),
        ("inspect-state", "bot", "--why", "stats.total_profit"),
        ("inspect-state", "bot", "--why", "strategy_state"),
        ("inspect-state", "bot", "--why-no-trade"),
        ("replay", "bot", "--verify"),
        ("replay", "bot", "--redecide"),
        ("verify",),
    ],
    ids=" ".join,
)
def test_looking_verb_prints_at_most_80_columns(lived: Path, arguments: tuple[str, ...]) -> None:
    result = krypto(*arguments, "--state-dir", lived / "state")
    assert result.code == 0
    assert [line for line in result.lines if len(line) > 80] == []


def test_summary_prints_at_most_80_columns_and_tells_the_run_from_the_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bot_file(tmp_path, **LIVELY, state_dir="data")
    monkeypatch.chdir(tmp_path)
    lines = krypto("run", "-c", path, "--speed", "max", "--for", "2h").lines
    assert [line for line in lines if "[Bot-" not in line and len(line) > 80] == []
    for part in ("  whole life  bought  sold  won  lost  realised", "  open lots of bot  cost $", "  this run  "):
        assert any(line.startswith(part) for line in lines), part
    assert sum(line.startswith("  exchange call ") for line in lines) >= 4


@pytest.mark.parametrize(("number", "text"), [(0, "0 lots"), (1, "1 lot"), (2, "2 lots"), (1200, "1,200 lots")])
def test_counted_things_are_one_or_many(number: int, text: str) -> None:
    assert counted(number, "lot") == text


def test_wrapped_text_keeps_its_words_and_ignores_colours() -> None:
    text = "one two  three " + click.style("four five", fg="red") + " " + "x" * 30
    lines = wrapped(text, 15)
    assert " ".join(lines).split() == text.split()
    assert [line for line in map(click.unstyle, lines) if len(line) > 15] == ["x" * 30]


def test_table_too_wide_for_80_columns_becomes_rows(capsys: pytest.CaptureFixture[str]) -> None:
    table(("bot", "held"), [("a" * 64, "1"), ("b", "1" * 20)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["  bot", "  " + "a" * 64, "    held  1", "  b", "    held  " + "1" * 20]


@pytest.mark.spec("Ctrl-C of make run is no error of make", section="issue: Stopping")
def test_make_run_ended_by_ctrl_c_ends_calmly(tmp_path: Path) -> None:
    values = (f"BIN={Path(sys.executable).parent}", f"CONFIG={bot_file(tmp_path)}", "SPEED=1", "ARGS=")
    command = ["make", "--old-file=.venv/.setup-done", "run", *values]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as made:
        assert made.stdout is not None
        for line in made.stdout:
            if "Session started" in line:
                break
        os.killpg(made.pid, signal.SIGINT)
        out, err = made.communicate(timeout=20)
    assert "Stopped: SIGINT" in out
    assert err == ""
