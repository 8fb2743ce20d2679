"""What is owed to the world: a projection of state, never a return value.

After a crash the same state owes the same effects, so recovery and normal running are one path.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from engine.core.decider.settlement import deadline_of
from engine.core.state import BotState, Order

FRESH_MS: Final = 10_000
"""For so long after it was decided may an order leave that rests on the price of a moment."""


class OrderEffect(msgspec.Struct, frozen=True):
    """An exchange call owed for one order: send it, ask about it, or cancel it."""

    action: Literal["send", "query", "cancel"]
    client_order_id: str
    not_before_ms: int


def outstanding(state: BotState) -> tuple[OrderEffect, ...]:
    """Say which exchange calls are owed for orders, the oldest order first.

    A `sent` order whose answer nobody is waiting for is queried. Nothing is sent while paused or halted, no buy after a
    stop, and nothing is asked while connectivity checks fail. Before a recovery is confirmed nothing is cancelled.
    Source: design, "Effects are a projection of state".
    """
    return tuple(_effects(state))


def _effects(state: BotState) -> Iterable[OrderEffect]:
    if state.connectivity.failure_count:
        return
    not_before_ms = state.rate_limited_until_ms
    for order in state.orders.values():
        if order.status == "requested":
            if state.may_leave(order):
                yield OrderEffect("send", order.client_order_id, not_before_ms)
        elif order.status in {"sent", "unknown", "canceled", "expired"}:
            yield OrderEffect("query", order.client_order_id, max(not_before_ms, order.ask_after_ms))
        elif order.cancel_reason is not None and state.recovery is None:
            yield OrderEffect("cancel", order.client_order_id, max(not_before_ms, order.ask_after_ms))


def is_stale(order: Order, now_ms: int) -> bool:
    """Tell whether an order that was not sent yet was decided too long ago to be sent now.

    A limit sell at its target is good at any time; all others rest on the price of a moment.
    """
    rests_on_a_moment = order.kind == "market" or order.purpose != "target"
    return rests_on_a_moment and now_ms - order.requested_ms > FRESH_MS


def proves_absence(order: Order, asked_ms: int, grace_ms: int, since_ms: int = 0) -> bool:
    """Tell whether a look-up begun at `asked_ms` that found nothing proves that the order was never placed.

    Only after the window in which the signed request could still be matched, and the time for which the exchange may
    not show what it has. The wait is measured by a clock that nobody set anew, so it begins no earlier than
    `since_ms`, when this process did. Source: design, "Order protocol".
    """
    return order.sent_ms is not None and asked_ms > max(order.sent_ms, since_ms) + order.valid_ms + grace_ms


def next_probe_ms(state: BotState) -> int:
    """Say when the next connectivity check is owed, in milliseconds."""
    return state.connectivity.next_check_ms


def due(state: BotState) -> int | None:
    """Say when the bot next wants a `timer_fired`, in milliseconds: the first order deadline."""
    if not state.orders:
        return None
    return min((ms for order in state.orders.values() if (ms := deadline_of(order)) is not None), default=None)
