"""Orders from intent to end: where they go in, when they are given up, and what is left of a lot."""

from decimal import Decimal
from typing import Any

import pytest

from engine.core.effects import OrderEffect, due, outstanding
from engine.core.events import (
    OrderAccepted,
    OrderCanceled,
    OrderCancelRequested,
    OrderExpired,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderRequested,
    OrderSent,
    PurchaseRecorded,
    RateLimited,
    SaleRecorded,
    TrailingActivated,
    TrailingReset,
)
from engine.exchanges.paper import PaperSettings
from tests.kernel import LOG_ID, Kernel, bought, of, one, tags, trade

SPEC = pytest.mark.spec
D = Decimal
HALVES = PaperSettings(fill_fraction=D("0.5"))


# --- buys ------------------------------------------------------------------------------------------------------------


@SPEC("limit buys go in at the lower of last price and ask", section="Orders")
@pytest.mark.parametrize(
    ("last", "bid", "ask", "limit"),
    [
        pytest.param("50000", None, None, "50000", id="no-book"),
        pytest.param("50000", "49990", "50010", "50000", id="ask-above-last"),
        pytest.param("50000", "49980", "49990", "49990", id="ask-under-last"),
    ],
)
def test_limit_buy_goes_in_at_the_lower_of_last_and_ask(
    last: str, bid: str | None, ask: str | None, limit: str
) -> None:
    kernel = Kernel(buy_order_type="limit")
    order = one(kernel.price(last, bid=bid, ask=ask, settled=False), OrderRequested)
    assert (order.side, order.kind, order.limit_price) == ("buy", "limit", D(limit))


@SPEC("a limit buy is cancelled after buy_order_timeout; unfilled, it leaves nothing", section="Orders")
@pytest.mark.parametrize("timeout_s", [600, 90])
def test_limit_buy_unfilled_is_cancelled_at_its_timeout(timeout_s: int) -> None:
    kernel = Kernel(buy_order_type="limit", buy_order_timeout=timeout_s)
    kernel.price(50_000)
    assert due(kernel.state) == kernel.now_ms + timeout_s * 1000
    assert kernel.wait(timeout_s - 1) == []
    events = kernel.wait(1)
    assert tags(events) == ["timer_fired", "order_cancel_requested", "order_canceled"]
    assert one(events, OrderCancelRequested).reason == "timeout"
    assert not kernel.state.lots
    assert kernel.state.reserved == 0
    assert not kernel.file().strategy_state.purchases


@SPEC("what a cancelled limit buy had filled is a lot", section="Orders")
def test_limit_buy_partly_filled_leaves_a_lot_of_what_filled() -> None:
    kernel = Kernel(buy_order_type="limit", paper=HALVES)
    kernel.price(50_000)
    kernel.votes(yes=False)
    assert tags(kernel.price(49_990)) == ["order_filled"]
    assert kernel.lot.status == "buying"
    events = kernel.wait(540)
    assert tags(events)[:5] == [
        "timer_fired",
        "order_cancel_requested",
        "order_canceled",
        "purchase_recorded",
        "sell_target_set",
    ]
    purchase = one(events, PurchaseRecorded)
    assert (purchase.quantity, purchase.cost) == (D("0.001"), D("50.05"))
    assert kernel.state.reserved == 0


@SPEC("a lot opens with the first fill and gets its sell when its buy is terminal", section="Orders")
def test_lot_opens_with_its_first_fill_and_gets_its_sell_after_the_last() -> None:
    kernel = Kernel(buy_order_type="limit", paper=HALVES)
    kernel.price(50_000)
    kernel.votes(yes=False)
    kernel.price(49_990)
    assert (kernel.lot.status, kernel.lot.sell_order, kernel.state.position) == ("buying", None, D("0.001"))
    assert kernel.state.stats.purchase_count == 0
    kernel.price(49_980)
    assert (kernel.lot.status, kernel.state.position) == ("open", D("0.002"))
    sell = kernel.order(2)
    assert (sell.side, sell.lot, sell.quantity, kernel.lot.sell_order) == ("sell", 1, D("0.002"), sell.client_order_id)
    assert kernel.state.stats.purchase_count == 1


