"""How long a bot waits after an order came to nothing, and that what waits is never forgotten."""

from decimal import Decimal
from typing import Any

import pytest

from engine.core.effects import outstanding
from engine.core.events import (
    Balance,
    BalancesObserved,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRequested,
    OrderExpired,
    OrderReconciled,
    OrderRejected,
    OrderRequested,
    OrderSent,
    RecoveryConfirmed,
    TrailingReset,
    TrailingTriggered,
)
from engine.core.reducers.orders import NOT_SENT
from engine.core.state import ENTRY
from tests.core.recoveries import adopted, fill, started
from tests.kernel import Kernel, bought, of, one, tags, trade

SPEC = pytest.mark.spec
D = Decimal
LIVE: dict[str, Any] = {"paper_trading": False, "live": True, "exchange": "binanceus"}


def seen(base: str) -> BalancesObserved:
    return BalancesObserved({"BTC": Balance(Decimal(base)), "USD": Balance(Decimal(10_000))}, is_settled=True)


@SPEC("a trail that fires while the account has too little free fires again when it has enough", section="Live trading")
def test_trail_that_finds_nothing_free_to_sell_fires_once_there_is() -> None:
    kernel = Kernel(**LIVE, sell_order_type="trailing_market", trailing_sell_percent="0.5", trailing_sell_floor="none")
    kernel.observe(seen("0"))
    kernel.price(50_000)
    kernel.votes(yes=False)
    kernel.prices(50_700, 51_000)
    kernel.observe(seen("0"))
    assert not of(kernel.price(50_700, settled=False), TrailingTriggered), "no trigger without an order"
    kernel.observe(seen("1"))
    told = kernel.price(50_650, settled=False)
    assert tags(told) == ["trailing_triggered", "order_requested"]


def test_trail_left_triggered_without_an_order_goes_on() -> None:
    kernel = bought(sell_order_type="trailing_market", trailing_sell_percent="0.5", trailing_sell_floor="none")
    kernel.prices(50_700, 51_000)
    watermark = kernel.trail.watermark
    assert watermark is not None
    lot = kernel.lot.number
    kernel.observe(TrailingTriggered(lot, "up", Decimal(50_700), watermark, Decimal("0.59")))
    told = kernel.price(50_650, settled=False)
    assert tags(told) == ["trailing_activated", "trailing_triggered", "order_requested"]


@pytest.mark.parametrize("closed", [OrderCanceled, OrderExpired])
@SPEC("a sell that the exchange ends unfilled by itself is held back like a refused one", section="Live trading")
def test_sell_that_the_exchange_ends_unfilled_goes_in_again_at_growing_intervals(closed: Any) -> None:
    kernel = bought(sell_order_type="market", profit_target="0.1")
    sent_after = []
    for _ in range(4):
        waited = 0
        while not of(told := kernel.price(51_000, after_s=20, settled=False), OrderRequested):
            waited += 20
        sent_after.append(waited)
        name = one(told, OrderRequested).client_order_id
        kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderAccepted(name, "7"), closed(name, Decimal(0)))
    assert sent_after == [0, 40, 100, 220]


def test_sell_that_we_cancelled_holds_nothing_back() -> None:
    kernel = bought(sell_order_type="trailing_limit", trailing_sell_percent="0.5", trailing_sell_floor="none")
    kernel.prices(50_700, 51_000)
    name = one(kernel.price(50_700, bid=50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderAccepted(name, "7"))
    kernel.observe(OrderCancelRequested(name, "timeout"), OrderCanceled(name, Decimal(0)))
    assert kernel.lot.hold_ms == 0


def test_order_that_could_not_leave_is_decided_again_soon_however_often() -> None:
    kernel = bought(sell_order_type="market", profit_target="0.1")
    for _ in range(5):
        name = one(kernel.price(51_000, after_s=11, settled=False), OrderRequested).client_order_id
        kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderRejected(name, NOT_SENT, "no time of the exchange"))
    assert kernel.lot.rejections == 0


def test_lot_that_must_go_is_never_held_back_for_more_than_a_minute() -> None:
    kernel = bought(risk={"stop_loss_percent": 5})
    kernel.price(47_000, settled=False)
    (resting,) = kernel.state.orders
    kernel.observe(OrderCanceled(resting, Decimal(0)))
    for _ in range(6):
        (name,) = kernel.state.orders
        kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderRejected(name, "-2010", "no"))
        assert kernel.lot.hold_ms <= kernel.now_ms + 60_000
        kernel.price(47_000, after_s=61, settled=False)


def test_refusals_of_a_lot_are_forgotten_once_a_sell_of_it_trades() -> None:
    kernel = bought(sell_order_type="market", profit_target="0.1")
    name = one(kernel.price(51_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderRejected(name, "-2010", "no"))
    name = one(kernel.price(51_000, after_s=61, settled=False), OrderRequested).client_order_id
    assert kernel.lot.rejections == 1
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000), trade(name, "t1", 51_000, "0.0005"))
    assert kernel.lot.rejections == 0


# --- orders that come back -------------------------------------------------------------------------------------------


