"""Prove the local exchange with clients that nobody here wrote: `python -m tests.exchange_server.outside`.

Makes a virtual environment in a temporary folder, installs `binance-sdk-spot` and `python-binance` there (their pins
differ from ccxt's, and they need the network for it), opens a local exchange, and lets both do their ordinary calls.
Takes about a minute. It is no part of the test suite; the continuous integration runs it, and `make outside`.
The exit code is 0 if all went well. Owns the versions of the clients.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.exchange_server.process import server_process
from tests.exchange_server.script import Script

CLIENTS = ("binance-sdk-spot==13.2.0", "python-binance==1.0.37")
_CALLS_S = 180


def main() -> int:
    """Build the environment, run the calls, and give their exit code."""
    with tempfile.TemporaryDirectory(prefix="outside-clients-") as name:
        folder = Path(name)
        python = _environment(folder / "venv")
        with server_process(Script(step_ms=200), folder) as server:
            command = [str(python), str(Path(__file__).with_name("outside_calls.py")), str(server.port)]
            ended = subprocess.run(command, check=False, timeout=_CALLS_S, cwd=folder)
    return ended.returncode


def _environment(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    subprocess.run([*install, *CLIENTS], check=True)
    return python


if __name__ == "__main__":
    sys.exit(main())
