"""A recovery in a simulated world: the real one, with the simulated exchange, which may be cut short as any life.

Owns its life and what it writes on. Never decides what follows from its end.
"""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.core.config import BotConfig
from engine.core.errors import EngineError
from engine.runtime.clock import EngineClock
from engine.runtime.recovery import Help, recover
from engine.runtime.recovery_exchange import Exchange
from engine.runtime.recovery_report import Report
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.connections import SimulatedConnections
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.life import Life
from engine.testing.simulation.machine import Machine
from engine.testing.simulation.medium import InlineMedium
from engine.testing.simulation.secrecy import KEYS
from engine.testing.simulation.vfs import layer

CUTS: Final = ("none", "none", "step", "time")
MOST_STEPS: Final = 60
MOST_SECONDS: Final = 60


class RecoveryPlan:
    """Where a recovery is cut short, if it is: at a step of its writes and its requests, or at a time."""

    def __init__(self, chance: Chance, *, may_be_cut: bool) -> None:
        """Choose it."""
        self.cut: Final = chance.choose("recovery/cut", CUTS) if may_be_cut else "none"
        self.steps = chance.between("recovery/steps", 0, MOST_STEPS) if self.cut == "step" else 0
        self.seconds: Final = chance.between("recovery/seconds", 0, MOST_SECONDS) if self.cut == "time" else None

    def ends(self, _point: str) -> bool:
        """Tell whether it is cut short at a point."""
        if self.cut != "step":
            return False
        self.steps -= 1
        return self.steps < 0


class Recovery:
    """One run of a recovery. After `run`: what it reported or how it failed; neither if it was cut short."""

    def __init__(
        self,
        number: int,
        machine: Machine,
        exchange: SimulatedExchange,
        plan: RecoveryPlan,
        hear: Callable[[object], None],
    ) -> None:
        """Take the life's number, the machine, the exchange, where it is cut short, and who hears what it tells."""
        self.life: Final = Life(number, plan.ends)
        self.report: Report | None = None
        self.fault: EngineError | None = None
        self.medium: Final = RecoveryMedium(self.life)
        self._machine: Final = machine
        self._exchange: Final = exchange
        self._plan: Final = plan
        self._hear: Final = hear
        self._work: asyncio.Task[Report] | None = None
        """Held until the world has cleared up: a task that nobody holds ends whenever garbage is collected."""

    async def run(self, directory: Path) -> None:
        """Recover every bot of a state directory; the operator says yes to whatever was found."""
        layer().reseed(b"recovery/%d" % self.life.number)
        clock = EngineClock(self._machine)
        connections = SimulatedConnections(self._exchange, self.life, lambda: clock.now_ms, KEYS)

        def exchange(config: BotConfig) -> Exchange:
            return Exchange(connections.desk(config), connections.data([config]))

        help_ = Help(exchange, lambda _: not self.life.is_dead, self._hear, "operator")
        work = self._work = asyncio.ensure_future(
            recover(directory, None, None, clock=clock, help_=help_, medium=self.medium)
        )
        over = asyncio.ensure_future(self.life.over.wait())
        await asyncio.wait((work, over), timeout=self._plan.seconds, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if not work.done() or self.life.is_dead:
            self.life.end("recovery/time")
            work.add_done_callback(_forget)
            return
        try:
            self.report = work.result()
        except EngineError as error:
            self.fault = error
        self._hear(self.report or self.fault)
        self.life.end("recovery/done")


def _forget(work: "asyncio.Task[Report]") -> None:
    """Look at what a dead recovery raised, which is nobody's concern."""
    if not work.cancelled():
        work.exception()


class RecoveryMedium(InlineMedium):
    """What a recovery writes on: plain files, until its life is over."""

    def __init__(self, life: Life) -> None:
        """Take the life."""
        super().__init__()
        self._life: Final = life

    async def write(self, descriptor: int, content: bytes, offset: int) -> None:
        """Write the witness."""
        self.note(descriptor)
        await self._life.cross("recovery/witness")
        os.pwrite(descriptor, content, offset)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name."""
        self._require("recovery/rename")
        source.replace(target)

    def sync(self, descriptor: int) -> None:
        """Sync a folder, which a kill does not ask for."""
        del descriptor
        self._require("recovery/sync")

    async def pause(self, *, is_commit: bool) -> None:
        """End here or go on, before each statement that writes."""
        await self._life.cross("recovery/commit" if is_commit else "recovery/write")
        await super().pause(is_commit=is_commit)

    def _require(self, point: str) -> None:
        if not self._life.passes(point):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
