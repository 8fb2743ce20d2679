"""Reducers of risk limits, and what purchases, sales and configuration changes do to them.

Source: decisions.md, "Risk".
"""

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from engine.core.config import BotConfig
from engine.core.events import KillSwitchEngaged, KillSwitchReleased, LimitReached, StopLossTriggered
from engine.core.guard import KillSwitch
from engine.core.instants import DAY_MS
from engine.core.reducers.table import Table
from engine.core.state import BotState
from engine.core.watch import with_watch


def with_peak_marked(state: BotState, number: int, price: Decimal) -> BotState:
    """Raise the highest equity to that at the price of a trade of order `number`, if it is higher.

    What was bought later may not have been held at that price, and a purchase moves the price itself: where the mean of
    such a purchase is lower, it counts (docs/adr/0014-risk-limits.md).
    """
    since = (lot.price for lot in state.lots.values() if lot.number >= number)
    equity = state.equity_at(min([price, *since]))
    if equity <= state.peak:
        return state
    return replace(state, guard=replace(state.guard, peak=equity))


def with_result(state: BotState, profit: Decimal, at_ms: int) -> BotState:
    """Add the profit of a sale, or its loss, to the result of its UTC day."""
    guard = state.guard
    return replace(state, guard=replace(guard, day=at_ms // DAY_MS, day_profit=guard.profit_on(at_ms) + profit))


def reconfigured(state: BotState, config: BotConfig) -> BotState:
    """Put a configuration in force: limits are judged anew, and money added to the budget is no gain."""
    guard = state.guard
    added = config.budget - state.config.budget
    peak = None if guard.peak is None else guard.peak + added
    return with_watch(replace(state, config=config, guard=replace(guard, halted_until_ms=0, peak=peak)))


def _limit_reached(state: BotState, event: LimitReached, _at_ms: int) -> BotState:
    return replace(state, guard=replace(state.guard, halted_until_ms=event.until_ms))


def _stop_loss_triggered(state: BotState, event: StopLossTriggered, _at_ms: int) -> BotState:
    lot = replace(state.lots[event.lot], stopped=True, hold_ms=0)  # what was refused was another kind of order
    return with_watch(replace(state, lots={**state.lots, event.lot: lot}))


def _kill_switch_engaged(state: BotState, event: KillSwitchEngaged, at_ms: int) -> BotState:
    kill = KillSwitch(event.action, event.reason, event.text, at_ms)
    lots = state.lots
    if event.action == "flatten":  # what was refused was another kind of order
        lots = {number: replace(lot, hold_ms=0) for number, lot in lots.items()}
    return with_watch(replace(state, lots=lots, guard=replace(state.guard, kill=kill)))


def _kill_switch_released(state: BotState, event: KillSwitchReleased, _at_ms: int) -> BotState:
    peak = state.guard.peak if event.equity is None else event.equity
    return with_watch(replace(state, guard=replace(state.guard, kill=None, peak=peak), skip=None, told_limits=()))


REDUCERS: Final[Table] = {
    LimitReached: _limit_reached,
    StopLossTriggered: _stop_loss_triggered,
    KillSwitchEngaged: _kill_switch_engaged,
    KillSwitchReleased: _kill_switch_released,
}
