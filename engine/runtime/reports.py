"""What a gateway answered, as the observations that record it.

Owns the translation, and with it the rule when nothing is news. Never asks anybody anything.
"""

from engine.core.effects import proves_absence
from engine.core.events import (
    BotEvent,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderRejected,
)
from engine.core.reducers.orders import NOT_SENT
from engine.core.state import Order
from engine.exchanges.port import Accepted, Fill, NotSent, OrderReport, Outcome, Rejected, Unknown

NOT_PLACED = "not placed"


def outcome_events(order: Order, outcome: Outcome) -> list[BotEvent]:
    """Record what became of a create call."""
    match outcome:
        case Accepted():
            accepted = OrderAccepted(order.client_order_id, outcome.exchange_order_id)
            return [accepted, *(filled(order, fill) for fill in outcome.fills)]
        case Rejected():
            return [OrderRejected(order.client_order_id, outcome.proof, outcome.reason)]
        case Unknown():
            return [OrderOutcomeUnknown(order.client_order_id, outcome.error)]
        case _:
            assert isinstance(outcome, NotSent), outcome
            return [OrderRejected(order.client_order_id, NOT_SENT, outcome.reason)]


def answer_events(
    order: Order, report: OrderReport | Unknown | None, *, asked_ms: int = 0, grace_ms: int = 0, since_ms: int = 0
) -> list[BotEvent]:
    """Record what a look at an order found that the state does not hold yet; perhaps nothing.

    `None` proves that the order was never placed only if the look began late enough, by a clock that has run evenly
    `since_ms`, and the exchange never showed the order; else it is one more unknown.
    """
    if report is None and order.exchange_order_id is None and proves_absence(order, asked_ms, grace_ms, since_ms):
        after_s = (asked_ms - (order.sent_ms or asked_ms)) / 1000
        reason = f"the exchange does not know it {after_s:.0f} s after it was sent, which it no longer could take then"
        return [OrderRejected(order.client_order_id, NOT_PLACED, reason)]
    if report is None or isinstance(report, Unknown):
        error = "the exchange does not know it" if report is None else report.error
        return [OrderOutcomeUnknown(order.client_order_id, error)]
    if order.exchange_order_id not in {None, report.exchange_order_id}:
        return [OrderOutcomeUnknown(order.client_order_id, "the exchange shows another order under its id")]
    events: list[BotEvent] = []
    if order.status in {"requested", "sent", "unknown"} or (order.status == "open" and order.exchange_order_id is None):
        events.append(OrderAccepted(order.client_order_id, report.exchange_order_id))
    if report.missing is not None:  # that it stands there is certain, and how far it came is not
        return [*events, OrderOutcomeUnknown(order.client_order_id, report.missing)]
    news = {fill.trade_id: fill for fill in report.fills if fill.trade_id not in order.trade_ids}
    events += [filled(order, fill) for fill in news.values()]
    if (order.status, order.final) != (report.status, report.filled):
        if report.status == "canceled":
            events.append(OrderCanceled(order.client_order_id, report.filled))
        elif report.status == "expired":
            events.append(OrderExpired(order.client_order_id, report.filled))
    return events


def filled(order: Order, fill: Fill) -> OrderFilled:
    """Record one trade of an order."""
    return OrderFilled(
        client_order_id=order.client_order_id,
        trade_id=fill.trade_id,
        price=fill.price,
        quantity=fill.quantity,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        fee_quote=fill.fee_quote,
        liquidity=fill.liquidity,
    )
