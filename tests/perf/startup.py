"""Benchmark: how long a look at a bot takes, compared with a Python that does nothing.

Whole processes of the same interpreter, in turns: `inspect-state` over a log of more than 10,000 events whose engine
stopped in order, one whose engine was killed, and one that lost its checkpoints; then the modules that it loads.
"""

import os
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
from tests.perf.pairing import FLOOR, shuffled

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
    stopped = day_log(directory)
    logs = {
        "an engine that stopped": stopped,
        "an engine that was killed": killed_log(directory),
        "no checkpoint": bare_log(directory, stopped),
    }
    commands = {name: [str(PROGRAM), "inspect-state", "--state-dir", str(place)] for name, place in logs.items()}
    commands[FLOOR] = [sys.executable, "-c", "pass"]
    best = _best(commands, RUNS * scale, _environment(directory))
    wall_s, cpu_s = best.pop(FLOOR)
    figures = []
    for name, (took_s, used_s) in best.items():
        bar = AT_MOST if name == "an engine that stopped" else None
        note = f"{took_s * 1000:.0f} ms against {wall_s * 1000:.0f} ms, over {_rows(logs[name]):,} events"
        figures.append(Figure(name=f"look at {name}, wall", measured=took_s / wall_s, at_most=bar, note=note))
        figures.append(Figure(name=f"look at {name}, CPU", measured=used_s / cpu_s, at_most=bar))
    loaded = modules_of_a_look(stopped)
    return [*figures, Figure(name="modules it loads", measured=len(loaded.all), unit="", exact=True, note=loaded.note)]


def bare_log(directory: Path, of: Path) -> Path:
    """Give a copy of a state directory whose log has lost its checkpoints."""
    place = directory / "bare"
    if not place.exists():
        shutil.copytree(of, place)
        with closing(sqlite3.connect(place / LOG_NAME)) as connection, connection:
            connection.execute("DELETE FROM checkpoint")
    return place


def killed_log(directory: Path) -> Path:
    """Give the state directory of an engine that was killed while it wrote, behind its ten thousandth event."""
    place = directory / "killed"
    if place.exists():
        return place
    file = directory / "killed.yml"
    file.write_text(f"{CONFIG}state_dir: {place}\n", encoding="utf-8")
    command = [str(PROGRAM), "run", "-q", "-c", str(file), "--speed", "max", "--for", "96h"]
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
        for name in shuffled(list(commands), turn):
            used, start = _children_s(), time.perf_counter()
            subprocess.run(commands[name], stdout=subprocess.DEVNULL, check=True, env=environment)
            if turn:
                wall[name].append(time.perf_counter() - start)
                cpu[name].append(_children_s() - used)
    return {name: (min(wall[name]), min(cpu[name])) for name in commands}


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
