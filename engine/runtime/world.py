"""A world: one waiting market, its clock, and the bots that trade on it.

Owns the order in which things happen. The market stands still until every order is answered and every fact is
durable; then the next moment is the earliest of a price, a probe, a deadline or a save. Nothing here decides anything.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from engine.core.effects import due, next_probe_ms
from engine.core.errors import UsageError
from engine.core.events import (
    BalancesObserved,
    BotEvent,
    CommandReceived,
    ConnectivityChecked,
    FeedAttached,
    FeedDetached,
    TimerFired,
)
from engine.core.market import Tick
from engine.exchanges.port import Gateway
from engine.runtime.bot import Bot
from engine.runtime.checkpoints import save_checkpoints
from engine.runtime.clock import MarketClock, Pacer, RealTime
from engine.runtime.executor import Executor
from engine.runtime.feed import Feed
from engine.runtime.journal import Journal, Owner
from engine.runtime.projection_writer import ProjectionWriter
from engine.runtime.sessions import session_started, session_stopped
from engine.store.port import Batch

CHECKPOINT_PRICES: Final = 500
"""So many prices at most are folded again after a crash."""


class Seat(msgspec.Struct, frozen=True):
    """A bot with its account and the one who carries out its orders."""

    bot: Bot
    gateway: Gateway
    executor: Executor


class Command(msgspec.Struct, frozen=True):
    """An operator's wish for some bots, and the future that is done when it is durable and carried out."""

    name: str
    by: str
    bot_ids: frozenset[str]
    done: "asyncio.Future[None]"


