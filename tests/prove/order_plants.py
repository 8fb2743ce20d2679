"""Mistakes in the order protocol: what leaves when, and what an answer, or none, is taken for.

Owns the plants of sending, asking and cancelling. Source: design, "Order protocol";
docs/evidence.md, "Incidents of other programs".
"""

from typing import Final

from tests.prove.plant import Plant

EXECUTOR: Final = "engine/runtime/live_executor.py"
REPORTS: Final = "engine/runtime/reports.py"
EFFECTS: Final = "engine/core/effects.py"
PROOF: Final = "asked_ms > max(order.sent_ms, since_ms) + order.valid_ms + grace_ms"

PLANTS: Final = (
    Plant(
        "an order leaves while its intent is being written",
        EXECUTOR,
        "        position = await self._record(bot, [OrderSent(name, now_ms, self._gateway.valid_ms)])\n"
        '        assert position is not None, "order_sent is urgent"\n'
        "        await self._witnessed(position)\n",
        "        import asyncio\n\n"
        "        recording = self._record(bot, [OrderSent(name, now_ms, self._gateway.valid_ms)])\n"
        "        self._recording = asyncio.ensure_future(recording)\n"
        "        await asyncio.sleep(0)\n",
    ),
    Plant(
        "nobody waits for urgent facts to be durable",
        "engine/runtime/journal.py",
        "            return await asyncio.shield(future)\n",
        "            return 0\n",
    ),
    Plant(
        "an order leaves before the witness vouches for it",
        EXECUTOR,
        "        await self._witnessed(position)\n",
        "",
    ),
    Plant(
        "an order without an answer is sent again",
        EXECUTOR,
        "        await self._record(bot, outcome_events(order, outcome))\n        if isinstance(outcome, Accepted)",
        "        if isinstance(outcome, Unknown):\n"
        "            outcome = await self._gateway.create(bot.state, order)\n"
        "        await self._record(bot, outcome_events(order, outcome))\n        if isinstance(outcome, Accepted)",
    ),
    Plant(
        "an order without an answer is sent again under a new id",
        REPORTS,
        "            return [OrderOutcomeUnknown(order.client_order_id, outcome.error)]\n        case _:",
        '            return [OrderRejected(order.client_order_id, "stale", outcome.error)]\n        case _:',
    ),
    Plant(
        "an order without an answer counts as failed",
        REPORTS,
        "            return [OrderOutcomeUnknown(order.client_order_id, outcome.error)]\n        case _:",
        '            return [OrderRejected(order.client_order_id, "timeout", outcome.error)]\n        case _:',
    ),
    Plant(
        "an order in doubt is sent again when it is asked about",
        EXECUTOR,
        'case "query" if self._gateway.repeats_create and order.status in',
        'case "query" if order.status in',
    ),
    Plant(
        "an order that was not found counts as not placed at once",
        EFFECTS,
        PROOF,
        "True",
    ),
    Plant(
        "an accepted order that is not shown counts as never placed",
        REPORTS,
        "    if report is None and order.exchange_order_id is None and proves_absence(",
        "    if report is None and proves_absence(",
    ),
    Plant(
        "an order is signed with the time at which it leaves",
        EXECUTOR,
        "        await self._create(bot, bot.state.orders[name])\n",
        "        await self._create(bot, msgspec.structs.replace(bot.state.orders[name], sent_ms=self._now_ms()))\n",
    ),
    Plant(
        "an order leaves however long ago it was decided",
        EFFECTS,
        "    return rests_on_a_moment and now_ms - order.requested_ms > FRESH_MS\n",
        "    return rests_on_a_moment and now_ms - order.requested_ms > 1000 * FRESH_MS\n",
    ),
    Plant(
        "an order leaves although its pause came while it was written down",
        EXECUTOR,
        "    return state.may_leave(order) and not is_stopped\n",
        "    return state.halted is None and not is_stopped\n",
    ),
    Plant(
        "a buy leaves although the kill switch came while it was written down",
        EXECUTOR,
        "    return state.may_leave(order) and not is_stopped\n",
        "    return state.may_leave(order)\n",
    ),
    Plant(
        "a paused bot sends",
        EXECUTOR,
        "        may_leave = _may_go_on(bot.state, order, self._now_ms())\n",
        "        may_leave = True\n",
    ),
    Plant(
        "an order in doubt is not asked about",
        EXECUTOR,
        '                case "query":\n',
        '                case "query" if order.status == "unknown":\n'
        "                    pass\n"
        '                case "query":\n',
    ),
    Plant(
        "a cancellation that was asked for counts as done",
        EXECUTOR,
        "                    await self._answered(bot, order, self._gateway.cancel(bot.state, order))\n",
        "                    from engine.core.events import OrderCanceled\n\n"
        "                    await self._gateway.cancel(bot.state, order)\n"
        "                    await self._record(bot, [OrderCanceled(order.client_order_id, order.filled)])\n",
    ),
    Plant(
        "an order is accepted without its name at the exchange",
        "engine/core/reducers/orders.py",
        'replace(order, status="open", exchange_order_id=event.exchange_order_id, accepted_ms=at_ms)',
        'replace(order, status="open", accepted_ms=at_ms)',
    ),
    Plant(
        "the names of orders repeat",
        "engine/core/identity.py",
        "    return PREFIX + log_id + encode_base32(number, NUMBER_LENGTH)\n",
        "    return PREFIX + log_id + encode_base32((number - 1) % 4 + 1, NUMBER_LENGTH)\n",
    ),
    Plant(
        "an order leaves before the account was looked at",
        "engine/runtime/live_world.py",
        "            may_send=lambda: self._duties.is_ready,\n",
        "            may_send=lambda: True,\n",
    ),
    Plant(
        "a second buy is decided while the first is in doubt",
        "engine/core/decider/entries.py",
        "        and state.open_buy is None\n",
        '        and not any(order.status == "open" and order.side == "buy" for order in state.orders.values())\n',
    ),
    Plant(
        "an exchange that shows orders late gets no grace",
        EFFECTS,
        PROOF,
        "asked_ms > max(order.sent_ms, since_ms) + order.valid_ms",
    ),
    Plant(
        "the window of a signature is left out of the wait",
        EFFECTS,
        PROOF,
        "asked_ms > max(order.sent_ms, since_ms) + grace_ms",
    ),
    Plant(
        "waiting counts although somebody set the clock",
        EFFECTS,
        PROOF,
        "asked_ms > order.sent_ms + order.valid_ms + grace_ms",
    ),
)
