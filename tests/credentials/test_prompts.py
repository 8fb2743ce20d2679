"""Keys typed at a real terminal: never echoed, stored as typed, and given up with Ctrl-C."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

from engine.runtime.credentials import find_credentials
from tests.credentials.canaries import API_KEY, API_SECRET, KEYS, PASSPHRASE, seen

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
TAKE_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv = ["krypto-engine", *sys.argv[1:]]
from cli.main import main
main()
"""


class Terminal:
    """A program at a terminal of its own, to be typed at."""

    def __init__(self, *arguments: str) -> None:
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            cwd=ROOT,
        )
        os.close(theirs)
        self.shown, self.seen = "", 0

    def wait_for(self, text: str) -> None:
        """Read on until this was shown since the last wait."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.shown[self.seen :]:
            assert select.select([self.ours], [], [], deadline - time.monotonic())[0], self.shown
            self.shown += os.read(self.ours, 4096).decode()
        self.seen = self.shown.index(text, self.seen) + len(text)

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self.ours, text.encode())

    def end(self) -> int:
        """Read the rest and give the exit code."""
        try:
            while chunk := os.read(self.ours, 4096):
                self.shown += chunk.decode()
        except OSError:
            pass
        os.close(self.ours)
        return self.process.wait(PATIENCE_S)


def test_keys_typed_at_a_terminal_are_stored_and_never_echoed() -> None:
    terminal = Terminal("credentials", "set", "okx")
    for prompt, text in (("API key of okx", API_KEY), ("API secret", API_SECRET), ("Passphrase", PASSPHRASE)):
        terminal.wait_for(prompt)
        terminal.wait_for(": ")
        terminal.type(text + "\n")
    terminal.wait_for("stored")
    assert terminal.end() == 0
    assert seen(terminal.shown) == []
    assert find_credentials("okx").credentials == KEYS


def test_passphrase_left_empty_is_none_and_an_empty_key_is_asked_for_again() -> None:
    terminal = Terminal("credentials", "set", "okx", "--json")
    for prompt, text in (("API key", ""), ("API key", API_KEY), ("API secret", API_SECRET), ("Passphrase", "")):
        terminal.wait_for(prompt)
        terminal.wait_for(": ")
        terminal.type(text + "\n")
    assert terminal.end() == 0
    assert seen(terminal.shown) == []
    assert find_credentials("okx").credentials.passphrase is None


def test_prompt_given_up_stores_nothing(file: Path) -> None:
    terminal = Terminal("credentials", "set", "okx")
    terminal.wait_for("API key of okx")
    terminal.wait_for(": ")
    terminal.type(API_KEY + "\n")
    terminal.wait_for("API secret")
    terminal.wait_for(": ")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert seen(terminal.shown) == []
    assert not file.exists()


def test_lines_from_stdin_are_not_read_from_a_terminal() -> None:
    terminal = Terminal("credentials", "set", "okx", "--from-stdin")
    terminal.wait_for("leave it out to type the keys unseen")
    assert terminal.end() == 2
