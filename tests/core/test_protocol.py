"""The order protocol as pure rules: what proves that an order is not there, what is too old to send, when to ask."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.effects import FRESH_MS, is_stale, outstanding, proves_absence
from engine.core.events import (
    DiscrepancyFound,
    OrderAccepted,
    OrderCancelRequested,
    OrderOutcomeUnknown,
    OrderReconciled,
    OrderRejected,
    OrderRequested,
    OrderSent,
    PurchaseRecorded,
)
from engine.core.reducers.orders import STALE
from engine.core.state import Order
from tests.kernel import Kernel, bought, of, one, tags, trade

SPEC = pytest.mark.spec
TIMES = st.integers(0, 10**7)


def order_of(**changes: object) -> Order:
    order = Order(
        client_order_id="k0a1b2c3d4e0000001",
        number=1,
        side="buy",
        kind="limit",
        quantity=Decimal("0.001"),
        purpose="entry",
        seen_price=Decimal(50_000),
        requested_ms=0,
        limit_price=Decimal(50_000),
    )
    return replace(order, **changes)


@SPEC("not found proves absence only after the validity window and the grace", section="Order protocol")
@given(sent=TIMES, valid=TIMES, grace=TIMES, asked=TIMES)
@example(sent=0, valid=0, grace=0, asked=0)
@example(sent=0, valid=0, grace=0, asked=1)
@example(sent=7, valid=5, grace=3, asked=15)
@example(sent=7, valid=5, grace=3, asked=16)
def test_look_up_proves_absence_only_if_it_began_after_window_and_grace(
    sent: int, valid: int, grace: int, asked: int
) -> None:
    order = order_of(sent_ms=sent, valid_ms=valid, status="unknown")
    assert proves_absence(order, asked, grace) is (asked > sent + valid + grace)


@pytest.mark.parametrize(("asked", "proves"), [(208, False), (209, True)])
def test_look_up_proves_absence_only_by_a_clock_that_has_run_evenly_for_so_long(asked: int, *, proves: bool) -> None:
    order = order_of(sent_ms=100, valid_ms=5, status="unknown")
    assert proves_absence(order, 109, 3)
    assert proves_absence(order, asked, 3, since_ms=200) is proves
    assert proves_absence(order, asked, 3, since_ms=50), "a clock that ran evenly for longer takes nothing away"


def test_order_that_was_never_sent_is_proven_absent_by_no_look_up() -> None:
    assert not proves_absence(order_of(), 10**9, 0)


@SPEC("an order that rests on the price of a moment leaves soon or not at all", section="Live trading")
@pytest.mark.parametrize(
    ("changes", "keeps"),
    [
        pytest.param({}, False, id="limit-buy"),
        pytest.param({"kind": "market", "side": "sell", "purpose": "target"}, False, id="market-sell"),
        pytest.param({"side": "sell", "purpose": "trailing"}, False, id="trailing-limit-sell"),
        pytest.param({"side": "sell", "purpose": "target"}, True, id="limit-sell-at-its-target"),
    ],
)
def test_order_waiting_to_be_sent_grows_stale_unless_its_price_is_good_at_any_time(
    changes: dict[str, object], keeps: bool
) -> None:
    order = order_of(requested_ms=7_000, **changes)
    assert is_stale(order, 7_000 + FRESH_MS) is False
    assert is_stale(order, 7_000 + FRESH_MS + 1) is (not keeps)


@SPEC("an unknown outcome is asked about at once and then at growing intervals", section="Order protocol")
def test_order_of_unknown_outcome_is_asked_about_at_growing_intervals() -> None:
    kernel = Kernel()
    name = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000))
    waits = []
    for _ in range(10):
        kernel.observe(OrderOutcomeUnknown(name, "timed out"))
        (effect,) = outstanding(kernel.state)
        assert effect.action == "query"
        assert kernel.order(name).status == "unknown"
        waits.append((effect.not_before_ms - kernel.now_ms) // 1000)
    assert waits == [0, 1, 2, 4, 8, 16, 32, 64, 64, 64]


def test_order_cancelled_before_it_left_is_at_its_end_for_the_reason_given() -> None:
    kernel = Kernel()
    name = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderCancelRequested(name, "an operator's wish"))
    order = kernel.order(name)
    assert (order.status, order.final, order.cancel_reason) == ("canceled", Decimal(0), "an operator's wish")
    assert not kernel.state.orders


def test_order_that_the_exchange_has_though_no_sending_was_recorded_is_open() -> None:
    kernel = Kernel()
    name = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderAccepted(name, "77"))
    assert (kernel.order(name).status, kernel.order(name).exchange_order_id) == ("open", "77")


def test_trade_beyond_the_quantity_of_a_buy_is_booked_and_holds_no_money_back() -> None:
    kernel = bought()
    held, name = kernel.lot.bought, kernel.lot.buy_order_id
    kernel.observe(trade(name, "beyond", 50_000, "0.0001"))
    assert kernel.lot.bought == held + Decimal("0.0001")
    assert kernel.order(name).reserved == kernel.state.reserved == 0


def test_order_rejected_as_stale_is_decided_afresh_without_a_hold() -> None:
    kernel = Kernel()
    name = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderRejected(name, STALE, "it was decided 40 s ago"))
    assert kernel.state.rejections == 0
    assert kernel.state.reserved == 0
    assert len(of(kernel.price(50_000), PurchaseRecorded)) == 1


def test_order_rejected_by_the_exchange_holds_the_next_entry_back() -> None:
    kernel = Kernel()
    name = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderRejected(name, "-2010", "no money"))
    kernel.price(50_000, after_s=30)
    assert not kernel.state.lots


@SPEC("an order held to be not placed that is there after all is taken back and told", section="Order protocol")
def test_order_held_to_be_not_placed_that_shows_up_is_booked_and_told() -> None:
    kernel = Kernel(max_open_lots=1)
    order = one(kernel.price(50_000, settled=False), OrderRequested)
    name = order.client_order_id
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderRejected(name, "not placed", "not there"))
    assert kernel.state.reserved == 0
    told = kernel.observe(OrderReconciled(name, "rejected", "open"))
    assert one(told, DiscrepancyFound).actual == "at the exchange"
    assert kernel.order(name).status == "open"
    assert kernel.state.reserved == order.reserved == Decimal("100.1"), "its fee is reserved again, too"
    kernel.observe(OrderAccepted(name, "77"), trade(name, "t1", 50_000, order.quantity))
    assert kernel.order(name).exchange_order_id == "77"
    assert kernel.lot.bought == order.quantity
    assert kernel.state.reserved == 0


def test_sell_held_to_be_not_placed_that_shows_up_is_the_sell_of_its_lot_again() -> None:
    kernel = bought(sell_order_type="market")
    kernel.price("50700", settled=False)
    name = kernel.lot.sell_order
    assert name is not None
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderRejected(name, "not placed", "not there"))
    assert [lot.sell_order for lot in kernel.state.lots.values()] == [None]
    kernel.observe(OrderReconciled(name, "rejected", "open"))
    assert kernel.lot.sell_order == name
    assert "order_requested" not in tags(kernel.price("50700", after_s=61, settled=False))


def test_order_that_is_gone_ends_with_what_it_had_traded() -> None:
    kernel = Kernel()
    name = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderAccepted(name, "77"), trade(name, "t1", 50_000, "0.0001"))
    kernel.observe(OrderReconciled(name, "open", "gone"))
    assert (kernel.order(name).status, kernel.order(name).final) == ("canceled", Decimal("0.0001"))


def test_report_about_an_order_at_its_end_reopens_nothing() -> None:
    kernel = bought()
    name = kernel.lot.buy_order_id
    told = kernel.observe(OrderReconciled(name, "filled", "open"))
    assert not of(told, DiscrepancyFound)
