"""What a check found, as values: levels, sentences, what to do, and the exit code that follows.

Owns the shape of findings and which fault is the worst. Never looks at anything itself.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from engine.core.errors import EngineError

Level = Literal["ok", "note", "warning", "fault"]

WORST_FIRST: Final = (6, 7, 4, 1, 5)
"""Which exit code wins among faults: a damaged log, what an operator must decide, what is configured, anything else,
and last what may pass."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at: what, how it is, and what to do if it should be otherwise.

    `exit_code` is that of a fault in the scheme of the command line, 0 for anything else.
    """

    check: str
    level: Level
    text: str
    remedy: str = ""
    exit_code: int = 0


class Section(msgspec.Struct, frozen=True):
    """What was found about one subject, such as a state directory or an exchange."""

    title: str
    findings: tuple[Finding, ...]


def ok(check: str, text: str) -> Finding:
    """Find something as it should be."""
    return Finding(check=check, level="ok", text=text)


def note(check: str, text: str, remedy: str = "") -> Finding:
    """Find something that is worth knowing."""
    return Finding(check=check, level="note", text=text, remedy=remedy)


def warning(check: str, text: str, remedy: str) -> Finding:
    """Find something that can go wrong."""
    return Finding(check=check, level="warning", text=text, remedy=remedy)


def fault(check: str, text: str, remedy: str = "", *, code: int = 1) -> Finding:
    """Find something that keeps a bot from running as it should."""
    assert code in WORST_FIRST, code
    return Finding(check=check, level="fault", text=text, remedy=remedy, exit_code=code)


def fault_of(check: str, error: EngineError) -> Finding:
    """Find a fault of the engine's own, whose sentence says what to do."""
    code = error.exit_code if error.exit_code in WORST_FIRST else 1
    return fault(check, str(error).rstrip("."), code=code)


def unexpected(check: str, error: Exception) -> Finding:
    """Find that a check itself failed; only the kind is told, because texts of libraries may hold anything."""
    text = f"this check failed unexpectedly ({type(error).__name__})"
    return fault(check, text, "see whether the bot runs on paper all the same, and report it")


def exit_code(findings: Iterable[Finding]) -> int:
    """Give the exit code of the worst fault, 0 without one."""
    codes = {finding.exit_code for finding in findings}
    return next((code for code in WORST_FIRST if code in codes), 0)
