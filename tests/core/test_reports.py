"""Reports of the exchange that come twice, late, or in another order: they change nothing that counts."""

from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.events import (
    BotEvent,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderReconciled,
    OrderRejected,
    OrderSent,
    PurchaseRecorded,
    SaleRecorded,
    TrailingReset,
)
from engine.exchanges.paper import PaperSettings
from tests.core.walks import LIVES, Life, born, take
from tests.kernel import Kernel, bought, of, one, tags, trade

SPEC = pytest.mark.spec
D = Decimal
REPORTS: Final = (OrderAccepted, OrderRejected, OrderOutcomeUnknown, OrderFilled, OrderCanceled, OrderExpired)


@SPEC("repeats of a report are harmless", section="Order protocol")
@given(LIVES, st.data())
def test_reports_repeated_at_any_time_change_nothing_and_bring_nothing(life: Life, data: st.DataObject) -> None:
    settings, steps = life
    kernel = born(settings)
    for step in steps:
        take(kernel, step)
        reports: list[Any] = [event for event in kernel.told() if isinstance(event, REPORTS)]
        repeats: bool = data.draw(st.booleans())
        if reports and repeats:
            before = kernel.state
            report = data.draw(st.sampled_from(reports[-12:]))
            assert kernel.observe(report) == [report], "nothing follows from it"
            assert kernel.state == before


@SPEC("repeats of a report are harmless", section="Order protocol")
@given(LIVES)
def test_reports_all_repeated_at_the_end_of_a_life_change_nothing(life: Life) -> None:
    settings, steps = life
    kernel = born(settings)
    for step in steps:
        take(kernel, step)
    before = kernel.state
    for report in [event for event in kernel.told() if isinstance(event, REPORTS)]:
        assert kernel.observe(report) == [report]
    assert kernel.state == before


def economics(kernel: Kernel) -> tuple[Any, ...]:
    """Give what a report in another order may not change."""
    state = kernel.state
    filled = {name: (order.filled, sorted(order.trade_ids)) for name, order in state.done_orders.items()}
    return state.lots, state.stats, state.dust, state.cash_flow, state.reserved, state.trails, filled


def reports_of(name: str, *, whole: bool) -> list[BotEvent]:
    """Give the reports of a buy of 0.002 that ends filled, or cancelled with half of it filled."""
    fills = [
        trade(name, "t1", 50_000, "0.0004", fee="0.02", value="0.02"),
        trade(name, "t2", 49_990, "0.0006", fee="0.0000006", asset="BTC", value="0.03"),
    ]
    end = trade(name, "t3", 49_980, "0.001") if whole else OrderCanceled(name, D("0.001"))
    return [OrderAccepted(name, "x1"), *fills, end]


@SPEC("reports may come in any order, and more than once", section="Order protocol")
@given(st.booleans(), st.data())
def test_reports_of_a_buy_in_any_order_lead_to_the_same_lot(whole: bool, data: st.DataObject) -> None:
    results = []
    for shuffled in (False, True):
        kernel = Kernel(buy_order_type="limit", sell_order_type="trailing_market")
        kernel.price(50_000, settled=False)
        (name,) = kernel.state.orders
        kernel.observe(OrderSent(name, kernel.now_ms, 5_000))
        reports = reports_of(name, whole=whole)
        if shuffled:
            again = data.draw(st.lists(st.sampled_from(reports), max_size=3))
            reports = data.draw(st.permutations([*reports, *again]))
        kernel.observe(*reports)
        results.append(economics(kernel))
    assert results[0] == results[1]
    assert kernel.state.stats.purchase_count == 1


@SPEC("reports may come in any order, and more than once", section="Order protocol")
@given(st.data())
def test_reports_of_a_sale_in_any_order_lead_to_the_same_profit(data: st.DataObject) -> None:
    kernel = bought(50_000, sell_order_type="market")
    kernel.price(51_000, settled=False)
    (name,) = kernel.state.orders
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000))
    reports: list[BotEvent] = [
        OrderAccepted(name, "x1"),
        trade(name, "s1", 51_000, "0.0015", fee="0.0765", value="0.0765"),
        trade(name, "s2", 50_990, "0.0005"),
    ]
    kernel.observe(*data.draw(st.permutations([*reports, data.draw(st.sampled_from(reports))])))
    sale = one(kernel.told(), SaleRecorded)
    assert sale.profit == D("76.5") + D("25.495") - D("0.0765") - D("100.1") == kernel.state.stats.total_profit
    assert kernel.state.cash_flow == sale.profit


# --- single cases ----------------------------------------------------------------------------------------------------


