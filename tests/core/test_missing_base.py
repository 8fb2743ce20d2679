"""Base that is missing at the account is told; what a resting sale may have sold meanwhile is not missing."""

from decimal import Decimal

import pytest

from engine.core.events import Balance, BalancesObserved, DiscrepancyFound
from tests.kernel import Kernel, bought, of

SPEC = pytest.mark.spec
D = Decimal


def looked(free: Decimal, others: str = "0") -> BalancesObserved:
    return BalancesObserved({"BTC": Balance(free)}, D(others), is_settled=True)


def told(kernel: Kernel, *looks: BalancesObserved) -> int:
    """Count what is told after looks at the account."""
    return len(of(kernel.observe(*looks), DiscrepancyFound))


@SPEC("base that no order explains is told at the second look, once", section="Order protocol")
def test_base_that_is_gone_is_told_once_at_the_second_look() -> None:
    kernel = bought(50_000, sell_order_type="market")
    held = kernel.state.position

    assert told(kernel, looked(held / 2)) == 0
    assert told(kernel, looked(held / 2)) == 1
    assert told(kernel, looked(held / 2)) == 0


@SPEC("what a resting sale may have sold since it was looked at is not missing", section="Order protocol")
def test_base_that_a_resting_sale_may_have_sold_is_not_missing() -> None:
    kernel = bought(50_000, sell_order_type="limit")
    (order,) = kernel.state.orders.values()
    assert (order.side, order.status) == ("sell", "open")
    left = kernel.state.position - order.quantity

    assert kernel.state.certain == left
    for sold in (D("0.001"), D("0.0015"), order.quantity):
        assert told(kernel, looked(kernel.state.position - sold)) == 0


@SPEC("what other bots must have is counted, too", section="Order protocol")
def test_base_that_other_bots_must_have_is_counted() -> None:
    kernel = bought(50_000, sell_order_type="market")
    held = kernel.state.position

    assert told(kernel, looked(held + 1, "1"), looked(held + 1, "1")) == 0
    assert told(kernel, looked(held, "1"), looked(held, "1")) == 1
