"""The thresholds that matter, over all trails and lots of a bot.

Owns their derivation; reducers call it whenever a trail or a lot changed, `decide` only compares.
"""

from collections.abc import Iterable
from decimal import ROUND_CEILING, Context, Decimal
from typing import Final

from msgspec.structs import replace

from engine.core.events.trailing import Direction
from engine.core.state import BotState, Lot, Trail, Watch
from engine.core.units import HUNDRED, ZERO

_UPWARDS: Final = Context(prec=28, rounding=ROUND_CEILING)


def trigger_up(trail: Trail) -> Decimal:
    """Give a hundred times the price at or under which an active up-trail has retraced enough (decision 1)."""
    assert trail.watermark is not None, trail
    return trail.watermark * (HUNDRED - trail.percent)


def trigger_down(trail: Trail) -> Decimal:
    """Give a hundred times the price at or over which an active down-trail has retraced enough (decision 1)."""
    assert trail.watermark is not None, trail
    return trail.watermark * (HUNDRED + trail.percent)


def _lowest(values: Iterable[Decimal]) -> Decimal | None:
    return min(values, default=None)


def _highest(values: Iterable[Decimal]) -> Decimal | None:
    return max(values, default=None)


def with_watch(state: BotState) -> BotState:
    """Give the state with its thresholds derived afresh: O(trails + lots), paid only when one of them changed."""
    up = [t for t in state.trails.values() if t.direction == "up"]
    down = [t for t in state.trails.values() if t.direction == "down"]
    idle = [lot for lot in state.lots.values() if lot.status == "open" and lot.sell_order is None]
    unsold = {lot.number for lot in idle}
    untrailed = [lot for lot in idle if lot.number not in state.trails]
    by_market = state.config.sell_order_type == "market"
    leaving = any(state.is_leaving(lot) for lot in idle)
    watch = Watch(
        activate_up=_lowest([t.activation for t in up if t.status == "waiting"]),
        market_target=_lowest([lot.target for lot in untrailed if lot.target is not None]) if by_market else None,
        orphaned=any(trail.status == "triggered" and trail.lot in unsold for trail in up),
        exitless=leaving or (bool(untrailed) and not by_market),
        stop=_highest(_stops(state)),
        held=sum((lot.quantity for lot in state.lots.values()), state.dust.quantity),
    )
    return replace(state, watch=with_watermarks(with_watermarks(watch, up, "up"), down, "down"))


def is_stopped_out(lot: Lot, price: Decimal, percent: Decimal) -> bool:
    """Tell whether a price is at or under unit cost × (1 − percent); nothing is divided."""
    return lot.held > 0 and price * lot.held * HUNDRED <= lot.paid * (HUNDRED - percent)


def _stops(state: BotState) -> Iterable[Decimal]:
    """Give a hundred times the stop price of each lot that could be stopped out, rounded up: never missed."""
    percent = state.config.risk.stop_loss_percent
    if percent is None:
        return
    for lot in state.lots.values():
        if lot.status == "open" and lot.held > 0 and not state.is_leaving(lot):
            yield _UPWARDS.divide(_UPWARDS.multiply(lot.paid, HUNDRED - percent), lot.held)


def with_watermarks(watch: Watch, trails: Iterable[Trail], direction: Direction) -> Watch:
    """Give the thresholds with those that follow from the watermarks of one direction derived afresh."""
    active = [trail for trail in trails if trail.status == "active" and trail.direction == direction]
    watermarks = [trail.watermark for trail in active if trail.watermark is not None]
    if not watermarks:
        return watch
    if direction == "up":
        return replace(watch, watermark_up=min(watermarks), fire_up=_frontier(active))
    return replace(watch, watermark_down=max(watermarks), trigger_down=min(map(trigger_down, active)))


def _frontier(active: Iterable[Trail]) -> tuple[tuple[Decimal, Decimal], ...]:
    """Give floor and trigger of the up-trails that can be the first to fire.

    In order of floors; a trail with a higher floor counts only if it fires at a higher price, too.
    """
    frontier: list[tuple[Decimal, Decimal]] = []
    for floor, trigger in sorted((trail.floor or ZERO, trigger_up(trail)) for trail in active):
        if not frontier or trigger > frontier[-1][1]:
            frontier.append((floor, trigger))
    return tuple(frontier)
