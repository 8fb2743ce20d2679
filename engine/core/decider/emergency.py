"""What follows when a limit is reached: purchases end, a lot or everything is sold at market.

Owns stop loss, daily loss, drawdown and kill switch. A cancellation is a request: the market sell of a lot goes out
only when its old sell has ended, for what is left. An uneventful price is compared with sums and thresholds that the
reducers keep, however many lots are open. Source: decisions.md, "Risk".
"""

from engine.core.config import KillAction
from engine.core.decider.draft import Draft, command_of
from engine.core.decider.exits import arm_exit
from engine.core.decider.settlement import cancel
from engine.core.decider.skips import record_skipped_prices
from engine.core.events import (
    KillSwitchEngaged,
    KillSwitchReleased,
    LimitReached,
    PriceObserved,
    StopLossTriggered,
    TrailingReset,
)
from engine.core.instants import DAY_MS
from engine.core.state import ENTRY, Lot
from engine.core.units import HUNDRED
from engine.core.watch import is_stopped_out


def keep_limits(draft: Draft, price: PriceObserved) -> None:
    """Hold drawdown, the day's loss and every lot's stop against a price."""
    _keep_drawdown(draft, price)
    _keep_daily_loss(draft)
    _keep_stops(draft, price)


def _keep_drawdown(draft: Draft, price: PriceObserved) -> None:
    """Engage the kill switch when the equity is at or under its peak less the percentage."""
    state = draft.state
    risk, kill = state.config.risk, state.guard.kill
    percent = risk.max_drawdown_percent
    if percent is None or (kill is not None and (kill.action == "flatten" or risk.kill_switch == "stop_entries")):
        return  # the switch does already what a drawdown would have it do
    equity, peak = state.equity_at(price.last), state.peak
    if equity * HUNDRED > peak * (HUNDRED - percent):
        return
    text = f"equity of {equity:.2f} is {percent}% or more under its peak of {peak:.2f}"
    numbers = {"equity": str(equity), "peak": str(peak), "percent": str(percent)}
    _engage(draft, risk.kill_switch, "max_drawdown_percent", text, numbers)


def _keep_daily_loss(draft: Draft) -> None:
    """Stop entries until the next UTC midnight when the day's sales have lost too much, net of gains."""
    config, guard = draft.state.config, draft.state.guard
    percent = config.risk.max_daily_loss_percent
    if percent is None or draft.at_ms < guard.halted_until_ms:
        return
    loss = -guard.profit_on(draft.at_ms)
    if loss <= 0 or loss * HUNDRED < percent * config.budget:
        return
    rule = "max_daily_loss_percent"
    text = f"sales have lost {loss:.2f} today, {percent}% or more of the budget of {config.budget:.2f}"
    numbers = {"loss": str(loss), "budget": str(config.budget), "percent": str(percent)}
    draft.emit(LimitReached(rule, text, (draft.at_ms // DAY_MS + 1) * DAY_MS, numbers))
    stop_entries(draft, rule)


def _keep_stops(draft: Draft, price: PriceObserved) -> None:
    """Sell at market every lot whose stop the best bid has reached."""
    highest, percent = draft.state.watch.stop, draft.state.config.risk.stop_loss_percent
    if highest is None or percent is None or price.sell_price * HUNDRED > highest:
        return
    for lot in list(draft.state.lots.values()):
        free = lot.status == "open" and not draft.state.is_leaving(lot)
        if free and is_stopped_out(lot, price.sell_price, percent):
            stop_price = lot.unit_cost * (HUNDRED - percent) / HUNDRED
            draft.emit(StopLossTriggered(lot.number, price.sell_price, stop_price, percent))
            _leave(draft, lot, "stop_loss")


def on_kill(draft: Draft) -> None:
    """Stop entries, as an operator asks; a switch that is engaged already stays as it is."""
    if draft.state.guard.kill is None:
        _engage(draft, "stop_entries", "command", f"asked for by {command_of(draft).by}", {})


def on_flatten(draft: Draft) -> None:
    """Stop entries and sell everything at market, as an operator asks; a pause ends, or nothing could be sold."""
    record_skipped_prices(draft)
    kill = draft.state.guard.kill
    if kill is None or kill.action != "flatten":
        _engage(draft, "flatten", "command", f"asked for by {command_of(draft).by}", {})
    else:
        _leave_all(draft)


def on_revive(draft: Draft) -> None:
    """Release the kill switch, as an operator asks; the drawdown counts from the equity at the last price."""
    if draft.state.guard.kill is not None:
        price = draft.market.price
        draft.emit(KillSwitchReleased(None if price is None else draft.state.equity_at(price.last)))


def _engage(draft: Draft, action: KillAction, reason: str, text: str, numbers: dict[str, str]) -> None:
    draft.emit(KillSwitchEngaged(action, reason, text, numbers))
    stop_entries(draft, "kill_switch")
    if action == "flatten":
        _leave_all(draft)


def stop_entries(draft: Draft, reason: str) -> None:
    """Drop the buy trail and ask to cancel the buys; what they have filled by then is a lot."""
    if ENTRY in draft.state.trails:
        draft.emit(TrailingReset(ENTRY, "down", reason))
    for order in list(draft.state.orders.values()):
        if order.side == "buy":
            cancel(draft, order, reason)


def _leave_all(draft: Draft) -> None:
    for lot in list(draft.state.lots.values()):
        if lot.status == "open":
            _leave(draft, lot, "kill_switch")


def _leave(draft: Draft, lot: Lot, reason: str) -> None:
    """Take a lot's trail and resting sell away, and sell it at market; at once, if nothing is out for it."""
    drop_exit(draft, lot, reason)
    rest = draft.state.lots.get(lot.number)
    if rest is not None:
        arm_exit(draft, rest)


def drop_exit(draft: Draft, lot: Lot, reason: str) -> None:
    """Take a lot's trail away, and ask to cancel its sell."""
    if lot.number in draft.state.trails:
        draft.emit(TrailingReset(lot.number, "up", reason))
    order = draft.state.orders.get(lot.sell_order or "")
    if order is not None:
        cancel(draft, order, reason)
