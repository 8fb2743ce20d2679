"""Reducers of entries, purchases, targets and sales. Source: decisions 9 and 10, "Money"."""

from typing import Final

from msgspec.structs import replace

from engine.core.events import (
    DustRecorded,
    EntrySkipped,
    IndicatorsAwaited,
    IndicatorsSkipped,
    PurchaseRecorded,
    SaleRecorded,
    SellTargetSet,
)
from engine.core.lots import cover_sells, set_aside
from engine.core.reducers.limits import with_result
from engine.core.reducers.table import Table
from engine.core.state import BotState, Lot, LotStatus, Recorded, Statistics
from engine.core.units import change_percent
from engine.core.watch import with_watch

CLOSED_LOTS_KEPT: Final = 100


LIMITS: Final = frozenset(
    {
        "budget",
        "balance",
        "max_open_lots",
        "max_open_orders",
        "max_order_size",
        "max_position_size",
        "min_notional",
    }
)
"""Rules against an entry that stay in force until an order, a sale or the configuration changes something."""


def skip_key(event: IndicatorsSkipped | EntrySkipped) -> str:
    """Name the cause of a skip: another cause is recorded again, the same is not."""
    numbers = event.numbers if type(event) is EntrySkipped else {}
    return f"{event.rule}:{numbers.get('yes', '')}:{numbers.get('reason', '')}"


def _skipped(state: BotState, event: IndicatorsSkipped | EntrySkipped, _at_ms: int) -> BotState:
    told = (*state.told_limits, event.rule) if event.rule in LIMITS else state.told_limits
    return replace(state, skip=skip_key(event), told_limits=told)


def _awaited(state: BotState, _event: IndicatorsAwaited, at_ms: int) -> BotState:
    return replace(state, awaited_ms=at_ms)


def _purchase_recorded(state: BotState, event: PurchaseRecorded, at_ms: int) -> BotState:
    lot = replace(state.lots[event.lot], status="open")
    stats = replace(
        state.stats,
        total_trades=state.stats.total_trades + 1,
        purchase_count=state.stats.purchase_count + 1,
        total_purchased=state.stats.total_purchased + event.quantity,
        total_spent=state.stats.total_spent + lot.spent,
    )
    state = cover_sells(replace(state, stats=stats, lots={**state.lots, event.lot: lot}), event.lot)
    if event.lot < stats.last_purchase_lot:  # a late trade of an earlier purchase says nothing of the next one
        return with_watch(state)
    stats = replace(stats, last_purchase_lot=event.lot, last_purchase_ms=at_ms, last_purchase_price=event.price)
    return with_watch(replace(state, stats=stats, rejections=0, entry_hold_ms=0))


def _sell_target_set(state: BotState, event: SellTargetSet, _at_ms: int) -> BotState:
    lot = replace(
        state.lots[event.lot],
        target=event.target,
        net_percent=event.net_percent,
        profit_target=event.profit_percent,
    )
    return with_watch(replace(state, lots={**state.lots, event.lot: lot}))


def _sale_recorded(state: BotState, event: SaleRecorded, at_ms: int) -> BotState:
    state = with_result(state, event.profit, at_ms)
    stats = replace(state.stats, total_profit=state.stats.total_profit + event.profit)
    done = state.done_orders
    if event.client_order_id in done:
        order = done[event.client_order_id]
        recorded = Recorded(
            filled=order.recorded.filled + event.quantity,
            cash=order.cash,
            proceeds=order.recorded.proceeds + event.proceeds,
            cost=order.recorded.cost + event.cost,
            dust=order.recorded.dust + event.dust_quantity,
        )
        done = {**done, event.client_order_id: replace(order, recorded=recorded)}
    state = replace(state, stats=stats, done_orders=done, told_limits=())
    if event.lot not in state.lots:
        return with_watch(_sold_late(state, event))
    lot = _sold(state.lots[event.lot], event)
    state = replace(state, lots={**state.lots, event.lot: lot})
    if not event.closed:
        return with_watch(state)
    return _close(replace(set_aside(state, event.lot), stats=_judged(stats, lot)), event.lot, "closed", at_ms)


def _sold(lot: Lot, event: SaleRecorded) -> Lot:
    realised = lot.realised + event.profit
    sold_cost = lot.proceeds - lot.realised + event.cost
    return replace(
        lot,
        proceeds=lot.proceeds + event.proceeds,
        realised=realised,
        realised_percent=change_percent(sold_cost + realised, sold_cost) if sold_cost > 0 else lot.realised_percent,
        sold=lot.sold + event.quantity,
        sold_cash=lot.sold_cash + event.price * event.quantity,
    )


def _sold_late(state: BotState, event: SaleRecorded) -> BotState:
    """Add a sale that came late to its lot, which was closed: its trade may have been won, after all."""
    closed, stats = list(state.closed_lots), state.stats
    for place in reversed(range(len(closed))):
        old = closed[place]
        if old.number == event.lot:
            lot = closed[place] = _sold(old, event)
            if old.status == "closed":
                turned = (lot.realised > 0) - (old.realised > 0)
                wins, losses = stats.winning_trades + turned, stats.losing_trades - turned
                stats = replace(stats, winning_trades=wins, losing_trades=losses)
            break
    return replace(state, closed_lots=tuple(closed), stats=stats)


def _dust_recorded(state: BotState, event: DustRecorded, at_ms: int) -> BotState:
    """Move a lot to the dust: no trade was opened by it, unless part of it was sold; then that part is the trade."""
    lot = state.lots[event.lot]
    if lot.proceeds:
        return _close(replace(set_aside(state, event.lot), stats=_judged(state.stats, lot)), event.lot, "closed", at_ms)
    stats = replace(state.stats, total_trades=state.stats.total_trades - 1)
    return _close(replace(set_aside(state, event.lot), stats=stats), event.lot, "dust", at_ms)


def _judged(stats: Statistics, lot: Lot) -> Statistics:
    """Count a closed trade as won if its realised net profit is above zero, else as lost (decision 9)."""
    won = lot.realised > 0
    return replace(stats, winning_trades=stats.winning_trades + won, losing_trades=stats.losing_trades + (not won))


def _close(state: BotState, number: int, status: LotStatus, at_ms: int) -> BotState:
    lots = dict(state.lots)
    lot: Lot = replace(lots.pop(number), status=status, closed_ms=at_ms, sell_order=None)
    closed = (*state.closed_lots, lot)[-CLOSED_LOTS_KEPT:]
    return with_watch(replace(state, lots=lots, closed_lots=closed))


REDUCERS: Final[Table] = {
    IndicatorsAwaited: _awaited,
    IndicatorsSkipped: _skipped,
    EntrySkipped: _skipped,
    PurchaseRecorded: _purchase_recorded,
    SellTargetSet: _sell_target_set,
    SaleRecorded: _sale_recorded,
    DustRecorded: _dust_recorded,
}
