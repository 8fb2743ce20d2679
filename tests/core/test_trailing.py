"""Trails under a price: when they start, follow and fire, in both directions.

Each table is a walk of prices with the trailing events that each of them brings, in the numbers of the specification.
"""

from decimal import Decimal
from typing import Any, Final

import pytest

from engine.core.events import OrderRequested, TrailingTriggered, TrailingWatermarkMoved
from tests.kernel import Kernel, bought, of, one, tags

SPEC = pytest.mark.spec
UP: Final[dict[str, Any]] = {"sell_order_type": "trailing_market"}
DOWN: Final[dict[str, Any]] = {"buy_order_type": "trailing_market"}


def trailing_up(percent: str) -> Kernel:
    """Give a bot whose trail has followed the specification's prices up to 50,800; its target is under them all."""
    kernel = bought(49_000, trailing_sell_percent=percent, **UP)
    kernel.prices(50_500, 50_800)
    assert kernel.trail.watermark == 50_800
    return kernel


@SPEC("a retrace of 0.4921 % does not trigger a trail of 0.5 %; 0.5 % exactly does", section="decision 1")
@pytest.mark.parametrize(
    ("percent", "price", "fires"),
    [
        pytest.param("0.5", "50600", False, id="0.39-of-0.5"),
        pytest.param("0.5", "50550", False, id="0.4921-of-0.5"),
        pytest.param("0.5", "50546.01", False, id="one-tick-above-the-trigger-price"),
        pytest.param("0.5", "50546.00", True, id="the-trigger-price"),
        pytest.param("0.25", "50673.01", False, id="a-quarter-one-tick-above"),
        pytest.param("0.25", "50673.00", True, id="a-quarter-exactly"),
        pytest.param("0.25", "50600", True, id="a-quarter-at-the-specifications-price"),
    ],
)
def test_trail_up_on_a_fall_fires_at_exactly_its_percent(percent: str, price: str, fires: bool) -> None:
    kernel = trailing_up(percent)
    events = kernel.price(price)
    assert bool(of(events, TrailingTriggered)) is fires
    assert (len(kernel.state.lots) == 0) is fires


@SPEC("a log line shows two decimals of the true retrace", section="decision 1")
def test_trail_up_when_it_fires_tells_the_true_retrace() -> None:
    kernel = trailing_up("0.25")
    fired = one(kernel.price(50_550), TrailingTriggered)
    assert fired.retrace_percent == Decimal("0.492125")
    assert "Trailing sell triggered! Price dropped 0.49% from $50,800.00 to $50,550.00" in kernel.lines()


@SPEC(
    "trailing up: inactive, waiting, active, triggered; the watermark is the highest price", section="Trailing States"
)
def test_trail_up_walks_through_its_four_states() -> None:
    kernel = bought(50_000, **UP)
    table = [
        ("50601.10", ["entry_skipped"], "waiting", None),
        ("50601.11", ["trailing_activated"], "active", "50601.11"),
        ("50600.00", [], "active", "50601.11"),
        ("50800.00", ["trailing_watermark_moved"], "active", "50800.00"),
        ("50700.00", [], "active", "50800.00"),
    ]
    for price, told, status, watermark in table:
        assert tags(kernel.price(price)) == told, price
        assert kernel.trail.status == status, price
        assert kernel.trail.watermark == (None if watermark is None else Decimal(watermark)), price
    events = kernel.price("50673.00", settled=False)
    assert tags(events) == ["trailing_triggered", "order_requested"]
    assert kernel.trail.status == "triggered"
    kernel.settle()
    assert kernel.state.trails == {}
    assert kernel.file().strategy_state.trailing_state is not None
    assert kernel.file_json()["strategy_state"]["trailing_state"]["status"] == "inactive"


