"""One simulated world: lives of the engine on one machine, one disk and one exchange, until all is well again.

Owns the order of things: lives that end in every way, the time between them, then healing, a last quiet life, and the
verdict. What happens follows from the seed, or from the tape of another run, alone.
"""

import asyncio
import shutil
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from engine.core.errors import OperatorNeededError, StorageError, UnreachableError
from engine.core.identity import LOG_ID_LENGTH, encode_base32
from engine.runtime.bootstrap import Surroundings
from engine.runtime.connections import Wiring
from engine.testing.simulation.bots import choose_bots, configs_of, limits_of
from engine.testing.simulation.chance import Chance, Tape
from engine.testing.simulation.connections import SimulatedConnections
from engine.testing.simulation.disasters import REFUSALS, Came, Disasters, carry, leave
from engine.testing.simulation.disk import Disk, Mode
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.terms import swarm_terms
from engine.testing.simulation.life import Life, clear_up
from engine.testing.simulation.loop import VirtualLoop
from engine.testing.simulation.machine import Machine
from engine.testing.simulation.medium import DiskMedium
from engine.testing.simulation.plan import (
    CALM,
    CUT_S,
    FILES_EVERY,
    RECOVER_S,
    REST_S,
    LifePlan,
    disk_plan,
    plan_life,
    reaper,
)
from engine.testing.simulation.recovering import Recovery, RecoveryPlan
from engine.testing.simulation.release import newer
from engine.testing.simulation.secrecy import KEYS
from engine.testing.simulation.session import Session
from engine.testing.simulation.verdict import judge, judge_state_files
from engine.testing.simulation.watch import Watch

MOST_LIVES: Final = 16
MOST_RECOVERIES: Final = 20
PATIENCE: Final = 5
CALM_S: Final = 240
STOP_S: Final = 300
POLL_S: Final = 5.0
_SPREAD: Final = 7919**3


