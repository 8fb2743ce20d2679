"""The stop loss: a lot at or under its stop is sold at market, exactly there, once, whatever comes between."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.effects import outstanding
from engine.core.events import (
    DustRecorded,
    OrderCanceled,
    OrderCancelRequested,
    OrderFilled,
    OrderRejected,
    OrderRequested,
    OrderSent,
    SaleRecorded,
    StopLossTriggered,
    TrailingReset,
    TrailingStarted,
)
from engine.exchanges.paper import PaperSettings
from tests.kernel import RULES, Kernel, bought, of, one, tags, trade

SPEC = pytest.mark.spec
D = Decimal
TYPES = ["market", "limit", "trailing_market", "trailing_limit"]
TEN: dict[str, Any] = {"risk": {"stop_loss_percent": "10"}}
"""Ten percent under the unit cost of 50,050 is 45,045.00."""


def sells(kernel: Kernel) -> list[tuple[str, str]]:
    """Give purpose and kind of every sell that was asked for."""
    return [(event.purpose, event.kind) for event in of(kernel.told(), OrderRequested) if event.side == "sell"]


@SPEC("a lot at or under unit cost × (1 − p) is sold at market", section="Risk")
@pytest.mark.parametrize("order_type", TYPES)
@pytest.mark.parametrize(("price", "stopped"), [("45045.01", False), ("45045.00", True), ("40000", True)])
def test_lot_is_stopped_out_at_exactly_its_percent_whatever_its_exit(
    order_type: str, price: str, stopped: bool
) -> None:
    kernel = bought(50_000, sell_order_type=order_type, **TEN)
    events = kernel.price(price)
    assert bool(of(events, StopLossTriggered)) is stopped
    assert (kernel.state.lots == {}) is stopped
    if stopped:
        told = one(events, StopLossTriggered)
        assert (told.lot, told.price, told.stop_price, told.percent) == (1, D(price), D("45045"), D(10))
        assert sells(kernel)[-1] == ("stop_loss", "market")
        assert one(events, SaleRecorded).price == D(price)
        assert kernel.state.stats.losing_trades == 1
        assert kernel.state.trails == {}


@SPEC("the stop is held against the best bid, or the last price where there is none", section="Risk")
@pytest.mark.parametrize(("last", "bid", "stopped"), [("45100", "45045", True), ("45045", "45045.01", False)])
def test_stop_is_held_against_the_bid(last: str, bid: str, stopped: bool) -> None:
    kernel = bought(50_000, **TEN)
    assert bool(of(kernel.price(last, bid=bid, ask=last), StopLossTriggered)) is stopped


def test_stop_whose_unit_cost_is_no_round_number_is_compared_without_dividing() -> None:
    kernel = bought("49999.99", risk={"stop_loss_percent": "7"}, fees={"taker": "0.123", "maker": "0"})
    lot = kernel.lot
    exact = lot.paid * 93 / (lot.held * 100)
    over = (exact // D("0.01") + 1) * D("0.01")
    assert of(kernel.price(over), StopLossTriggered) == []
    assert len(of(kernel.price(over - D("0.01")), StopLossTriggered)) == 1


@SPEC("without stop_loss_percent no lot is ever sold at a loss of its own accord", section="Risk")
def test_lot_without_a_stop_is_held_however_far_the_price_falls() -> None:
    kernel = bought(50_000)
    assert tags(kernel.prices(45_000, 5_000, 500), only="order") == []
    assert len(kernel.state.lots) == 1


@SPEC("a resting sell is cancelled first, and the market sell goes for what is left", section="Risk")
def test_resting_sell_that_fills_partly_while_it_is_cancelled_leaves_the_rest_to_the_market() -> None:
    kernel = bought(50_000, **TEN)
    resting = kernel.lot.sell_order
    assert resting is not None
    events = kernel.price(45_000, after_s=10, settled=False)
    assert tags(events) == ["stop_loss_triggered", "order_cancel_requested"]
    assert one(events, OrderCancelRequested).reason == "stop_loss"
    assert [effect.action for effect in outstanding(kernel.state)] == ["cancel"]
    assert kernel.price(44_900, after_s=10, settled=False) == [], "not before the old order is terminal"
    assert tags(kernel.observe(trade(resting, "late", "50601.11", "0.0005"))) == ["order_filled"]
    events = kernel.observe(OrderCanceled(resting, D("0.0005")))
    assert tags(events) == ["order_canceled", "sale_recorded", "order_requested"]
    stop = one(events, OrderRequested)
    assert (stop.purpose, stop.kind, stop.quantity, stop.lot) == ("stop_loss", "market", D("0.0015"), 1)
    kernel.settle()
    assert kernel.state.lots == {}


def test_resting_sell_that_fills_whole_while_it_is_cancelled_needs_no_market_sell() -> None:
    kernel = bought(50_000, **TEN)
    resting = kernel.lot.sell_order
    assert resting is not None
    kernel.price(45_000, settled=False)
    kernel.observe(trade(resting, "late", "50601.11", "0.002"))
    assert kernel.state.lots == {}
    assert sells(kernel) == [("target", "limit")]


@SPEC("the trail of a stopped lot is reset as stop_loss", section="Risk")
@pytest.mark.parametrize("order_type", ["trailing_market", "trailing_limit"])
def test_trail_of_a_stopped_lot_is_reset_and_not_armed_again(order_type: str) -> None:
    kernel = bought(50_000, sell_order_type=order_type, **TEN)
    events = kernel.price(45_000, settled=False)
    assert one(events, TrailingReset).reason == "stop_loss"
    assert one(events, OrderRequested).purpose == "stop_loss"
    kernel.settle()
    assert len(of(kernel.told(), TrailingStarted)) == 1


def test_triggered_trailing_limit_sell_is_cancelled_for_the_stop() -> None:
    kernel = bought(50_000, sell_order_type="trailing_limit", trailing_sell_floor="none", **TEN)
    kernel.prices(50_700)
    kernel.price("50500", bid="50400", ask="50600")
    assert kernel.trail.status == "triggered"
    kernel.price(45_000, after_s=10)
    assert (kernel.state.lots, kernel.state.trails) == ({}, {})
    assert sells(kernel) == [("trailing", "limit"), ("stop_loss", "market")]


def test_market_sell_that_is_out_already_is_left_to_fill() -> None:
    kernel = bought(50_000, sell_order_type="trailing_market", trailing_sell_floor="none", **TEN)
    kernel.price(50_700)
    kernel.price(50_500, settled=False)
    name = one(kernel.told()[-1:], OrderRequested).client_order_id
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000))
    events = kernel.price(45_000, settled=False)
    assert tags(events) == ["stop_loss_triggered", "trailing_reset"]
    kernel.observe(trade(name, "t", 45_000, "0.002"))
    assert (kernel.state.lots, kernel.state.orders) == ({}, {})


@SPEC("a stop is remembered until the lot is sold, over restarts and recoveries of the price", section="Risk")
@pytest.mark.parametrize("how", ["restart", "crash"])
@pytest.mark.parametrize("order_type", TYPES)
def test_stopped_lot_is_sold_after_a_restart_although_the_price_is_back(how: str, order_type: str) -> None:
    kernel = bought(50_000, sell_order_type=order_type, **TEN)
    kernel.price(45_000, settled=False)
    getattr(kernel, how)()
    kernel.price(50_000)
    assert kernel.state.lots == {}
    assert [kind for purpose, kind in sells(kernel) if purpose == "stop_loss"] == ["market"]


@SPEC("a rejected stop sell is tried again after its hold", section="Risk")
def test_stop_sell_that_is_rejected_is_tried_again_after_its_hold() -> None:
    kernel = bought(50_000, sell_order_type="market", **TEN)
    kernel.price(45_000, settled=False)
    (name,) = kernel.state.orders
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderRejected(name, "BUSY", "it says no"))
    assert kernel.price(48_000, after_s=30, settled=False) == []
    assert one(kernel.price(48_000, after_s=30), OrderRequested).purpose == "stop_loss"
    assert kernel.state.lots == {}


def test_stop_sell_that_ends_unfilled_is_tried_again_at_the_next_price_and_not_before() -> None:
    kernel = bought(50_000, sell_order_type="market", **TEN)
    kernel.price(45_000, settled=False)
    (name,) = kernel.state.orders
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000))
    assert tags(kernel.observe(OrderCanceled(name, D(0)))) == ["order_canceled"]
    assert one(kernel.price(48_000), OrderRequested).purpose == "stop_loss"


@SPEC("a bot that lets prices pass stops nothing out until it follows them again", section="Risk")
def test_stop_reached_while_paused_acts_at_the_first_price_after_the_resume() -> None:
    kernel = bought(50_000, **TEN)
    kernel.command("pause")
    assert kernel.price(45_000) == []
    kernel.command("resume")
    kernel.price(44_000)
    assert kernel.state.lots == {}


def test_stop_sell_that_a_pause_took_back_is_asked_for_again_after_it() -> None:
    kernel = bought(50_000, sell_order_type="market", **TEN)
    kernel.price(45_000, settled=False)
    assert one(kernel.command("pause"), OrderCancelRequested).reason == "paused"
    kernel.command("resume")
    kernel.price(49_000)
    assert kernel.state.lots == {}


def test_stop_that_a_gap_brings_under_the_minimum_becomes_dust_with_its_cost() -> None:
    kernel = bought(50_000, rules=replace(RULES, min_notional=D(85)), **TEN)
    events = kernel.price(42_000)
    assert one(events, DustRecorded).cost == D("100.1")
    assert (kernel.state.lots, kernel.state.dust.quantity) == ({}, D("0.002"))
    assert kernel.price(41_000) == []


@pytest.mark.parametrize("order_type", TYPES)
def test_only_lots_that_have_reached_their_stop_are_sold(order_type: str) -> None:
    kernel = Kernel(sell_order_type=order_type, smart_indicator_checks=False, **TEN)
    kernel.price(50_000)
    kernel.price(46_000)
    kernel.votes(yes=False)
    assert one(kernel.price(44_900), StopLossTriggered).lot == 1
    left = kernel.lot.number
    assert one(kernel.price(41_000), StopLossTriggered).lot == left
    assert kernel.state.lots == {}


def test_lot_bought_in_halves_has_no_stop_before_its_buy_has_ended() -> None:
    halves = PaperSettings(fill_fraction=D("0.5"))
    kernel = Kernel(buy_order_type="limit", paper=halves, **TEN)
    kernel.price(50_000)
    kernel.votes(yes=False)
    kernel.price(44_000)
    assert kernel.lot.status == "buying"
    kernel.price(44_000)
    assert len(of(kernel.told(), OrderFilled)) >= 2
    kernel.price(44_000)
    assert kernel.state.lots == {}


class _Untouched(dict[int, Any]):
    """Lots that nobody may look through."""

    def __iter__(self) -> Any:
        raise AssertionError("a quiet price looked through the lots")

    values = items = keys = __iter__


@SPEC("an uneventful price costs O(1) in open lots with every limit set", section="The kernel: five pure functions")
@pytest.mark.parametrize("order_type", TYPES)
def test_quiet_price_looks_through_no_lots(order_type: str) -> None:
    risk = {"max_daily_loss_percent": "5", "stop_loss_percent": "10", "max_drawdown_percent": "20"}
    kernel = Kernel(sell_order_type=order_type, smart_indicator_checks=False, risk=risk)
    kernel.prices(50_000, 49_990, 50_010)
    kernel.price(50_000, after_s=10)
    lots = kernel.state.lots
    assert len(lots) == 3
    kernel.state = replace(kernel.state, lots=_Untouched(lots))
    kernel.price(50_001, after_s=10, settled=False)
    with pytest.raises(AssertionError, match="looked through"):
        kernel.price(40_000, after_s=10, settled=False)