@SPEC("a fill of an order that a report has already closed is still booked", section="Order protocol")
def test_buy_whose_cancellation_comes_before_its_fill_waits_for_the_fill() -> None:
    kernel = Kernel(buy_order_type="limit")
    kernel.price(50_000)
    (name,) = kernel.state.orders
    assert tags(kernel.observe(OrderCanceled(name, D("0.001")))) == ["order_canceled"]
    assert outstanding(kernel.state) == (OrderEffect("query", name, 0),)
    assert kernel.state.reserved > 0
    events = kernel.observe(trade(name, "late", 50_000, "0.001"))
    assert one(events, PurchaseRecorded).quantity == D("0.001")
    assert kernel.state.reserved == 0


# --- sells -----------------------------------------------------------------------------------------------------------


@SPEC("limit sells rest at the target at once", section="Orders")
def test_limit_sell_rests_at_the_target_from_the_purchase_on() -> None:
    kernel = bought(50_000)
    order = kernel.order(2)
    assert (order.status, order.kind, order.limit_price) == ("open", "limit", D("50601.11"))
    assert (order.timeout_ms, due(kernel.state)) == (None, None)
    assert of(kernel.price("50601.10"), SaleRecorded) == []
    sale = one(kernel.price("50601.11"), SaleRecorded)
    assert (sale.price, sale.closed) == (D("50601.11"), True)
    assert sale.profit == D("0.002") * D("50601.11") * D("0.999") - D("100.1")


@SPEC("market sells go when the price reaches the target", section="Orders")
@pytest.mark.parametrize(
    ("last", "bid", "sells"),
    [
        pytest.param("50601.10", None, False, id="a-tick-under"),
        pytest.param("50601.11", None, True, id="at-it"),
        pytest.param("50700", "50601.10", False, id="bid-under-it"),
        pytest.param("50601.00", "50601.11", True, id="bid-at-it"),
    ],
)
def test_market_sell_goes_when_the_bid_reaches_the_target(last: str, bid: str | None, sells: bool) -> None:
    kernel = bought(50_000, sell_order_type="market")
    assert outstanding(kernel.state) == ()
    assert bool(of(kernel.price(last, bid=bid), SaleRecorded)) is sells


@SPEC("after a partial sale the remainder stays in the lot", section="Orders")
def test_trailing_limit_sell_partly_filled_keeps_the_rest_and_its_trail() -> None:
    kernel = bought(50_000, sell_order_type="trailing_limit", paper=HALVES)
    kernel.prices(50_900, 50_650)
    events = kernel.price(50_660, after_s=30)
    assert tags(events) == ["order_filled"]
    assert kernel.trail.status == "triggered"
    events = kernel.wait(30)
    sale = one(events, SaleRecorded)
    assert (sale.quantity, sale.closed, sale.cost) == (D("0.001"), False, D("50.05"))
    assert of(events, TrailingReset) == []
    assert one(events, TrailingActivated).watermark == 50_900
    assert (kernel.lot.quantity, kernel.lot.cost, kernel.lot.status) == (D("0.001"), D("50.05"), "open")
    assert (kernel.state.stats.winning_trades, kernel.state.stats.losing_trades) == (0, 0)
    kernel.price(50_640)
    kernel.price(50_650, after_s=20)
    kernel.price(50_650, after_s=20)
    assert not kernel.state.lots
    assert kernel.state.stats.winning_trades == 1


def test_limit_sell_taken_off_the_book_by_the_exchange_goes_in_again() -> None:
    kernel = bought(50_000)
    sell = kernel.lot.sell_order
    assert sell is not None
    kernel.observe(OrderCanceled(sell, D(0)))
    assert kernel.lot.sell_order is None
    events = kernel.price(50_100)
    assert one(events, OrderRequested).limit_price == D("50601.11")


@SPEC("there is never more than one open sell per lot", section="Orders")
def test_lot_with_a_sell_underway_asks_for_no_other() -> None:
    kernel = bought(50_000, sell_order_type="market")
    assert len(of(kernel.price(51_000, settled=False), OrderRequested)) == 1
    assert of(kernel.price(51_500, settled=False), OrderRequested) == []


# --- what is owed to the exchange ------------------------------------------------------------------------------------