Deeds = Callable[[Session], Awaitable[None]]


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
        self.bots: Final = choose_bots(self.chance)
        terms = replace(swarm_terms(self.chance), symbols=("BTC/USD", "ETH/USD"))
        self.exchange: Final = SimulatedExchange(self.chance, lambda: self.machine.true_ms, terms)
        self.watch: Final = Watch(self.exchange, limits_of(self.bots))
        self.violations: Final = self.watch.monitor.violations
        self.disasters: Final = Disasters(self.chance, self.watch.sent)
        if self.disasters.rate:  # a log that lost its end needs an exchange that forgets nothing
            self.exchange.terms = replace(self.exchange.terms, purged=0.0)
        self.endings: Final[Counter[str]] = Counter()
        self.lives = self.recoveries = 0
        self.is_judged = False
        self._drawn = 0
        self._folder: Final = folder
        self._disk: Disk | None = None
        self._own: Final = asyncio.current_task(loop)
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
        self.disasters.are_over = True
        if await self._live(replace(CALM, seconds=CALM_S), self._resume) and await self._live(
            replace(CALM, seconds=REST_S), self._rest, may_buy=False
        ):
            self.is_judged = True
            self.violations.extend(judge(self.directory, self.exchange.history, configs_of(self.bots, may_buy=True)))
            self.violations.extend(self.disasters.forgotten(self.directory, self.watch.log_ids()))

    async def _live(self, plan: LifePlan, deeds: Deeds | None = None, *, may_buy: bool = True) -> bool:
        """Live one life to its end, and let the time until the next go by; tell whether there may be one.

        One that an engine refused to begin is tried again at the end, when all must be well, after a recovery.
        """
        while await self._recovered():
            if not await self._lived(plan, deeds, may_buy=may_buy):
                return False
            if not (self.disasters.are_over and self.disasters.awaits):
                return True
        return False

    async def _lived(self, plan: LifePlan, deeds: Deeds | None, *, may_buy: bool) -> bool:
        booted = self._boot(plan, may_buy=may_buy)
        session = booted.session
        if deeds is not None:
            await deeds(session)
        elif not await session.until_over(plan.seconds) and plan.how == "stop":
            await self._stop(session)
        if not session.is_over:
            session.life.end(f"time/{plan.how}")
        self._count(plan, session)
        has_failed = bool(booted.disk.faults)
        await self._bury(booted, "power" if plan.power and session.life.is_dead else "kill")
        await asyncio.sleep(plan.down_s)
        return self._may_go_on(session, disk_has_failed=has_failed)

    async def _stop(self, session: Session) -> None:
        await session.stop(STOP_S)
        if not session.is_over:
            self.violations.append(f"liveness: the orderly stop of life {session.life.number} took over {STOP_S} s")

    def _boot(self, plan: LifePlan, *, may_buy: bool) -> Boot:
        directory = self.directory
        self.lives += 1
        life = Life(self.lives, reaper(plan))
        disk = Disk(directory, self.chance, life, plan=disk_plan(plan), former=self._disk)
        medium = DiskMedium(disk, self.machine.sleep, lambda: plan.slow_s)
        session = Session(life, self.machine, self.exchange.note)
        self.watch.states = session.states
        self.watch.folder = disk.folder
        configs = configs_of(self.bots, may_buy=may_buy)
        around = Surroundings(
            directory,
            (self.watch.listener(life), session.listen),
            lambda _at, _bot, text, _routine: self.watch.hear(text),
            self._draw_log_id,
            wiring=Wiring(credentials=lambda _account: KEYS),
            connect=lambda wiring, clock_ms: SimulatedConnections(
                self.exchange, life, clock_ms, wiring.credentials("simulated")
            ),
            probe=self._probe,
        )
        if self.chance.choose("life/clock set", (True, True, True, False)):
            self.machine.wall_ahead_ms = 0
        self.exchange.note("life", number=self.lives, begins=True)
        session.begin(directory, configs, around, plan, medium)
        return Boot(session, disk, medium)

    def _draw_log_id(self) -> str:
        """Give an id that no other log of this world has; every run of a seed gives the same."""
        self._drawn += 1
        return encode_base32(self._drawn * _SPREAD, LOG_ID_LENGTH)

    async def _probe(self, hosts: Sequence[str]) -> bool:
        """Tell whether the internet is there: it is, unless the way to the exchange is cut."""
        del hosts
        return self.exchange.cut_off() is None

    async def _bury(self, booted: Boot, mode: Mode) -> None:
        """Take the image that the next life begins on, and let nothing of this one go on."""
        session, disk, medium = booted
        fault = None if session.fault is None else type(session.fault).__name__
        has_files = session.life.number % FILES_EVERY == 0 and session.is_begun
        disk.image(self.directory, mode)
        carry(disk.folder, self.directory)
        await clear_up(self._own)
        if has_files:
            self.violations.extend(judge_state_files(disk.folder, self.bots))
        medium.close()
        disk.release()
        shutil.rmtree(disk.folder)
        self.watch.faults.update(disk.faults)
        self.watch.hear(session.fault)
        self._disk = disk
        self._befall(session)
        self.exchange.note("life", number=self.lives, ended=session.life.ended_at, mode=mode, fault=fault)

    def _befall(self, session: Session) -> None:
        """Look whether a log that a disaster befell was rightly gone on with, and let another befall it, perhaps."""
        missing = self.disasters.missing(self.directory) if session.engine is not None else []
        number = session.life.number
        self.violations.extend(f"rollback: life {number} opened a log that lacks {name}" for name in missing)
        if self.disasters.rate and any(state.halted is not None for state in session.states()):
            self._refused("halted")
        struck = self.disasters.befall(self.directory, self.machine.wall_ms())
        if struck is not None:
            self._disk = None  # whoever put these files there had them synced
            self.exchange.known.clear()  # what is left may know of no order any more
            self.watch.struck(f"disaster {struck}")
            self.exchange.note("disaster", kind=struck)

    def _refused(self, how: str) -> None:
        """Take note that only a recovery can go on from here: nothing may leave before it is confirmed."""
        self.endings[f"refused: {how}"] += 1
        self.disasters.awaits = self.watch.is_stopped = True

    async def _recovered(self) -> bool:
        """Recover a log that an engine refused, or try to; tell whether the world goes on."""
        tries: Counter[str] = Counter()
        for _ in range(MOST_RECOVERIES):
            if not self.disasters.awaits:
                return True
            came = await self._recover()
            tries[came.how] += 1
            if came.is_the_end:
                return False
            await asyncio.sleep(came.wait_s)
            if not self.disasters.are_over and (tries["cut short"] or tries["unreachable"] >= PATIENCE):
                return True  # the operator starts the engine, which must know whether it may go on
        self.violations.append(f"liveness: no recovery came to its end in {MOST_RECOVERIES} tries")
        return False

    async def _recover(self) -> Came:
        """Run a recovery where the next life would begin, and leave what it left to that."""
        folder = self.directory
        self.lives, self.recoveries = self.lives + 1, self.recoveries + 1
        plan = RecoveryPlan(self.chance, may_be_cut=not self.disasters.are_over)
        if self.disasters.takes_newer():
            newer()
        recovery = Recovery(self.lives, self.machine, self.exchange, plan, self.watch.hear)
        await recovery.run(folder)
        leave(folder, self.directory, self.machine.wall_ms())
        await clear_up(self._own)
        recovery.medium.close()
        shutil.rmtree(folder)
        self._disk = None
        came = self.disasters.judge(recovery, self.directory)
        self.watch.is_stopped = self.disasters.awaits
        self.endings[f"recovery: {came.how}"] += 1
        self.violations.extend(came.violations)
        self.exchange.note("recovery", number=self.lives, how=came.how, fault=came.told)
        return came

    def _count(self, plan: LifePlan, session: Session) -> None:
        """Count how a life ended, and which orders that met."""
        how = f"{'power cut' if plan.power else 'kill'} {session.life.ended_at}" if session.life.is_dead else plan.how
        self.endings[how] += 1
        self.watch.met(how)

    def _may_go_on(self, session: Session, *, disk_has_failed: bool) -> bool:
        """Judge how a life ended; tell whether another may follow."""
        fault, number = session.fault, session.life.number
        if fault is None and self.disasters.awaits:
            return True  # its bots halted, all of them
        if (self.disasters.is_struck or self.disasters.awaits) and isinstance(fault, REFUSALS):
            self._refused(type(fault).__name__)
            return True
        if isinstance(fault, OperatorNeededError) and self.disasters.may_refuse(self.directory, self.bots):
            self.endings["refused: a bot is lost"] += 1
            return False
        if not session.has_ended or (isinstance(fault, StorageError) and disk_has_failed):
            return True
        if fault is not None:
            where = traceback.extract_tb(fault.__traceback__)[-1]
            told = f"{type(fault).__name__}: {fault} ({Path(where.filename).name}:{where.lineno})"
            self.violations.append(f"engine: life {number} ended by itself: {told}")
        elif not session.was_stopped:
            self.violations.append(f"engine: life {number} stopped by itself")
        return fault is None and session.was_stopped

    # --- the end -----------------------------------------------------------------------------------------------------

    async def _resume(self, session: Session) -> None:
        """Have every bot trade again, for a while, and stop in order."""
        await session.until_open(REST_S)
        for bot_id, name in product(self.bots, ("resume", "revive")):
            if not await session.command(name, bot_id) and not session.is_over:
                self.violations.append(f"liveness: {name} of {bot_id} was not carried out after healing")
        await session.until_over(CALM_S)
        self.exchange.is_cut = True
        await session.until_over(CUT_S)
        self.exchange.is_cut = False
        if not await session.until_begun(RECOVER_S):
            self.violations.append(f"liveness: after a lost connection nobody looked again within {RECOVER_S} s")
        if not session.is_over:
            await self._stop(session)

    async def _rest(self, session: Session) -> None:
        """Wait until nothing is under way but sells at their limits, look at everything once more, and stop."""
        await session.until_open(REST_S)
        end_s = self.machine.monotonic_s() + REST_S
        while not session.is_over and not await self._is_at_rest(session):
            if self.machine.monotonic_s() > end_s:
                orders = (order for state in session.states() for order in state.orders.values())
                left = ", ".join(f"{order.client_order_id} {order.status}" for order in orders)
                self.violations.append(f"liveness: the last life never came to rest: {left or 'not ready'}")
                break
            await asyncio.sleep(POLL_S)
        if not session.is_over:
            await self._stop(session)

    async def _is_at_rest(self, session: Session) -> bool:
        """Tell whether all is settled; from the first time that it seems so, the exchange stands still."""
        if not session.is_quiet:
            return False
        self.exchange.is_still = True
        if any(trade.shown_ms > self.exchange.at_ms for trade, _ in self.exchange.matching.trades):
            return False
        try:
            for world in session.worlds():
                for reconciler in world.reconcilers:
                    await reconciler.sweep(thorough=True)
        except UnreachableError:
            return False
        return session.is_quiet
