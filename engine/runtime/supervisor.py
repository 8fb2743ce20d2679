"""One engine process: its worlds, its control socket, its signals, and an orderly end.

Owns the process's life. Worlds run side by side, each on its market's clock; the first storage fault stops them all.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from engine.core.config import BotConfig
from engine.core.errors import UsageError
from engine.runtime.bootstrap import Surroundings, check_configs, open_worlds
from engine.runtime.clock import EngineClock, RealTime
from engine.runtime.control import ControlServer, Reply, Request
from engine.runtime.journal import Listener
from engine.runtime.world import Command, World
from engine.store.medium import SYSTEM, Medium
from engine.store.sqlite import SqliteLog

SIGNALS: Final = {signal.SIGINT: "SIGINT", signal.SIGTERM: "SIGTERM"}


class RunPlan(msgspec.Struct, frozen=True):
    """How to run: `speed` market seconds a second (None: as fast as it goes), at most `for_ms` of market time."""

    speed: float | None = 1.0
    for_ms: int | None = None


class Outcome(msgspec.Struct, frozen=True):
    """How a run ended: the reason of each world, and the worlds as they were left."""

    reasons: tuple[str, ...]
    worlds: tuple[World, ...]


class Engine:
    """The worlds of one process, and the commands they take."""

    def __init__(self, worlds: Sequence[World], real_time: RealTime, notes: Sequence[str] = ()) -> None:
        """Take the worlds; `notes` says what was odd about the log when it was opened."""
        self.notes: Final = tuple(notes)
        self.worlds: Final = tuple(worlds)
        self._real_time: Final = real_time
        self._ended: Final = asyncio.Event()

    async def run(self, plan: RunPlan) -> tuple[str, ...]:
        """Run every world to its end; a fault in one ends all."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._run(world, plan)) for world in self.worlds]
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            self._ended.set()
        return tuple(task.result() for task in tasks)

    async def _run(self, world: World, plan: RunPlan) -> str:
        until_ms = None if plan.for_ms is None else world.clock.now_ms + plan.for_ms
        return await world.run(self._real_time, plan.speed, until_ms)

    def stop(self, reason: str, by: str) -> None:
        """Ask every world for an orderly end; `by` says who asked."""
        for world in self.worlds:
            world.stop(reason, by)

    async def handle(self, request: Request) -> Reply:
        """Carry out a command.

        Raises:
            UsageError: no such bot, or several to choose from.
        """
        if request.command == "stop":
            if request.bot is not None:
                raise UsageError("stop ends the whole engine: leave the bot out, or pause that bot instead")
            self.stop("stop", request.by)
            await self._ended.wait()
            return Reply(tuple(self._bots()))
        bot_id = self._meant(request.bot)
        world = self._bots()[bot_id]
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        world.submit(Command(request.command, request.by, frozenset({bot_id}), done))
        return Reply((bot_id,), already=await done)

    def _bots(self) -> dict[str, World]:
        return {bot.state.bot_id: world for world in self.worlds for bot in world.bots}

    def _meant(self, bot_id: str | None) -> str:
        known = self._bots()
        if bot_id is None and len(known) == 1:
            return next(iter(known))
        if bot_id is None:
            raise UsageError(f"several bots run here: name one of {', '.join(known)}")
        if bot_id not in known:
            raise UsageError(f"no bot {bot_id!r} runs here: there is {', '.join(known)}")
        return bot_id


@asynccontextmanager
async def opened(
    directory: Path,
    configs: Sequence[BotConfig],
    *,
    real_time: RealTime,
    around: Surroundings,
    medium: Medium = SYSTEM,
) -> AsyncIterator[Engine]:
    """Open a state directory and seat every bot; the engine that is given trades once it is run.

    Raises:
        EngineError: the directory, a configuration or the log refuses.
    """
    markets = check_configs(configs)
    async with AsyncExitStack() as stack:
        store = await SqliteLog.open(directory, linger=real_time.sleep, medium=medium)
        stack.push_async_callback(store.close)
        clock = EngineClock(real_time)
        exchanges = await stack.enter_async_context(around.connect(around.wiring, lambda: clock.now_ms))
        worlds = await open_worlds(store, configs, markets, around, exchanges, clock)
        yield Engine(worlds, real_time, store.notes)


async def run_engine(
    directory: Path,
    configs: Sequence[BotConfig],
    plan: RunPlan,
    *,
    real_time: RealTime,
    surroundings: Callable[[tuple[Listener, ...]], Surroundings],
    listeners: tuple[Listener, ...],
    announce: Callable[[Engine], None],
) -> Outcome:
    """Run bots in a state directory until stopped or done, as a process: with a control socket and signals.

    Raises:
        EngineError: the directory, a configuration or the log refuses; or the log could not be written.
    """
    async with opened(directory, configs, real_time=real_time, around=surroundings(listeners)) as engine:
        control = ControlServer(directory, engine.handle)
        await control.start()
        loop = asyncio.get_running_loop()
        for number, name in SIGNALS.items():
            loop.add_signal_handler(number, engine.stop, name, "signal")
        announce(engine)
        try:
            reasons = await engine.run(plan)
        finally:
            await real_time.sleep(0)
            await control.close()
        return Outcome(reasons, engine.worlds)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give the first real error of a group."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