def test_report_about_an_earlier_buy_leaves_a_new_buy_trail_alone() -> None:
    kernel = Kernel(buy_order_type="trailing_market", smart_indicator_checks=False)
    kernel.prices(50_000, 49_000, 49_200, 49_300)
    assert kernel.state.trails[0].status == "active"
    old = of(kernel.told(), OrderFilled)[0]
    assert kernel.observe(old) == [old]
    assert kernel.state.trails[0].status == "active"


def partly_sold() -> tuple[Kernel, str]:
    """Give a bot whose trailing limit sell was cancelled half filled, and that order's name."""
    kernel = bought(50_000, sell_order_type="trailing_limit", paper=PaperSettings(fill_fraction=D("0.5")))
    kernel.prices(50_900, 50_650)
    kernel.price(50_660, after_s=30)
    kernel.wait(30)
    return kernel, one(kernel.told(), SaleRecorded).client_order_id


def test_report_about_a_partial_sale_that_comes_again_is_booked_once() -> None:
    kernel, name = partly_sold()
    profit = kernel.state.stats.total_profit
    again = OrderCanceled(name, D("0.001"))
    assert kernel.observe(again) == [again]
    assert kernel.state.stats.total_profit == profit


def test_report_about_a_partial_sale_leaves_the_next_order_of_the_lot_alone() -> None:
    kernel, name = partly_sold()
    assert tags(kernel.price(50_640), only="trailing") == ["trailing_triggered"]
    again = OrderCanceled(name, D("0.001"))
    assert kernel.observe(again) == [again]
    assert kernel.trail.status == "triggered"
    assert kernel.lot.sell_order is not None


def test_report_about_an_unfilled_sale_leaves_the_next_order_of_the_lot_alone() -> None:
    kernel = bought(50_000, sell_order_type="trailing_limit")
    kernel.prices(50_900, 50_650)
    again = one(kernel.wait(60), OrderCanceled)
    assert tags(kernel.price(50_640), only="trailing") == ["trailing_triggered"]
    assert kernel.observe(again) == [again]
    assert kernel.trail.status == "triggered"


def test_report_of_an_order_nobody_knows_changes_nothing() -> None:
    kernel = bought(50_000)
    before = kernel.state
    stranger = "kzzzzzzzzzz0000001"
    for report in (
        trade(stranger, "t", 50_000, "0.002"),
        OrderAccepted(stranger, "x"),
        OrderRejected(stranger, "FILTER", "no"),
        OrderOutcomeUnknown(stranger, "timeout"),
        OrderCanceled(stranger, D(0)),
        OrderExpired(stranger, D(0)),
        OrderReconciled(stranger, "sent", "open"),
    ):
        assert kernel.observe(report) == [report]
    assert kernel.state == before


def test_order_reconciled_as_open_is_open_and_asked_about_no_more() -> None:
    kernel = Kernel(buy_order_type="limit")
    kernel.price(50_000, settled=False)
    (name,) = kernel.state.orders
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderOutcomeUnknown(name, "timeout"))
    kernel.observe(OrderReconciled(name, "unknown", "open"))
    assert kernel.order(name).status == "open"


def test_buy_that_trades_once_more_after_its_purchase_was_recorded_is_one_purchase_of_all() -> None:
    kernel = Kernel(buy_order_type="limit")
    kernel.price(50_000)
    (name,) = kernel.state.orders
    kernel.observe(trade(name, "t1", 50_000, "0.001"), OrderCanceled(name, D("0.001")))
    assert kernel.lot.sell_order is not None
    kernel.observe(trade(name, "late", 49_000, "0.0005"))
    kernel.votes(yes=False)
    stats = kernel.state.stats
    assert (stats.total_trades, stats.purchase_count) == (1, 1)
    assert (stats.total_purchased, stats.total_spent) == (D("0.0015"), D("74.5"))
    kernel.settle()
    kernel.prices(52_000, 52_000)
    assert not kernel.state.lots, "what came late is sold with the rest"
    assert kernel.state.stats.total_profit == kernel.state.cash_flow


def test_buy_cancelled_with_nothing_filled_that_traded_after_all_is_a_lot() -> None:
    kernel = Kernel(buy_order_type="limit")
    kernel.price(50_000)
    (name,) = kernel.state.orders
    assert tags(kernel.observe(OrderCanceled(name, D(0)))) == ["order_canceled"]
    events = kernel.observe(trade(name, "late", 50_000, "0.002"))
    assert one(events, PurchaseRecorded).quantity == D("0.002")
    assert of(events, TrailingReset) == []
    assert kernel.lot.status == "open"
