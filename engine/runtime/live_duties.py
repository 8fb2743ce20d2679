"""What a live world does besides trading: it gets ready, checks the connection, looks at the account, fetches candles.

Owns when each is due and what follows when the exchange does not answer. Facts go to the log through the world; nothing
here decides.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from engine.core.effects import next_probe_ms
from engine.core.errors import ConfigError, RateLimitedError, UnreachableError
from engine.core.events import ConnectivityChecked
from engine.core.market import TIMEFRAMES_MS
from engine.core.narration import counted
from engine.runtime.bot import Bot
from engine.runtime.clock import RealTime
from engine.runtime.duties import RETRY_MS, Duty
from engine.runtime.live_feed import LiveFeed
from engine.runtime.reconciliation import Found, Reconciler, wants_balances

if TYPE_CHECKING:
    from engine.runtime.live_world import LiveWorld

SWEEP_MS: Final = 60_000
"""The open orders are looked at so often while the account's stream is silent or broken."""

LISTENING_SWEEP_MS: Final = 180_000
THOROUGH_MS: Final = 600_000
TOGETHER_MS: Final = 10_000
"""A check serves every bot that would want one of its own within so long."""

RULES_MS: Final = 6 * 3_600_000
CANDLE_TRIES: Final = 3
CANDLE_SETTLED_MS: Final = 1_500
"""Candles are asked for this much after they end: earlier the exchange's clock may not have closed them."""

Probe = Callable[[Sequence[str]], Awaitable[bool]]
"""Tell whether one of these hosts can be reached at all."""


