"""The floor under a trailing sale: a trail may not sell for less than the lot was promised, unless it is told to."""

from decimal import Decimal
from typing import Any, Final

import pytest

from engine.core.events import OrderRequested, SaleRecorded, TrailingTriggered
from tests.kernel import Kernel, bought, of, one

SPEC = pytest.mark.spec
D = Decimal
TARGET: Final = D("50601.11")


def followed(watermark: str, **changes: Any) -> Kernel:
    """Give a bot with a lot of target 50,601.11 and an active trail of 0.25 % at a watermark."""
    kernel = bought(50_000, **{"sell_order_type": "trailing_market", **changes})
    kernel.price(watermark)
    assert kernel.trail.watermark == D(watermark)
    return kernel


@SPEC("an exact retrace clears the floor only from a watermark of 50,727.93 on", section="decision 18")
@pytest.mark.parametrize(
    ("watermark", "price", "fires"),
    [
        pytest.param("50727.92", "50601.10", False, id="a-cent-too-low"),
        pytest.param("50727.93", "50601.11", True, id="just-enough"),
    ],
)
def test_exact_retrace_fires_only_from_the_lowest_watermark_that_clears_the_floor(
    watermark: str, price: str, fires: bool
) -> None:
    trigger = D(watermark) * D("0.9975")
    assert (trigger >= TARGET) is fires
    assert bool(of(followed(watermark).price(price), TrailingTriggered)) is fires


@SPEC("the floor is a level condition: after a dip the trail may fire on the way up", section="decision 18")
def test_trail_under_its_floor_waits_and_fires_on_the_way_up() -> None:
    kernel = followed("50800")
    table = [("50500", 0), ("50601.10", 0), ("50601.11", 1)]
    for price, fired in table:
        assert len(of(kernel.price(price), TrailingTriggered)) == fired, price
    assert one(kernel.told(), SaleRecorded).profit > 0


def test_trail_back_over_its_trigger_price_does_not_fire_for_an_earlier_dip() -> None:
    kernel = followed("50800")
    assert of(kernel.prices("50500", "50673.01"), TrailingTriggered) == []
    assert kernel.trail.watermark == 50_800


@SPEC("the floor is compared with the best bid, or the last price where there is none", section="decision 18")
@pytest.mark.parametrize(
    ("last", "bid", "fires"),
    [
        pytest.param("50640", "50601.10", False, id="bid-under-the-target"),
        pytest.param("50640", "50601.11", True, id="bid-at-the-target"),
        pytest.param("50601.10", "50601.11", True, id="last-under-and-bid-at-it"),
        pytest.param("50601.10", None, False, id="no-bid-last-under"),
    ],
)
def test_floor_is_met_by_what_a_seller_gets(last: str, bid: str | None, fires: bool) -> None:
    kernel = followed("50800")
    assert bool(of(kernel.price(last, bid=bid), TrailingTriggered)) is fires


@SPEC("without a floor a trail sells at its trigger, wherever it is", section="decision 18")
def test_trail_without_a_floor_sells_under_the_target_and_says_by_how_much() -> None:
    kernel = followed("50700", trailing_sell_floor="none")
    sale = one(kernel.price("50570"), SaleRecorded)
    assert sale.price == 50_570
    assert sale.slippage == (TARGET - 50_570) * D("0.002")


@SPEC("a market order can slip under the target, and the sale shows by how much", section="decision 18")
def test_market_sale_that_slips_tells_how_far_under_the_target() -> None:
    kernel = followed("50800")
    kernel.price("50640", settled=False)
    events = kernel.price("50591.11", after_s=1)
    sale = one(events, SaleRecorded)
    assert sale.slippage == D("0.02")
    assert any(line.endswith("$0.02 under its target") for line in kernel.lines())


def test_market_sale_over_the_target_tells_no_slippage() -> None:
    assert one(followed("50800").price("50640"), SaleRecorded).slippage == 0


@SPEC("a trailing limit sell goes in at the higher of target and trigger price", section="decision 18")
@pytest.mark.parametrize(
    ("last", "bid", "limit"),
    [
        pytest.param("50673.00", None, "50673.00", id="the-trigger-price"),
        pytest.param("50601.10", "50601.20", "50601.11", id="the-target"),
    ],
)
def test_trailing_limit_sell_keeps_the_promised_profit(last: str, bid: str | None, limit: str) -> None:
    kernel = followed("50800", sell_order_type="trailing_limit")
    order = one(kernel.price(last, bid=bid, settled=False), OrderRequested)
    assert (order.kind, order.limit_price, order.timeout_ms) == ("limit", D(limit), 60_000)


def test_trail_with_the_higher_floor_fires_on_the_way_up_before_the_one_with_the_lower() -> None:
    kernel = Kernel(smart_indicator_checks=False, sell_order_type="trailing_market")
    kernel.price(50_000)
    kernel.votes(yes=False)
    kernel.prices(51_000, 49_000)
    kernel.votes(yes=True)
    kernel.price(49_000)
    kernel.votes(yes=False)
    kernel.price(49_700)
    assert [trail.watermark for trail in kernel.state.trails.values()] == [51_000, 49_700]
    fired = of(kernel.price(50_650), TrailingTriggered)
    assert [trigger.lot for trigger in fired] == [1]
    assert kernel.trail.watermark == 50_650


def test_trailing_limit_sell_without_a_floor_goes_in_at_the_price_it_fired_at() -> None:
    kernel = followed("50700", sell_order_type="trailing_limit", trailing_sell_floor="none")
    order = one(kernel.price("50570", settled=False), OrderRequested)
    assert (order.kind, order.limit_price) == ("limit", D("50570"))


def test_floors_of_several_trails_are_judged_each_for_itself() -> None:
    kernel = Kernel(smart_indicator_checks=False, sell_order_type="trailing_market")
    kernel.prices(50_000, 49_000)
    kernel.votes(yes=False)
    kernel.prices(50_700, 50_800)
    fired = of(kernel.price(50_600), TrailingTriggered)
    assert [trigger.lot for trigger in fired] == [2], "the lot bought at 50,000 is under its target"
