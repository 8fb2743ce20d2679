"""Carries out what a bot owes the exchange on a market that waits for the answer, and records what comes back.

At most one call per order at a time; nothing is remembered beyond the state, so after a restart the same state owes
the same calls. Source: design, "Order protocol".
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, assert_never

from engine.core.effects import OrderEffect, outstanding
from engine.core.events import BotEvent, OrderSent
from engine.core.state import Order
from engine.exchanges.port import Gateway
from engine.runtime.bot import Bot
from engine.runtime.reports import answer_events, outcome_events

Record = Callable[[Bot, Sequence[BotEvent]], Awaitable[int | None]]
"""Record observations of a bot, durably; gives the position in the log that was reached, if anything was urgent."""

MOST_CALLS: Final = 10_000


class Executor:
    """Runs the outstanding effects of the bots that share a gateway."""

    def __init__(self, gateway: Gateway, record: Record, calls: Counter[str]) -> None:
        """Take the gateway, the way to record, and the call counters."""
        self._gateway: Final = gateway
        self._record: Final = record
        self._calls: Final = calls

    async def settle(self, bot: Bot, now_ms: int) -> None:
        """Carry out everything owed now, and what follows from it, until nothing is owed and nothing new traded.

        A call that settled nothing is not repeated at once; the same state owes it again the next time.
        """
        tried: set[tuple[str, str]] = set()
        for _ in range(MOST_CALLS):
            if not bot.state.orders:
                return
            effect = next((e for e in outstanding(bot.state) if _is_ready(e, now_ms, tried)), None)
            if effect is not None:
                tried.add((effect.action, effect.client_order_id))
                await self._run(bot, effect, now_ms)
            elif not await self._collect(bot):
                return
        raise AssertionError(f"{bot.stream} never comes to rest")

    async def _run(self, bot: Bot, effect: OrderEffect, now_ms: int) -> None:
        order = bot.state.orders[effect.client_order_id]
        match effect.action:
            case "send":
                await self._record(bot, [OrderSent(order.client_order_id, now_ms, self._gateway.valid_ms)])
                await self._create(bot, bot.state.orders[order.client_order_id])
            case "query" if self._gateway.repeats_create and order.status in {"sent", "unknown"}:
                await self._create(bot, order)
            case "query":
                self._calls["fetch_order"] += 1
                await self._record(bot, answer_events(order, await self._gateway.query(bot.state, order)))
            case "cancel":
                self._calls["cancel_order"] += 1
                await self._record(bot, answer_events(order, await self._gateway.cancel(bot.state, order)))
            case never:
                assert_never(never)

    async def _create(self, bot: Bot, order: Order) -> None:
        self._calls["create_order"] += 1
        await self._record(bot, outcome_events(order, await self._gateway.create(bot.state, order)))

    async def _collect(self, bot: Bot) -> bool:
        """Record what happened to resting orders; tell whether anything did."""
        reports = self._gateway.trades(bot.state)
        for report in reports:
            order = bot.state.order(report.client_order_id)
            assert order is not None, report
            await self._record(bot, answer_events(order, report))
        return bool(reports)


def _is_ready(effect: OrderEffect, now_ms: int, tried: set[tuple[str, str]]) -> bool:
    return effect.not_before_ms <= now_ms and (effect.action, effect.client_order_id) not in tried