class World:
    """Runs the bots of one market, one moment after the other."""

    def __init__(
        self, feed: Feed, clock: MarketClock, journal: Journal, writer: ProjectionWriter, calls: Counter[str]
    ) -> None:
        """Take the feed, its clock, the way to the log, the state files and the call counters."""
        self.feed: Final = feed
        self.clock: Final = clock
        self.calls: Final = calls
        self.seats: Final[list[Seat]] = []
        self.wake: Final = asyncio.Event()
        self._journal: Final = journal
        self._writer: Final = writer
        self._commands: Final[list[Command]] = []
        self.prices = 0
        self._stop: tuple[str, str] | None = None
        self._ended = False

    def seat(self, bot: Bot, gateway: Gateway) -> None:
        """Give a bot its place; the order of places is the order in which bots act."""
        self.seats.append(Seat(bot, gateway, Executor(gateway, self._record, self.calls)))

    @property
    def bots(self) -> list[Bot]:
        """Give the bots in their order."""
        return [seat.bot for seat in self.seats]

    def stop(self, reason: str, by: str) -> None:
        """Ask for an orderly end, from any wait; `by` says who asked."""
        self._stop = self._stop or (reason, by)
        self.wake.set()

    def submit(self, command: Command) -> None:
        """Queue a command; it is carried out before time goes on.

        Raises:
            UsageError: this world has ended.
        """
        if self._ended:
            raise UsageError("this bot's market has come to its end")
        self._commands.append(command)
        self.wake.set()

    async def run(self, real_time: RealTime, speed: float | None, until_ms: int | None) -> str:
        """Start, trade until stopped, until `until_ms`, or until the market ends; give the reason."""
        pacer = Pacer(real_time, speed, self.clock.now_ms, self.wake)
        await self._start()
        while self._stop is None:
            await self._obey()
            tick = self.feed.market.next_tick(self._after_ms())
            at_ms = self._next_ms(tick)
            if tick is None or (until_ms is not None and at_ms > until_ms):
                reason = "end of the recording" if tick is None else "time is up"
                if until_ms is not None:
                    self.clock.advance(max(self.clock.now_ms, min(until_ms, at_ms)))
                await self._finish(reason, by="engine")
                return reason
            if self._stop is None and await pacer.reach(at_ms):
                await self._moment(at_ms, tick if tick.at_ms == at_ms else None)
        await self._obey()
        reason, by = self._stop
        await self._finish(reason, by)
        return reason

    def _after_ms(self) -> int:
        """Say after which time the next price is wanted: the last one in the log, or just before the clock."""
        before_ms = self.clock.now_ms - 1
        return before_ms if self.feed.view.price_ms is None else max(self.feed.view.price_ms, before_ms)

    def _next_ms(self, tick: Tick | None) -> int:
        moments = [] if self._writer.next_save_ms is None else [self._writer.next_save_ms]
        for bot in self.bots:
            moments.append(next_probe_ms(bot.state))
            deadline_ms = due(bot.state)
            if deadline_ms is not None:
                moments.append(deadline_ms)
        if tick is not None:
            moments.append(tick.at_ms)
        return max(min(moments, default=self.clock.now_ms), self.clock.now_ms)

    async def _moment(self, at_ms: int, tick: Tick | None) -> None:
        """Do all that is due at this time: probes, deadlines, the price, what is owed, the saves."""
        self.clock.advance(at_ms)
        for seat in self.seats:
            if next_probe_ms(seat.bot.state) <= at_ms:
                await self._probe(seat.bot)
        for seat in self.seats:
            deadline_ms = due(seat.bot.state)
            if deadline_ms is not None and deadline_ms <= at_ms:
                await self._record(seat.bot, [TimerFired("order_timeout", deadline_ms)])
                await seat.executor.settle(seat.bot, at_ms)
        if tick is not None:
            await self._price(tick)
        for seat in self.seats:
            if seat.bot.state.orders:
                await seat.executor.settle(seat.bot, at_ms)
        await self._writer.save_due(self.bots, self.feed.durable[0], at_ms)

    async def _price(self, tick: Tick) -> None:
        """Record a price and, behind it in the same group, what each bot makes of it."""
        self.prices += 1
        group: list[tuple[Owner, Batch]] = [(self.feed, self.feed.observe(tick, self.bots))]
        view = self.feed.view
        assert view.price is not None, view
        for bot in self.bots:
            batch = bot.see(view.price, tick.at_ms, view)
            if batch is not None:
                group.append((bot, batch))
        await self._journal.commit(group)
        if self.prices % CHECKPOINT_PRICES == 0:
            save_checkpoints(self._journal.store, self.feed, self.bots)

    async def _probe(self, bot: Bot) -> None:
        """Check the connection: the exchange first, then, if that fails and is allowed, the internet (decision 3)."""
        self.calls["fetch_time"] += 1
        found = self.feed.market.reachability(self.clock.now_ms)
        if found.exchange:
            checked = ConnectivityChecked(
                "exchange", reachable=True, latency_ms=found.latency_ms, clock_skew_ms=found.clock_skew_ms
            )
        else:
            diagnosis = None
            if bot.state.config.connectivity_hosts:
                self.calls["internet_probe"] += 1
                diagnosis = "exchange down" if found.internet else "no internet"
            checked = ConnectivityChecked(
                "exchange",
                reachable=False,
                error="no answer",
                diagnosis=diagnosis,
                failure=bot.state.connectivity.failure_count + 1,
            )
        await self._record(bot, [checked])

    async def _record(self, bot: Bot, events: Sequence[BotEvent]) -> None:
        if events:
            await self._journal.commit([(bot, bot.observe(events, self.clock.now_ms, self.feed.view))])

    async def _obey(self) -> None:
        """Carry out the commands that came in, each against the state it is appended to."""
        self.wake.clear()
        while self._commands:
            command = self._commands.pop(0)
            meant = [seat for seat in self.seats if seat.bot.state.bot_id in command.bot_ids]
            await self._command(meant, command.name, command.by)
            await self._writer.save_due(self.bots, self.feed.durable[0], self.clock.now_ms)
            if not command.done.done():
                command.done.set_result(None)

    async def _command(self, seats: Sequence[Seat], name: str, by: str) -> None:
        """Record a command for some bots, durable for all at once, and carry out what follows."""
        view, now_ms = self.feed.view, self.clock.now_ms
        event = CommandReceived(name, by, seen=view.price_sequence, seen_ms=view.price_ms)
        await self._journal.commit([(seat.bot, seat.bot.observe([event], now_ms, view)) for seat in seats])
        for seat in seats:
            await seat.executor.settle(seat.bot, now_ms)

    async def _start(self) -> None:
        """Open the feed, take every bot up, and settle what a crash may have left open."""
        opened = self.feed.open(self.clock.now_ms)
        if opened is not None:
            await self._journal.commit([(self.feed, opened)])
        self._writer.notice(self.bots, self.feed.view)
        view = self.feed.view
        attached = FeedAttached(view.feed, view.sequence, view.price_ms)
        group: list[tuple[Owner, Batch]] = []
        for seat in self.seats:
            balances = BalancesObserved(await seat.gateway.balances(seat.bot.state))
            self.calls["fetch_balance"] += 1
            begun: list[BotEvent] = [session_started(seat.bot), attached, balances]
            group.append((seat.bot, seat.bot.observe(begun, self.clock.now_ms, view)))
        await self._journal.commit(group)
        for seat in self.seats:
            await seat.executor.settle(seat.bot, self.clock.now_ms)
        await self._writer.save_all(self.bots, self.feed.durable[0])

    async def _finish(self, reason: str, by: str) -> None:
        """Lay every bot down in order, and save its state."""
        await self._command(self.seats, "stop", by)
        view, now_ms = self.feed.view, self.clock.now_ms
        feeds = {view.feed: self._journal.store.head(view.feed)}
        group: list[tuple[Owner, Batch]] = []
        for bot in self.bots:
            group.append((bot, bot.observe([FeedDetached(view.feed, view.sequence, view.price_ms)], now_ms, view)))
            group.append((bot, bot.observe([session_stopped(bot, reason, feeds)], now_ms, view)))
        await self._journal.commit(group)
        await self._journal.store.flush()
        save_checkpoints(self._journal.store, self.feed, self.bots)
        await self._writer.save_all(self.bots, self.feed.durable[0])
        self._ended = True
        for command in self._commands:
            command.done.set_exception(UsageError("the engine ended before the command was carried out"))
