"""Reducers of orders: from intent to last fill, and what a fill does to lots and cash.

A fill is booked once per (client order id, trade id), so a report that comes twice or in another order is harmless.
Source: design, "Order protocol"; decisions.md, "Money".
"""

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from engine.core.backoff import ask_again_ms
from engine.core.events import (
    OrderAccepted,
    OrderAdopted,
    OrderCanceled,
    OrderCancelRequested,
    OrderExpired,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderReconciled,
    OrderRejected,
    OrderRequested,
    OrderSent,
)
from engine.core.lots import RESERVE_STEP, Taken, buy_into_lot, reserve, sell_from_lot
from engine.core.reducers.limits import with_peak_marked
from engine.core.reducers.table import Table
from engine.core.state import BotState, Order
from engine.core.units import ZERO, ceil_to
from engine.core.watch import with_watch

DONE_ORDERS_KEPT: Final = 200
STALE: Final = "stale"
"""The proof of a rejection that means: not sent, because it was decided too long ago. It is decided afresh at once."""

NOT_SENT: Final = "not sent"
"""The proof of a rejection that means: it could not leave this machine. It is decided afresh a little later."""

NOT_SENT_HOLD_MS: Final = 10_000
LEAVING_HOLD_MS: Final = 60_000
"""A lot that must go is never held back for longer."""

HAIR: Final = Decimal("1e-8")
REJECTION_HOLD_MS: Final = 60_000
REJECTION_DOUBLINGS: Final = 6


def _store(state: BotState, order: Order, at_ms: int) -> BotState:
    """Put an order where it belongs; a terminal one frees its money and its lot, and has the oldest forgotten."""
    orders = dict(state.orders)
    done, forgotten_ms = state.done_orders, state.forgotten_ms
    if order.is_terminal:
        orders.pop(order.client_order_id, None)
        done = {name: each for name, each in done.items() if name != order.client_order_id}
        done[order.client_order_id] = replace(order, reserved=ZERO, ended_ms=at_ms)
        while len(done) > DONE_ORDERS_KEPT:
            oldest = done.pop(next(iter(done)))
            forgotten_ms = max(forgotten_ms, oldest.ended_ms)
    else:
        orders[order.client_order_id] = order
    state = replace(state, orders=orders, done_orders=done, forgotten_ms=forgotten_ms, balances_ms=0)
    if order.is_terminal and order.side == "sell":
        return _free_lot(state, order)
    return state


def _free_lot(state: BotState, order: Order) -> BotState:
    lot = state.lots.get(order.lot or 0)
    if lot is None or lot.sell_order != order.client_order_id:
        return state
    return with_watch(replace(state, lots={**state.lots, lot.number: replace(lot, sell_order=None)}))


def _requested(state: BotState, event: OrderRequested, at_ms: int) -> BotState:
    assert event.number == state.order_number + 1, (event, state.order_number)
    order = Order(
        client_order_id=event.client_order_id,
        number=event.number,
        side=event.side,
        kind=event.kind,
        quantity=event.quantity,
        purpose=event.purpose,
        seen_price=event.seen_price,
        requested_ms=at_ms,
        limit_price=event.limit_price,
        lot=event.lot,
        reserved=event.reserved,
        dust_quantity=event.dust_quantity,
        timeout_ms=event.timeout_ms,
    )
    state = _store(replace(state, order_number=event.number), order, at_ms)
    if event.side == "buy":
        return replace(state, skip=None, told_limits=())
    assert event.lot is not None, event
    lot = state.lots[event.lot]
    assert lot.sell_order is None, "never more than one open sell per lot"
    return with_watch(replace(state, lots={**state.lots, lot.number: replace(lot, sell_order=order.client_order_id)}))


def _sent(state: BotState, event: OrderSent, at_ms: int) -> BotState:
    order = state.orders[event.client_order_id]
    return _store(state, replace(order, status="sent", sent_ms=event.sent_ms, valid_ms=event.valid_ms), at_ms)


def _accepted(state: BotState, event: OrderAccepted, at_ms: int) -> BotState:
    """Note the exchange's id; an order that was taken back into the books learns it only now."""
    order = state.order(event.client_order_id)
    if order is None:
        return state
    is_nameless = order.status == "open" and order.exchange_order_id is None
    if order.status not in {"requested", "sent", "unknown"} and not is_nameless:
        return state
    return _store(
        state, replace(order, status="open", exchange_order_id=event.exchange_order_id, accepted_ms=at_ms), at_ms
    )


def _hold_ms(rejections: int) -> int:
    return REJECTION_HOLD_MS << min(rejections, REJECTION_DOUBLINGS)


