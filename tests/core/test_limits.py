"""Whether to buy: budget, lots, balance and the gate; each reason not to is told once."""

from decimal import Decimal
from typing import Any

import pytest

from engine.core.decider import wants_indicators
from engine.core.decider.entries import assess_entry
from engine.core.events import (
    EntrySkipped,
    IndicatorsObserved,
    IndicatorsSkipped,
    OrderRequested,
    PriceObserved,
    PurchaseRecorded,
)
from engine.core.strategy import Buy, Hold
from tests.kernel import RULES, Kernel, bought, of, one, tags

SPEC = pytest.mark.spec
D = Decimal


def rules_of(kernel: Kernel) -> list[str]:
    """Give the rules by which entries were skipped, in order."""
    return [event.rule for event in kernel.told() if isinstance(event, EntrySkipped | IndicatorsSkipped)]


# --- exposure --------------------------------------------------------------------------------------------------------


@SPEC("budget and max_open_lots bound exposure", section="Money")
@pytest.mark.parametrize(
    ("changes", "lots", "rule"),
    [
        pytest.param({"budget": "300.3"}, 3, "budget", id="a-budget-of-three-with-their-fees"),
        pytest.param({"budget": "300.29"}, 2, "budget", id="a-cent-less"),
        pytest.param({"max_open_lots": 4}, 4, "max_open_lots", id="four-lots"),
        pytest.param({}, 20, "max_open_lots", id="twenty-by-default"),
    ],
)
def test_purchases_end_at_the_limit_and_say_so_once(changes: dict[str, Any], lots: int, rule: str) -> None:
    kernel = Kernel(smart_indicator_checks=False, **changes)
    kernel.prices(*[50_000] * 30)
    assert len(kernel.state.lots) == lots
    assert rules_of(kernel) == [rule]


@SPEC("profits do not widen the budget and losses narrow what can be spent", section="Money")
@pytest.mark.parametrize(("floor", "price", "rule"), [("target", 51_000, None), ("none", 47_000, "balance")])
def test_purchase_after_a_sale_is_bounded_by_the_money_that_is_left(floor: str, price: int, rule: str | None) -> None:
    kernel = Kernel(budget="100.2", sell_order_type="trailing_market", trailing_sell_floor=floor)
    kernel.price(50_000)
    kernel.votes(yes=False)
    kernel.prices(52_000, price)
    assert kernel.state.lots == {}
    kernel.votes(yes=True)
    events = kernel.price(price)
    assert [skip.rule for skip in of(events, EntrySkipped)] == ([rule] if rule else [])
    assert bool(kernel.state.lots) is (rule is None)


@SPEC("too little money is one entry_skipped event per cause, not one a minute", section="Money")
def test_skips_for_one_cause_are_told_once_and_again_when_it_comes_back() -> None:
    kernel = Kernel(smart_indicator_checks=False, budget="100.1")
    kernel.prices(50_000, 49_000, 48_000)
    assert rules_of(kernel) == ["budget"]
    kernel.prices(50_700, 48_000, 47_900)
    kernel.votes(yes=False)
    kernel.prices(46_000)
    assert rules_of(kernel) == ["budget", "budget"], "a purchase lay between"


def test_skip_by_votes_is_told_again_when_other_votes_speak() -> None:
    kernel = Kernel(strategy_params={"indicators": {"rsi": {"check_rising": False}, "rising_price": {}}})
    for rsi, close in [(20.0, 3.0), (90.0, 3.0), (90.0, 1.0), (90.0, 1.0)]:
        values: dict[str, tuple[float, ...]] = {"close": (close,), "ema:25": (2.0,), "rsi:14": (rsi,)}
        kernel.feed(IndicatorsObserved("5m", kernel.now_ms, values))
        kernel.price(50_000)
    assert [skip.numbers["yes"] for skip in of(kernel.told(), EntrySkipped)] == ["rsi", "", "ema"]


def test_entry_without_indicators_says_why_there_are_none() -> None:
    kernel = Kernel()
    kernel.feed(IndicatorsObserved("5m", 0, refused="only 12 candles, 50 are needed"))
    skip = one(kernel.price(50_000), EntrySkipped)
    assert (skip.rule, skip.text) == ("indicators", "no indicators: only 12 candles, 50 are needed")


@SPEC("entries are considered once in each check_interval", section="decision 15")
@pytest.mark.parametrize(("interval_s", "cycles"), [(60, 6), (120, 3), (10, 36)])
def test_entry_is_considered_once_in_each_interval(interval_s: int, cycles: int) -> None:
    kernel = Kernel(check_interval=interval_s, smart_indicator_checks=False, sell_order_type="market", max_open_lots=99)
    kernel.price(50_000, after_s=0)
    purchases = [bool(of(kernel.price(50_000, after_s=10), PurchaseRecorded)) for _ in range(36)]
    assert sum(purchases) == cycles


# --- the gate --------------------------------------------------------------------------------------------------------


