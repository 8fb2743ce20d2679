"""Trades that come after their sell order had ended: none is lost, none is counted twice."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.core.events import (
    DiscrepancyFound,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRequested,
    OrderReconciled,
    OrderSent,
    PurchaseRecorded,
    SaleRecorded,
    TrailingReset,
)
from engine.core.reducers import orders as order_reducers
from engine.core.state import Dust
from engine.core.watch import with_watch
from tests.core.books import audit
from tests.kernel import RULES, Kernel, bought, of, one, tags, trade

SPEC = pytest.mark.spec


def half_sold() -> tuple[Kernel, str]:
    """Give a bot whose resting sell was taken off the book with half of it traded, and the name of that order."""
    kernel = bought(sell_order_type="limit")
    name = kernel.lot.sell_order
    assert name is not None
    quantity = kernel.order(name).quantity
    half = quantity / 2
    kernel.observe(trade(name, "t1", "50601.11", half))
    kernel.observe(OrderCanceled(name, half))
    return kernel, name


@SPEC("when a sale was recorded and a trade of it comes late, the rest is a second sale", section="Live trading")
def test_trade_that_comes_after_its_sale_was_recorded_is_a_second_sale() -> None:
    kernel, name = half_sold()
    first = one(kernel.told(), SaleRecorded)
    late = trade(name, "t2", "50601.11", "0.0005", fee="0.02530055", value="0.02530055")
    told = kernel.observe(late)
    second = one(told, SaleRecorded)
    assert (second.quantity, second.client_order_id) == (Decimal("0.0005"), name)
    assert second.proceeds == Decimal("0.0005") * Decimal("50601.11") - Decimal("0.02530055")
    assert kernel.state.stats.total_profit == first.profit + second.profit
    assert kernel.lot.quantity == kernel.lot.held - first.quantity - Decimal("0.0005")
    assert not of(kernel.observe(late), SaleRecorded), "the same trade again is no news"


def test_lot_sold_by_two_sales_shows_their_mean_price() -> None:
    """Hold what seeds 84 and 106 of the simulated worlds showed: the state file gave the price of the last sale."""
    kernel, name = half_sold()
    first = one(kernel.told(), SaleRecorded).quantity
    kernel.observe(trade(name, "t2", "51000", "0.0005"))
    mean = (first * Decimal("50601.11") + Decimal("0.0005") * 51_000) / (first + Decimal("0.0005"))
    assert kernel.lot.sold_price == mean


def all_sold() -> tuple[Kernel, str]:
    """Give a bot that sold its lot, and the name of a sell of it that may have traded more than it told."""
    kernel, name = half_sold()
    again = kernel.lot.sell_order
    assert again is not None
    assert again != name
    kernel.observe(trade(again, "t3", "50601.11", kernel.order(again).quantity))
    assert not kernel.state.lots
    return kernel, name


def test_trade_that_comes_after_its_lot_was_closed_is_a_sale_and_told_as_more_than_there_was() -> None:
    kernel, name = all_sold()
    cash, profit = kernel.state.cash_flow, kernel.state.stats.total_profit
    told = kernel.observe(trade(name, "t4", "50601.11", "0.0005"))
    assert tags(told) == ["order_filled", "discrepancy_found", "sale_recorded"]
    assert one(told, DiscrepancyFound).subject == f"order {name}"
    assert one(told, DiscrepancyFound).actual == "0.00050 more sold"
    brought = Decimal("0.0005") * Decimal("50601.11")
    assert kernel.state.cash_flow == cash + brought
    assert kernel.state.stats.total_profit == profit + brought
    assert kernel.state.closed_lots[-1].realised == kernel.state.stats.total_profit
    audit(kernel)


def test_trade_that_comes_after_its_lot_was_closed_is_sold_from_the_dust_at_its_cost() -> None:
    kernel, name = all_sold()
    kernel.state = replace(kernel.state, dust=Dust(Decimal("0.001"), Decimal(60)))
    (sale,) = of(kernel.observe(trade(name, "t4", "50601.11", "0.0005")), SaleRecorded)
    assert (sale.cost, sale.dust_quantity) == (Decimal(30), Decimal("0.0005"))
    assert kernel.state.dust == Dust(Decimal("0.0005"), Decimal(30))
    assert not of(kernel.told(), DiscrepancyFound)


def test_trade_of_a_closed_lot_can_turn_its_trade_from_won_to_lost_and_back() -> None:
    kernel, name = all_sold()
    stats = kernel.state.stats
    assert (stats.winning_trades, stats.losing_trades) == (1, 0)
    kernel.state = replace(kernel.state, dust=Dust(Decimal("0.0005"), Decimal(60)))
    kernel.observe(trade(name, "t4", 50_000, "0.0005"))
    stats = kernel.state.stats
    assert (stats.winning_trades, stats.losing_trades, stats.total_trades) == (0, 1, 1)
    kernel.observe(trade(name, "t5", 90_000, "0.001"))
    stats = kernel.state.stats
    assert (stats.winning_trades, stats.losing_trades, stats.total_trades) == (1, 0, 1)


def test_trade_of_a_closed_lot_counts_for_that_lot_alone_and_for_no_trade_if_it_was_dust() -> None:
    kernel, name = all_sold()
    (lot,) = kernel.state.closed_lots
    later = replace(lot, number=lot.number + 1)
    kernel.state = replace(kernel.state, closed_lots=(replace(lot, status="dust", realised=Decimal(-1)), later))
    before = kernel.state.stats
    kernel.observe(trade(name, "t4", 50_000, "0.0005"))
    assert [each.realised for each in kernel.state.closed_lots] == [Decimal(-1) + 25, later.realised]
    after = kernel.state.stats
    assert (after.winning_trades, after.losing_trades) == (before.winning_trades, before.losing_trades)


def test_trade_of_a_lot_whose_end_is_forgotten_counts_in_the_sums() -> None:
    kernel, name = all_sold()
    kernel.state = replace(kernel.state, closed_lots=())
    profit = kernel.state.stats.total_profit
    kernel.observe(trade(name, "t4", 50_000, "0.0005"))
    assert kernel.state.stats.total_profit == profit + 25
    assert not kernel.state.closed_lots


def test_late_trade_of_a_purchase_is_what_a_sell_of_its_closed_lot_had_sold_before() -> None:
    """Hold what seed 1717 showed: the bot offered 0.0018 that it had sold, and another bot's base was sold for it."""
    kernel = Kernel(sell_order_type="limit")
    kernel.price(50_000, settled=False)
    (buy,) = kernel.state.orders
    kernel.observe(OrderSent(buy, kernel.now_ms, 5_000), OrderAccepted(buy, "7"))
    kernel.observe(trade(buy, "b1", 50_000, "0.0008"))
    kernel.observe(OrderCanceled(buy, Decimal("0.0008")))
    (first,) = kernel.state.orders
    kernel.observe(OrderCanceled(first, Decimal(0)))
    kernel.votes(yes=False)
    kernel.price(50_000, after_s=120)
    (second,) = kernel.state.orders
    kernel.observe(trade(second, "t1", "50601.11", "0.0008"))
    assert not kernel.state.lots
    kernel.observe(trade(first, "t2", "50601.11", "0.0005"))
    assert kernel.order(first).unowned == Decimal("0.0005")
    audit(kernel)
    kernel.observe(trade(buy, "b2", 50_000, "0.0012"))
    assert kernel.lot.quantity == Decimal("0.0007")
    assert kernel.order(first).unowned == 0
    audit(kernel)
    (sell,) = kernel.state.orders.values()
    assert sell.quantity == Decimal("0.0007")
    kernel.observe(trade(sell.client_order_id, "t5", "50601.11", sell.quantity))
    assert not kernel.state.lots
    assert kernel.state.stats.total_profit == kernel.state.cash_flow + kernel.state.dust.cost
    audit(kernel)


