"""One session of the real engine on the local exchange: real log, real witness, real connection; only time runs faster.

Owns the request that describes a session and its running in this process: to its death, or, for the last one, until
nothing is under way any more.
"""

import asyncio
import time
from pathlib import Path
from typing import Final

import msgspec

from engine.core.errors import UnreachableError, UsageError
from engine.core.identity import LOG_ID_LENGTH
from engine.core.state import BotState
from engine.runtime.bootstrap import Surroundings
from engine.runtime.live_world import LiveWorld
from engine.runtime.replica import bot_ids
from engine.runtime.supervisor import Engine, RunPlan, run_engine
from engine.store.reader import LogReader
from tests.kill.session import configs_of
from tests.live.harness import FastTime, wiring
from tests.live_kill import wrong
from tests.live_kill.points import Points, Target
from tests.live_kill.scenario import LOG_IDS, SPEED, TIMEOUT_MS

REST_S: Final = 40.0
"""So long, in real time, may the last session take to come to rest."""

_POLL_S: Final = 0.02


class Request(msgspec.Struct, frozen=True):
    """A session: its state directory, the YAML of its bots, where it dies, and by which wrong protocol it trades.

    `start_ms` is what the exchange's clock showed when the monotonic clock showed `origin_s`. The `last` session ends
    by itself once it has come to rest.
    """

    directory: str
    bots: tuple[str, ...]
    start_ms: int
    origin_s: float
    target: Target | None = None
    wrong: str = ""
    last: bool = False


def run_session(request: Request) -> None:
    """Run a session to its end, unless it dies."""
    assert {len(each) for each in LOG_IDS.values()} == {LOG_ID_LENGTH}
    wrong.install(request.wrong)
    if request.target is not None:
        Points(request.target).install()
    asyncio.run(_run(request))


async def _run(request: Request) -> None:
    directory = Path(request.directory)
    now_ms = request.start_ms + int((time.monotonic() - request.origin_s) * 1000 * SPEED)
    started: asyncio.Future[Engine] = asyncio.get_running_loop().create_future()
    configs = configs_of(request.bots)
    ids = _unused_ids(directory)
    async with asyncio.TaskGroup() as group:
        if request.last:
            group.create_task(_rest(started))
        await run_engine(
            directory,
            configs,
            RunPlan(),
            real_time=FastTime(SPEED, now_ms),
            surroundings=lambda listeners: Surroundings(
                directory, listeners, lambda *_: None, lambda: ids.pop(0), wiring=wiring(timeout_ms=TIMEOUT_MS)
            ),
            listeners=(),
            announce=started.set_result,
        )


def _unused_ids(directory: Path) -> list[str]:
    """Give the ids of the bots that the log does not know yet, in the order in which they will be created."""
    try:
        with LogReader.open(directory) as reader:
            known = bot_ids(reader)
    except UsageError:
        known = ()
    return [log_id for bot_id, log_id in LOG_IDS.items() if bot_id not in known]


async def _rest(started: "asyncio.Future[Engine]") -> None:
    """Wait until nothing is under way, look at everything once more, and stop."""
    engine, end_s = await started, time.monotonic() + REST_S
    worlds = [world for world in engine.worlds if isinstance(world, LiveWorld)]
    while not (_is_quiet(worlds) and await _is_in_step(worlds) and _is_quiet(worlds)):
        if time.monotonic() > end_s:
            left = {bot.state.bot_id: bot.state.orders for world in worlds for bot in world.bots}
            raise AssertionError(f"the last session never came to rest: {left}")
        await asyncio.sleep(_POLL_S)
    engine.stop("stop", "campaign")


def _is_quiet(worlds: list[LiveWorld]) -> bool:
    return all(
        world._duties.is_ready
        and all(executor.is_quiet for executor in world._executors.values())
        and all(_is_at_rest(bot.state) for bot in world.bots)
        for world in worlds
    )


def _is_at_rest(state: BotState) -> bool:
    """Tell whether nothing but sells at their limits is left."""
    return all(
        order.status == "open" and order.side == "sell" and order.cancel_reason is None
        for order in state.orders.values()
    )


async def _is_in_step(worlds: list[LiveWorld]) -> bool:
    """Look thoroughly; tell whether that could be done."""
    try:
        for world in worlds:
            for reconciler in world.reconcilers:
                await reconciler.sweep(thorough=True)
    except UnreachableError:
        return False
    return True
