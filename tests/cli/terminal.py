"""How the tests of the command line type commands: in this process, or as a real process of its own.

Owns the way to run a verb and to write a bot's file. Checks nothing but what every refusal must show.
"""

import contextlib
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest
import yaml

from cli.main import main

PROGRAM = str(Path(sys.executable).with_name("krypto-engine"))
PATIENCE_S = 60.0

EAGER: dict[str, Any] = {
    "amount_usd": 100,
    "indicators": {"rsi": {"enabled": False}, "ema": {"enabled": False}, "rising_price": {"enabled": True}},
}
"""Strategy parameters that buy at the first three rising closes."""

LIVELY: dict[str, Any] = {"min_price_change_percent": 0.1, "market": {"seed": 12, "outages": False}}
"""Changes to a bot's file after which two hours leave lots sold, lots open, and a trail that follows the price."""


class Result(NamedTuple):
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Give the one JSON value that was printed."""
        return json.loads(self.out)

    @property
    def records(self) -> list[Any]:
        """Give the JSON values that were printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def lines(self) -> list[str]:
        """Give the lines that were printed."""
        return self.out.splitlines()


def krypto(*arguments: object) -> Result:
    """Run a verb in this process, through the same `main` that the installed program runs."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["krypto-engine", *map(str, arguments)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as leaving:
                code = leaving.code
    assert isinstance(code, int), code
    return Result(code, out.getvalue(), err.getvalue())


def run_lively(folder: Path, span: str = "10m") -> int:
    """Run the lively bot of a folder for some market time, as one who does not know what happened; give the code."""
    return krypto("run", "-q", "-c", bot_file(folder, **LIVELY), "--speed", "max", "--for", span).code


def krypto_process(*arguments: object, environment: Mapping[str, str] | None = None) -> Result:
    """Run a verb as a process of its own, to its end."""
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=environment,
    )
    return Result(done.returncode, done.stdout, done.stderr)


class Running:
    """`krypto-engine run` as a process of its own; ended with the block, whatever happened in it."""

    def __init__(
        self,
        *arguments: object,
        command: Sequence[str] = (PROGRAM, "run"),
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            cwd=folder,
        )
        self.out = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_for(self, text: str) -> None:
        """Read on until the process has printed this."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.out:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} never came: {self.out[-2000:]}"
            if select.select([self.process.stdout], [], [], left)[0]:
                chunk = os.read(self.process.stdout.fileno(), 65_536)
                assert chunk, f"the engine ended before it said {text!r}: {self.out[-2000:]} {self.end()}"
                self.out += chunk.decode(errors="replace")

    def stop_with(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; give the exit code and how many seconds the end took."""
        sent = time.monotonic()
        self.process.send_signal(number)
        return self.end().code, time.monotonic() - sent

    def end(self) -> Result:
        """Wait for the end; give the code and all that was printed."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        self.out += out.decode(errors="replace")
        return Result(self.process.returncode, self.out, err.decode())


def bot_file(directory: Path, bot: str = "bot", /, **changes: Any) -> Path:
    """Write the configuration of an eager paper bot, with changes; a change to None leaves the key out."""
    keys: dict[str, Any] = {
        "bot_id": bot,
        "exchange": "simulated",
        "symbol": "BTC/USD",
        "state_dir": str(directory / "state"),
        "profit_target": 0.3,
        "buy_order_type": "market",
        "sell_order_type": "trailing_market",
        "trailing_sell_percent": 0.1,
        "connectivity_hosts": [],
        "strategy_params": EAGER,
        "market": {"seed": 7, "outages": False},
    } | changes
    path = directory / f"{bot}.yml"
    path.write_text(yaml.safe_dump({key: value for key, value in keys.items() if value is not None}))
    return path


def bytes_below(directory: Path) -> dict[str, bytes]:
    """Give every file of a directory with its content, to tell whether a command changed any."""
    return {path.name: path.read_bytes() for path in sorted(directory.glob("*")) if path.is_file()}


def refused(standing: Path, path: Path, *names: str) -> Result:
    """Run a bot's file and check that it is refused as bad input, in one line that holds these words.

    Checks too that the log directory of `standing` was not changed by it.
    """
    before = bytes_below(standing / "state")
    assert before
    results = [krypto(*verb, "-c", path) for verb in (("run", "--speed", "max", "--for", "1m"), ("validate-config",))]
    assert results[0] == results[1]
    result = results[0]
    assert result.code == 4, result
    assert result.out == ""
    assert result.err.startswith("Error: ")
    assert len(result.err.splitlines()) == 1
    assert "Traceback" not in result.err
    for name in names:
        assert name in result.err
    assert bytes_below(standing / "state") == before
    return result


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    """Run a block under another umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
