"""One simulated world: lives of the engine on one machine, one disk and one exchange, until all is well again.

Owns the order of things: lives that end in every way, the time between them, then healing, a last quiet life, and the
verdict. What happens follows from the seed, or from the tape of another run, alone.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from engine.core.errors import StorageError
from engine.exchanges.credentials import Credentials, Secret
from engine.runtime.bootstrap import Surroundings
from engine.runtime.connections import Wiring
from engine.testing.simulation.bots import COMMON, choose_bots, configs_of
from engine.testing.simulation.chance import Chance, Tape
from engine.testing.simulation.connections import SimulatedConnections
from engine.testing.simulation.disk import Disk, Fault, Mode
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.terms import swarm_terms
from engine.testing.simulation.life import Life
from engine.testing.simulation.loop import VirtualLoop
from engine.testing.simulation.machine import Machine
from engine.testing.simulation.medium import DiskMedium
from engine.testing.simulation.plan import CALM, LifePlan, plan_life
from engine.testing.simulation.session import Session
from engine.testing.simulation.verdict import CANARY, judge
from engine.testing.simulation.watch import Watch

MOST_LIVES: Final = 16
CALM_S: Final = 240
STOP_S: Final = 300
REST_S: Final = 7_200
"""So long, in virtual time, may the last life take to come to rest: that it does is a promise, too."""

DISK_FAULTS: Final[Mapping[str, Fault]] = {"full": "full", "broken": "io"}
_CLEAN_UPS: Final = 100


class Boot(NamedTuple):
    """A life that was begun, with what it stands on."""

    session: Session
    disk: Disk
    medium: DiskMedium


class World:
    """A world under way."""

    def __init__(self, seed: int, folder: Path, loop: VirtualLoop, played: Tape | None) -> None:
        """Make the machine and the exchange; the first state directory is empty."""
        self.chance: Final = Chance(seed, played)
        self.machine: Final = Machine(loop)
        self.kinds: Final = tuple({**COMMON, **kind} for kind in choose_bots(self.chance))
        self.exchange: Final = SimulatedExchange(self.chance, lambda: self.machine.true_ms, swarm_terms(self.chance))
        self.watch: Final = Watch(self.exchange)
        self.violations: Final[list[str]] = []
        self.endings: Final[Counter[str]] = Counter()
        self.lives = 0
        self._folder: Final = folder
        self._disk: Disk | None = None
        self._keep: Final = {id(task) for task in asyncio.all_tasks(loop)}
        self.directory.mkdir(mode=0o700)

    @property
    def directory(self) -> Path:
        """Name the state directory of the life that comes next."""
        return self._folder / f"life-{self.lives}"

    async def run(self) -> None:
        """Live through it, up to the verdict."""
        busy = self.chance.choose("swarm/operator", (0.0, 0.1, 0.3, 0.6))
        for _ in range(self.chance.between("world/lives", 4, MOST_LIVES)):
            if not await self._live(plan_life(self.chance, busy)):
                return
        self.exchange.heal()
        self.machine.wall_ahead_ms = 0
        if await self._live(replace(CALM, seconds=CALM_S), self._resume) and await self._live(
            replace(CALM, seconds=REST_S), self._rest, may_buy=False
        ):
            self.violations += judge(self.directory, self.exchange.history, self.kinds)

    async def _live(self, plan: LifePlan, deeds: "Deeds | None" = None, *, may_buy: bool = True) -> bool:
        """Live one life to its end, and let the time until the next go by; tell whether there may be one."""
        booted = self._boot(plan, may_buy=may_buy)
        session = booted.session
        if deeds is not None:
            await deeds(session)
        elif not await session.until_over(plan.seconds) and plan.how == "stop":
            await session.stop(STOP_S)
            if not session.is_over:
                self.violations.append(f"liveness: an orderly stop took more than {STOP_S} s")
        if not session.is_over:
            session.life.end(f"time/{plan.how}")
        self._count(plan, session)
        was_cut = session.life.is_dead and plan.power
        await self._bury(booted, "power" if was_cut else "kill")
        await asyncio.sleep(plan.down_s)
        return self._may_go_on(plan, session)

    def _boot(self, plan: LifePlan, *, may_buy: bool) -> Boot:
        directory = self.directory
        self.lives += 1
        life = Life(self.lives, _reaper(plan))
        disk = Disk(directory, self.chance, life, plan=_disk_plan(plan), former=self._disk)
        medium = DiskMedium(disk, self.machine.sleep, lambda: plan.slow_s)
        session = Session(life, self.machine, self.exchange.note)
        self.watch.states = session.states
        configs = configs_of(tuple(kind["bot_id"] for kind in self.kinds), may_buy=may_buy)
        ids = _unused_ids(directory)
        around = Surroundings(
            directory,
            (self.watch.listener(life),),
            lambda *_: None,
            lambda: ids.pop(0),
            wiring=Wiring(credentials=lambda _: Credentials(Secret(CANARY), Secret(CANARY))),
            connect=lambda _, clock_ms: SimulatedConnections(self.exchange, life, clock_ms),
            probe=self._probe,
        )
        self.exchange.note("life", number=self.lives, started=True)
        session.begin(directory, configs, around, plan, medium)
        return Boot(session, disk, medium)

    async def _bury(self, booted: Boot, mode: Mode) -> None:
        """Take the image that the next life begins on, and let nothing of this one go on."""
        session, disk, medium = booted
        is_over, fault = session.is_over, session.fault
        before, directory = disk.folder, self.directory
        disk.image(directory, mode)
        await self._clear_up()
        medium.close()
        disk.release()
        shutil.rmtree(before)
        self._disk = disk
        self.watch.states = list
        self.exchange.note("life", number=self.lives, started=False, by_itself=is_over, fault=_named(fault))

    async def _clear_up(self) -> None:
        """Cancel whatever a dead life still has under way; it cannot do anything any more."""
        for _ in range(_CLEAN_UPS):
            left = [task for task in asyncio.all_tasks() if id(task) not in self._keep]
            if not left:
                return
            for task in left:
                task.cancel()
            await asyncio.sleep(0)
        raise AssertionError(f"tasks of a dead life do not end: {left}")

    def _may_go_on(self, plan: LifePlan, session: Session) -> bool:
        """Judge how a life ended; tell whether another may follow."""
        fault = session.fault
        expected = isinstance(fault, StorageError) and plan.how in DISK_FAULTS
        if session.is_over and not session.life.was_killed and fault is not None and not expected:
            self.violations.append(
                f"engine: it ended by itself in life {session.life.number}: {_named(fault)}: {fault}"
            )
            return False
        if session.is_over and fault is None and not session.was_asked_to_stop:
            self.violations.append(f"engine: it stopped by itself in life {session.life.number}")
            return False
        return True