@SPEC("an order to be sent is an order in status requested in the log", section="The kernel: five pure functions")
@pytest.mark.parametrize(
    ("steps", "action"),
    [
        pytest.param([], "send", id="requested"),
        pytest.param(["sent"], "query", id="sent"),
        pytest.param(["sent", "unknown"], "query", id="unknown"),
        pytest.param(["sent", "accepted"], None, id="open"),
        pytest.param(["sent", "accepted", "cancel"], "cancel", id="to-be-cancelled"),
        pytest.param(["sent", "rejected"], None, id="rejected"),
        pytest.param(["sent", "accepted", "canceled"], "query", id="cancelled-and-its-trades-not-told-yet"),
        pytest.param(["sent", "accepted", "expired"], "query", id="expired-and-its-trades-not-told-yet"),
        pytest.param(["sent", "accepted", "cancel", "expired"], "query", id="expired-before-it-was-cancelled"),
    ],
)
def test_order_in_any_status_owes_the_exchange_one_call(steps: list[str], action: str | None) -> None:
    kernel = Kernel(buy_order_type="limit")
    kernel.price(50_000, settled=False)
    (name,) = kernel.state.orders
    reports: dict[str, Any] = {
        "sent": OrderSent(name, kernel.now_ms, 5_000),
        "unknown": OrderOutcomeUnknown(name, "timeout"),
        "accepted": OrderAccepted(name, "x1"),
        "rejected": OrderRejected(name, "FILTER", "no"),
        "cancel": OrderCancelRequested(name, "timeout"),
        "canceled": OrderCanceled(name, D("0.001")),
        "expired": OrderExpired(name, D("0.001")),
    }
    kernel.observe(*(reports[step] for step in steps))
    assert [effect.action for effect in outstanding(kernel.state)] == ([] if action is None else [action])


@SPEC("money stays reserved while the outcome of an order is unknown", section="Order protocol")
def test_order_of_unknown_outcome_keeps_its_reserve() -> None:
    kernel = Kernel(buy_order_type="limit")
    kernel.price(50_000, settled=False)
    (name,) = kernel.state.orders
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderOutcomeUnknown(name, "timeout"))
    assert kernel.state.reserved == D("100.1")
    assert kernel.price(49_000, settled=False) == [], "no second buy while one may be at the exchange"
    kernel.observe(OrderRejected(name, "not found", "proven not placed"))
    assert kernel.state.reserved == 0


def test_effects_while_the_exchange_asks_for_silence_wait_for_its_end() -> None:
    kernel = Kernel()
    kernel.price(50_000, settled=False)
    until_ms = kernel.now_ms + 90_000
    kernel.observe(RateLimited(until_ms))
    assert [effect.not_before_ms for effect in outstanding(kernel.state)] == [until_ms]
    kernel.wait(90)
    kernel.settle()
    assert kernel.lot.status == "open"


def test_price_while_the_exchange_asks_for_silence_brings_no_order() -> None:
    kernel = Kernel()
    kernel.observe(RateLimited(kernel.now_ms + 90_000))
    kernel.price(50_000)
    assert not kernel.state.lots
    kernel.price(50_000)
    assert kernel.lot.status == "open"


@SPEC("order numbers only rise, and ids are made of log id and number", section="Order protocol")
def test_orders_are_numbered_in_the_order_they_were_asked_for() -> None:
    kernel = Kernel(smart_indicator_checks=False)
    kernel.prices(50_000, 49_000)
    kernel.restart()
    kernel.price(48_000)
    requested = of(kernel.told(), OrderRequested)
    assert [order.number for order in requested] == [1, 2, 3, 4, 5, 6]
    assert all(order.client_order_id.startswith(f"k{LOG_ID}") for order in requested)


# --- refusals --------------------------------------------------------------------------------------------------------


def test_buys_refused_again_and_again_are_tried_at_growing_intervals() -> None:
    kernel = Kernel()
    tried = []
    for _ in range(20):
        if of(kernel.price(50_000, settled=False), OrderRequested):
            tried.append((kernel.now_ms - 1_730_635_800_000) // 60_000)
            (name,) = kernel.state.orders
            kernel.observe(OrderRejected(name, "FILTER", "no"))
    assert tried == [1, 2, 4, 8, 16]


def test_buy_after_a_refusal_is_tried_at_once_again_when_one_succeeded() -> None:
    kernel = Kernel(smart_indicator_checks=False)
    kernel.price(50_000, settled=False)
    (name,) = kernel.state.orders
    kernel.observe(OrderRejected(name, "FILTER", "no"))
    kernel.prices(50_000, 49_000)
    assert (kernel.state.rejections, len(kernel.state.lots)) == (0, 2)