def _rejected(state: BotState, event: OrderRejected, at_ms: int) -> BotState:
    order = state.orders.get(event.client_order_id)
    if order is None:
        return state
    state = _store(state, replace(order, status="rejected"), at_ms)
    if event.proof == STALE:
        return state
    return _held_back(state, order, at_ms, refused=event.proof != NOT_SENT)


def _held_back(state: BotState, order: Order, at_ms: int, *, refused: bool) -> BotState:
    """Wait before the next order of this kind: longer each time the exchange refused one, a moment if none left."""
    if order.side == "buy":
        hold_ms = _hold_ms(state.rejections) if refused else NOT_SENT_HOLD_MS
        return replace(state, rejections=state.rejections + refused, entry_hold_ms=at_ms + hold_ms, skip=None)
    lot = state.lots.get(order.lot or 0)
    if lot is None:
        return state
    hold_ms = _hold_ms(lot.rejections) if refused else NOT_SENT_HOLD_MS
    if state.is_leaving(lot):
        hold_ms = min(hold_ms, LEAVING_HOLD_MS)
    held = replace(lot, rejections=lot.rejections + refused, hold_ms=at_ms + hold_ms)
    return replace(state, lots={**state.lots, lot.number: held})


def _outcome_unknown(state: BotState, event: OrderOutcomeUnknown, at_ms: int) -> BotState:
    """Keep the order, and ask about it again: at once the first time, then 1 2 4 … 64 seconds later."""
    order = state.orders.get(event.client_order_id)
    if order is None:
        return state
    wait_ms = ask_again_ms(order.asks) if order.asks else 0
    status = "unknown" if order.status == "sent" else order.status
    return _store(state, replace(order, status=status, asks=order.asks + 1, ask_after_ms=at_ms + wait_ms), at_ms)


def _filled(state: BotState, event: OrderFilled, at_ms: int) -> BotState:
    order = state.order(event.client_order_id)
    if order is None or event.trade_id in order.trade_ids:
        return state
    is_late = event.client_order_id not in state.orders
    base_fee = event.fee if event.fee_asset == state.config.base else ZERO
    cash = event.price * event.quantity
    cash_fee = event.fee if event.fee_asset == state.config.quote else ZERO
    value_fee = _beside_base(event, base_fee)
    if order.side == "buy":
        state = buy_into_lot(
            _taken_back(state, order), order, event, base_fee=base_fee, value_fee=value_fee, at_ms=at_ms
        )
        taken, cash_flow = Taken(ZERO, ZERO, ZERO), -cash - cash_fee
    else:
        state, taken = sell_from_lot(_accepted_again(state, order), order, event.quantity + base_fee)
        cash_flow = cash - cash_fee
    filled = order.filled + event.quantity
    order = replace(
        order,
        filled=filled,
        cash=order.cash + cash,
        fee_quote=order.fee_quote + value_fee,
        fee_base=order.fee_base + base_fee,
        cost_sold=order.cost_sold + taken.cost,
        dust_sold=order.dust_sold + taken.dust,
        unowned=order.unowned + taken.unowned,
        reserved=_still_reserved(order, filled),
        trade_ids=(*order.trade_ids, event.trade_id),
        status="filled" if filled >= order.quantity else order.status,
    )
    stats = replace(state.stats, total_fees=state.stats.total_fees + event.fee_quote)
    state = with_watch(_store(replace(state, cash_flow=state.cash_flow + cash_flow, stats=stats), order, at_ms))
    return state if is_late else with_peak_marked(state, order.number, event.price)


def _beside_base(event: OrderFilled, base_fee: Decimal) -> Decimal:
    """Give the quote value of a fee but for its part in base, which is booked as base; a hair is rounding."""
    if not base_fee:
        return event.fee_quote
    rest = event.fee_quote - base_fee * event.price
    return rest if rest > HAIR else ZERO


def _accepted_again(state: BotState, order: Order) -> BotState:
    """Forget how often sells of a lot were refused, once one trades."""
    lot = state.lots.get(order.lot or 0)
    if lot is None or not lot.rejections:
        return state
    return replace(state, lots={**state.lots, lot.number: replace(lot, rejections=0)})


def _taken_back(state: BotState, order: Order) -> BotState:
    """Take a recorded purchase out of the sums, since a late trade will have it recorded anew, and whole."""
    lot = state.lots.get(order.number)
    if lot is None or lot.status != "open":
        return state
    stats = replace(
        state.stats,
        total_trades=state.stats.total_trades - 1,
        purchase_count=state.stats.purchase_count - 1,
        total_purchased=state.stats.total_purchased - lot.bought,
        total_spent=state.stats.total_spent - lot.spent,
    )
    return replace(state, stats=stats)


