"""Money to the last digit: unit cost, fees of every kind, targets, rounding, and remainders too small to sell."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.events import (
    DustRecorded,
    EntrySkipped,
    OrderCanceled,
    OrderFilled,
    OrderRequested,
    OrderSent,
    PurchaseRecorded,
    SaleRecorded,
    SellTargetSet,
    TrailingReset,
)
from engine.core.lots import RESERVE_STEP, net_percent, target_price
from engine.exchanges.paper import PaperSettings
from tests.kernel import RULES, Kernel, bought, of, one, trade

SPEC = pytest.mark.spec
D = Decimal
IN_BASE = PaperSettings(fee_asset="base")


def reported(*fills: dict[str, Any], **changes: Any) -> Kernel:
    """Give a bot whose first buy, 0.002 BTC at 50,000, was filled by these trades."""
    kernel = Kernel(**changes)
    kernel.price(50_000, settled=False)
    name = next(iter(kernel.state.orders))
    for number, numbers in enumerate(fills):
        kernel.observe(trade(name, f"t{number}", **numbers))
    return kernel


@SPEC("bought at 50,000 with fees of 0.1 % and a profit of 1 %, the target is 50,601.11", section="decision 2")
def test_target_of_the_specifications_example_is_50601_11() -> None:
    kernel = bought(50_000)
    target = one(kernel.told(), SellTargetSet)
    assert (target.unit_cost, target.target) == (D(50_050), D("50601.11"))
    assert D("50601.05") < target.target
    assert kernel.lot.target == D("50601.11")


@SPEC("the rounded target earns at least what was promised", section="decision 2")
def test_target_of_the_specifications_own_number_would_earn_less_than_promised() -> None:
    assert net_percent(D("50601.05"), D(50_050), D("0.1")) == D("0.999898")
    assert net_percent(D("50601.11"), D(50_050), D("0.1")) == D("1.000017")


@SPEC("the sell fee in the target is the taker fee, the buy fee what was charged", section="Money")
def test_target_reckons_with_the_fee_charged_and_the_taker_fee_to_come() -> None:
    kernel = bought(50_000, fees={"taker": "0.2", "maker": "0.05"})
    target = one(kernel.told(), SellTargetSet)
    assert (target.unit_cost, target.sell_fee_percent) == (D(50_100), D("0.2"))
    assert target.target == D("50702.41"), "50,100 × 1.01 ÷ 0.998, up to the cent"


@SPEC("unit cost is cash paid with quote fees over what is held after base fees", section="Money")
@pytest.mark.parametrize(
    ("fills", "paid", "held", "unit_cost"),
    [
        pytest.param(
            [{"price": 50_000, "quantity": "0.002", "fee": "0.1", "asset": "USD", "value": "0.1"}],
            "100.1",
            "0.002",
            "50050",
            id="fee-in-quote",
        ),
        pytest.param(
            [{"price": 50_000, "quantity": "0.002", "fee": "0.000002", "asset": "BTC", "value": "0.1"}],
            "100",
            "0.001998",
            "50050.05005005005005005005005",
            id="fee-in-base",
        ),
        pytest.param(
            [{"price": 50_000, "quantity": "0.002", "fee": "0.0002", "asset": "BNB", "value": "0.12"}],
            "100.12",
            "0.002",
            "50060",
            id="fee-in-a-third-asset-at-its-recorded-value",
        ),
        pytest.param(
            [
                {"price": 50_000, "quantity": "0.0015", "fee": "0.075", "asset": "USD", "value": "0.075"},
                {"price": 49_000, "quantity": "0.0005", "fee": "0.0000005", "asset": "BTC", "value": "0.0245"},
            ],
            "99.575",
            "0.0019995",
            "49799.94998749687421855463866",
            id="two-trades-two-kinds-of-fee",
        ),
        pytest.param([{"price": 50_000, "quantity": "0.002"}], "100", "0.002", "50000", id="no-fee"),
    ],
)
def test_purchase_with_fees_in_any_asset_costs_what_was_paid(
    fills: list[dict[str, Any]], paid: str, held: str, unit_cost: str
) -> None:
    purchase = one(reported(*fills).told(), PurchaseRecorded)
    assert (purchase.cost, purchase.held) == (D(paid), D(held))
    assert purchase.unit_cost == D(paid) / D(held) == D(unit_cost)
    assert purchase.quantity == D("0.002")


def test_purchase_with_a_fee_in_a_third_asset_moves_only_the_price_as_cash() -> None:
    kernel = reported({"price": 50_000, "quantity": "0.002", "fee": "0.0002", "asset": "BNB", "value": "0.12"})
    assert kernel.state.cash_flow == -100
    assert kernel.state.stats.total_fees == D("0.12")


@pytest.mark.parametrize(
    ("fee", "profit"),
    [
        pytest.param({"fee": "0.102", "asset": "USD", "value": "0.102"}, "1.798", id="fee-in-quote"),
        pytest.param({"fee": "0.0001", "asset": "BNB", "value": "0.2"}, "1.7", id="fee-in-a-third-asset"),
        pytest.param({}, "1.9", id="no-fee"),
    ],
)
@SPEC("profit is cash received less cash paid for that lot, all fees included", section="Money")
def test_sale_with_fees_in_any_asset_earns_cash_less_cost(fee: dict[str, Any], profit: str) -> None:
    kernel = bought(50_000, sell_order_type="market")
    kernel.price(51_000, settled=False)
    (name,) = kernel.state.orders
    sale = one(kernel.observe(trade(name, "s", 51_000, "0.002", **fee)), SaleRecorded)
    assert sale.profit == D(profit) == kernel.state.stats.total_profit


@SPEC("the target is rounded up to the tick", section="Money")
@given(
    unit_cost=st.decimals(D("0.01"), D(200_000), places=6),
    profit=st.decimals(D("0.01"), D(50), places=2),
    fee=st.decimals(D(0), D(2), places=3),
    tick=st.sampled_from([D("0.01"), D("0.00001"), D("0.5"), D(1)]),
)
def test_target_for_any_numbers_is_the_lowest_tick_that_keeps_the_promise(
    unit_cost: D, profit: D, fee: D, tick: D
) -> None:
    target = target_price(unit_cost, profit, fee, tick)
    assert target % tick == 0
    promised = unit_cost * (100 + profit)
    assert target * (100 - fee) >= promised
    assert (target - tick) * (100 - fee) < promised


@SPEC("quantities and buy prices are rounded down, reserved money up", section="Money")
def test_limit_buy_is_rounded_in_favour_of_the_money() -> None:
    rules = replace(RULES, price_tick=D("0.1"))
    kernel = Kernel(rules=rules, buy_order_type="limit")
    order = one(kernel.price("49999.99"), OrderRequested)
    assert order.limit_price == D("49999.9")
    assert order.quantity == D("0.00200")
    assert order.reserved == D("100.0997998") >= order.quantity * order.limit_price * D("1.001")


def test_sale_is_rounded_down_to_the_step_and_up_to_the_tick() -> None:
    rules = replace(RULES, price_tick=D("0.5"))
    kernel = bought(50_000, rules=rules, paper=IN_BASE)
    order = of(kernel.told(), OrderRequested)[-1]
    assert (order.side, order.quantity) == ("sell", D("0.00199"))
    assert order.limit_price == D("50601.5"), "50,601.1517… up to half a dollar"


# --- dust ------------------------------------------------------------------------------------------------------------


@SPEC("a remainder too small to sell keeps its cost as dust", section="Money")
def test_remainder_under_the_step_becomes_dust_with_its_share_of_the_cost() -> None:
    kernel = bought(50_000, paper=IN_BASE, sell_order_type="market")
    sale = one(kernel.price(51_000), SaleRecorded)
    dust = kernel.state.dust
    assert (sale.quantity, sale.closed, dust.quantity) == (D("0.00199"), True, D("0.000008"))
    assert sale.cost + dust.cost == 100
    assert sale.cost == D(100) * D("0.00199") / D("0.001998")
    assert kernel.file().strategy_state.dust.cost == dust.cost
    assert kernel.state.exposure == dust.cost, "what it cost still counts against the budget"


@SPEC("dust joins the next sale that makes it sellable", section="Money")
def test_dust_of_two_sales_is_sold_with_the_third_lot_when_it_fills_a_step() -> None:
    kernel = Kernel(paper=IN_BASE, sell_order_type="market")
    sold = []
    for _ in range(3):
        kernel.votes(yes=True)
        kernel.price(50_000)
        kernel.votes(yes=False)
        sold.append(one(kernel.price(51_000), SaleRecorded))
    assert [sale.quantity for sale in sold] == [D("0.00199"), D("0.00200"), D("0.00200")]
    assert [sale.dust_quantity for sale in sold] == [0, D("0.000002"), D("0.000002")]
    assert kernel.state.dust.quantity == D("0.000004")
    costs = sum((sale.cost for sale in sold), kernel.state.dust.cost)
    assert abs(costs - 300) < D("1e-18")


@SPEC("dust never opens or closes a trade", section="decision 9")
def test_purchase_too_small_to_sell_is_dust_and_neither_won_nor_lost() -> None:
    kernel = Kernel()
    kernel.price(50_000, settled=False)
    name = next(iter(kernel.state.orders))
    kernel.observe(trade(name, "t", 50_000, "0.00009"))
    events = kernel.observe(OrderCanceled(name, D("0.00009")))
    dust = one(events, DustRecorded)
    stats = kernel.state.stats
    assert (dust.quantity, dust.cost) == (D("0.00009"), D("4.5"))
    assert (stats.total_trades, stats.winning_trades, stats.losing_trades) == (0, 0, 0)
    assert stats.purchase_count == 1, "a purchase it was"
    assert kernel.state.lots == {}
    assert [purchase.status for purchase in kernel.file().strategy_state.purchases] == ["cancelled"]


@SPEC("a buy whose sale at target would be under the minimum is refused beforehand", section="Money")
@pytest.mark.parametrize(
    ("amount", "buys"),
    [
        pytest.param("4.99", False, id="the-buy-itself-is-under-the-minimum"),
        pytest.param("5", False, id="its-sale-would-be"),
        pytest.param("5.5", True, id="both-are-over-it"),
    ],
)
def test_buy_near_the_minimum_is_made_only_if_it_can_be_sold(amount: str, buys: bool) -> None:
    kernel = Kernel(strategy_params={"amount_usd": amount})
    events = kernel.price(50_000)
    assert bool(of(events, PurchaseRecorded)) is buys
    assert [skip.rule for skip in of(events, EntrySkipped)] == ([] if buys else ["min_notional"])


@SPEC("a buy whose sale at the stop loss would be under the minimum is refused beforehand", section="Money")
@pytest.mark.parametrize(
    ("amount", "stop", "buys"),
    [
        pytest.param("5.5", "10", False, id="its-stop-would-be-under-it"),
        pytest.param("6", "5", True, id="a-closer-stop-is-over-it"),
        pytest.param("6.6", "10", True, id="a-larger-lot-is-over-it"),
    ],
)
def test_buy_near_the_minimum_is_made_only_if_it_can_be_stopped_out(amount: str, stop: str, buys: bool) -> None:
    changes: dict[str, Any] = {"strategy_params": {"amount_usd": amount}, "risk": {"stop_loss_percent": stop}}
    kernel = Kernel(sell_order_type="limit", **changes)
    events = kernel.price(50_000)
    assert bool(of(events, PurchaseRecorded)) is buys
    if not buys:
        skip = one(events, EntrySkipped)
        assert skip.rule == "min_notional"
        assert skip.text == "its sale at the stop loss would be under the exchange's minimum: raise amount_usd"
    else:
        kernel.prices(D(50_000) * (100 - D(stop)) / 100)
        assert one(kernel.told(), SaleRecorded).closed
        assert of(kernel.told(), DustRecorded) == []


@SPEC("the amount is before fees, and the fee is reserved too", section="Money")
def test_buy_reserves_its_fee_on_top_of_the_amount() -> None:
    kernel = Kernel()
    kernel.price(50_000, settled=False)
    assert kernel.state.reserved == D("100.1") == kernel.state.exposure
    kernel.settle()
    assert kernel.state.reserved == 0
    assert kernel.state.exposure == D("100.1") == -kernel.state.cash_flow
    assert one(kernel.told(), OrderFilled).fee_quote == D("0.1")


def test_what_stays_reserved_for_the_rest_of_a_buy_is_rounded_up() -> None:
    kernel = Kernel()
    order = one(kernel.price("33333.37", settled=False), OrderRequested)
    kernel.observe(OrderSent(order.client_order_id, kernel.now_ms, 5_000))
    kernel.observe(trade(order.client_order_id, "t1", "33333.37", "0.001"))
    rest = order.quantity - D("0.001")
    exact = order.reserved * rest / order.quantity
    assert exact % RESERVE_STEP, "or nothing would be rounded"
    assert 0 < kernel.state.reserved - exact < RESERVE_STEP
    assert kernel.state.reserved % RESERVE_STEP == 0


def purchase(kernel: Kernel, price: int, filled: str) -> None:
    """Let a limit buy at a price be cancelled with so much of it filled, without fees."""
    kernel.votes(yes=True)
    kernel.price(price, settled=False)
    kernel.votes(yes=False)
    (name,) = [order.client_order_id for order in kernel.state.orders.values() if order.side == "buy"]
    kernel.observe(trade(name, "t", price, filled), OrderCanceled(name, D(filled)))


def test_dust_that_one_sale_has_claimed_is_not_claimed_by_another() -> None:
    rules = replace(RULES, quantity_step=D("0.001"), min_quantity=D("0.001"))
    params = {"amount_usd": "250"}
    kernel = Kernel(rules=rules, buy_order_type="limit", smart_indicator_checks=False, strategy_params=params)
    purchase(kernel, 50_000, "0.001002")
    kernel.settle()
    kernel.prices(51_000)
    assert kernel.state.dust.quantity == D("0.000002")
    told = len(kernel.history)
    for _ in range(3):
        purchase(kernel, 50_000, "0.000999")
    events = kernel.told(told)
    claims = [order.dust_quantity for order in of(events, OrderRequested) if order.side == "sell"]
    assert claims == [D("0.000001"), D("0.000001")]
    assert one(events, DustRecorded).quantity == D("0.000999"), "nothing was left to make the third one sellable"


@SPEC("dust joins the next sale that makes it sellable", section="Money")
def test_lot_that_needed_dust_which_another_sale_took_becomes_dust_and_ends_its_trail() -> None:
    rules = replace(RULES, quantity_step=D("0.001"), min_quantity=D("0.001"))
    kernel = Kernel(
        rules=rules,
        buy_order_type="limit",
        sell_order_type="trailing_market",
        smart_indicator_checks=False,
        strategy_params={"amount_usd": "250"},
    )
    purchase(kernel, 50_000, "0.001002")
    kernel.prices(51_000, 50_850)
    assert kernel.state.dust.quantity == D("0.000002")
    purchase(kernel, 52_000, "0.000999")
    purchase(kernel, 50_000, "0.001998")
    assert [trail.status for trail in kernel.state.trails.values()] == ["waiting", "waiting"]
    events = kernel.prices(51_000, 50_850)
    sale = one(events, SaleRecorded)
    assert (sale.quantity, sale.dust_quantity) == (D("0.002"), D("0.000002"))
    assert [reset.reason for reset in of(events, TrailingReset)] == ["filled", "dust"]
    assert one(events, DustRecorded).quantity == D("0.000999") == kernel.state.dust.quantity
    assert (kernel.state.stats.total_trades, kernel.state.stats.winning_trades) == (2, 2)
    assert not kernel.state.lots
    assert not kernel.state.trails
