"""Carries out what bots owe a real exchange: one call per order at a time, each in a task of its own.

Prices and other orders go on while a call waits for its answer. Everything that acts rests on the durable state; an
order leaves only once `order_sent` is durable and the witness covers it. Nothing is remembered beyond the state but how
soon to ask again. Waiting proves something only on a clock that has run evenly: `steady_since_ms` says since when.
Source: design, "Order protocol".
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, assert_never

import msgspec

from engine.core.backoff import ask_again_ms
from engine.core.decider.limits import entries_are_stopped
from engine.core.effects import OrderEffect, is_stale, outstanding
from engine.core.events import OrderRejected, OrderSent
from engine.core.reducers.orders import NOT_SENT, STALE
from engine.core.state import BotState, Order
from engine.exchanges.port import Accepted, Gateway, OrderReport, Unknown
from engine.runtime.bot import Bot
from engine.runtime.executor import Record
from engine.runtime.reports import answer_events, outcome_events

Spawn = Callable[[Coroutine[Any, Any, None]], object]
Looked = OrderReport | Unknown | None

APART_MS: Final = 60_000


class _Asking(msgspec.Struct):
    """How the asking about one order stands; forgotten when it is at rest and nobody wants a look.

    `wants_look`: there is reason to ask. `not_before_ms`, `tries`: how soon again, after how many answers that settled
    nothing. `absences`, `absent_ms`: how many looks in a row did not find it, and when the last that counts began.
    """

    wants_look: bool = False
    not_before_ms: int = 0
    tries: int = 0
    absences: int = 0
    absent_ms: int = 0


class LiveExecutor:
    """Carries out the outstanding effects of one bot.

    `may_send` says whether the account has been looked at since the connection was last lost: until then only questions
    are asked. `busy` holds the orders about which a call is under way, `sending` counts those that are being placed.
    """

    def __init__(
        self,
        gateway: Gateway,
        record: Record,
        *,
        now_ms: Callable[[], int],
        spawn: Spawn,
        witnessed: Callable[[int], Awaitable[None]],
        may_send: Callable[[], bool],
        steady_since_ms: Callable[[], int],
        done: Callable[[], None],
    ) -> None:
        """Take the gateway, the way to record, the clock, and who runs tasks and is told when one has ended."""
        self._gateway: Final = gateway
        self._record: Final = record
        self._now_ms: Final = now_ms
        self._spawn: Final = spawn
        self._witnessed: Final = witnessed
        self._may_send: Final = may_send
        self._steady_since_ms: Final = steady_since_ms
        self._done: Final = done
        self.busy: Final[set[str]] = set()
        self.sending = 0
        self._askings: Final[defaultdict[str, _Asking]] = defaultdict(_Asking)

    async def settle(self, bot: Bot, now_ms: int) -> None:
        """Begin every call that is owed now and not under way; book what a paper account traded meanwhile."""
        for report in self._gateway.trades(bot.state):
            order = bot.state.order(report.client_order_id)
            assert order is not None, report
            await self._record(bot, answer_events(order, report))
        for effect in self._owed(bot):
            if self._ready_ms(effect) <= now_ms:
                self.busy.add(effect.client_order_id)
                self._spawn(self._carry_out(bot, effect))

    def next_ms(self, bot: Bot) -> int | None:
        """Say when a call will next be owed, in milliseconds."""
        return min(map(self._ready_ms, self._owed(bot)), default=None)

    def look(self, client_order_id: str) -> None:
        """Ask about an order soon, whatever its status: there is reason to believe that something happened to it."""
        self._askings[client_order_id].wants_look = True

    @property
    def is_quiet(self) -> bool:
        """Tell whether no call is under way and none is asked for."""
        return not self.busy and not any(asking.wants_look for asking in self._askings.values())

    def absences(self, client_order_id: str) -> int:
        """Count how many looks in a row, each a minute after the last that counts, did not find an order."""
        asking = self._askings.get(client_order_id)
        return 0 if asking is None else asking.absences

    def _count_absence(self, asking: _Asking, asked_ms: int) -> None:
        """Count a look that found nothing; ones in quick succession are one, for an exchange may show an order late."""
        if not asking.absences or asked_ms - max(asking.absent_ms, self._steady_since_ms()) >= APART_MS:
            asking.absences += 1
            asking.absent_ms = asked_ms

    async def look_now(self, bot: Bot, client_order_id: str) -> None:
        """Ask about an order and book the answer, unless a call about it is under way."""
        if client_order_id not in self.busy:
            self.busy.add(client_order_id)
            await self._carry_out(bot, OrderEffect("query", client_order_id, 0))

    def _owed(self, bot: Bot) -> list[OrderEffect]:
        """Give the effects of the durable state that are not under way, and the looks that were asked for.

        An order that the candidate no longer lets go is not owed, or it would be begun and dropped again until what
        forbids it is durable.
        """
        state = bot.durable[0]
        effects = {effect.client_order_id: effect for effect in outstanding(state)}
        for name in [name for name, asking in self._askings.items() if asking.wants_look]:
            order = state.order(name)
            if order is None or (order.is_terminal and order.status != "rejected"):  # nothing more can happen to it
                del self._askings[name]
            elif name not in effects and not state.connectivity.failure_count:
                effects[name] = OrderEffect("query", name, state.rate_limited_until_ms)
        return [
            effect
            for name, effect in effects.items()
            if name not in self.busy and (effect.action != "send" or self._may_begin(bot, name))
        ]

    def _may_begin(self, bot: Bot, name: str) -> bool:
        return self._may_send() and _may_leave(bot, name, self._now_ms())

    def _ready_ms(self, effect: OrderEffect) -> int:
        asking = self._askings.get(effect.client_order_id)
        return effect.not_before_ms if asking is None else max(effect.not_before_ms, asking.not_before_ms)

    async def _carry_out(self, bot: Bot, effect: OrderEffect) -> None:
        try:
            order = bot.state.order(effect.client_order_id)
            if order is None:
                return
            match effect.action:
                case "send":
                    await self._send(bot, order)
                case "query" if self._gateway.repeats_create and order.status in {"sent", "unknown"}:
                    await self._create(bot, order)
                case "query":
                    self._askings[order.client_order_id].wants_look = False
                    await self._answered(bot, order, self._gateway.query(bot.state, order))
                case "cancel":
                    await self._answered(bot, order, self._gateway.cancel(bot.state, order))
                case never:
                    assert_never(never)
        finally:
            self.busy.discard(effect.client_order_id)
            self._done()

    async def _send(self, bot: Bot, order: Order) -> None:
        """Send an order, if what it was decided upon still holds; record before, and record what became of it."""
        now_ms, name = self._now_ms(), order.client_order_id
        if not _may_leave(bot, name, now_ms):
            return
        if is_stale(order, now_ms):
            age_s = (now_ms - order.requested_ms) / 1000
            await self._record(bot, [OrderRejected(name, STALE, f"it was decided {age_s:.0f} s ago, and never sent")])
            return
        position = await self._record(bot, [OrderSent(name, now_ms, self._gateway.valid_ms)])
        assert position is not None, "order_sent is urgent"
        await self._witnessed(position)
        held_ms = self._now_ms() - now_ms
        may_leave = _may_go_on(bot.state, order, self._now_ms())
        if not may_leave or held_ms > self._gateway.valid_ms:
            why = (
                f"this machine stood still for {held_ms / 1000:.0f} s"
                if may_leave
                else "the bot was stopped from sending"
            )
            await self._record(bot, [OrderRejected(name, STALE if may_leave else NOT_SENT, f"{why} before it left")])
            return
        await self._create(bot, bot.state.orders[name])

    async def _create(self, bot: Bot, order: Order) -> None:
        self.sending += 1
        try:
            outcome = await self._gateway.create(bot.state, order)
        finally:
            self.sending -= 1
        await self._record(bot, outcome_events(order, outcome))
        if isinstance(outcome, Accepted) and not outcome.is_whole:
            self.look(order.client_order_id)

    async def _answered(self, bot: Bot, order: Order, answer: Awaitable[Looked]) -> None:
        """Record an answer against the order as it is now; one that settles nothing is asked for again, but later."""
        asked_ms, name = self._now_ms(), order.client_order_id
        report = await answer
        asking = self._askings[name]
        if report is None:
            self._count_absence(asking, asked_ms)
        elif isinstance(report, OrderReport):
            asking.absences = 0
        order = bot.state.order(name) or order
        since_ms = self._steady_since_ms()
        events = answer_events(order, report, asked_ms=asked_ms, grace_ms=self._gateway.grace_ms, since_ms=since_ms)
        await self._record(bot, events)
        now = bot.state.order(name)
        if isinstance(report, OrderReport):
            is_open_end = now is not None and report.filled > now.filled  # its trades are late
        else:
            is_open_end = now is not None and now.status == "open"  # accepted, and not shown yet or any more
        if is_open_end:
            self.look(name)
        is_at_rest = now is None or now.is_terminal or (now.status == "open" and now.cancel_reason is None)
        if is_at_rest and not is_open_end:
            asking.not_before_ms = asking.tries = 0
            if not asking.wants_look:
                self._askings.pop(name, None)
        else:
            asking.tries += 1
            asking.not_before_ms = self._now_ms() + ask_again_ms(asking.tries)


def _may_leave(bot: Bot, name: str, now_ms: int) -> bool:
    """Tell whether an order was not sent yet, and nothing forbids to send it."""
    order = bot.state.orders.get(name)
    return order is not None and order.status == "requested" and _may_go_on(bot.state, order, now_ms)


def _may_go_on(state: BotState, order: Order, now_ms: int) -> bool:
    """Tell whether nothing forbids a bot to send an order: not its state, and for a buy no limit on entries."""
    is_stopped = order.side == "buy" and entries_are_stopped(state, now_ms)
    return state.may_leave(order) and not is_stopped
