"""One life of the real engine in a simulated world: booted, meddled with, and watched until it ends.

Owns the tasks of a life: the engine itself, its operator, and what befalls its clocks. Never decides how a life ends.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.core.config import BotConfig
from engine.core.errors import EngineError
from engine.core.events import OrderOutcomeUnknown, OrderRequested
from engine.core.projection import state_file_name
from engine.core.state import BotState, Order
from engine.runtime.bootstrap import Surroundings
from engine.runtime.control import Request
from engine.runtime.journal import Published
from engine.runtime.live_world import LiveWorld
from engine.runtime.replica import BOT_PREFIX
from engine.runtime.supervisor import Engine, RunPlan, opened
from engine.store.medium import Medium
from engine.testing.simulation.life import Life
from engine.testing.simulation.machine import Machine
from engine.testing.simulation.plan import AGAIN_S, JUMPS_MS, LOOK_EVERY, NO_INTERRUPTION, STILL_S, LifePlan
from engine.testing.simulation.verdict import STATE_FILE, judge_state_files

_FORWARD: Final = (45_000, 90_000, 3_600_000)
"""So far is a clock set ahead that makes an order in doubt look old."""

_Stamp = tuple[int, int, int] | None
Tell = Callable[..., None]
"""Write a record into the history of the world: what, and its details."""


class Session:
    """A life under way.

    `has_ended` tells whether the engine ended while it still lived; then `fault` is what it raised, None after an
    orderly end, which `was_stopped` says was asked for.
    """

    def __init__(self, life: Life, machine: Machine, tell: Tell) -> None:
        """Take the life, the machine it runs on, and the history."""
        self.life: Final = life
        self.engine: Engine | None = None
        self.has_ended = False
        self.was_stopped = False
        self.fault: Exception | None = None
        self._machine: Final = machine
        self._tell: Final = tell
        self._open: Final = asyncio.Event()
        self._tasks: Final[list[asyncio.Task[None]]] = []
        self._interruption = NO_INTERRUPTION
        self._decided = 0
        self._jump_in_doubt: int | None = None
        self._directory = Path()
        self._files: Final[dict[str, _Stamp]] = {}
        self._written = 0

    def listen(self, published: Published) -> None:
        """Look at what was shown meanwhile, and do what is to come at a doubt, or while an order is on its way out."""
        bot_id = published.stream.removeprefix(BOT_PREFIX)
        if bot_id in self._files and not self.life.is_dead:
            self._look_at_file(bot_id)
        if isinstance(published.event, OrderOutcomeUnknown) and self._jump_in_doubt is not None:
            self._jump(self._jump_in_doubt)
            self._jump_in_doubt = None
        order, name, after_s = self._interruption
        if name and isinstance(published.event, OrderRequested):
            self._decided += 1
            if self._decided == order + 1:
                self._tasks.append(asyncio.ensure_future(self._interrupt(after_s, name, bot_id)))

    def begin(
        self, directory: Path, configs: Sequence[BotConfig], around: Surroundings, plan: LifePlan, medium: Medium
    ) -> None:
        """Boot the engine on a directory, with an operator and clocks as planned."""
        loop = asyncio.get_running_loop()
        self._directory = directory
        self._files.update((config.bot_id, _stamp(directory / state_file_name(config.bot_id))) for config in configs)
        self._interruption = plan.interruption
        self._tasks.append(loop.create_task(self._live(directory, configs, around, medium)))
        for after_s, name, whom in plan.commands:
            self._tasks.append(
                loop.create_task(self._command_after(after_s, name, configs[whom % len(configs)].bot_id))
            )
        if plan.clock[1] == "doubt":
            self._jump_in_doubt = _FORWARD[plan.clock[2] % len(_FORWARD)]
        elif plan.clock[1] != "none":
            self._tasks.append(loop.create_task(self._meddle(*plan.clock)))

    async def until_over(self, seconds: float) -> bool:
        """Wait until the life is over or the engine has ended, at most so long; tell whether it has."""
        over = asyncio.ensure_future(self.life.over.wait())
        await asyncio.wait((over, self._tasks[0]), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        return self.is_over

    @property
    def is_over(self) -> bool:
        """Tell whether nothing goes on: the life was cut short, or the engine has ended."""
        return self.life.is_dead or self.has_ended

    async def until_open(self, seconds: float) -> None:
        """Wait until the engine is open and its bots are seated, or has ended, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._open.wait()

    async def until_begun(self, seconds: int) -> bool:
        """Wait until every bot has looked at its account, at most so long; tell whether it has, or all is over."""
        for _ in range(int(seconds)):
            if self.is_over or self.is_begun:
                return True
            await asyncio.sleep(1.0)
        return False

    async def stop(self, within_s: float = 60.0) -> None:
        """Ask for an orderly end and wait for it; nobody meddles any more."""
        for meddler in self._tasks[1:]:
            meddler.cancel()
        await self.until_open(within_s)  # a process that stands still hears of it when it goes on
        if self.engine is not None:
            self.was_stopped = True
            self.engine.stop("stop", "operator")
        await self.until_over(within_s)

    def states(self) -> list[BotState]:
        """Give the durable states of the bots, none while the engine boots."""
        return [] if self.engine is None else [bot.durable[0] for world in self.engine.worlds for bot in world.bots]

    def worlds(self) -> list[LiveWorld]:
        """Give the worlds of the engine."""
        found = [] if self.engine is None else list(self.engine.worlds)
        assert all(isinstance(world, LiveWorld) for world in found)
        return [world for world in found if isinstance(world, LiveWorld)]

    @property
    def is_begun(self) -> bool:
        """Tell whether every bot has looked at its account, and no call about an order is under way or asked for."""
        worlds = self.worlds()
        return bool(worlds) and all(world.is_quiet for world in worlds)

    @property
    def is_quiet(self) -> bool:
        """Tell whether, besides, nothing is open but sells at their limits."""
        bots = [bot for world in self.worlds() for bot in world.bots]
        return self.is_begun and all(_is_settled(order) for bot in bots for order in bot.state.orders.values())

    async def command(self, name: str, bot_id: str) -> bool:
        """Give a command and wait for the answer; tell whether it was carried out."""
        if self.engine is None or self.is_over:
            return False
        self._tell("command", bot=bot_id, name=name, acknowledged=False)
        try:
            await self.engine.handle(Request(name, bot_id))
        except EngineError:
            if not self.is_over:
                self._tell("command", bot=bot_id, name=name, acknowledged=False, refused=True)
            return False
        is_told = not self.is_over
        if is_told:
            self._tell("command", bot=bot_id, name=name, acknowledged=True)
        return is_told

    def _look_at_file(self, bot_id: str) -> None:
        """Hold a state file that was written since the last look against the log as it stands, now and then."""
        stamp = _stamp(self._directory / state_file_name(bot_id))
        if stamp != self._files[bot_id]:
            self._files[bot_id] = stamp
            self._written += 1
            if self._written % LOOK_EVERY != 1:
                return
            for difference in judge_state_files(self._directory, [bot_id]):
                self._tell(STATE_FILE, text=difference)

    async def _live(self, directory: Path, configs: Sequence[BotConfig], around: Surroundings, medium: Medium) -> None:
        fault = None
        try:
            async with opened(directory, configs, real_time=self._machine, around=around, medium=medium) as engine:
                self.engine = engine
                self._open.set()
                await engine.run(RunPlan())
        except Exception as error:  # noqa: BLE001 - the world judges what may end an engine
            fault = error
        if not self.life.is_dead:
            self.has_ended, self.fault = True, fault
        self._open.set()

    async def _interrupt(self, after_s: float, name: str, bot_id: str) -> None:
        """Give a command, and take it back a little later, or worlds would soon stand still."""
        await self._command_after(after_s, name, bot_id)
        await self._command_after(AGAIN_S, "revive", bot_id)
        await self._command_after(0.0, "resume", bot_id)

    async def _command_after(self, after_s: float, name: str, bot_id: str) -> None:
        await asyncio.sleep(after_s)
        await self.command(name, bot_id)

    async def _meddle(self, after_s: int, kind: str, by: int) -> None:
        """Set the wall clock, stop the process for a while, or have the machine sleep."""
        await asyncio.sleep(after_s)
        if self.life.is_dead:
            return
        seconds = STILL_S[by % len(STILL_S)]
        if kind == "jump":
            self._jump(JUMPS_MS[by])
            return
        lasts_s = seconds if kind == "stop" else seconds * 10
        self._tell("clock", kind=kind, by=lasts_s * 1_000)
        if kind == "stop":
            self._machine.stand_still(lasts_s)
        else:
            self._machine.fall_asleep(lasts_s)

    def _jump(self, ahead_ms: int) -> None:
        """Set the wall clock, unless nobody lives to read it."""
        if not self.life.is_dead:
            self._tell("clock", kind="jump", by=ahead_ms)
            self._machine.wall_ahead_ms += ahead_ms


def _is_settled(order: Order) -> bool:
    return order.status == "open" and order.side == "sell" and order.cancel_reason is None


def _stamp(path: Path) -> _Stamp:
    """Tell one writing of a file from the next without reading it; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
