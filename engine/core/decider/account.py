"""What follows from a look at the account: balances that do not fit, orders that the log does not hold.

Foreign orders and coins are none of the bot's business. What bears this log's ids and is not in this log is: another
copy of the log trades, and the bot must not.
"""

from typing import Final

from engine.core.decider.draft import Draft
from engine.core.decider.limits import entries_are_stopped
from engine.core.decider.settlement import settle
from engine.core.events import (
    Balance,
    BalancesObserved,
    DiscrepancyFound,
    OrderCancelRequested,
    OrderReconciled,
    OrdersSurveyed,
)
from engine.core.lots import is_too_much
from engine.core.state import BotState, Order
from engine.core.units import ZERO

TOLD_AT: Final = 2
"""So many looks in a row must find too little before it is told: a trade may not show up at once."""


def on_balances(draft: Draft) -> None:
    """Tell, once, that the account holds less of the base than the bots bought and did not sell."""
    event, state = draft.event, draft.state
    assert isinstance(event, BalancesObserved), event
    if state.short == TOLD_AT:
        held = event.balances.get(state.config.base, Balance(ZERO)).total
        expected = state.certain + event.others
        draft.emit(
            DiscrepancyFound(
                f"the balance of {state.config.base}",
                expected=str(expected),
                actual=str(held),
                action="sales are sized to what is there",
            )
        )


def on_survey(draft: Draft) -> None:
    """Stop for the operator if orders of this log exist that the log does not hold (a fork)."""
    event = draft.event
    assert isinstance(event, OrdersSurveyed), event
    if event.unknown_own and draft.state.halted is None:
        draft.emit(
            DiscrepancyFound(
                "orders of this log at the exchange",
                expected=f"none after number {draft.state.order_number}",
                actual=", ".join(event.unknown_own[:10]),
                action="nothing is sent until an operator decides: another copy of this log has traded",
                halts=True,
            )
        )
    if event.forgotten:
        draft.emit(
            DiscrepancyFound(
                "orders that ended long ago",
                expected="nothing new of them",
                actual=", ".join(event.forgotten[:10]),
                action="nothing is booked: look at them at the exchange",
            )
        )


def on_reconciled(draft: Draft) -> None:
    """Tell of an order held to be not placed that is there after all, or of one that was there and is gone."""
    event = draft.event
    assert isinstance(event, OrderReconciled), event
    if event.new_status == "gone":
        draft.emit(
            DiscrepancyFound(
                f"order {event.client_order_id}",
                expected="at the exchange",
                actual="not to be found there any more",
                action="it counts as cancelled with what it had traded",
            )
        )
        settle(draft, event.client_order_id)
    if event.old_status == "rejected":
        draft.emit(
            DiscrepancyFound(
                f"order {event.client_order_id}",
                expected="not placed",
                actual="at the exchange",
                action="it is back in the books",
            )
        )
        order = draft.state.orders.get(event.client_order_id)
        if order is not None and _is_one_too_many(draft.state, order, draft.at_ms):
            # not by settlement.cancel: a market order that is still open did not trade at once
            draft.emit(OrderCancelRequested(order.client_order_id, "superseded"))


def _is_one_too_many(state: BotState, order: Order, at_ms: int) -> bool:
    """Tell whether an order that came back has no place any more, because others were decided in its stead."""
    if order.side == "sell":
        lot = state.lots.get(order.lot or 0)
        return lot is None or lot.sell_order != order.client_order_id or is_too_much(order, lot)
    others = any(each.side == "buy" and each.number != order.number for each in state.orders.values()) or any(
        each.side == "buy" and each.number > order.number and each.filled for each in state.done_orders.values()
    )
    is_full = len(state.lots) >= state.config.max_open_lots or state.exposure > state.config.budget
    return others or is_full or entries_are_stopped(state, at_ms)
