"""Fees in any asset, over any number of trades: the books add up to the last digit."""

from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.events import DustRecorded, OrderCanceled, OrderRequested, PurchaseRecorded, SaleRecorded
from engine.core.state import Dust
from tests.core.books import audit
from tests.kernel import Kernel, of, one, trade

SPEC = pytest.mark.spec
D = Decimal
Part = tuple[int, str, int, int]

PARTS: Final[st.SearchStrategy[list[Part]]] = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from(["USD", "BTC", "BNB"]), st.integers(0, 200), st.integers(-500, 500)),
    min_size=1,
    max_size=5,
)
"""Per trade: quantity in steps, the asset of the fee, the fee in thousandths of a percent, and a move in cents."""


def report(kernel: Kernel, name: str, price: int, parts: list[Part]) -> Decimal:
    """Let an order trade in parts, each with its fee; give the quantity in all."""
    total = D(0)
    for number, (steps, asset, thousandths, cents) in enumerate(parts):
        quantity, at = D(steps) / 100_000, price + D(cents) / 100
        value = quantity * at * thousandths / 100_000
        fee = {"USD": value, "BTC": quantity * thousandths / 100_000, "BNB": value / 600}[asset]
        total += quantity
        kernel.observe(trade(name, f"t{number}", at, quantity, fee=fee, asset=asset, value=value))
        audit(kernel)
    return total


@SPEC("profit, cost and cash tie to each other exactly, all fees included", section="Money")
@given(PARTS, PARTS, st.integers(45_000, 60_000))
def test_books_over_trades_with_fees_in_any_asset_add_up(buys: list[Part], sells: list[Part], price: int) -> None:
    kernel = Kernel(sell_order_type="market", trailing_sell_floor="none", strategy_params={"amount_usd": "110"})
    kernel.price(50_000, settled=False)
    kernel.votes(yes=False)
    (name,) = kernel.state.orders
    held = report(kernel, name, 50_000, buys)
    kernel.observe(OrderCanceled(name, held))
    audit(kernel)
    purchase = one(kernel.told(), PurchaseRecorded)
    assert purchase.unit_cost == purchase.cost / purchase.held
    kernel.price(99_999, settled=False)
    selling = [order for order in kernel.state.orders.values() if order.side == "sell"]
    if not selling:
        return  # too little was bought to be sold
    (order,) = selling
    sold = report(kernel, order.client_order_id, price, _within(order.quantity, sells))
    kernel.observe(OrderCanceled(order.client_order_id, sold))
    audit(kernel)
    assert sum(sale.quantity for sale in of(kernel.told(), SaleRecorded)) == sold


def _within(quantity: Decimal, parts: list[Part]) -> list[Part]:
    """Give the first parts that a quantity can bear, with fees in base."""
    while parts and sum(D(part[0]) for part in parts) * D("1.002") > quantity * 100_000:
        parts = parts[:-1]
    return parts


def test_fee_taken_in_base_and_another_asset_counts_in_both() -> None:
    kernel = Kernel()
    name = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    quantity = kernel.order(name).quantity
    base_fee = quantity / 1000
    value = base_fee * 50_000 + Decimal("0.25")
    kernel.observe(trade(name, "t1", 50_000, quantity, fee=base_fee, asset="BTC", value=value))
    assert kernel.lot.held == quantity - base_fee
    assert kernel.lot.paid == quantity * 50_000 + Decimal("0.25")
    assert kernel.state.cash_flow == -quantity * 50_000, "no cash was paid for a fee in another asset"


@pytest.mark.parametrize("risk", [{}, {"stop_loss_percent": 10}], ids=["no stop", "a stop loss"])
@pytest.mark.parametrize("dust", [D(0), D("0.5")], ids=["no dust", "dust that could be sold"])
def test_purchase_whose_fee_takes_all_of_its_base_is_dust(risk: dict[str, int], dust: Decimal) -> None:
    kernel = Kernel(risk=risk)
    kernel.state = replace(kernel.state, dust=Dust(dust, D(0)))
    name = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
    least = Decimal("0.00001")
    kernel.observe(trade(name, "t1", 50_000, least, fee=least, asset="BTC", value=least * 50_000))
    kernel.observe(OrderCanceled(name, least))
    assert one(kernel.told(), PurchaseRecorded).unit_cost == 50_000
    one(kernel.told(), DustRecorded)
    assert not kernel.state.lots
    assert kernel.state.dust.quantity == dust
    assert kernel.state.dust.cost == least * 50_000, "what it cost is not forgotten"
    if not dust:
        audit(kernel)  # it knows of no dust but what the bot has made
