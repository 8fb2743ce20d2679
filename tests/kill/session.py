"""One session of the real engine: the real log, state files, socket and signals, on a recorded market.

Owns the request that describes a session and its running in this process, to its end or to its death. The only things
chosen here are the ids of new logs, so that two runs can be compared, and where to die.

`python -m tests.kill.session REQUEST` runs one in a process of its own.
"""

import asyncio
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec

from engine.core.config import BotConfig
from engine.core.errors import UsageError
from engine.runtime.bootstrap import GatewayFor, Surroundings, paper_gateway
from engine.runtime.clock import SystemTime
from engine.runtime.config_file import parse_config
from engine.runtime.replica import bot_ids
from engine.runtime.supervisor import RunPlan, run_engine
from engine.store.reader import LogReader
from tests.kill.points import Point, Points
from tests.kill.scenario import LOG_IDS


class Request(msgspec.Struct, frozen=True):
    """A session: its state directory, the YAML of its bots, and where it dies.

    `target` is a boundary to die at, or `number` counts the boundaries to it; `trace` is a file for all that it passed.
    """

    directory: str
    bots: tuple[str, ...]
    speed: float | None = None
    target: Point | None = None
    number: int | None = None
    trace: str | None = None


@cache
def configs_of(bots: tuple[str, ...]) -> tuple[BotConfig, ...]:
    """Check the YAML of bots, once in a process and its forks."""
    return tuple(parse_config(text, "a bot").config for text in bots)


def run_session(request: Request) -> None:
    """Run a session to its end, unless it dies."""
    directory = Path(request.directory)
    gateway_for: GatewayFor = paper_gateway
    points = None
    if request.target is not None or request.number is not None or request.trace is not None:
        points = Points(target=request.target, number=request.number)
        points.install()
        gateway_for = points.gateway
    draw = _draw_log_ids(directory)
    asyncio.run(
        run_engine(
            directory,
            configs_of(request.bots),
            RunPlan(request.speed),
            real_time=SystemTime(),
            surroundings=lambda listeners: Surroundings(directory, listeners, _say_nothing, draw, gateway_for),
            listeners=(),
            announce=lambda _: None,
        )
    )
    if points is not None and request.trace is not None:
        Path(request.trace).write_bytes(msgspec.json.encode(points.passed))


def _say_nothing(*_: object) -> None:
    pass


def _draw_log_ids(directory: Path) -> Callable[[], str]:
    """Give the bots that the log does not know yet their ids, in the order in which they will be created."""
    try:
        with LogReader.open(directory) as reader:
            known = bot_ids(reader)
    except UsageError:
        known = ()
    ids = [log_id for bot_id, log_id in LOG_IDS.items() if bot_id not in known]
    return lambda: ids.pop(0)


if __name__ == "__main__":
    run_session(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Request))
