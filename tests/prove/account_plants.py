"""Mistakes in reconciliation: what a look at the account must find, and what it must not conclude.

Owns the plants of late, lost and hidden rows. Source: decisions.md, "Reconciliation".
"""

from typing import Final

from tests.prove.plant import Plant

RECONCILIATION: Final = "engine/runtime/reconciliation.py"
EXECUTOR: Final = "engine/runtime/live_executor.py"
REPORTS: Final = "engine/runtime/reports.py"
DUTIES: Final = "engine/runtime/live_duties.py"

PLANTS: Final = (
    Plant(
        "a trade that comes after its order's end is not booked",
        RECONCILIATION,
        "        if trade.trade_id in order.trade_ids:\n            return\n",
        "        if trade.trade_id in order.trade_ids or order.is_terminal:\n            return\n",
    ),
    Plant(
        "the trades of the account are not looked at",
        RECONCILIATION,
        "            await self._look_at_trades(trades, unknown_own)\n",
        "",
    ),
    Plant(
        "a look at the trades begins where the last one ended",
        RECONCILIATION,
        "account.trades(self._symbol, self._trades_seen_ms - OVERLAP_MS)",
        "account.trades(self._symbol, self._trades_seen_ms)",
    ),
    Plant(
        "after a start only the trades of the last minute are looked at",
        RECONCILIATION,
        "            return await account.trades(self._symbol, max(oldest_ms - FIRST_BACK_MS, most_ms))\n",
        "            return await account.trades(self._symbol, self._now_ms() - 60_000)\n",
    ),
    Plant(
        "an order that is missing on the list of open ones is not looked up",
        RECONCILIATION,
        "            if row is None or row.filled != order.filled or order.status",
        "            if row is not None and (row.filled != order.filled) or order.status",
    ),
    Plant(
        "an order that one look did not find is given up",
        RECONCILIATION,
        "GONE_AFTER: Final = 10\n",
        "GONE_AFTER: Final = 1\n",
    ),
    Plant(
        "looks in quick succession count one by one",
        EXECUTOR,
        "        if not asking.absences or asked_ms - max(asking.absent_ms, self._steady_since_ms()) >= APART_MS:\n",
        "        if True:\n",
    ),
    Plant(
        "an order is given up that the list of open orders shows",
        RECONCILIATION,
        '            if order is None or order.status != "open" or order.exchange_order_id in {None, *listed}:\n'
        "                continue\n"
        "            if seat.executor.absences(name) < GONE_AFTER or name in seat.executor.busy:\n"
        "                continue\n",
        '            if order is None or order.status != "open" or order.exchange_order_id is None:\n'
        "                continue\n"
        "            if name in seat.executor.busy:\n"
        "                continue\n",
    ),
    Plant(
        "an order is given up without a look at its trades",
        RECONCILIATION,
        "            if await self._has_more_trades(seat, order):\n",
        "            if False:\n",
    ),
    Plant(
        "orders of other bots are taken for those of a copy of the log",
        RECONCILIATION,
        "            if parsed is None or parsed[0] != state.log_id:\n",
        "            if parsed is None:\n",
    ),
    Plant(
        "orders of others at the exchange stop the bot",
        RECONCILIATION,
        "            if parsed[0] != seat.bot.state.log_id:\n                continue\n",
        "",
    ),
    Plant(
        "a cancelled order ends with what was booked, not with what it traded",
        REPORTS,
        "            events.append(OrderCanceled(order.client_order_id, report.filled))\n",
        "            events.append(OrderCanceled(order.client_order_id, order.filled))\n",
    ),
    Plant(
        "an expired order ends with what was booked, not with what it traded",
        REPORTS,
        "            events.append(OrderExpired(order.client_order_id, report.filled))\n",
        "            events.append(OrderExpired(order.client_order_id, order.filled))\n",
    ),
    Plant(
        "an order that ended is forgotten with the next one",
        "engine/core/reducers/orders.py",
        "DONE_ORDERS_KEPT: Final = 200\n",
        "DONE_ORDERS_KEPT: Final = 1\n",
    ),
    Plant(
        "trades that fill an order to the end are booked as if they were all",
        RECONCILIATION,
        "                if fills and order.filled + sum(fill.quantity for fill in fills) == order.quantity:\n"
        "                    await self._record(seat.bot, [filled(order, fill) for fill in fills])\n",
        "                if fills:\n"
        "                    whole = msgspec.structs.replace(fills[-1], quantity=order.quantity - order.filled)\n"
        "                    await self._record(seat.bot, [filled(order, whole)])\n",
    ),
    Plant(
        "a trade is booked under another name than the exchange's",
        REPORTS,
        "        trade_id=fill.trade_id,\n",
        '        trade_id=f"{order.client_order_id}-{len(order.trade_ids)}",\n',
    ),
    Plant(
        "the exchange's answer that an order expired is passed over",
        REPORTS,
        '        elif report.status == "expired":\n',
        '        elif report.status == "lapsed":\n',
    ),
    Plant(
        "after an outage the account is not looked at again",
        DUTIES,
        "        elif was_cut_off:\n            self._ready.want(self._now_ms())\n",
        "",
    ),
    Plant(
        "a recovery takes back the sell of a lot that must go",
        "engine/core/decider/recovered.py",
        "        if draft.state.is_leaving(lot) and not is_on_its_way:\n",
        "        if draft.state.is_leaving(lot):\n",
        within=3_000,
    ),
    Plant(
        "a recovery sells again what was dust to the lost end",
        "engine/core/decider/recovered.py",
        "        make_dust(draft, other)\n",
        "        pass\n",
        within=3_000,
    ),
)
