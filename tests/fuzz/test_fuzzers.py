"""The fuzzers themselves: each starts, puts input to its target, and ends by itself."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.__main__ import EXECUTIONS, NAMES, ROOT


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is there for Linux with an x86-64 processor only")
@pytest.mark.parametrize("name", NAMES)
def test_fuzzer_of_each_target_puts_input_and_finds_nothing_in_a_second(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", "1"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    executions = EXECUTIONS.search(done.stderr)
    assert executions is not None
    assert int(executions[1]) > 100
