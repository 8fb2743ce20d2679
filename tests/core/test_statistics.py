"""Counts and sums over a bot's life: trades, wins, losses, profit, and what was bought in all."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.core.events import SaleRecorded
from engine.core.state import Statistics
from tests.kernel import Kernel, of, one

SPEC = pytest.mark.spec
D = Decimal


def trader(**changes: Any) -> Kernel:
    """Give a bot that sells by trails without a floor, so that it can also lose."""
    return Kernel(
        **{
            "smart_indicator_checks": False,
            "sell_order_type": "trailing_market",
            "trailing_sell_floor": "none",
            "trailing_sell_percent": "2",
            **changes,
        }
    )


def sell_all(kernel: Kernel, high: int, low: int) -> list[SaleRecorded]:
    """Let every trail follow to a high and fire at a low, with no further purchase."""
    kernel.votes(yes=False)
    sales = of(kernel.prices(high, low), SaleRecorded)
    kernel.votes(yes=True)
    return sales


@SPEC(
    "a trade is opened by a purchase, closed by the sale of its lot, and won if its net profit is over 0", "decision 9"
)
def test_trades_are_counted_when_opened_and_won_or_lost_when_sold() -> None:
    kernel = trader()
    table: list[tuple[str, Callable[[], object], tuple[int, int, int]]] = [
        ("one purchase", lambda: kernel.price(50_000), (1, 0, 0)),
        ("another", lambda: kernel.price(50_000), (2, 0, 0)),
        ("both sold over their cost", lambda: sell_all(kernel, 52_000, 50_900), (2, 2, 0)),
        ("a third purchase", lambda: kernel.price(50_000), (3, 2, 0)),
        ("sold under its cost", lambda: sell_all(kernel, 50_700, 49_600), (3, 2, 1)),
    ]
    for what, do, (total, winning, losing) in table:
        do()
        stats = kernel.file().stats
        assert (stats.total_trades, stats.winning_trades, stats.losing_trades) == (total, winning, losing), what
    assert kernel.state.stats.total_profit == kernel.state.cash_flow


@SPEC("a trade whose realised net profit is exactly 0 is lost", section="decision 9")
def test_trade_that_earns_nothing_is_counted_as_lost() -> None:
    kernel = trader(fees={"maker": "0", "taker": "0"})
    kernel.price(50_000)
    (sale,) = sell_all(kernel, 51_100, 50_000)
    assert sale.profit == 0
    assert (kernel.state.stats.winning_trades, kernel.state.stats.losing_trades) == (0, 1)


@SPEC("total_profit is realised and net", section="decision 9")
def test_profit_is_what_came_in_less_what_was_paid() -> None:
    kernel = trader()
    kernel.prices(50_000)
    assert kernel.file().stats.total_profit == 0, "an open lot has realised nothing"
    (sale,) = sell_all(kernel, 52_000, 50_900)
    assert sale.profit == D("0.002") * 50_900 * D("0.999") - D("100.1") == kernel.file().stats.total_profit


@SPEC("purchase_count, total_purchased and total_spent run over all purchases ever", section="decision 9")
def test_totals_of_purchases_never_shrink_when_lots_are_sold() -> None:
    kernel = trader()
    kernel.prices(50_000, 49_000)
    sell_all(kernel, 52_000, 50_900)
    kernel.price(48_000)
    state = kernel.file().strategy_state
    assert (state.purchase_count, kernel.file().stats.current_position) == (3, D("0.00208"))
    assert state.total_purchased == D("0.00200") + D("0.00204") + D("0.00208")
    assert state.total_spent == D("0.00200") * 50_000 + D("0.00204") * 49_000 + D("0.00208") * 48_000
    assert state.last_purchase_price == 48_000
    assert state.last_purchase_time == kernel.now_ms // 1000


@SPEC("profit, wins and statistics are restored at startup", section="State Restoration")
def test_statistics_outlast_a_restart() -> None:
    kernel = trader()
    kernel.prices(50_000, 49_000)
    sell_all(kernel, 52_000, 50_900)
    before = kernel.state.stats
    assert before != Statistics()
    kernel.restart()
    assert kernel.state.stats == before


@SPEC("the position is the sum of the open lots", section="decision 9")
def test_position_adds_up_the_open_lots() -> None:
    kernel = trader()
    kernel.prices(50_000, 49_000)
    assert kernel.file().stats.current_position == D("0.00404")
    sell_all(kernel, 52_000, 50_900)
    assert kernel.file().stats.current_position == 0


def test_profit_percent_of_a_sale_is_that_of_its_cost() -> None:
    kernel = trader()
    kernel.price(50_000)
    kernel.votes(yes=False)
    sale = one(kernel.prices(52_000, 50_900), SaleRecorded)
    assert sale.profit_percent == D("1.596603")
    assert kernel.state.closed_lots[-1].realised_percent == sale.profit_percent
