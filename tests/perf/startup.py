"""Benchmark: how long a look at a bot takes, compared with a Python that does nothing.

Whole processes of the same interpreter, in turns: `inspect-state` over a log of more than 10,000 events whose engine
stopped in order, one whose engine was killed, and one that lost its checkpoints; then the modules that it loads.
"""

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from engine.core.errors import UsageError
from engine.store.reader import LogReader
from engine.store.schema import LOG_NAME
from tests.perf.counters import modules_of_a_look
from tests.perf.engines import day_log
from tests.perf.figures import Figure

PROGRAM: Final = Path(sys.executable).with_name("krypto-engine")
EVENTS: Final = 10_000
RUNS: Final = 15
AT_MOST: Final = 6.0

CONFIG: Final = """
bot_id: bench
exchange: simulated
symbol: BTC/USD
budget: 2000
profit_target: 0.6
buy_order_type: trailing_market
sell_order_type: trailing_market
strategy_params: {amount_usd: 200}
"""


def bench(directory: Path, scale: int) -> list[Figure]:
    """Measure looks at three logs, and count modules."""
    stopped, killed = day_log(directory), killed_log(directory)
    bare = directory / "bare"
    if not bare.exists():
        shutil.copytree(stopped, bare)
        with closing(sqlite3.connect(bare / LOG_NAME)) as connection, connection:
            connection.execute("DELETE FROM checkpoint")
    looks = {name: _look(place) for name, place in {"stopped": stopped, "killed": killed, "bare": bare}.items()}
    best = _best({"pass": [sys.executable, "-c", "pass"], **looks}, RUNS * scale, _environment(directory))
    wall, cpu = best["pass"]
    figures = []
    for name, what in {
        "stopped": "log of an engine that stopped",
        "killed": "log of an engine that was killed",
        "bare": "log without a checkpoint",
    }.items():
        bar = None if name == "bare" else AT_MOST
        took, used = best[name]
        rows = f"{_rows({'stopped': stopped, 'killed': killed, 'bare': bare}[name]):,} events, {took * 1000:.0f} ms"
        figures.append(Figure(name=f"inspect-state, wall, {what}", measured=took / wall, at_most=bar, note=rows))
        figures.append(Figure(name=f"inspect-state, CPU, {what}", measured=used / cpu, at_most=bar))
    loaded = modules_of_a_look(stopped)
    figures.append(
        Figure(name="modules loaded by it", measured=len(loaded.all), unit="modules", exact=True, note=loaded.note)
    )
    return figures


def killed_log(directory: Path) -> Path:
    """Give the state directory of an engine that was killed while it wrote, behind its ten thousandth event."""
    place = directory / "killed"
    if place.exists():
        return place
    file = directory / "killed.yml"
    file.write_text(f"{CONFIG}state_dir: {place}\n", encoding="utf-8")
    command = [PROGRAM, "run", "-q", "-c", file, "--speed", "max", "--for", "96h"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as engine:
        while _rows(place) < EVENTS:
            assert engine.poll() is None, "the engine ended before it could be killed"
            time.sleep(0.02)
        engine.send_signal(signal.SIGKILL)
    return place


def _rows(directory: Path) -> int:
    try:
        with LogReader.open(directory) as reader:
            return reader.position()
    except UsageError:
        return 0


def _look(directory: Path) -> list[str]:
    return [str(PROGRAM), "inspect-state", "--state-dir", str(directory)]


def _environment(directory: Path) -> Mapping[str, str]:
    """Let Python keep compiled modules, as it does for everybody who does not forbid it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(directory / "compiled")}


def _best(
    commands: Mapping[str, list[str]], runs: int, environment: Mapping[str, str]
) -> dict[str, tuple[float, float]]:
    """Run commands in turns; give the least wall and CPU time of each, in seconds. The first turn only warms up."""
    wall: dict[str, list[float]] = {name: [] for name in commands}
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name in random.Random(turn).sample(list(commands), len(commands)):
            used, start = _children_s(), time.perf_counter()
            subprocess.run(commands[name], stdout=subprocess.DEVNULL, check=True, env=environment)
            if turn:
                wall[name].append(time.perf_counter() - start)
                cpu[name].append(_children_s() - used)
    return {name: (min(wall[name]), min(cpu[name])) for name in commands}


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
