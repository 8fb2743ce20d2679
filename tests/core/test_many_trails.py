"""Several trails at once: which of them a price can fire, and that none stands in the way of another."""

from msgspec.structs import replace

from engine.core.events import TrailingTriggered
from engine.core.watch import trigger_up
from tests.kernel import Kernel, one


def test_trails_that_fire_at_one_price_are_watched_by_the_lowest_floor_alone() -> None:
    kernel = two_active_trails()
    upper, lower = kernel.state.trails.values()
    assert upper.floor is not None
    assert lower.floor is not None
    assert upper.floor > lower.floor
    assert trigger_up(upper) == trigger_up(lower)
    assert kernel.state.watch.fire_up == ((lower.floor, trigger_up(lower)),)


def test_trail_of_a_lot_that_is_held_back_keeps_no_other_from_firing() -> None:
    kernel = two_active_trails()
    upper, lower = kernel.state.lots.values()
    held = replace(upper, hold_ms=kernel.now_ms + 90_000)
    kernel.state = replace(kernel.state, lots={**kernel.state.lots, upper.number: held})
    assert one(kernel.price(50_900, settled=False), TrailingTriggered).lot == lower.number
    assert one(kernel.price(50_890, settled=False), TrailingTriggered).lot == upper.number


def two_active_trails() -> Kernel:
    """Give a bot with two lots, whose trails are active and have one watermark; the upper one comes first."""
    kernel = Kernel(sell_order_type="trailing_market", smart_indicator_checks=False, trailing_sell_percent="0.15")
    kernel.prices(50_000, 49_000)
    kernel.votes(yes=False)
    kernel.prices(50_700, 51_000)
    assert {trail.status for trail in kernel.state.trails.values()} == {"active"}
    assert len(kernel.state.trails) == 2
    return kernel