@SPEC("an order that comes back beside its successor is cancelled", section="Order protocol")
def test_sell_that_comes_back_beside_its_successor_is_cancelled() -> None:
    kernel = bought(sell_order_type="market", profit_target="0.1")
    first = one(kernel.price(51_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderSent(first, kernel.now_ms, 5_000), OrderRejected(first, "not placed", "not there"))
    second = one(kernel.price(51_000, after_s=61, settled=False), OrderRequested).client_order_id
    told = kernel.observe(OrderReconciled(first, "rejected", "open"))
    assert one(told, OrderCancelRequested).client_order_id == first
    assert kernel.lot.sell_order == second


@pytest.mark.parametrize("crowd", ["another-buy", "kill-switch", "no-room"])
def test_buy_that_comes_back_where_there_is_no_place_for_it_is_cancelled(crowd: str) -> None:
    kernel = Kernel(budget="150", max_open_lots=5, smart_indicator_checks=False)
    first = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderSent(first, kernel.now_ms, 5_000), OrderRejected(first, "not placed", "not there"))
    if crowd == "another-buy":
        kernel.price(50_000, after_s=61, settled=False)
    elif crowd == "no-room":
        kernel.price(50_000, after_s=61)
    else:
        kernel.command("kill")
    told = kernel.observe(OrderReconciled(first, "rejected", "open"))
    assert one(told, OrderCancelRequested).client_order_id == first


@SPEC("an order that comes back after its successor traded is cancelled", section="Reconciliation")
@pytest.mark.parametrize("is_sold", [False, True], ids=["held", "sold"])
def test_buy_that_comes_back_after_its_successor_traded_is_cancelled(*, is_sold: bool) -> None:
    kernel = Kernel(sell_order_type="market")
    first = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderSent(first, kernel.now_ms, 5_000), OrderRejected(first, "not placed", "not there"))
    kernel.price(50_000, after_s=61)
    kernel.votes(yes=False)
    if is_sold:
        kernel.price(51_000)
    assert (kernel.order(2).status, len(kernel.state.lots), kernel.state.orders) == ("filled", 1 - is_sold, {})
    told = kernel.observe(OrderReconciled(first, "rejected", "open"))
    assert one(told, OrderCancelRequested) == OrderCancelRequested(first, "superseded")


def test_buy_that_comes_back_in_a_recovery_after_its_successor_traded_is_cancelled_once_that_is_confirmed() -> None:
    kernel = Kernel(sell_order_type="market")
    first = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderSent(first, kernel.now_ms, 5_000), OrderRejected(first, "not placed", "not there"))
    kernel.price(50_000, after_s=61)
    kernel.observe(started(), OrderReconciled(first, "rejected", "open"))
    assert outstanding(kernel.state) == ()
    kernel.observe(RecoveryConfirmed("me"))
    assert [(effect.action, effect.client_order_id) for effect in outstanding(kernel.state)] == [("cancel", first)]


@pytest.mark.parametrize("which", ["before it", "after it, untraded"])
def test_buy_that_comes_back_stays_beside_buys_that_took_nothing_in_its_stead(which: str) -> None:
    kernel = Kernel(smart_indicator_checks=False)
    if which == "before it":
        kernel.price(50_000)
    first = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderSent(first, kernel.now_ms, 5_000), OrderRejected(first, "not placed", "not there"))
    if which != "before it":
        second = one(kernel.price(50_000, after_s=61, settled=False), OrderRequested).client_order_id
        kernel.observe(OrderSent(second, kernel.now_ms, 5_000), OrderRejected(second, "-2010", "no money"))
    assert not of(kernel.observe(OrderReconciled(first, "rejected", "open")), OrderCancelRequested)


@pytest.mark.parametrize("how", ["back", "adopted"])
def test_buy_that_comes_back_while_a_trail_follows_the_price_is_ended_before_the_trail_fires(how: str) -> None:
    """Hold what seed 12176 showed: the trail of the kept log fired beside the order that its lost end had sent."""
    kernel = Kernel(buy_order_type="trailing_limit")
    kernel.price(50_000)
    if how == "back":
        first = one(kernel.prices(49_000, 49_500), OrderRequested).client_order_id
        kernel.observe(OrderSent(first, kernel.now_ms, 5_000), OrderRejected(first, "not placed", "not there"))
        kernel.price(49_600, after_s=61)
        kernel.observe(OrderReconciled(first, "rejected", "open"))
    else:
        first = adopted(7, "buy", "0.002", limit_price=D(49_500)).client_order_id
        kernel.observe(started(), adopted(7, "buy", "0.002", limit_price=D(49_500)), RecoveryConfirmed("me"))
    assert kernel.state.trails[ENTRY].status == "active"
    assert kernel.state.open_buy is not None
    assert kernel.state.open_buy.client_order_id == first
    for price in (48_000, 49_000):
        assert not of(kernel.price(price, settled=False), OrderRequested)
    kernel.observe(OrderCanceled(first, D(0)))
    kernel.votes(yes=True)
    assert one(kernel.price(49_100, settled=False), OrderRequested).client_order_id != first


@pytest.mark.parametrize("is_waited_for", [False, True], ids=["filled at once", "filled later"])
def test_purchase_by_a_buy_that_was_taken_over_ends_the_trail_that_follows_the_price(*, is_waited_for: bool) -> None:
    kernel = Kernel(buy_order_type="trailing_limit", smart_indicator_checks=False)
    kernel.prices(50_000, 49_000)
    taken = adopted(7, "buy", "0.002", limit_price=D(49_500))
    kernel.observe(started(), taken)
    if is_waited_for:
        kernel.observe(RecoveryConfirmed("me"))
        assert ENTRY in kernel.state.trails
    told = kernel.observe(fill(7, "0.002"), RecoveryConfirmed("me"))
    assert one(told, TrailingReset).reason == "filled"
    kernel.votes(yes=False)
    assert [event.side for event in of(kernel.price(49_600, settled=False), OrderRequested)] == ["sell"] * (
        not is_waited_for
    )


def test_buy_that_comes_back_alone_stays() -> None:
    kernel = Kernel()
    first = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderSent(first, kernel.now_ms, 5_000), OrderRejected(first, "not placed", "not there"))
    assert not of(kernel.observe(OrderReconciled(first, "rejected", "open")), OrderCancelRequested)
