"""What follows from a price: stale trails, exits, trails, and last an entry.

An uneventful price costs the same however many lots are open: it is compared with the thresholds in `Watch` only.
"""

from engine.core.decider.draft import Draft
from engine.core.decider.emergency import keep_limits
from engine.core.decider.entries import consider_entry
from engine.core.decider.exits import arm_exits, may_sell, request_sell
from engine.core.decider.skips import unseen_ms
from engine.core.decider.trailing import step_trails
from engine.core.events import PriceObserved
from engine.core.reducers.blindness import is_blind
from engine.core.state import ENTRY


def on_price(draft: Draft) -> None:
    """Judge one price; paused, stopping or waiting out a failure, the bot lets it pass."""
    price = draft.event
    assert isinstance(price, PriceObserved), price
    if draft.market.rules is None or draft.state.stopping or is_blind(draft.state):
        return
    followed_entry = ENTRY in draft.state.trails
    if draft.state.trails and _is_stale(draft, price):
        draft.reset_trails("stale", but_triggered=True)
    keep_limits(draft, price)
    step_trails(draft, price)
    if draft.state.watch.exitless:
        arm_exits(draft)
    _sell_at_market(draft, price)
    if not followed_entry:  # with a buy trail nobody fetched candles for this price
        consider_entry(draft, price)


def _is_stale(draft: Draft, price: PriceObserved) -> bool:
    """Tell whether too much time passed unseen for a trail to be trusted (decision 7)."""
    assert draft.market.rules is not None
    most_ms = max(draft.state.config.trailing_max_gap * 1000, 2 * draft.market.rules.cadence_ms)
    return unseen_ms(draft.state, price.gap_ms, draft.at_ms) > most_ms


def _sell_at_market(draft: Draft, price: PriceObserved) -> None:
    """Sell at market every lot whose target the bid has reached (`sell_order_type: market`)."""
    lowest = draft.state.watch.market_target
    if lowest is None or price.sell_price < lowest or not may_sell(draft.state, draft.at_ms):
        return
    for lot in list(draft.state.lots.values()):
        if lot.number in draft.state.trails:
            continue
        idle = lot.status == "open" and lot.sell_order is None and draft.at_ms >= lot.hold_ms
        if idle and lot.target is not None and lot.target <= price.sell_price:
            request_sell(draft, lot, price=price.sell_price, limit_price=None, purpose="target")