def _still_reserved(order: Order, filled: Decimal) -> Decimal:
    """Give the quote that the unfilled rest may still take, rounded up to 1e-8 as the whole reserve was."""
    unfilled = max(order.quantity - filled, ZERO)
    was_unfilled = order.quantity - order.filled
    return ceil_to(order.reserved * unfilled / was_unfilled, RESERVE_STEP) if was_unfilled > 0 else ZERO


def _cancel_requested(state: BotState, event: OrderCancelRequested, at_ms: int) -> BotState:
    order = state.orders[event.client_order_id]
    if order.status == "requested":
        return _store(state, replace(order, status="canceled", final=ZERO, cancel_reason=event.reason), at_ms)
    return _store(state, replace(order, cancel_reason=event.reason), at_ms)


def _closed(state: BotState, event: OrderCanceled | OrderExpired, at_ms: int) -> BotState:
    """End an order with what was filled; one that the exchange ended by itself, unfilled, was as good as refused."""
    order = state.orders.get(event.client_order_id)
    if order is None:
        return state
    is_news = order.status not in {"canceled", "expired"}
    status = "canceled" if type(event) is OrderCanceled else "expired"
    state = _store(state, replace(order, status=status, final=event.filled), at_ms)
    if is_news and order.cancel_reason is None and not event.filled and not order.filled:
        return _held_back(state, order, at_ms, refused=True)
    return state


def _reconciled(state: BotState, event: OrderReconciled, at_ms: int) -> BotState:
    """Move an order to the status that the exchange shows.

    One held to be not placed comes back into the books; one that is gone from the exchange ends with what it traded.
    """
    order = state.order(event.client_order_id)
    if order is None or event.new_status not in {"open", "gone"}:
        return state
    if event.new_status == "gone":
        return _store(state, replace(order, status="canceled", final=order.filled), at_ms)
    done = {name: each for name, each in state.done_orders.items() if name != event.client_order_id}
    if order.status == "rejected" and order.side == "sell":
        lot = state.lots.get(order.lot or 0)
        if lot is not None and lot.sell_order is None:
            lots = {**state.lots, lot.number: replace(lot, sell_order=order.client_order_id)}
            state = with_watch(replace(state, lots=lots))
    reserved = order.reserved
    if order.status == "rejected" and order.side == "buy":
        reserved = reserve(order.quantity, order.limit_price or order.seen_price, state.config.fees.taker)
    return _store(
        replace(state, done_orders=done), replace(order, status="open", ask_after_ms=0, reserved=reserved), at_ms
    )


def _adopted(state: BotState, event: OrderAdopted, at_ms: int) -> BotState:
    """Take an order of the lost end into the books as it stands at the exchange; what it traded follows."""
    if state.order(event.client_order_id) is not None:
        return state
    lot = None if event.side == "buy" else state.lots.get(event.lot or 0)
    order = Order(
        client_order_id=event.client_order_id,
        number=event.number,
        side=event.side,
        kind=event.kind,
        quantity=event.quantity,
        purpose="adopted",
        dust_quantity=ZERO if lot is None else max(event.quantity - lot.quantity, ZERO),
        seen_price=event.seen_price,
        requested_ms=at_ms if event.placed_ms is None else event.placed_ms,
        limit_price=event.limit_price,
        lot=event.lot,
        reserved=event.reserved,
        timeout_ms=event.timeout_ms,
        status="open",
        exchange_order_id=event.exchange_order_id,
        sent_ms=event.placed_ms,
        accepted_ms=at_ms if event.placed_ms is None else event.placed_ms,
    )
    last = max(state.order_number, event.number)
    state = _store(replace(state, order_number=last, adopted=(*state.adopted, event.number)), order, at_ms)
    if lot is None or lot.sell_order is not None:
        return state
    lots = {**state.lots, lot.number: replace(lot, sell_order=order.client_order_id)}
    return with_watch(replace(state, lots=lots))


REDUCERS: Final[Table] = {
    OrderRequested: _requested,
    OrderSent: _sent,
    OrderAccepted: _accepted,
    OrderRejected: _rejected,
    OrderOutcomeUnknown: _outcome_unknown,
    OrderFilled: _filled,
    OrderCancelRequested: _cancel_requested,
    OrderCanceled: _closed,
    OrderExpired: _closed,
    OrderReconciled: _reconciled,
    OrderAdopted: _adopted,
}
