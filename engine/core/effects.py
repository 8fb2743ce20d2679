"""What is owed to the world: a projection of state, never a return value.

After a crash the same state owes the same effects, so recovery and normal running are one path.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from engine.core.decider.settlement import deadline_of
from engine.core.state import BotState


class OrderEffect(msgspec.Struct, frozen=True):
    """An exchange call owed for one order: send it, ask about it, or cancel it."""

    action: Literal["send", "query", "cancel"]
    client_order_id: str
    not_before_ms: int


def outstanding(state: BotState) -> tuple[OrderEffect, ...]:
    """Say which exchange calls are owed for orders, the oldest order first.

    A `sent` order whose answer nobody is waiting for is queried. Nothing is sent while paused, and nothing is asked
    while connectivity checks fail.
    Source: design, "Effects are a projection of state".
    """
    return tuple(_effects(state))


def _effects(state: BotState) -> Iterable[OrderEffect]:
    if state.connectivity.failure_count:
        return
    not_before_ms = state.rate_limited_until_ms
    for order in state.orders.values():
        if order.status == "requested":
            if not state.paused:
                yield OrderEffect("send", order.client_order_id, not_before_ms)
        elif order.status in {"sent", "unknown", "canceled", "expired"}:
            yield OrderEffect("query", order.client_order_id, not_before_ms)
        elif order.cancel_reason is not None:
            yield OrderEffect("cancel", order.client_order_id, not_before_ms)


def next_probe_ms(state: BotState) -> int:
    """Say when the next connectivity check is owed, in milliseconds."""
    return state.connectivity.next_check_ms


def due(state: BotState) -> int | None:
    """Say when the bot next wants a `timer_fired`, in milliseconds: the first order deadline."""
    if not state.orders:
        return None
    return min((ms for order in state.orders.values() if (ms := deadline_of(order)) is not None), default=None)
