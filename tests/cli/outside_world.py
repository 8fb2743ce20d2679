"""The program in a process of its own for which a local exchange is the whole internet, under the real host names.

Owns that process: warnings are errors in it, every name leads to this machine, and the names that were asked for are
written down at its end. The program itself is unchanged; only the HTTP session and the time in which a
recovery waits are passed in, as click's object.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from cli.main import cli, main
from cli.options import Outside
from engine.runtime.connections import Wiring
from tests.cli.terminal import PATIENCE_S, Result, Running
from tests.exchange_server.client import LocalResolver, local_session
from tests.exchange_server.process import ROOT, ServerProcess
from tests.live.recovery import Impatient

_SETTING: Final = "TESTS_OUTSIDE_WORLD"


class World:
    """How processes see the world: one local exchange, and these variables in their environment."""

    def __init__(self, server: ServerProcess, folder: Path, **environment: str) -> None:
        """Take the exchange, a folder for notes, and variables."""
        self._names: Final = folder / "names.json"
        setting = json.dumps([server.tls_port, str(server.ca_file), str(self._names)])
        self._environment: Final = {**os.environ, "PYTHONPATH": str(ROOT), _SETTING: setting, **environment}
        self._command: Final = [sys.executable, "-W", "error", "-m", "tests.cli.outside_world"]

    def run(self, *arguments: object) -> Running:
        """Give `krypto-engine run`, to be used as a context."""
        return Running(*arguments, command=[*self._command, "run"], environment=self._environment)

    def krypto(self, *arguments: object) -> Result:
        """Run a verb to its end."""
        command = [*self._command, *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=self._environment
        )
        return Result(done.returncode, done.stdout, done.stderr)

    @property
    def names(self) -> set[str]:
        """Give the host names that the last process asked for."""
        return set(json.loads(self._names.read_text()))


def _child() -> None:
    tls_port, ca_file, names = json.loads(os.environ.pop(_SETTING))
    resolver = LocalResolver(tls_port)
    wiring = Wiring(session=lambda: local_session(resolver, Path(ca_file)))
    cli.context_settings["obj"] = Outside(wiring=wiring, real_time=Impatient())
    try:
        main()
    finally:
        Path(names).write_text(json.dumps(sorted(resolver.asked)))


if __name__ == "__main__":
    _child()
