"""The output shown in README.md: the real program on docs/examples/first-bot.yml, run afresh.

Owns which lines are shown; what is left out is marked. The simulated market is a function of its seed, so every run
prints the same but for the id drawn for a new log, which is shown as dots.
"""

import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.docs.pages import ROOT

ELLIPSIS: Final = "…"
AT: Final = "2025-01-01T01:08:00Z"
_RUN: Final = "run -c docs/examples/first-bot.yml --speed max --for 12h"
_ORDER_ID: Final = re.compile(r"\bk[0-9a-z]{10}([0-9a-z]{7})\b")
_REPEATED: Final = ("Trailing watermark updated",)


@cache
def outputs() -> dict[str, list[str]]:
    """Run the program in an empty folder, and look at what it left."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "docs").symlink_to(ROOT / "docs")
        shown = (
            _RUN,
            f"inspect-state first-bot --at {AT}",
            "inspect-state first-bot --why stats.total_profit",
            "inspect-state first-bot --why-no-trade",
            "replay first-bot --redecide",
            "replay first-bot --verify",
        )
        return {line: _output(line, folder) for line in shown}


def _output(arguments: str, folder: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments.split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"krypto-engine {arguments} ended with {done.returncode}:\n{done.stdout[-1000:]}{done.stderr}")
    return [_ORDER_ID.sub(r"k..........\1", line.rstrip()) for line in done.stdout.splitlines()]


def run() -> str:
    """Show the first trade, an outage and the summary of `make run`."""
    lines = outputs()[_RUN]
    sold = _first(lines, "Sold ", 0) + 1
    failed = _first(lines, "check failed", sold)
    saved = _first(lines, "State saved", failed) + 1
    restored = _first(lines, "restored", saved)
    stopped, following = _first(lines, "Stopped: ", restored), _first(lines, "Next:", restored)
    outage = [*lines[failed:saved], ELLIPSIS, lines[restored]]
    story = [*_thinned(lines[:sold]), ELLIPSIS, *outage, ELLIPSIS, *lines[stopped:following]]
    return _block("make run", _cut(story))


def inspect_state() -> str:
    """Show a bot in the middle of a trade, and where a value comes from."""
    at, why, no_trade = list(outputs())[1:4]
    return "\n\n".join(_block(f"krypto-engine {line}", _cut(outputs()[line])) for line in (at, why, no_trade))


def replay() -> str:
    """Show the two proofs."""
    redecide, verify = list(outputs())[4:]
    return "\n\n".join(_block(f"krypto-engine {line}", outputs()[line]) for line in (redecide, verify))


def _first(lines: list[str], part: str, start: int) -> int:
    return next(number for number, line in enumerate(lines) if number >= start and part in line)


def _thinned(lines: list[str]) -> list[str]:
    """Leave out repeated lines of one kind, but for the first of each run of them."""
    kept: list[str] = []
    dropped = False
    for line in lines:
        repeats = kept and any(kind in line and kind in kept[-1] for kind in _REPEATED)
        if repeats:
            dropped = True
            continue
        if dropped:
            kept.append(ELLIPSIS)
            dropped = False
        kept.append(line)
    return kept


def _cut(lines: list[str], width: int = 118) -> list[str]:
    """Cut long lines, visibly."""
    return [line if len(line) <= width else line[: width - 1] + ELLIPSIS for line in lines]


def _block(command: str, lines: list[str]) -> str:
    body = "\n".join(lines).strip("\n")
    return f"```console\n$ {command}\n{body}\n```"