def test_late_trade_of_a_purchase_is_what_a_sell_that_still_rests_had_sold_before() -> None:
    kernel = Kernel(sell_order_type="limit")
    kernel.price(50_000, settled=False)
    (buy,) = kernel.state.orders
    kernel.observe(trade(buy, "b1", 50_000, "0.0008"))
    kernel.observe(OrderCanceled(buy, Decimal("0.0008")))
    (sell,) = kernel.state.orders
    kernel.observe(OrderSent(sell, kernel.now_ms, 5_000), OrderAccepted(sell, "8"))
    kernel.observe(trade(sell, "t1", "50601.11", "0.0007", fee="0.0002", asset="BTC", value="10.120222"))
    assert not kernel.lot.quantity
    assert kernel.order(sell).unowned == Decimal("0.0001"), "its fee was taken in base"
    kernel.observe(trade(buy, "b2", 50_000, "0.0012"))
    assert kernel.lot.quantity == Decimal("0.0011")
    assert not kernel.order(sell).unowned
    assert kernel.order(sell).status == "open"


def test_late_trade_of_a_purchase_that_was_all_sold_before_leaves_no_lot_and_loses_no_cost() -> None:
    kernel, name = all_sold()
    kernel.observe(trade(name, "t4", "50601.11", "0.0005"))
    told = kernel.observe(trade(kernel.order(1).client_order_id, "late", 50_000, "0.0003"))
    assert tags(told) == ["order_filled", "purchase_recorded", "sell_target_set", "dust_recorded"]
    assert not kernel.state.lots
    assert kernel.order(2).unowned == Decimal("0.0002")
    assert kernel.state.stats.total_profit == kernel.state.cash_flow + kernel.state.dust.cost


