"""What an engine with other rules left half decided, and what a recovery must leave alone."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.events import (
    BotEvent,
    DustRecorded,
    KillSwitchEngaged,
    LimitReached,
    OrderCanceled,
    OrderCancelRequested,
    RecoveryConfirmed,
    SaleRecorded,
    StopLossTriggered,
)
from engine.core.reducers import apply
from engine.core.state import ENTRY, BotState, Lot
from tests.core.books import audit
from tests.core.recoveries import D, started
from tests.core.test_properties import folded
from tests.core.walks import LIVES, Life, lived, moved
from tests.kernel import START_MS, Kernel, bought, of, one, tags, trade


@pytest.mark.spec("what newer rules did not decide to its end is settled when a recovery begins", section="Recovery")
@given(LIVES, st.data())
def test_log_of_any_life_that_broke_off_inside_a_decision_goes_on_under_other_rules(
    life: Life, data: st.DataObject
) -> None:
    kernel = lived(life)
    cuts = [(place, kept) for place, moment in enumerate(kernel.history) for kept in range(len(moment.decided))]
    assume(cuts)
    place, kept = data.draw(st.sampled_from(cuts))
    half = replace(kernel.history[place], decided=kernel.history[place].decided[:kept])
    kernel.state = folded([*kernel.history[:place], half])
    kernel.history[place:] = [half]
    kernel.observe(started(order_number=kernel.state.order_number))
    kernel.crash()
    kernel.observe(RecoveryConfirmed("me"))
    kernel.command("resume")
    kernel.check(reachable=True)
    _is_whole(kernel)
    for hundredths in (60, -60, 120, 120, -120, 30, -30):
        kernel.price(moved(kernel, hundredths))
        _is_whole(kernel)
    audit(kernel)


def _is_whole(kernel: Kernel) -> None:
    """Hold a bot that came to rest against what nothing but a decision of its own could mend."""
    state = kernel.state
    assert all(
        lot.status == "open" and lot.target is not None for lot in state.lots.values() if not _is_bought(state, lot)
    )
    assert all(order.recorded.filled == order.filled for order in state.done_orders.values() if order.side == "sell")
    assert set(state.trails) <= {ENTRY, *state.lots}
    assert ENTRY not in state.trails or state.trails[ENTRY].status != "triggered" or state.open_buy is not None


def _is_bought(state: BotState, lot: Lot) -> bool:
    return any(order.side == "buy" and order.number == lot.number for order in state.orders.values())


@pytest.mark.parametrize("after_s", [0, 1])
def test_recovery_makes_no_sale_of_what_was_sold_before_its_lot_came_back(after_s: int) -> None:
    kernel = bought(sell_order_type="market", profit_target=D(1))
    kernel.price(51_000)
    (sell,) = (order for order in kernel.state.done_orders.values() if order.side == "sell")
    (buy,) = (order for order in kernel.state.done_orders.values() if order.side == "buy")
    assert not kernel.state.lots
    kernel.observe(trade(sell.client_order_id, "late", 51_000, "0.0005"))
    kernel.wait(after_s)
    kernel.observe(trade(buy.client_order_id, "late", 50_000, "0.001"))
    assert kernel.lot.quantity == D("0.0005"), "the sell had sold the other half of it before"
    profit = kernel.state.stats.total_profit
    assert tags(kernel.observe(started())) == ["recovery_started"]
    assert kernel.state.stats.total_profit == profit


def test_recovery_records_purchases_before_the_sales_that_need_their_lots() -> None:
    kernel = bought(sell_order_type="market", profit_target=D(1))
    kernel.price(51_000)
    (sell,) = (order for order in kernel.state.done_orders.values() if order.side == "sell")
    (buy,) = (order for order in kernel.state.done_orders.values() if order.side == "buy")
    for fill in (
        trade(sell.client_order_id, "late", 51_000, "0.0005"),
        trade(buy.client_order_id, "late", 50_000, "0.001"),
    ):
        kernel.state = apply(kernel.state, fill, kernel.now_ms)
    told = kernel.observe(started())
    assert tags(told)[:4] == ["recovery_started", "purchase_recorded", "sell_target_set", "sale_recorded"]
    assert kernel.lot.quantity == D("0.0005")
    assert all(order.recorded.filled == order.filled for order in kernel.state.done_orders.values() if order.lot)


@pytest.mark.parametrize(("order_type", "is_spared"), [("market", True), ("limit", False)])
def test_recovery_spares_the_market_sell_of_a_lot_that_must_go_and_no_other(order_type: str, is_spared: bool) -> None:
    kernel = bought(sell_order_type=order_type, risk={"stop_loss_percent": 1})
    if is_spared:
        kernel.price(49_000, settled=False)
    else:
        kernel.state = apply(kernel.state, StopLossTriggered(1, D(49_000), D(49_500), D(1)), kernel.now_ms)
    (sell,) = kernel.state.orders.values()
    assert kernel.state.is_leaving(kernel.lot)
    events = kernel.observe(started())
    assert [each.client_order_id for each in of(events, OrderCancelRequested)] == [sell.client_order_id] * (
        not is_spared
    )


@pytest.mark.parametrize(
    "reached",
    [
        KillSwitchEngaged("stop_entries", "command", "asked for", {}),
        LimitReached("max_daily_loss_percent", "too much", START_MS + 86_400_000, {}),
    ],
    ids=["kill switch", "day's loss"],
)
def test_recovery_stops_the_entry_that_a_switch_or_a_limit_forbids(reached: BotEvent) -> None:
    kernel = Kernel(buy_order_type="trailing_market")
    kernel.price(50_000)
    assert ENTRY in kernel.state.trails
    kernel.state = apply(kernel.state, reached, kernel.now_ms)
    assert tags(kernel.observe(started())) == ["recovery_started", "trailing_reset"]
    assert ENTRY not in kernel.state.trails


def test_recovery_ends_the_trail_of_a_lot_that_is_gone() -> None:
    kernel = bought(sell_order_type="trailing_market")
    number = kernel.lot.number
    assert set(kernel.state.trails) == {number}
    kernel.state = apply(kernel.state, DustRecorded(number, kernel.lot.quantity, kernel.lot.cost), kernel.now_ms)
    assert tags(kernel.observe(started())) == ["recovery_started", "trailing_reset"]
    assert not kernel.state.trails


def test_recovery_records_a_late_sale_of_a_lot_that_is_for_sale_again() -> None:
    kernel = bought(sell_order_type="limit")
    (first,) = kernel.state.orders.values()
    kernel.observe(OrderCanceled(first.client_order_id, D(0)))
    kernel.price(50_010)
    assert kernel.lot.sell_order not in {None, first.client_order_id}
    kernel.state = apply(kernel.state, trade(first.client_order_id, "late", 51_000, "0.0005"), kernel.now_ms)
    sale = one(kernel.observe(started()), SaleRecorded)
    assert (sale.client_order_id, sale.quantity) == (first.client_order_id, D("0.0005"))