@SPEC("trailing down: the watermark is the lowest price, and the trail fires on a rise", section="Trailing Down")
@pytest.mark.parametrize(
    ("price", "fires"),
    [
        pytest.param("49622.49", False, id="one-tick-under-the-trigger-price"),
        pytest.param("49622.50", True, id="the-trigger-price"),
        pytest.param("49800.00", True, id="well-over-it"),
    ],
)
def test_trail_down_on_a_rise_fires_at_exactly_its_percent(price: str, fires: bool) -> None:
    kernel = Kernel(trailing_buy_percent="0.25", **DOWN)
    assert tags(kernel.price(50_000)) == ["trailing_started", "trailing_activated"]
    assert tags(kernel.price("49498.75")) == ["trailing_watermark_moved"]
    assert kernel.price("49498.76") == []
    assert Decimal("49498.75") * Decimal("1.0025") == Decimal("49622.496875")
    assert bool(of(kernel.price(price), TrailingTriggered)) is fires


def test_trail_down_that_fires_buys_at_once_and_tells_the_rise() -> None:
    kernel = Kernel(trailing_buy_percent="0.5", **DOWN)
    kernel.prices(50_000, 48_000)
    events = kernel.price(48_240)
    fired = one(events, TrailingTriggered)
    assert (fired.direction, fired.watermark, fired.retrace_percent) == ("down", Decimal(48_000), Decimal("0.5"))
    order = of(events, OrderRequested)[0]
    assert (order.side, order.kind, order.quantity) == ("buy", "market", Decimal("0.00207"))
    assert kernel.lot.status == "open"
    assert "Trailing buy triggered! Price rose 0.50% from $48,000.00 to $48,240.00" in kernel.lines()


def test_trail_down_while_it_follows_arms_no_second_one() -> None:
    kernel = Kernel(**DOWN)
    kernel.price(50_000)
    assert kernel.prices(49_990, 49_980, 50_010) == of(kernel.told(), TrailingWatermarkMoved)
    assert list(kernel.state.trails) == [0]


@SPEC("a price that reaches nothing writes nothing", section="Two kinds of stream in one log")
@pytest.mark.parametrize("lots", [1, 7])
def test_price_within_all_thresholds_brings_no_event(lots: int) -> None:
    kernel = Kernel(smart_indicator_checks=False, **UP)
    kernel.prices(*[50_000] * lots)
    kernel.votes(yes=False)
    kernel.prices(50_700, 50_690)
    assert len(kernel.state.lots) == lots
    assert kernel.prices(50_695, 50_650, 50_699) == []


def test_trails_of_several_lots_follow_one_price_with_one_event() -> None:
    kernel = Kernel(smart_indicator_checks=False, **UP)
    kernel.prices(50_000, 49_900, 49_800)
    kernel.votes(yes=False)
    kernel.prices(50_700)
    moved = kernel.price(50_900)
    assert tags(moved) == ["trailing_watermark_moved"]
    assert {trail.watermark for trail in kernel.state.trails.values()} == {Decimal(50_900)}


def test_trails_of_several_lots_activate_each_at_its_own_target() -> None:
    kernel = Kernel(smart_indicator_checks=False, **UP)
    kernel.prices(50_000, 49_000)
    kernel.votes(yes=False)
    kernel.price(49_800)
    assert [trail.status for trail in kernel.state.trails.values()] == ["waiting", "active"]
    kernel.price(50_650)
    assert [trail.status for trail in kernel.state.trails.values()] == ["active", "active"]
    assert [trail.watermark for trail in kernel.state.trails.values()] == [50_650, 50_650]


@SPEC("a trail's parameters are frozen when it starts", section="Trailing State Management")
def test_trail_under_another_percent_keeps_the_one_it_started_with() -> None:
    kernel = bought(50_000, trailing_sell_percent="0.75", **UP)
    assert (kernel.trail.percent, kernel.trail.activation) == (Decimal("0.75"), Decimal("50601.11"))
    assert kernel.trail.floor == Decimal("50601.11")


@SPEC("trails are preserved across restarts", section="Trailing State Management")
def test_trail_after_a_restart_goes_on_where_it_was() -> None:
    kernel = trailing_up("0.5")
    before = kernel.trail
    kernel.restart()
    assert kernel.trail == before
    assert of(kernel.price("50546.01"), TrailingTriggered) == []
    assert len(of(kernel.price("50546.00"), TrailingTriggered)) == 1