def test_late_sale_takes_the_sell_away_that_is_out_for_more_than_is_left() -> None:
    kernel, first = half_sold()
    again = kernel.lot.sell_order
    told = kernel.observe(trade(first, "t2", "50601.11", "0.0005"))
    assert [each.client_order_id for each in of(told, OrderCancelRequested)] == [again]
    assert one(told, OrderCancelRequested).reason == "superseded"
    kernel.price(50_000)
    (sell,) = kernel.state.orders.values()
    assert sell.quantity == kernel.lot.quantity
    audit(kernel)


def test_late_sale_leaves_a_sell_alone_that_is_out_for_no_more_than_is_left() -> None:
    kernel, first = half_sold()
    again = kernel.lot.sell_order
    assert again is not None
    smaller = replace(kernel.order(again), quantity=Decimal("0.0005"))
    kernel.state = replace(kernel.state, orders={again: smaller})
    assert not of(kernel.observe(trade(first, "t2", "50601.11", "0.0005")), OrderCancelRequested)
    assert list(kernel.state.orders) == [again]


def came_back(*, is_partly_sold: bool = False) -> tuple[Kernel, str]:
    """Give a bot whose sell was held to be not placed and another decided in its stead, and the name of the first."""
    kernel = bought(sell_order_type="limit")
    (first,) = kernel.state.orders
    done = {**kernel.state.done_orders, first: replace(kernel.order(first), status="rejected")}
    lots = {kernel.lot.number: replace(kernel.lot, sell_order=None)}
    kernel.state = with_watch(replace(kernel.state, orders={}, done_orders=done, lots=lots))
    kernel.price(50_000, after_s=120)
    (second,) = kernel.state.orders
    if is_partly_sold:
        kernel.observe(trade(second, "t1", "50601.11", "0.001"))
        kernel.command("pause")
        kernel.observe(OrderCanceled(second, Decimal("0.001")))
    return kernel, first


def test_sell_that_came_back_and_traded_before_it_was_cancelled_is_a_sale_and_its_successor_goes() -> None:
    kernel, first = came_back()
    (second,) = kernel.state.orders
    told = kernel.observe(OrderReconciled(first, "rejected", "open"))
    assert [each.client_order_id for each in of(told, OrderCancelRequested)] == [first]
    kernel.observe(trade(first, "t9", "50601.11", "0.001"))
    told = kernel.observe(OrderCanceled(first, Decimal("0.001")))
    assert one(told, SaleRecorded).quantity == Decimal("0.001")
    assert [each.client_order_id for each in of(told, OrderCancelRequested)] == [second]
    assert kernel.lot.quantity == Decimal("0.001")