class LiveDuties:
    """The duties of one world.

    `is_ready` says that its accounts were looked at since the connection was last lost. `exchange_ahead_ms` is how far
    the exchange's clock is ahead of engine time.
    """

    def __init__(self, world: "LiveWorld", feed: LiveFeed, probe: Probe) -> None:
        """Take the world, its feed, and the probe of the internet."""
        self.is_ready = False
        self.exchange_ahead_ms = 0
        self._world: Final = world
        self._feed: Final = feed
        self._internet: Final = probe
        self._was_ready = False
        self._losses = 0
        self._checks_all = False
        self._running: Final[set[asyncio.Task[None]]] = set()
        self._thorough_ms = 0
        self._listening_since_ms: Final[dict[str, int]] = {}
        self._hint_failures = 0
        self._told: Final[dict[str, str]] = {}
        self._ready: Final = Duty(partial(self._patiently, "ready", self._get_ready), self._now_ms, None)
        self._sweep: Final = Duty(partial(self._patiently, "sweep", self._look), self._now_ms, None)
        self._rules: Final = Duty(self._world.learn, self._now_ms, None)
        self._check: Final = Duty(self._probe, self._now_ms, None)
        self._candles: Final[dict[str, Duty]] = {}
        self._candle_tries: Final[dict[str, int]] = {}

    def _now_ms(self) -> int:
        return self._world.clock.now_ms

    def start(self, now_ms: int) -> None:
        """Want the first duty: to get ready."""
        self._ready.want(now_ms)

    def look_again(self, now_ms: int) -> None:
        """Take nothing for granted any more: time may have passed that nobody saw, as when a machine sleeps."""
        self._lose()
        self._check_all(now_ms)
        self._ready.want(now_ms)

    def doubt(self, now_ms: int) -> None:
        """Check the connection for every bot before its time, unless that goes on already or has just failed."""
        if not self._check.is_running and not self._is_cut_off():
            self._check_all(now_ms)

    def _check_all(self, now_ms: int) -> None:
        self._checks_all = True
        self._check.want(now_ms)

    def _lose(self) -> None:
        self.is_ready = False
        self._losses += 1

    async def end(self) -> None:
        """Break off every duty that is under way; they only look, and what they found is recorded."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def begin_due(self, now_ms: int) -> None:
        """Begin every duty that is due and whose time it is."""
        if not self._check.is_running and any(next_probe_ms(bot.state) <= now_ms for bot in self._world.bots):
            self._check.want(now_ms)
        for timeframe in self._feed.awaited(self._world.bots):
            duty = self._candles.get(timeframe)
            if duty is None:
                work = partial(self._patiently, timeframe, partial(self._fetch_candles, timeframe))
                duty = self._candles[timeframe] = Duty(work, self._now_ms, None)
            if duty.due_ms is None and not duty.is_running:
                step_ms = TIMEFRAMES_MS[timeframe]
                ahead_ms = self.exchange_ahead_ms
                settled_ms = (now_ms + ahead_ms) // step_ms * step_ms + CANDLE_SETTLED_MS - ahead_ms
                duty.want(max(now_ms, settled_ms))
        duties = [self._check]
        if not self._is_cut_off():
            duties += [self._ready, *([self._sweep, self._rules, *self._candles.values()] if self.is_ready else [])]
        for duty in duties:
            if duty.begins(now_ms):
                task = self._world.spawn(self._run(duty))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    def next_ms(self) -> int | None:
        """Say when a duty is due next; one that is running is not."""
        checks = [] if self._check.is_running else [next_probe_ms(bot.state) for bot in self._world.bots]
        duties = [] if self._is_cut_off() else [self._ready]
        if duties and self.is_ready:
            duties += [self._sweep, self._rules, *self._candles.values()]
        waiting = [duty.due_ms for duty in duties if not duty.is_running and duty.due_ms is not None]
        return min([*checks, *waiting], default=None)

    def _is_cut_off(self) -> bool:
        """Tell whether the last check failed: until the next one nothing is asked (decision 4)."""
        return any(bot.state.connectivity.failure_count for bot in self._world.bots)

    async def _run(self, duty: Duty) -> None:
        await duty.run()
        self._world.wake.set()

    async def _patiently(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do work that a refusal of the exchange (of a key, of a market) ends only before the first time all was well.

        Later nothing may leave open orders alone: it is told, once, and tried again.
        """
        try:
            await work()
        except ConfigError as error:
            if not self._was_ready:
                raise
            if self._told.get(name) != str(error):
                self._told[name] = str(error)
                self._world.tell(f"{error} Trying again")
            raise UnreachableError(str(error)) from error
        self._told.pop(name, None)

    async def _fetch_candles(self, timeframe: str) -> None:
        """Fetch candles that are awaited; one that should have closed by now and is not there is asked for again."""
        tries = self._candle_tries.get(timeframe, 0)
        is_whole = await self._world.fetch_candles(timeframe)
        self._candle_tries[timeframe] = 0 if is_whole or tries >= CANDLE_TRIES else tries + 1
        if self._candle_tries[timeframe]:
            self._candles[timeframe].want(self._now_ms() + RETRY_MS[0])

    # --- getting ready -----------------------------------------------------------------------------------------------

    async def _get_ready(self) -> None:
        """Learn the rules, make sure of the account, and look at everything in it; then orders may leave.

        A look that began before the connection was last lost, or the machine last slept, makes nothing ready.
        """
        losses = self._losses
        await self._world.learn()
        if not self._was_ready:
            self._world.check_needs()
        for reconciler in self._world.reconcilers:
            await reconciler.identify()
            if not self._was_ready:
                reconciler.desk.check_budgets((await reconciler.desk.balances()).balances)
            self._tell_found(await reconciler.sweep(thorough=True))
        if self._losses != losses:
            raise UnreachableError("the connection was lost while the account was looked at")
        now_ms = self._now_ms()
        self.is_ready = self._was_ready = True
        self._thorough_ms = now_ms
        self._rules.want(now_ms + RULES_MS)
        self._want_sweep()

    def _tell_found(self, found: dict[str, Found]) -> None:
        for bot in self._world.bots:
            each = found.get(bot.state.bot_id)
            if each is None:
                continue
            state = bot.state
            settled = "drift 0" if each.is_settled else "drift unknown until all orders are settled"
            drift = f"{state.config.base} is missing" if state.short else settled
            self._world.say_of(
                bot,
                f"Reconciled with the exchange: {counted(len(state.lots), 'lot')}, "
                f"{counted(len(state.orders), 'open order')}, {counted(each.trades, 'trade')} while away, "
                f"{drift}",
            )

    # --- looking at the account --------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Look at the open orders, now and then at the trades too; while nothing is open, only then."""
        now_ms = self._now_ms()
        reconcilers = self._world.reconcilers
        thorough = now_ms - self._thorough_ms >= THOROUGH_MS or any(each.has_gone() for each in reconcilers)
        self._want_sweep()
        for reconciler in reconcilers:
            if thorough or any(seat.bot.state.orders or wants_balances(seat.bot.state) for seat in reconciler.seats):
                await reconciler.sweep(thorough=thorough)
        if thorough:
            self._thorough_ms = now_ms

    def _want_sweep(self) -> None:
        if self._world.reconcilers:
            all_listen = all(self._listens(reconciler.desk.name) for reconciler in self._world.reconcilers)
            self._sweep.want(self._now_ms() + (LISTENING_SWEEP_MS if all_listen else SWEEP_MS))

    def _listens(self, account: str) -> bool:
        """Tell whether an account's stream can be relied on: it has said something, or stood for a minute without."""
        since_ms = self._listening_since_ms.get(account)
        return since_ms is not None and self._now_ms() - since_ms >= SWEEP_MS

    async def next_hint(self, reconciler: Reconciler, real_time: RealTime) -> None:
        """Wait for the account's stream to say something, and have the orders it names looked at."""
        account = reconciler.desk.name
        self._listening_since_ms.setdefault(account, self._now_ms())
        try:
            hint = await reconciler.desk.account.next_hint(self._feed.symbol)
        except (UnreachableError, ConfigError) as error:
            wait_ms = RETRY_MS[min(self._hint_failures, len(RETRY_MS) - 1)]
            if isinstance(error, RateLimitedError):
                wait_ms = max(wait_ms, error.until_ms - self._now_ms())
            self._hint_failures += 1
            if self._listens(account):
                self._sweep.want(self._now_ms())
            self._listening_since_ms.pop(account, None)
            await real_time.sleep(wait_ms / 1000)
            while self._is_cut_off():
                await real_time.sleep(RETRY_MS[0] / 1000)
            return
        self._hint_failures = 0
        self._listening_since_ms[account] = 0
        for seat in reconciler.seats:
            for order in seat.bot.state.orders.values():
                if order.exchange_order_id in hint.exchange_order_ids or order.client_order_id in hint.client_order_ids:
                    seat.executor.look(order.client_order_id)

    # --- the connection ----------------------------------------------------------------------------------------------

    async def _probe(self) -> None:
        """Check the connection once for all bots that want to know: the exchange, then the internet (decision 3)."""
        asked_ms = self._now_ms()
        reachable, error, latency_ms, skew_ms = True, None, None, None
        try:
            server_ms = await self._feed.data.time_ms()
        except RateLimitedError:
            error = "not asked: the exchange wants silence"
        except (UnreachableError, ConfigError) as fault:
            reachable, error = False, str(fault)
        else:
            latency_ms = self._now_ms() - asked_ms
            self.exchange_ahead_ms = server_ms - asked_ms - latency_ms // 2
            skew_ms = self.exchange_ahead_ms - self._world.wall_ahead_ms
        due = self._concerned(max(asked_ms, self._now_ms()), reachable=reachable)
        hosts = tuple(dict.fromkeys(host for bot in due for host in bot.state.config.connectivity_hosts))
        diagnosis = None
        if not reachable and hosts:
            self._world.calls["internet_probe"] += 1
            diagnosis = "exchange down" if await self._internet(hosts) else "no internet"
        was_cut_off = self._is_cut_off()
        for bot in due:
            checked = ConnectivityChecked(
                "exchange",
                reachable=reachable,
                latency_ms=latency_ms,
                clock_skew_ms=skew_ms,
                error=error,
                diagnosis=diagnosis if bot.state.config.connectivity_hosts else None,
                failure=0 if reachable else bot.state.connectivity.failure_count + 1,
            )
            await self._world.note(bot, checked)
        if self._is_cut_off():
            self._lose()
        elif was_cut_off:
            self._ready.want(self._now_ms())

    def _concerned(self, now_ms: int, *, reachable: bool) -> list[Bot]:
        """Give the bots that a check made now is for: those whose next is due, and healthy ones that soon want one.

        A failed one is for every healthy bot: none of them goes on asking until its own check. One that waits already
        waits to its end (decision 5).
        """
        if self._checks_all:
            self._checks_all = False
            return list(self._world.bots)
        found = []
        for bot in self._world.bots:
            is_healthy = not bot.state.connectivity.failure_count
            early_ms = TOGETHER_MS if is_healthy else 0
            if next_probe_ms(bot.state) <= now_ms + early_ms or (is_healthy and not reachable):
                found.append(bot)
        return found
