"""A process that holds keys leaves no core and lets no other process of the same user look into it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOCKED = """
import os, resource, sys, ctypes
from engine.runtime.lockdown import lock_down
assert lock_down()
assert lock_down()
print(*resource.getrlimit(resource.RLIMIT_CORE))
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform.startswith("linux") else 0, flush=True)
sys.stdin.read()
"""


def test_process_locked_down_leaves_no_core_and_cannot_be_looked_into() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOCKED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().split() == ["0", "0"]
        assert process.stdout.readline().split() == ["0"]
        if sys.platform.startswith("linux") and os.geteuid() != 0:
            with pytest.raises(PermissionError):
                Path(f"/proc/{process.pid}/environ").read_bytes()
        process.communicate()
    assert process.returncode == 0