def test_sell_that_came_back_for_more_than_is_left_of_its_lot_is_cancelled() -> None:
    kernel, first = came_back(is_partly_sold=True)
    assert kernel.lot.sell_order is None
    told = kernel.observe(OrderReconciled(first, "rejected", "open"))
    assert [each.client_order_id for each in of(told, OrderCancelRequested)] == [first]


def test_what_is_left_of_a_cost_without_base_keeps_no_budget_back() -> None:
    kernel, name = all_sold()
    kernel.observe(trade(name, "t4", "50601.11", "0.0005"))
    kernel.observe(trade(kernel.order(1).client_order_id, "late", 50_000, "0.0003"))
    assert kernel.state.dust.quantity == 0
    assert kernel.state.dust.cost > 0
    assert kernel.state.exposure == 0


@pytest.mark.parametrize(("price", "is_active"), [("50650", True), ("50100", False)])
def test_late_trade_of_a_purchase_lets_an_active_trail_go_on_and_gives_a_waiting_one_its_new_target(
    price: str, *, is_active: bool
) -> None:
    kernel = bought(sell_order_type="trailing_market", trailing_sell_percent=Decimal(5), trailing_sell_floor="none")
    kernel.price(price)
    trail = kernel.state.trails[kernel.lot.number]
    assert (trail.status == "active") is is_active
    told = kernel.observe(trade(kernel.lot.buy_order_id, "late", 51_000, "0.001"))
    if is_active:
        assert tags(told) == ["order_filled", "purchase_recorded", "sell_target_set"]
        assert kernel.state.trails[kernel.lot.number] == trail
        return
    assert tags(told)[3:] == ["trailing_reset", "trailing_started"]
    assert one(told, TrailingReset).reason == "target"
    assert kernel.state.trails[kernel.lot.number].activation == kernel.lot.target


def test_late_trade_of_a_purchase_that_leaves_a_lot_too_small_to_sell_ends_its_trail() -> None:
    kernel = bought(sell_order_type="trailing_market")
    lot = kernel.lot
    small = replace(lot, quantity=Decimal("0.0000001"), cost=Decimal("0.005"))
    kernel.state = replace(kernel.state, lots={lot.number: small})
    told = kernel.observe(trade(lot.buy_order_id, "late", 50_000, "0.0000001"))
    assert tags(told)[3:] == ["trailing_reset", "dust_recorded"]
    assert not kernel.state.trails
    kernel.price(60_000)
    kernel.price(50_000)


@pytest.mark.parametrize(("late", "dust"), [("0", "0.0001"), ("0.00004", "0.00006"), ("0.0003", "0")])
def test_sale_tells_how_much_dust_was_sold_and_not_how_much_was_meant_to_be(late: str, dust: str) -> None:
    """Hold what seed 126 showed: a late trade of the purchase had added to the lot, so less dust was sold."""
    kernel = bought(sell_order_type="limit")
    name = kernel.lot.sell_order
    assert name is not None
    order, lot, meant = kernel.order(name), kernel.lot, Decimal("0.0001")
    order = replace(order, quantity=lot.quantity + meant, dust_quantity=meant)
    lot = replace(lot, quantity=lot.quantity + Decimal(late), cost=lot.cost + Decimal(late) * 50_000)
    kernel.state = replace(
        kernel.state, orders={name: order}, lots={lot.number: lot}, dust=Dust(Decimal("0.0005"), Decimal(24))
    )
    sale = one(kernel.observe(trade(name, "t1", "50700", order.quantity)), SaleRecorded)
    assert sale.dust_quantity == Decimal(dust)
    of_lot = lot.cost * (order.quantity - sale.dust_quantity) / lot.quantity
    assert sale.cost == of_lot + Decimal(24) * sale.dust_quantity / Decimal("0.0005")


