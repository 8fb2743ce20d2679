"""What is handed over from one rule to another: a trail under a changed order type, dust that two lots count on, time.

Method: the scenarios in which a reviewer saw an earlier kernel crash, keep a lot for ever, or sleep an interval long.
"""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.core.config import changed_keys, config_digest
from engine.core.events import ConfigChanged, DustRecorded, OrderCanceled, OrderRequested, SaleRecorded, TrailingReset
from tests.kernel import Kernel, bought, of, one, trade

SPEC = pytest.mark.spec
D = Decimal


@SPEC("a lot with a trail is sold by it alone, whatever the order type is changed to", section="Orders")
def test_lot_with_a_trail_under_a_changed_order_type_is_sold_once_and_leaves_no_trail() -> None:
    kernel = bought(50_000, sell_order_type="trailing_market")
    kernel.price(50_300)
    changed = replace(kernel.config, sell_order_type="market")
    kernel.observe(ConfigChanged(changed, config_digest(changed), changed_keys(kernel.config, changed)))
    events = kernel.prices(51_000, 51_500, 51_200, 50_900, 50_000)
    assert len(of(events, SaleRecorded)) == 1
    assert one(events, TrailingReset).reason == "filled"
    assert (kernel.state.lots, kernel.state.trails) == ({}, {})


def partly_bought(kernel: Kernel, quantity: str) -> None:
    """Let a buy be cancelled after a small part of it was filled."""
    kernel.votes(yes=True)
    kernel.price(50_000, settled=False)
    name = next(order.client_order_id for order in kernel.state.orders.values() if order.side == "buy")
    kernel.observe(trade(name, f"t-{name}", 50_000, quantity))
    kernel.observe(OrderCanceled(name, D(quantity)))
    kernel.votes(yes=False)


@SPEC("dust joins the sale that makes it sellable, and no lot waits for dust that is gone", section="Money")
def test_lot_that_counted_on_dust_another_lot_took_becomes_dust_itself() -> None:
    kernel = Kernel(sell_order_type="trailing_market", smart_indicator_checks=False)
    partly_bought(kernel, "0.00009")
    partly_bought(kernel, "0.00009")
    kernel.votes(yes=True)
    kernel.price(50_000)
    kernel.votes(yes=False)
    leaning, whole = kernel.state.lots.values()
    assert (leaning.quantity, leaning.number in kernel.state.trails) == (D("0.00009"), True)
    events = kernel.prices(51_000, 51_500, 51_000, 50_900, 51_500, 51_000)
    sold = {sale.lot for sale in of(events, SaleRecorded)}
    aside = {dust.lot for dust in of(events, DustRecorded)}
    assert sold | aside == {leaning.number, whole.number}, "neither waits for ever"
    assert (kernel.state.lots, kernel.state.trails) == ({}, {})


@SPEC("an entry is considered at the first price that is followed again, not an interval later", section="decision 4")
def test_entry_after_a_failed_check_at_the_turn_of_the_interval_is_not_put_off() -> None:
    kernel = Kernel(check_interval=3600, trailing_max_gap=7200)
    kernel.votes(yes=False)
    kernel.price(50_000, after_s=1)
    kernel.wait(3600 - kernel.now_ms // 1000 % 3600 - 20)
    kernel.price(50_000, after_s=1)
    kernel.check(reachable=False)
    kernel.votes(yes=True)
    kernel.price(50_000, after_s=30)
    kernel.check(reachable=True, after_s=5)
    assert of(kernel.price(50_000, after_s=10), OrderRequested)
