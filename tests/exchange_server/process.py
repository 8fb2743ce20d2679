"""A local exchange in a process of its own, so that it outlives whatever a test kills.

Owns the process and a small blocking client of its control endpoint. Never ends a process that it did not start.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.exchange_server.__main__ import Ready
from tests.exchange_server.script import Script

ROOT = Path(__file__).resolve().parents[2]
_OPEN_S = 30.0
_POLL_S = 0.02
_CLOSE_S = 10.0
_ANSWER_S = 60.0


class ServerProcess:
    """A running server, seen from outside."""

    def __init__(self, ready: Ready, process_id: int) -> None:
        """Take how to reach it and its process id."""
        self.port = ready.port
        self.tls_port = ready.tls_port
        self.ca_file = Path(ready.ca_file)
        self.process_id = process_id

    def control(self, path: str, body: object | None = None, method: str | None = None) -> Any:
        """Ask the control endpoint: POST with a body, GET without, unless a method is named.

        Raises urllib.error.HTTPError if it refuses.
        """
        data = None if body is None else msgspec.json.encode(body)
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/sim/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
            return json.load(answer)

    def ledger(self) -> Any:
        """Read everything that happened there: requests, orders, trades, balances, events, calls."""
        return self.control("ledger")


@contextmanager
def server_process(script: Script, folder: Path) -> Iterator[ServerProcess]:
    """Have a server in a process of its own, on free ports, with its files in a folder.

    When it ends, its ledger is in ledger.json there. Raises RuntimeError if it does not open.
    """
    script_file, ready_file, output_file = (folder / name for name in ("script.json", "ready.json", "output.txt"))
    script_file.write_bytes(msgspec.json.encode(script))
    ready_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.exchange_server", "--port", "0", "--script", str(script_file)]
    command += ["--ready", str(ready_file), "--ledger", str(folder / "ledger.json")]
    with output_file.open("wb") as output, subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output) as process:
        try:
            yield ServerProcess(_wait_for(ready_file, process, output_file), process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_CLOSE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(ready_file: Path, process: subprocess.Popen[bytes], output_file: Path) -> Ready:
    until_s = time.monotonic() + _OPEN_S
    while time.monotonic() < until_s and process.poll() is None:
        if ready_file.exists():
            return msgspec.json.decode(ready_file.read_bytes(), type=Ready)
        time.sleep(_POLL_S)
    raise RuntimeError(f"the local exchange did not open: {output_file.read_text()}")
