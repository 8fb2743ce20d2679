"""The guard that keeps tests, and the processes they start, on this machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

OUTSIDE = "192.0.2.1"  # an address of nobody, for documents


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(f"import socket; socket.create_connection(({OUTSIDE!r}, 9), 1)", id="connect"),
        pytest.param("import socket; socket.getaddrinfo('exchange.example', 443)", id="name"),
        pytest.param(
            f"import asyncio; asyncio.run(asyncio.open_connection({OUTSIDE!r}, 9))",
            id="asyncio",
        ),
    ],
)
def test_process_of_a_test_that_leaves_this_machine_is_refused_and_noted(tmp_path: Path, attempt: str) -> None:
    report = tmp_path / "outside.txt"
    environment = {**os.environ, "NETWORK_GUARD_REPORT": str(report)}
    ended = subprocess.run(
        [sys.executable, "-c", attempt], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert ended.returncode != 0
    assert "tried to reach" in ended.stderr
    assert "tried to reach" in report.read_text(encoding="utf-8")


def test_process_of_a_test_may_talk_to_this_machine(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('localhost', {port}), 5).close()"
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