def test_state_knows_until_when_the_orders_ended_that_it_has_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_reducers, "DONE_ORDERS_KEPT", 2)
    kernel, first = half_sold()
    begun_ms = kernel.now_ms
    assert list(kernel.state.done_orders) == [kernel.order(1).client_order_id, first]
    assert kernel.state.forgotten_ms == 0, "there is room for both"
    kernel.wait(60)
    kernel.observe(trade(first, "t2", "50601.11", "0.0005"))
    assert kernel.state.forgotten_ms == begun_ms, "the buy ended then; the sell that was out went"
    again = list(kernel.state.done_orders)[-1]
    kernel.price(50_000, after_s=180)
    after = kernel.lot.sell_order
    assert after is not None
    kernel.observe(OrderCanceled(after, Decimal(0)))
    assert list(kernel.state.done_orders) == [again, after]
    assert kernel.state.forgotten_ms == begun_ms + 60_000, "a trade of the first sell was booked then"


def test_order_with_a_late_trade_is_the_last_that_ended() -> None:
    kernel, first = half_sold()
    again = kernel.lot.sell_order
    assert again is not None
    kernel.observe(OrderCanceled(again, Decimal(0)))
    kernel.observe(trade(first, "t2", "50601.11", "0.0005"))
    assert list(kernel.state.done_orders) == [kernel.order(1).client_order_id, again, first]


@SPEC("a late trade of an earlier purchase leaves the price gate and the holds as they are", section="Live trading")
@pytest.mark.parametrize("closed", [False, True], ids=["later lot open", "later lot closed"])
def test_late_trade_of_an_earlier_purchase_is_not_the_last_purchase(closed: bool) -> None:
    kernel = bought(50_000, sell_order_type="limit")
    kernel.votes(yes=True)
    kernel.price(48_000)
    kernel.votes(yes=False)
    if closed:
        kernel.price(49_000)
        assert list(kernel.state.lots) == [1]
    bought_ms = kernel.state.stats.last_purchase_ms
    total = kernel.state.stats.total_spent
    kernel.state = replace(kernel.state, entry_hold_ms=kernel.now_ms + 600_000, rejections=3)
    kernel.wait(60)
    name = kernel.state.lots[1].buy_order_id
    one(kernel.observe(trade(name, "late", 50_000, "0.0001")), PurchaseRecorded)
    stats = kernel.state.stats
    assert (stats.last_purchase_price, stats.last_purchase_ms) == (Decimal(48_000), bought_ms)
    assert kernel.state.rejections == 3
    assert kernel.state.entry_hold_ms > kernel.now_ms
    assert stats.total_spent == total + 5


def test_late_trade_of_the_last_purchase_moves_its_price() -> None:
    kernel = bought(50_000, sell_order_type="limit")
    kernel.observe(trade(kernel.lot.buy_order_id, "late", 40_000, kernel.lot.bought))
    assert kernel.state.stats.last_purchase_price == 45_000


def test_lot_that_is_almost_sold_stays_one_when_a_late_trade_of_its_purchase_comes() -> None:
    kernel = bought(sell_order_type="limit", rules=replace(RULES, min_quantity=Decimal("0.0003")))
    name = kernel.lot.sell_order
    assert name is not None
    rest = Decimal("0.0001")
    kernel.observe(trade(name, "t1", 51_000, kernel.order(name).quantity - rest))
    told = kernel.observe(trade(kernel.lot.buy_order_id, "late", 50_000, "0.00001"))
    assert tags(told) == ["order_filled", "purchase_recorded", "sell_target_set"]
    told = kernel.observe(trade(name, "t2", 51_000, rest))
    assert one(told, SaleRecorded).quantity == kernel.order(name).quantity
    assert kernel.state.stats.total_profit > 0
    assert kernel.state.dust.quantity == Decimal("0.00001")
