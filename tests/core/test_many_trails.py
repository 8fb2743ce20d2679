"""Trails and lots beside each other: which of them a price can move, and that none stands in the way of another."""

from decimal import Decimal

from msgspec.structs import replace

from engine.core.events import OrderCanceled, OrderRejected, OrderRequested, TrailingTriggered
from engine.core.watch import trigger_up
from tests.kernel import Kernel, bought, of, one


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


def test_trail_is_orphaned_only_if_it_has_triggered_and_its_lot_has_no_sell() -> None:
    kernel = bought(sell_order_type="trailing_market", trailing_sell_percent="0.5")

    def stands() -> tuple[str, bool]:
        return kernel.trail.status, kernel.state.watch.orphaned

    assert stands() == ("waiting", False)
    kernel.prices(50_700, 51_000)
    assert stands() == ("active", False)
    (sell,) = of(kernel.price(50_700, settled=False), OrderRequested)
    assert stands() == ("triggered", False), "its sell is under way"
    kernel.observe(OrderRejected(sell.client_order_id, "FILTER", "no"))
    assert stands() == ("active", False), "it goes on"
    kernel.observe(TrailingTriggered(kernel.lot.number, "up", Decimal(50_700), Decimal(51_000), Decimal("0.6")))
    assert stands() == ("triggered", True)


def test_target_is_watched_for_a_market_sale_only_where_lots_are_sold_so() -> None:
    by_limit = bought(sell_order_type="limit")
    (sell,) = by_limit.state.orders
    by_limit.observe(OrderCanceled(sell, Decimal(0)))
    assert by_limit.lot.sell_order is None
    assert by_limit.state.watch.exitless
    assert by_limit.state.watch.market_target is None
    by_market = bought(sell_order_type="market")
    assert not by_market.state.watch.exitless
    assert by_market.state.watch.market_target == by_market.lot.target


def test_stop_of_a_lot_that_must_go_or_is_gone_is_watched_no_more() -> None:
    kernel = bought(sell_order_type="market", risk={"stop_loss_percent": 2})
    stops = [kernel.state.watch.stop]
    kernel.price(48_000, settled=False)
    assert kernel.lot.stopped
    stops.append(kernel.state.watch.stop)
    kernel.settle()
    assert not kernel.state.lots
    stops.append(kernel.state.watch.stop)
    assert stops[0] is not None
    assert stops[1:] == [None, None]


def test_price_at_the_watermark_again_moves_no_trail() -> None:
    up = bought(sell_order_type="trailing_market", trailing_sell_percent="0.5")
    up.prices(50_700, 51_000)
    assert up.price(51_000, settled=False) == []
    down = Kernel(buy_order_type="trailing_market", trailing_buy_percent="0.5")
    down.prices(50_000, 49_000)
    assert down.trail.watermark == 49_000
    assert down.price(49_000, settled=False) == []
