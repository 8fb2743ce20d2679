"""What the risk limits say to a purchase. They are asked about purchases only: no limit ever holds a sell back.

Source: decisions.md, "Risk".
"""

from decimal import Decimal

from engine.core.instants import iso_utc
from engine.core.state import BotState
from engine.core.strategy import Hold
from engine.core.units import ZERO


def entries_are_stopped(state: BotState, at_ms: int) -> bool:
    """Tell whether nothing may be bought whatever speaks for it: the kill switch, or the day's loss."""
    return state.guard.kill is not None or at_ms < state.guard.halted_until_ms


def standing_limit(state: BotState, at_ms: int) -> Hold | None:
    """Give what stops entries, for an operator who asks."""
    kill = state.guard.kill
    if kill is not None:
        numbers = {"action": kill.action, "reason": kill.reason, "since": iso_utc(kill.since_ms)}
        return Hold("kill_switch", f"the kill switch is engaged: {kill.text}", numbers)
    if at_ms < state.guard.halted_until_ms:
        until = iso_utc(state.guard.halted_until_ms)
        numbers = {"day_profit": str(state.guard.profit_on(at_ms)), "until": until}
        return Hold("max_daily_loss_percent", f"the day's loss has reached its limit, until {until}", numbers)
    return None


def purchase_hold(state: BotState, last: Decimal, value: Decimal) -> Hold | None:
    """Rule out a purchase of this value, fees left out, that a limit on orders or on the position would not bear."""
    risk = state.config.risk
    if risk.max_open_orders is not None and len(state.orders) >= risk.max_open_orders:
        numbers = {"open": str(len(state.orders)), "limit": str(risk.max_open_orders)}
        return Hold("max_open_orders", f"as many orders are open as may be: {len(state.orders)}", numbers)
    if risk.max_order_size is not None and value > risk.max_order_size:
        numbers = {"value": str(value), "limit": str(risk.max_order_size)}
        text = f"a purchase of {value:.2f} is larger than the {risk.max_order_size:.2f} allowed"
        return Hold("max_order_size", text, numbers)
    if risk.max_position_size is not None:
        held = state.watch.held * last + _unfilled(state)
        if held + value > risk.max_position_size:
            numbers = {"held": str(held), "value": str(value), "limit": str(risk.max_position_size)}
            text = f"with {value:.2f} more the position of {held:.2f} exceeds the {risk.max_position_size:.2f} allowed"
            return Hold("max_position_size", text, numbers)
    return None


def _unfilled(state: BotState) -> Decimal:
    """Give the value of what open buys may still add."""
    buys = [order for order in state.orders.values() if order.side == "buy"]
    return sum(((buy.quantity - buy.filled) * (buy.limit_price or buy.seen_price) for buy in buys), ZERO)
