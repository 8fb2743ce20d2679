"""Hostile lines on the control socket: answered or dropped, never obeyed by halves, and the engine goes on."""

import json
import socket
import stat
from pathlib import Path

import pytest

from engine.runtime.control import MAX_LINE
from tests.cli.terminal import LIVELY, Running, bot_file, krypto

SPEC = pytest.mark.spec
LINES = {
    "nested arrays": b"[" * (MAX_LINE - 2) + b"\n",
    "nested in a field": b'{"command":"pause","bot":' + b"[" * 3_000 + b"\n",
    "no text": b'{"command":"\xff\xfe"}\n',
    "half a surrogate": b'{"command":"\\ud800"}\n',
    "zero bytes": b"\0" * 100 + b"\n",
    "nothing": b"\n",
    "null": b"null\n",
    "unknown field": b'{"command":"pause","run":"x"}\n',
    "unknown command": b'{"command":"__class__"}\n',
    "a number": b'{"command":1}\n',
    "a bot of another path": b'{"command":"pause","bot":"../../etc/passwd"}\n',
    "a line without end": b"x" * (MAX_LINE * 20),
    "half a line": b'{"command":"pause"',
}
ESCAPES = "\x1b]52;c;ZQ==\x07\x9b2J\u202e"


def _say(folder: Path, line: bytes) -> bytes:
    """Send bytes to the socket as any program of ours could, and give what comes back."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(folder / "state" / "control.sock"))
        try:
            client.sendall(line)
            client.shutdown(socket.SHUT_WR)
            return client.makefile("rb").read()
        except (BrokenPipeError, ConnectionResetError):
            return b""


@SPEC("hostile lines on the control socket change nothing, and the engine goes on", section="Text from outside")
def test_hostile_lines_on_the_control_socket_change_nothing(tmp_path: Path) -> None:
    state = ("--state-dir", tmp_path / "state")
    with Running("-c", bot_file(tmp_path, **LIVELY), "--speed", "1") as engine:
        engine.wait_for("Session started")
        assert stat.S_IMODE((tmp_path / "state" / "control.sock").stat().st_mode) == 0o600
        for name, line in LINES.items():
            reply = _say(tmp_path, line)
            assert not reply or json.loads(reply)["error"], name
            assert len(reply) < 2 * MAX_LINE, name
        asked = json.dumps({"command": "pause", "bot": "bot", "by": ESCAPES}).encode()
        assert json.loads(_say(tmp_path, asked + b"\n")) == {"bots": ["bot"]}
        refused = krypto("pause", ESCAPES, *state)
        assert (refused.code, len(refused.err.splitlines())) == (2, 1)
        assert krypto("stop", *state).code == 0
        end = engine.end()
    assert (end.code, end.err) == (0, "")
    story, events = krypto("replay", "bot", *state), krypto("replay", "bot", "--json", *state)
    commands = [each["event"] for each in events.records if each["event"]["type"] == "command_received"]
    assert [(each["command"], each["by"]) for each in commands][:1] == [("pause", ESCAPES)]
    assert [each["command"] for each in commands] == ["pause", "stop"]
    for text in (end.out, story.out, events.out, refused.err):
        assert set(ESCAPES) & set(text) <= {each for each in ESCAPES if each.isprintable()}
