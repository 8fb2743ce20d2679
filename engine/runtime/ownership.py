"""Whose an order is that the exchange shows under one of a log's ids: the log's own, or that of another copy of it.

Owns the comparison with one state. Never asks anybody. Source: decisions.md, "Reconciliation".
"""

from engine.core.state import BotState


def is_of_the_log(state: BotState, client_order_id: str, number: int, exchange_order_id: str) -> bool:
    """Tell whether an order can be the log's own.

    It is not if the log never gave its number out, or lost the order with its end, or knows another order under the id.
    """
    order = state.order(client_order_id)
    if order is None:
        return number <= state.order_number and not state.is_lost(number)
    return number <= state.order_number and order.exchange_order_id in {None, exchange_order_id}


def is_forgotten(state: BotState, client_order_id: str, at_ms: int) -> bool:
    """Tell whether an order that traded then can be one that the log has forgotten: it is no news then."""
    return state.order(client_order_id) is None and at_ms <= state.forgotten_ms
