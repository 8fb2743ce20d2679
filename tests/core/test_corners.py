"""Rare moments of the kernel: markets that fall silent, feeds that are new, orders that nobody expects any more."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.config import config_digest
from engine.core.decider.commands import is_already_so
from engine.core.decider.entries import assess_entry
from engine.core.effects import outstanding
from engine.core.events import (
    AccountObserved,
    Balance,
    BalancesObserved,
    CommandReceived,
    ConfigChanged,
    DiscrepancyFound,
    DustRecorded,
    OrderAccepted,
    OrderCanceled,
    OrderReconciled,
    OrderRejected,
    OrderRequested,
    OrderSent,
    OrdersSurveyed,
    PriceObserved,
    RateLimited,
    SaleRecorded,
    TrailingActivated,
    TrailingReset,
    TrailingTriggered,
    TrailingWatermarkMoved,
)
from engine.core.feed_view import FeedView
from engine.core.identity import client_order_id
from engine.core.strategy import Buy, Hold
from tests.kernel import LOG_ID, RULES, Kernel, bought, of, one, tags, trade

D = Decimal
LIVE: dict[str, Any] = {"paper_trading": False, "live": True, "exchange": "binanceus"}
NEW_FEED = "feed:simulated:BTC/USD:another"


def has(base: str) -> BalancesObserved:
    """Say that the account holds so much base, and quote enough."""
    return BalancesObserved({"BTC": Balance(D(base)), "USD": Balance(D(10_000))}, is_settled=True)


def why_not(kernel: Kernel) -> Hold:
    """Say why the last price would not lead to a purchase."""
    held = assess_entry(kernel.strategy, kernel.state, kernel.view)
    assert isinstance(held, Hold), held
    return held


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "command", "already"),
    [
        ([], "pause", False),
        (["pause"], "pause", True),
        ([], "resume", True),
        (["pause"], "resume", False),
        (["pause", "flatten"], "resume", True),
        ([], "kill", False),
        (["kill"], "kill", True),
        (["flatten"], "kill", True),
        ([], "revive", True),
        (["kill"], "revive", False),
        (["flatten"], "flatten", False),
        ([], "reset-trailing", False),
        ([], "stop", False),
    ],
)
def test_command_to_a_bot_that_is_so_already_is_known_before(before: list[str], command: str, *, already: bool) -> None:
    kernel = bought()
    for name in before:
        kernel.command(name)
    assert is_already_so(kernel.state, command) is already


def test_command_that_nobody_knows_is_a_fault_of_the_program() -> None:
    with pytest.raises(AssertionError, match="dance"):
        Kernel().observe(CommandReceived("dance", "operator"))


# --- why there is no purchase ----------------------------------------------------------------------------------------


def test_entry_before_the_rules_are_known_is_held_for_them() -> None:
    kernel = Kernel()
    kernel.price(50_000)
    kernel.view = replace(kernel.view, rules=None)
    assert why_not(kernel).rule == "rules"


def test_entry_within_the_price_gate_is_held_and_says_how_far_the_price_moved() -> None:
    kernel = bought(50_000)
    kernel.price(50_100)
    held = why_not(kernel)
    assert held.rule == "price_move"
    assert held.numbers["change_percent"] == "0.2000"
    assert "0.20% from the last purchase" in held.text


def test_entry_in_a_market_that_does_not_trade_is_held() -> None:
    kernel = Kernel(rules=replace(RULES, active=False))
    kernel.price(50_000)
    assert why_not(kernel).rule == "market"
    assert kernel.state.lots == {}


def test_entry_that_would_leave_too_little_to_sell_after_a_fee_in_base_is_held() -> None:
    kernel = Kernel(rules=replace(RULES, quantity_step=D("0.001"), min_quantity=D("0.002"), min_notional=D(1)))
    kernel.price(50_000)
    assert why_not(kernel).rule == "min_notional"
    assert kernel.state.lots == {}


def test_price_under_the_tick_buys_nothing() -> None:
    kernel = Kernel(buy_order_type="limit", rules=replace(RULES, price_tick=D(1)))
    kernel.price("0.5")
    assert why_not(kernel).rule == "min_notional"
    assert kernel.state.orders == {}


def test_entry_that_nothing_holds_is_a_purchase() -> None:
    kernel = Kernel()
    kernel.price(50_000, settled=False)
    kernel.observe(OrderRejected(one(kernel.told(), OrderRequested).client_order_id, "code", "no"))
    kernel.now_ms = kernel.state.entry_hold_ms
    kernel.view = replace(kernel.view, price_ms=kernel.now_ms)
    assert isinstance(assess_entry(kernel.strategy, kernel.state, kernel.view), Buy)


# --- exits -----------------------------------------------------------------------------------------------------------


def test_flatten_on_a_feed_without_a_price_sells_with_its_first() -> None:
    kernel = bought(sell_order_type="market")
    kernel.view = FeedView(NEW_FEED, rules=RULES)
    assert not of(kernel.command("flatten"), OrderRequested)
    assert kernel.lot.sell_order is None
    sale = one(kernel.price(49_000, settled=False), OrderRequested)
    assert (sale.side, sale.kind, sale.purpose) == ("sell", "market", "kill_switch")


def test_first_price_of_a_new_feed_finds_the_trail_as_it_was() -> None:
    kernel = bought(sell_order_type="trailing_market")
    kernel.prices(50_700)
    before = kernel.trail
    kernel.view = FeedView(NEW_FEED, rules=RULES)
    assert not of(kernel.price(50_690, settled=False), TrailingReset)
    assert kernel.trail == before


def test_market_sale_waits_while_the_account_has_nothing_free() -> None:
    kernel = Kernel(**LIVE, sell_order_type="market")
    kernel.observe(has("0"))
    kernel.price(50_000)
    kernel.votes(yes=False)
    kernel.observe(has("0"))
    assert not of(kernel.price(51_000, settled=False), OrderRequested)
    kernel.observe(has("1"))
    assert one(kernel.price(51_000, settled=False), OrderRequested).purpose == "target"


def test_market_sale_leaves_a_lot_alone_whose_trail_goes_on() -> None:
    kernel = bought(sell_order_type="trailing_market")
    (followed,) = kernel.state.lots
    config = replace(kernel.config, sell_order_type="market")
    kernel.observe(ConfigChanged(config, config_digest(config), ("sell_order_type",)))
    kernel.votes(yes=True)
    kernel.price(49_000)
    kernel.votes(yes=False)
    assert len(kernel.state.lots) == 2
    assert one(kernel.price(49_700), SaleRecorded).lot != followed
    assert kernel.trail.lot == kernel.lot.number == followed


def test_price_between_two_targets_activates_the_lower_trail_alone() -> None:
    kernel = Kernel(sell_order_type="trailing_market", smart_indicator_checks=False)
    kernel.prices(50_000, 49_000)
    kernel.votes(yes=False)
    upper, lower = kernel.state.lots
    assert one(kernel.price(50_000), TrailingActivated).lot == lower
    assert kernel.state.trails[upper].status == "waiting"
    assert one(kernel.price(50_700), TrailingActivated).lot == upper, "the lower one is active already"


def test_trail_left_triggered_goes_on_and_leaves_the_others_as_they_are() -> None:
    kernel = Kernel(sell_order_type="trailing_market", smart_indicator_checks=False)
    kernel.prices(50_000, 49_000)
    kernel.votes(yes=False)
    upper, lower = kernel.state.lots
    kernel.price(50_000)
    kernel.observe(TrailingTriggered(lower, "up", D(49_900), D(50_000), D("0.2")))
    activated = one(kernel.price(49_990, settled=False), TrailingActivated)
    assert activated == TrailingActivated(lower, "up", D(49_990), D(50_000))
    assert kernel.state.trails[upper].status == "waiting"


def test_watermark_that_takes_no_trail_further_changes_nothing() -> None:
    kernel = bought(sell_order_type="trailing_market")
    kernel.prices(50_700)
    before = kernel.state
    kernel.observe(TrailingWatermarkMoved("up", D(50_000)))
    assert kernel.state == before


def test_trail_that_fires_while_the_exchange_wants_silence_fires_afterwards() -> None:
    kernel = bought(sell_order_type="trailing_market", trailing_sell_percent="0.5", trailing_sell_floor="none")
    kernel.prices(50_700, 51_000)
    kernel.observe(RateLimited(kernel.now_ms + 90_000))
    assert kernel.price(50_700, settled=False) == []
    told = kernel.price(50_690, after_s=60, settled=False)
    assert tags(told) == ["trailing_triggered", "order_requested"]


def test_buy_trail_that_fires_while_the_exchange_wants_silence_fires_afterwards() -> None:
    kernel = Kernel(buy_order_type="trailing_market", trailing_buy_percent="0.5")
    kernel.prices(50_000, 49_000)
    reason = kernel.trail.reason
    kernel.observe(RateLimited(kernel.now_ms + 120_000))
    assert kernel.price(49_300, settled=False) == []
    told = kernel.price(49_300, after_s=60, settled=False)  # in the very moment in which the silence ends
    assert tags(told) == ["trailing_triggered", "order_requested"]
    requested = one(told, OrderRequested)
    assert (requested.purpose, requested.reason) == ("trailing", reason)
    assert reason


# --- orders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", ["pause", "halt"])
def test_intended_order_of_a_bot_that_must_send_nothing_is_not_owed(stop: str) -> None:
    kernel = Kernel(**LIVE)
    kernel.observe(has("0"))
    kernel.price(50_000, settled=False)
    assert [effect.action for effect in outstanding(kernel.state)] == ["send"]
    if stop == "halt":
        kernel.observe(OrdersSurveyed((client_order_id(LOG_ID, 99),), ()))
        assert kernel.state.halted
    else:
        kernel.state = replace(kernel.state, paused=True)
    assert outstanding(kernel.state) == ()


def test_order_that_is_gone_from_the_exchange_ends_with_what_it_traded_and_is_told() -> None:
    kernel = bought(sell_order_type="limit")
    name = kernel.lot.sell_order
    assert name is not None
    told = kernel.observe(OrderReconciled(name, "open", "gone"))
    found = one(told, DiscrepancyFound)
    assert (found.subject, found.action) == (f"order {name}", "it counts as cancelled with what it had traded")
    assert kernel.order(name).status == "canceled"
    assert kernel.lot.sell_order != name


def test_reports_about_an_order_that_no_log_knows_change_nothing() -> None:
    kernel = bought(sell_order_type="limit")
    before, stranger = kernel.state, client_order_id(LOG_ID, 77)
    kernel.observe(OrderReconciled(stranger, "rejected", "open"), OrderRejected(stranger, "code", "no"))
    assert kernel.state.orders == before.orders
    assert kernel.state.done_orders == before.done_orders


def test_refused_sell_whose_lot_is_gone_holds_nothing_back() -> None:
    kernel = bought(sell_order_type="limit")
    name = kernel.lot.sell_order
    assert name is not None
    kernel.state = replace(kernel.state, lots={})
    kernel.observe(OrderRejected(name, "code", "no"))
    assert kernel.order(name).status == "rejected"
    assert kernel.state.entry_hold_ms == 0


def test_account_that_was_observed_is_the_one_of_the_log() -> None:
    kernel = Kernel(**LIVE)
    kernel.observe(AccountObserved("fingerprint", "account id"))
    assert kernel.state.account == "fingerprint"


def test_sale_whose_order_an_older_log_does_not_name_is_folded() -> None:
    kernel = bought(sell_order_type="market")
    profit = D("1.5")
    kernel.observe(
        SaleRecorded(kernel.lot.number, D(50_900), D("0.001"), D("50.9"), D("49.4"), profit, D(3), closed=False)
    )
    assert kernel.state.stats.total_profit == profit
    assert kernel.lot.realised == profit


def test_late_trade_of_a_trail_that_goes_on_leaves_the_trail_alone() -> None:
    kernel = bought(sell_order_type="trailing_limit", trailing_sell_percent="0.5", trailing_sell_floor="none")
    kernel.prices(50_700, 51_000)
    name = one(kernel.price(50_700, bid=50_000, settled=False), OrderRequested).client_order_id
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderAccepted(name, "7"))
    kernel.observe(OrderCanceled(name, D(0)))
    assert kernel.trail.status == "active"
    told = kernel.observe(trade(name, "late", 50_700, "0.0005"))
    assert one(told, SaleRecorded).quantity == D("0.0005")
    assert kernel.trail.status == "active"


def test_lot_that_only_dust_made_sellable_becomes_dust_when_another_sale_takes_it() -> None:
    rules = replace(RULES, quantity_step=D("0.001"), min_quantity=D("0.001"), min_notional=D(1))
    kernel = bought(sell_order_type="market", rules=rules)
    lot, half = kernel.lot, D("0.0005")
    first = replace(lot, quantity=lot.quantity - half, cost=lot.cost * 3 / 4)
    small = replace(lot, number=lot.number + 1, quantity=half, cost=lot.cost / 4, target=D(60_000))
    dust = replace(kernel.state.dust, quantity=half, cost=lot.cost / 4)
    kernel.state = replace(kernel.state, lots={first.number: first, small.number: small}, dust=dust)
    told = kernel.price(51_000)
    assert of(told, SaleRecorded)
    assert one(told, DustRecorded).lot == small.number
    assert not of(told, TrailingReset)


def test_price_before_the_rules_is_let_pass() -> None:
    kernel = bought(sell_order_type="market")
    kernel.view = FeedView(NEW_FEED)
    assert kernel.price(60_000) == []
    assert isinstance(kernel.view.price, PriceObserved)
