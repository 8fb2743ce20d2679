"""A bot and its real account: what it must have seen before it buys, and what does not fit."""

from decimal import Decimal
from typing import Any

import pytest

from engine.core.decider.entries import assess_entry
from engine.core.events import (
    Balance,
    BalancesObserved,
    ConnectivityChecked,
    DiscrepancyFound,
    OrderRejected,
    OrderRequested,
    OrdersSurveyed,
    SessionStarted,
)
from engine.core.strategy import Hold
from tests.kernel import Kernel, bought, of, one, tags

SPEC = pytest.mark.spec
LIVE: dict[str, Any] = {"paper_trading": False, "live": True, "exchange": "binanceus"}


def seen(base: str, *, others: str = "0", is_settled: bool = True, quote: str = "10000") -> BalancesObserved:
    balances = {"BTC": Balance(Decimal(base)), "USD": Balance(Decimal(quote))}
    return BalancesObserved(balances, Decimal(others), is_settled)


def live_with_lot(**changes: Any) -> Kernel:
    """Give a live bot that has bought one lot; the paper gateway plays its exchange."""
    kernel = Kernel(**LIVE, **changes)
    kernel.observe(seen("0"))
    kernel.price(50_000)
    kernel.votes(yes=False)
    assert kernel.lot.status == "open"
    return kernel


# --- looking first ---------------------------------------------------------------------------------------------------


@SPEC("a bot looks at its account before it buys, after each start and each outage", section="Live trading")
def test_live_bot_buys_nothing_before_it_has_seen_its_account() -> None:
    kernel = Kernel(**LIVE)
    assert "order_requested" not in tags(kernel.price(50_000, settled=False))
    kernel.observe(seen("0"))
    assert "order_requested" in tags(kernel.price(50_000, settled=False))


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(SessionStarted("0", "dca", 1), id="start"),
        pytest.param(ConnectivityChecked("exchange", reachable=False, failure=1), id="outage"),
    ],
)
def test_live_bot_looks_again_after(cut: Any) -> None:
    kernel = Kernel(**LIVE)
    kernel.observe(seen("0"), cut)
    if isinstance(cut, ConnectivityChecked):
        kernel.observe(ConnectivityChecked("exchange", reachable=True))
    assert "order_requested" not in tags(kernel.price(50_000, settled=False))
    held = assess_entry(kernel.strategy, kernel.state, kernel.view)
    assert isinstance(held, Hold)
    assert held.rule == "account"


@SPEC("with a clock more than a second off nothing is bought, and sells go on", section="Live trading")
@pytest.mark.parametrize(("skew_ms", "buys"), [(1_000, True), (1_001, False), (-1_001, False)])
def test_clock_off_by_more_than_a_second_holds_entries_back(skew_ms: int, buys: bool) -> None:
    kernel = Kernel(**LIVE)
    kernel.observe(seen("0"), ConnectivityChecked("exchange", reachable=True, clock_skew_ms=skew_ms))
    assert ("order_requested" in tags(kernel.price(50_000, settled=False))) is buys


# --- what is there ---------------------------------------------------------------------------------------------------


@SPEC("base that is missing in the account twice in a row is told once", section="Reconciliation")
def test_base_missing_at_two_looks_in_a_row_is_told_once() -> None:
    kernel = live_with_lot(sell_order_type="trailing_market")
    for told in (0, 1, 0, 0):
        assert len(of(kernel.observe(seen("0.001")), DiscrepancyFound)) == told
    kernel.observe(seen("1"))
    kernel.observe(seen("0.001"))
    assert len(of(kernel.observe(seen("0.001")), DiscrepancyFound)) == 1


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(seen("5"), id="coins-of-the-operator"),
        pytest.param(seen("0", is_settled=False), id="not-settled"),
    ],
)
def test_balance_that_proves_nothing_missing_is_not_told(look: BalancesObserved) -> None:
    kernel = live_with_lot()
    assert not of([*kernel.observe(look), *kernel.observe(look), *kernel.observe(look)], DiscrepancyFound)


def test_base_that_other_bots_count_on_is_missed_too() -> None:
    kernel = live_with_lot(sell_order_type="trailing_market")
    enough = str(kernel.state.position)
    assert not of([*kernel.observe(seen(enough)), *kernel.observe(seen(enough))], DiscrepancyFound)
    short = seen(enough, others="0.5")
    assert of([*kernel.observe(short), *kernel.observe(short)], DiscrepancyFound)


@SPEC("a sale is never larger than what the account says it has free", section="Live trading")
def test_sell_is_sized_to_what_the_account_has_free() -> None:
    kernel = live_with_lot(sell_order_type="market", profit_target="0.1")
    kernel.observe(seen("0.00150"))
    order = one(kernel.price(51_000, settled=False), OrderRequested)
    assert order.quantity == Decimal("0.00150")


def test_sell_is_sized_to_the_lot_once_an_order_changed_since_the_look() -> None:
    kernel = live_with_lot(sell_order_type="market", profit_target="0.1")
    order = one(kernel.price(51_000, settled=False), OrderRequested)
    kernel.observe(OrderRejected(order.client_order_id, "-2010", "insufficient"))
    again = one(kernel.price(51_000, after_s=61, settled=False), OrderRequested)
    assert again.quantity == order.quantity == kernel.lot.quantity


def test_sell_of_a_paper_bot_asks_no_account() -> None:
    kernel = bought(sell_order_type="market", profit_target="0.1")
    kernel.observe(seen("0"))
    assert one(kernel.price(51_000, settled=False), OrderRequested).quantity == kernel.lot.quantity


# --- whose orders ----------------------------------------------------------------------------------------------------


@SPEC("an order of this log that the log does not hold halts the bot", section="Reconciliation")
def test_order_of_this_log_that_it_does_not_hold_halts_the_bot() -> None:
    kernel = live_with_lot(sell_order_type="trailing_market")
    told = kernel.observe(OrdersSurveyed(("k0a1b2c3d4e0000099",)))
    assert one(told, DiscrepancyFound).halts
    assert kernel.state.halted
    kernel.votes(yes=True)
    told = kernel.prices(51_000, 50_000, 40_000, 60_000, 50_700)
    assert "trailing_activated" in tags(told), "trails are still followed"
    assert "order_requested" not in tags(told)
    kernel.observe(SessionStarted("0", "dca", 1))
    assert kernel.state.halted is None, "the next start looks again"


@SPEC("open orders of others are counted and left alone", section="Reconciliation")
def test_orders_of_others_change_nothing_but_the_list() -> None:
    kernel = live_with_lot()
    before = kernel.state.orders
    told = kernel.observe(OrdersSurveyed((), ("7", "8")))
    assert (kernel.state.foreign, kernel.state.orders, len(told)) == (("7", "8"), before, 1)


def test_order_of_this_log_that_was_let_go_of_long_ago_is_told_and_halts_nothing() -> None:
    kernel = live_with_lot()
    told = kernel.observe(OrdersSurveyed(forgotten=("k0a1b2c3d4e0000001",)))
    assert "k0a1b2c3d4e0000001" in one(told, DiscrepancyFound).actual
    assert kernel.state.halted is None
