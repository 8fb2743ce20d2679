"""A world on a market that waits for the bot: simulated or recorded.

Owns the order in which things happen there. The market stands still until every order is answered and every fact is
durable; then the next moment is the earliest of a price, a probe, a deadline or a save.
Source: decisions.md, "Markets without a network".
"""

from collections import Counter
from typing import Final

from engine.core.effects import due, next_probe_ms
from engine.core.events import BalancesObserved, ConnectivityChecked, TimerFired
from engine.core.market import Tick
from engine.exchanges.port import Gateway
from engine.runtime.bot import Bot
from engine.runtime.clock import MarketClock, Pacer, RealTime
from engine.runtime.executor import Executor
from engine.runtime.feed import Feed
from engine.runtime.journal import Journal
from engine.runtime.projection_writer import ProjectionWriter
from engine.runtime.world import Seat, World


class WaitingWorld(World):
    """Runs the bots of one market, one moment after the other."""

    def __init__(
        self, feed: Feed, clock: MarketClock, journal: Journal, writer: ProjectionWriter, calls: Counter[str]
    ) -> None:
        """Take the feed, its clock, the way to the log, the state files and the call counters."""
        super().__init__(feed, clock, journal, writer, calls)
        self._feed: Final = feed
        self._clock: Final = clock

    @property
    def holes(self) -> tuple[tuple[int, int], ...]:
        """Give the times (from, to) for which the recording has nothing; they pass without a price."""
        return self._feed.market.holes

    def seat(self, bot: Bot, gateway: Gateway) -> None:
        """Give a bot its place; the order of places is the order in which bots act."""
        self.seats.append(Seat(bot, gateway, Executor(gateway, self._record, self.calls)))

    async def run(self, real_time: RealTime, speed: float | None, until_ms: int | None) -> str:
        """Start, trade until stopped, until `until_ms`, or until the market ends; give the reason."""
        pacer = Pacer(real_time, speed, self.clock.now_ms, self.wake)
        await self._start()
        while self._stop is None:
            self.wake.clear()
            await self._obey()
            tick = self._feed.market.next_tick(self._after_ms())
            at_ms = self._next_ms(tick)
            if tick is None or (until_ms is not None and at_ms > until_ms):
                reason = "end of the recording" if tick is None else "time is up"
                if until_ms is not None:
                    self._clock.advance(max(self.clock.now_ms, min(until_ms, at_ms)))
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
        self._clock.advance(at_ms)
        for seat in self.seats:
            if next_probe_ms(seat.bot.state) <= at_ms:
                await self._probe(seat.bot)
        for seat in self.seats:
            deadline_ms = due(seat.bot.state)
            if deadline_ms is not None and deadline_ms <= at_ms:
                await self._record(seat.bot, [TimerFired("order_timeout", deadline_ms)])
                await seat.executor.settle(seat.bot, at_ms)
        if tick is not None:
            await self._see(self._feed.observe(tick, self.bots), tick.at_ms)
        for seat in self.seats:
            if seat.bot.state.orders:
                await seat.executor.settle(seat.bot, at_ms)
        await self._writer.save_due(self.bots, self.feed.durable[0], at_ms)

    async def _probe(self, bot: Bot) -> None:
        """Check the connection: the exchange first, then, if that fails and is allowed, the internet (decision 3)."""
        self.calls["fetch_time"] += 1
        found = self._feed.market.reachability(self.clock.now_ms)
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

    async def _start(self) -> None:
        """Open the feed, take every bot up, and settle what a crash may have left open."""
        opened = self._feed.open(self.clock.now_ms)
        if opened is not None:
            await self._journal.commit([(self.feed, opened)])
        first = []
        for seat in self.seats:
            first.append((seat, [BalancesObserved(await seat.gateway.balances(seat.bot.state))]))
            self.calls["fetch_balance"] += 1
        await self._take_up(first)
        for seat in self.seats:
            await seat.executor.settle(seat.bot, self.clock.now_ms)
        await self._writer.save_all(self.bots, self.feed.durable[0])

    async def _finish(self, reason: str, by: str) -> None:
        """Lay every bot down in order, and save its state."""
        await self._command(self.seats, "stop", by)
        await self._lay_down(reason)