@SPEC("with a lot open, the price must have moved 0.5 % from the last purchase, either side", section="decision 14")
@pytest.mark.parametrize(
    ("price", "passes"),
    [
        pytest.param("49750.00", True, id="half-a-percent-down"),
        pytest.param("49750.01", False, id="a-cent-less-down"),
        pytest.param("50250.00", True, id="half-a-percent-up"),
        pytest.param("50249.99", False, id="a-cent-less-up"),
        pytest.param("50000.00", False, id="unmoved"),
    ],
)
def test_gate_lets_a_price_pass_that_moved_far_enough_on_either_side(price: str, passes: bool) -> None:
    kernel = bought(50_000)
    kernel.votes(yes=True)
    events = kernel.price(price)
    assert bool(of(events, PurchaseRecorded)) is passes
    assert bool(of(events, IndicatorsSkipped)) is not passes


@SPEC("indicators are not checked while the price has hardly moved", section="When Indicators Are Checked")
def test_gate_that_holds_tells_the_move_and_asks_for_no_indicators() -> None:
    kernel = bought(50_000)
    skip = one(kernel.price(50_150), IndicatorsSkipped)
    assert (skip.rule, skip.change_percent, skip.threshold_percent) == ("price_move", D("0.3"), D("0.5"))
    price = PriceObserved(D(50_160), gap_ms=60_000)
    assert not wants_indicators(kernel.strategy, kernel.state, price, kernel.now_ms + 60_000, RULES)
    moved = PriceObserved(D(50_300), gap_ms=60_000)
    assert wants_indicators(kernel.strategy, kernel.state, moved, kernel.now_ms + 60_000, RULES)


@SPEC("with no open lot buy votes are evaluated without the gate", section="decision 13")
def test_gate_without_a_lot_stands_open() -> None:
    kernel = bought(50_000, sell_order_type="market")
    kernel.price("50601.11")
    assert kernel.state.lots == {}
    kernel.votes(yes=True)
    assert len(of(kernel.price(50_001), PurchaseRecorded)) == 1


@SPEC("sells and trailing are never blocked by the gate", section="decision 13")
@pytest.mark.parametrize("order_type", ["market", "limit", "trailing_market", "trailing_limit"])
def test_gate_that_holds_does_not_keep_a_lot_from_being_sold(order_type: str) -> None:
    kernel = bought(50_000, sell_order_type=order_type, min_price_change_percent="50")
    kernel.prices(51_000, 50_700)
    kernel.price(50_710, after_s=30)
    assert kernel.state.stats.winning_trades == 1


@SPEC("smart_indicator_checks: false turns the gate off", section="decision 15")
def test_gate_switched_off_lets_every_price_pass() -> None:
    kernel = bought(50_000, smart_indicator_checks=False)
    kernel.votes(yes=True)
    assert len(of(kernel.price(50_000), PurchaseRecorded)) == 1


@pytest.mark.parametrize(("percent", "passes"), [("1.0", False), ("0.2", True), ("0", True)])
@SPEC("min_price_change_percent is how far the price must move", section="Smart Indicator Checks")
def test_gate_asks_for_the_configured_move(percent: str, passes: bool) -> None:
    kernel = bought(50_000, min_price_change_percent=percent)
    kernel.votes(yes=True)
    assert bool(of(kernel.price(50_300), PurchaseRecorded)) is passes


# --- what an operator is told ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("doing", "rule"),
    [
        pytest.param(lambda k: k.command("pause"), "paused", id="paused"),
        pytest.param(lambda k: k.check(reachable=False), "connectivity", id="failing-checks"),
        pytest.param(lambda k: k.votes(yes=False), "votes", id="votes"),
        pytest.param(lambda k: k.price(50_000, settled=False), "open_buy", id="a-buy-is-out"),
    ],
)
def test_assessment_of_an_entry_names_what_stands_against_it(doing: Any, rule: str) -> None:
    kernel = Kernel()
    kernel.price(50_000, settled=False) if rule == "open_buy" else kernel.feed(PriceObserved(D(50_000)))
    doing(kernel)
    verdict = assess_entry(kernel.strategy, kernel.state, kernel.view)
    assert isinstance(verdict, Hold)
    assert verdict.rule == rule


def test_assessment_of_an_entry_that_would_be_made_says_so() -> None:
    kernel = Kernel()
    kernel.feed(PriceObserved(D(50_000)))
    assert isinstance(assess_entry(kernel.strategy, kernel.state, kernel.view), Buy)
    assert tags(kernel.price(50_000, settled=False)) == ["order_requested"]
    assert len(of(kernel.told(), OrderRequested)) == 1


@SPEC("too little money is one event per cause, not one a minute, whatever comes between", section="Money")
def test_budget_is_told_once_although_the_gate_speaks_in_between() -> None:
    kernel = bought(50_000, budget="150")
    for price in (49_000, 49_990, 49_000, 49_980, 49_000):
        kernel.price(price)
    assert rules_of(kernel) == ["budget", "price_move"]
