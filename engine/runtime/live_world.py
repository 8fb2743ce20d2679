"""A world on a real market: prices come when they come, and calls take their time.

Owns when things happen there: one loop that takes what has come, decides, and begins what is owed; whatever waits for
an exchange waits in a task of its own. Nothing is sent before the account was looked at, and after every outage it is
looked at again. Source: design, "A tick, stop by stop"; decisions.md, "Live trading".
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from msgspec.structs import replace

from engine.core.effects import due, outstanding
from engine.core.errors import ConfigError
from engine.core.events import BalancesObserved, BotEvent, RateLimited, TimerFired
from engine.core.narration import order_words, plain
from engine.exchanges.port import Gateway
from engine.feeds.prices import PriceSlot
from engine.runtime.account_desk import AccountDesk
from engine.runtime.bot import Bot
from engine.runtime.checks_market import refusals
from engine.runtime.clock import EngineClock, JumpWatch, RealTime
from engine.runtime.journal import Journal
from engine.runtime.live_duties import LiveDuties, Probe
from engine.runtime.live_executor import LiveExecutor
from engine.runtime.live_feed import LiveFeed
from engine.runtime.price_source import PriceSource
from engine.runtime.projection_writer import ProjectionWriter, Say
from engine.runtime.reconciliation import Desked, Reconciler
from engine.runtime.world import Command, Seat, World

STOP_S: Final = 15.0
"""A stop waits at most so long for calls that are under way."""

ANSWER_EVERY_S: Final = 0.02
GLANCE_MS: Final = 2_000
"""At least so often is looked whether the wall clock jumped, as it does when a machine wakes up."""

HALTED: Final = "an operator must decide"


class LiveWorld(World):
    """Runs the bots of one real market."""

    def __init__(
        self,
        feed: LiveFeed,
        clock: EngineClock,
        journal: Journal,
        writer: ProjectionWriter,
        calls: Counter[str],
        *,
        say: Say,
        probe: Probe,
    ) -> None:
        """Take the feed, the clock, the way to the log, the state files, the call counters, and who is told."""
        super().__init__(feed, clock, journal, writer, calls)
        self._feed: Final = feed
        self._real_time: Final = clock.real_time
        self._jumps = JumpWatch(clock.real_time)
        self._say: Final = say
        self._slot: Final = PriceSlot()
        self._executors: Final[dict[str, LiveExecutor]] = {}
        self._reconcilers: Final[dict[str, Reconciler]] = {}
        self._background: Final[set[asyncio.Task[None]]] = set()
        self._group = asyncio.TaskGroup()
        self._duties: Final = LiveDuties(self, feed, probe)
        self._engine_clock: Final = clock

    @property
    def holes(self) -> tuple[tuple[int, int], ...]:
        """Give no times: what a real market did not show, nobody knows."""
        return ()

    @property
    def reconcilers(self) -> list[Reconciler]:
        """Give who keeps the bots of each account in step with it."""
        return list(self._reconcilers.values())

    @property
    def is_quiet(self) -> bool:
        """Tell whether its accounts were looked at, and no call about an order is under way or asked for."""
        return self._duties.is_ready and all(executor.is_quiet for executor in self._executors.values())

    def seat(self, bot: Bot, gateway: Gateway, desk: AccountDesk | None) -> None:
        """Give a bot its place; `desk` is that of its real account, None for one on paper."""
        executor = LiveExecutor(
            gateway,
            self._record,
            now_ms=lambda: self.clock.now_ms,
            spawn=self.spawn,
            witnessed=self._journal.store.cover,
            steady_since_ms=lambda: self._engine_clock.steady_since_ms,
            may_send=lambda: self._duties.is_ready,
            done=self.wake.set,
        )
        self._executors[bot.state.bot_id] = executor
        self.seats.append(Seat(bot, gateway, executor))
        if desk is not None:
            desk.add(bot)
            reconciler = self._reconcilers.setdefault(
                desk.name, Reconciler(desk, self._feed.symbol, self._record, lambda: self.clock.now_ms)
            )
            reconciler.seats.append(Desked(bot, executor))

    def tell(self, text: str, *, routine: bool = False) -> None:
        """Tell a line about the program, for every bot."""
        for bot in self.bots:
            self._say(bot.state.bot_id, text, routine)

    def say_of(self, bot: Bot, text: str) -> None:
        """Tell a line about one bot."""
        self._say(bot.state.bot_id, text, False)  # noqa: FBT003

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work that the orderly end waits for."""
        return self._group.create_task(work)

    async def note(self, bot: Bot, *events: BotEvent) -> None:
        """Record observations of a bot that a duty made."""
        await self._record(bot, events)

    async def learn(self) -> None:
        """Ask what the exchange accepts, and record it if it is news.

        Raises:
            ConfigError: there is no such market, and there never was.
        """
        known = self._feed.view.rules
        try:
            rules = await self._feed.data.rules(self._feed.symbol, refresh=known is not None)
        except ConfigError as error:
            if known is None:
                raise
            if known.active:
                self.tell(f"{error} Nothing is bought meanwhile")
            rules = replace(known, active=False)
        learned = self._feed.learn(rules, self.clock.now_ms)
        if learned is not None:
            await self._journal.commit([(self._feed, learned)])

    def check_needs(self) -> None:
        """Refuse a bot that needs what its market lacks; one that holds something goes on, and its operator is told.

        Raises:
            ConfigError: names key, value and remedy.
        """
        rules = self._feed.view.rules
        assert rules is not None, "the rules are learned first"
        for bot in self.bots:
            for text, remedy in refusals(bot.state.config, rules, self._feed.data.timeframes):
                if not bot.state.lots and not bot.state.orders:
                    raise ConfigError(f"{bot.state.bot_id}: {text}: {remedy}")
                self.say_of(bot, f"{text}: {remedy}")

    async def fetch_candles(self, timeframe: str) -> bool:
        """Fetch the candles that bots wait for, and record them with their indicators; tell whether all were there."""
        found = await self._feed.fetch(timeframe, self.clock.now_ms, self._duties.exchange_ahead_ms)
        batch = self._feed.fetched(timeframe, self.bots, found, self.clock.now_ms)
        await self._journal.commit([(self._feed, batch)])
        self.tell("OHLCV data cached", routine=True)
        return not found.unconfirmed

    async def run(self, real_time: RealTime, speed: float | None, until_ms: int | None) -> str:
        """Start, trade until stopped or until `until_ms`; give the reason."""
        del real_time, speed  # a real market runs at its own speed, on the clock this world was made with
        async with self._group:
            await self._start()
            while self._stop is None:
                self.wake.clear()
                await self._obey()
                await self._moment()
                if until_ms is not None and self.clock.now_ms >= until_ms:
                    self.stop("time is up", "engine")
                if all(bot.state.halted for bot in self.bots):
                    self.stop(HALTED, "engine")
                if self._stop is None:
                    await self._real_time.wait(self.wake, self._wait_s(until_ms))
            await self._obey()
            reason, by = self._stop
            await self._finish(reason, by)
        return reason

    def _answer(self, command: Command, seats: Sequence[Seat], *, already: bool) -> None:
        """Tell whoever asked, once no order is on its way that left before the command was in the log."""
        executors = [self._executors[seat.bot.state.bot_id] for seat in seats]
        if not any(executor.sending for executor in executors):
            super()._answer(command, seats, already=already)
            return

        async def later() -> None:
            while any(executor.sending for executor in executors):
                await self._real_time.sleep(ANSWER_EVERY_S)
            super(LiveWorld, self)._answer(command, seats, already=already)

        self.spawn(later())

    async def _moment(self) -> None:
        """Do all that is due now: the wall clock, prices, deadlines, duties, what is owed, the saves."""
        self._notice_jump()
        await self._note_silence()
        for tick in self._slot.take(self.clock.now_ms):
            await self._see(self._feed.observe(tick, self.clock.now_ms), self._feed.view.at_ms)
        for seat in self.seats:
            deadline_ms = due(seat.bot.state)
            if deadline_ms is not None and deadline_ms <= self.clock.now_ms:
                await self._record(seat.bot, [TimerFired("order_timeout", deadline_ms)])
        self._duties.begin_due(self.clock.now_ms)
        for seat in self.seats:
            await seat.executor.settle(seat.bot, self.clock.now_ms)
        await self._writer.save_due(self.bots, self.feed.durable[0], self.clock.now_ms)

    @property
    def wall_ahead_ms(self) -> int:
        """Give how far the wall clock is ahead of engine time."""
        return self._engine_clock.wall_ahead_ms

    def _notice_jump(self) -> None:
        """Tell of a jump of the wall clock. The machine may have slept: time follows, and all is looked at again."""
        jumped_ms = self._jumps.jump_ms()
        if jumped_ms:
            self._engine_clock.follow()
            self.tell(f"The wall clock jumped by {jumped_ms / 1000:+.1f} s; looking at the account again")
            self._duties.look_again(self.clock.now_ms)

    async def _note_silence(self) -> None:
        """Record how long the exchange wants silence, so that a restart keeps it too."""
        until_ms = self._feed.data.blocked_until_ms
        for seat in self.seats:
            if until_ms > max(seat.bot.state.rate_limited_until_ms, self.clock.now_ms):
                await self._record(seat.bot, [RateLimited(until_ms)])

    def _wait_s(self, until_ms: int | None) -> float:
        """Say how long nothing is due, in seconds of engine time; never long, for the wall clock may jump meanwhile."""
        moments = [self._slot.due_ms(), self._writer.next_save_ms, self._duties.next_ms(), until_ms]
        for seat in self.seats:
            moments.append(due(seat.bot.state))
            moments.append(self._executors[seat.bot.state.bot_id].next_ms(seat.bot))
        now_ms = self.clock.now_ms
        next_ms = min([now_ms + GLANCE_MS, *(each for each in moments if each is not None)])
        return max(next_ms - now_ms, 0) / 1000

    async def _start(self) -> None:
        """Take every bot up from its log; the exchange is asked by the first duties, however long that takes."""
        data = self._feed.data
        data.blocked_until_ms = max([data.blocked_until_ms, *(bot.state.rate_limited_until_ms for bot in self.bots)])
        first: list[tuple[Seat, list[BotEvent]]] = []
        for seat in self.seats:
            on_paper = seat.bot.state.config.paper_trading
            seen: list[BotEvent] = []
            if on_paper:
                seen.append(BalancesObserved(await seat.gateway.balances(seat.bot.state)))
            first.append((seat, seen))
        await self._take_up(first)
        await self._writer.save_all(self.bots, self.feed.durable[0])
        self._duties.start(self.clock.now_ms)
        source = PriceSource(
            data,
            self._feed.symbol,
            self._slot,
            real_time=self._real_time,
            now_ms=lambda: self.clock.now_ms,
            exchange_ahead_ms=lambda: self._duties.exchange_ahead_ms,
            wake=self.wake.set,
            is_idle=lambda: all(bot.state.connectivity.failure_count for bot in self.bots),
            doubt=lambda: self._duties.doubt(self.clock.now_ms),
            say=self.tell,
        )
        for loop in (source.stream(), source.poll(), *map(self._listen, self.reconcilers)):
            self._background.add(self._group.create_task(loop))

    async def _listen(self, reconciler: Reconciler) -> None:
        """Follow the account's stream for ever: each hint is a reason to look, a break a reason to look at all."""
        while True:
            await self._duties.next_hint(reconciler, self._real_time)
            self.wake.set()

    async def _finish(self, reason: str, by: str) -> None:
        """Lay every bot down in order: what `on_stop` cancels, what is under way, what rests, the saves."""
        await self._duties.end()
        await self._command(self.seats, "stop", by)
        end_ms = self.clock.now_ms + int(STOP_S * 1000)
        while self._is_busy() and self.clock.now_ms < end_ms:
            self.wake.clear()
            for seat in self.seats:
                await seat.executor.settle(seat.bot, self.clock.now_ms)
            await self._real_time.wait(self.wake, 0.2)
        for task in self._background:
            task.cancel()
        for seat in self.seats:
            self._tell_what_rests(seat)
        await self._lay_down(reason)

    def _is_busy(self) -> bool:
        """Tell whether a call is under way or a cancellation is owed, be it of an order in doubt."""
        states = [bot.durable[0] for bot in self.bots]
        owed = [state.orders[effect.client_order_id] for state in states for effect in outstanding(state)]
        return any(executor.busy for executor in self._executors.values()) or any(
            order.cancel_reason is not None and order.final is None for order in owed
        )

    def _tell_what_rests(self, seat: Seat) -> None:
        state = seat.bot.state
        if state.config.paper_trading:
            return
        base = state.config.base
        resting = [
            f"{order_words(name)} ({order.side} {plain(order.quantity - order.filled)} {base})"
            for name, order in state.orders.items()
            if order.status != "requested"
        ]
        what = f"these orders stay at the exchange: {', '.join(resting)}" if resting else "nothing rests"
        self.say_of(seat.bot, f"Stopping: {what}")
