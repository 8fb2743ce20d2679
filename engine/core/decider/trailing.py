"""Trails under a price: watermark, activation, trigger.

Exact: a trail fires iff retrace ≥ percent, compared by multiplication, never rounded (decision 1).
"""

from engine.core.decider.draft import Draft
from engine.core.decider.entries import buy_now, entry_hold, record_skip
from engine.core.decider.exits import may_sell, request_sell, sale_now
from engine.core.events import (
    PriceObserved,
    TrailingActivated,
    TrailingReset,
    TrailingTriggered,
    TrailingWatermarkMoved,
)
from engine.core.state import ENTRY, Trail
from engine.core.units import HUNDRED, change_percent
from engine.core.watch import trigger_down, trigger_up


def step_trails(draft: Draft, price: PriceObserved) -> None:
    """Move watermarks, activate waiting trails, fire those that came back far enough."""
    if draft.state.watch.orphaned:
        _go_on(draft, price)
    watch, last = draft.state.watch, price.last
    if watch.watermark_up is not None and last > watch.watermark_up:
        draft.emit(TrailingWatermarkMoved("up", last))
    if watch.watermark_down is not None and last < watch.watermark_down:
        draft.emit(TrailingWatermarkMoved("down", last))
    if watch.activate_up is not None and last >= watch.activate_up:
        _activate_up(draft, price)
    if any(floor <= price.sell_price and last * HUNDRED <= trigger for floor, trigger in watch.fire_up):
        _fire_up(draft, price)
    if watch.trigger_down is not None and last * HUNDRED >= watch.trigger_down:
        _fire_down(draft, price)


def _go_on(draft: Draft, price: PriceObserved) -> None:
    """Let a trail go on whose trigger led to no order, or to one that is gone; nothing else would ever end it."""
    for trail in list(draft.state.trails.values()):
        if trail.status == "triggered" and trail.direction == "up" and draft.state.lots[trail.lot].sell_order is None:
            assert trail.watermark is not None, trail
            draft.emit(TrailingActivated(trail.lot, "up", price.last, trail.watermark))


def _activate_up(draft: Draft, price: PriceObserved) -> None:
    """Activate every waiting trail whose price is reached; a buy trail starts active."""
    for trail in list(draft.state.trails.values()):
        if trail.status == "waiting" and trail.direction == "up" and price.last >= trail.activation:
            draft.emit(TrailingActivated(trail.lot, "up", price.last, price.last))


def _fire_up(draft: Draft, price: PriceObserved) -> None:
    """Fire every active up-trail whose retrace is enough and whose floor the bid has (decision 18)."""
    if not may_sell(draft.state, draft.at_ms):
        return
    for trail in list(draft.state.trails.values()):
        if trail.status != "active" or trail.direction != "up" or price.last * HUNDRED > trigger_up(trail):
            continue
        lot = draft.state.lots[trail.lot]
        if lot.sell_order is not None or (trail.floor is not None and price.sell_price < trail.floor):
            continue
        limit = None
        if draft.state.config.sell_order_type == "trailing_limit":
            limit = price.last if trail.floor is None else max(trail.floor, price.last)
        assert draft.market.rules is not None
        if draft.at_ms < lot.hold_ms or not sale_now(draft.state, lot, limit or price.sell_price, draft.market.rules):
            continue
        draft.emit(_triggered(trail, price))
        request_sell(draft, lot, price=limit or price.sell_price, limit_price=limit, purpose="trailing")


def _fire_down(draft: Draft, price: PriceObserved) -> None:
    """Fire the entry's trail, if the gate still lets it pass (decisions.md, "Orders")."""
    trail = draft.state.trails[ENTRY]
    assert trail.status == "active", trail
    assert price.last * HUNDRED >= trigger_down(trail), (price, trail)
    state = draft.state
    if state.stopping or not state.may_send or draft.at_ms < state.rate_limited_until_ms:
        return
    if state.open_buy is not None:
        return  # one that came back, or that a recovery took over: what it buys is seen first
    draft.emit(_triggered(trail, price))
    assert trail.amount is not None, trail
    hold = entry_hold(draft, price, trail.amount)
    if hold is None:
        buy_now(draft, price, trail.amount, purpose="trailing", reason=trail.reason)
    else:
        draft.emit(TrailingReset(ENTRY, "down", "gate"))
        record_skip(draft, hold)


def _triggered(trail: Trail, price: PriceObserved) -> TrailingTriggered:
    assert trail.watermark is not None, trail
    retrace = abs(change_percent(price.last, trail.watermark))
    return TrailingTriggered(trail.lot, trail.direction, price.last, trail.watermark, retrace)
