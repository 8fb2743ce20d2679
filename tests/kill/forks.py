"""The tests' end of the fork server: sessions started, killed from outside, and waited for.

Owns the server process. Ends none but its own.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, Protocol, Self

import msgspec

ROOT: Final = Path(__file__).resolve().parents[2]
SHOUT: Final = "session.error"
"""Beside the state directory: the traceback of a session that failed rather than died."""


class Request(Protocol):
    """What describes a session to its server, as a msgspec struct."""

    @property
    def directory(self) -> str:
        """Give the state directory."""
        ...


class Forks:
    """A running fork server."""

    def __init__(self, module: str = "tests.kill.server") -> None:
        """Start the server that a module is; it is ready when the first session can be asked of it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # threads do not survive a fork
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(30)

    def start(self, request: Request) -> int:
        """Start a session; give its process id, which stays its own until `wait`."""
        return self._ask(msgspec.json.encode(request))

    def wait(self, request: Request) -> bool:
        """Wait for the session's end; tell whether it was killed. A session that failed fails the test."""
        status = self._ask(b"")
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in {signal.SIGKILL, signal.SIGTERM}:
            return True
        shout = Path(request.directory).with_name(SHOUT)
        assert status == 0, shout.read_text() if shout.exists() else f"the session ended with status {status}"
        return False

    def kill(self, child: int, request: Request) -> bool:
        """Kill a session from outside; tell whether it had not ended by itself before."""
        os.kill(child, signal.SIGKILL)
        return self.wait(request)

    def run(self, request: Request) -> bool:
        """Run a session to its end; tell whether it was killed."""
        self.start(request)
        return self.wait(request)

    def _ask(self, question: bytes) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(question + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the fork server died"
        return int(line)
